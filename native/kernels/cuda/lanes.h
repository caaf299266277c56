// Sums over lanes and warps in an order that nothing but the shape decides.
#pragma once
#include "ptx.h"

namespace memgen {

// The sum over a warp, in every lane the same bits.
__device__ __forceinline__ float sum_of_lanes(float x) {
    for (int mask = 16; mask > 0; mask >>= 1) x += shuffle_xor(x, mask);
    return x;
}

__device__ __forceinline__ float most_of_lanes(float x) {
    for (int mask = 16; mask > 0; mask >>= 1) x = greater(x, shuffle_xor(x, mask));
    return x;
}

// One step of the sums below, over the lanes that differ in the bits from Mask to LastMask. A recursion, because no optimiser's choice may put v into memory.
template <int Half, int Mask, int LastMask = 1, int Count>
__device__ __forceinline__ void sum_over(float (&v)[Count], int lane) {
    if constexpr (Mask >= LastMask) {
        if constexpr (Half > 0) {
            const bool upper = lane & Mask;
#pragma unroll
            for (int i = 0; i < Half; i++) {
                const float kept = upper ? v[i + Half] : v[i], sent = upper ? v[i] : v[i + Half];
                v[i] = kept + shuffle_xor(sent, Mask);
            }
        } else {
            v[0] += shuffle_xor(v[0], Mask);
        }
        sum_over<Half / 2, Mask / 2, LastMask>(v, lane);
    }
}

// Sums of Count values over groups of Lanes neighbours, each value in as few lanes as there are enough for: afterwards lane l has
// in v[0 .. most(1, Count / Lanes)) the sums of the values from first_of_lane on.
template <int Count, int Lanes = 32>
__device__ __forceinline__ void sums_of_lanes(float (&v)[Count], int lane) {
    static_assert(Count >= 1 && (Count & (Count - 1)) == 0, "a power of two");
    sum_over<Count / 2, Lanes / 2>(v, lane);
}

template <int Count, int Lanes = 32>
__device__ __forceinline__ int first_of_lane(int lane) { return Count >= Lanes ? lane % Lanes * (Count / Lanes) : lane % Lanes / (Lanes / Count); }

// Whether this lane is the first of those that hold the same sums.
template <int Count>
__device__ __forceinline__ bool holds_first(int lane) { return Count >= 32 || lane % (32 / Count) == 0; }

// The sum over a block of at most 32 warps, in every thread the same bits. `parts`: 32 floats of shared memory,
// free again after the next barrier.
__device__ __forceinline__ float sum_of_block(float x, float* parts) {
    x = sum_of_lanes(x);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    float sum = 0.0f;
    for (unsigned w = 0; w < blockDim.x / 32; w++) sum += parts[w];
    __syncthreads();
    return sum;
}

__device__ __forceinline__ float most_of_block(float x, float* parts) {
    x = most_of_lanes(x);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    float most = parts[0];
    for (unsigned w = 1; w < blockDim.x / 32; w++) most = greater(most, parts[w]);
    __syncthreads();
    return most;
}

} // namespace memgen
