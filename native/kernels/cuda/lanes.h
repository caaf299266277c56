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

// Sums of Count values over a warp, each value in as few lanes as there are enough for: afterwards lane l has in
// v[0 .. most(1, Count / 32)) the sums of the values from first_of_lane on.
template <int Count>
__device__ __forceinline__ void sums_of_lanes(float (&v)[Count], int lane) {
    static_assert(Count >= 1 && (Count & (Count - 1)) == 0, "a power of two");
#pragma unroll
    for (int step = 0; step < 5; step++) {
        const int mask = 16 >> step, half = Count >> (step + 1);
        if (half > 0) {
            const bool upper = lane & mask;
#pragma unroll
            for (int i = 0; i < half; i++) {
                const float kept = upper ? v[i + half] : v[i], sent = upper ? v[i] : v[i + half];
                v[i] = kept + shuffle_xor(sent, mask);
            }
        } else {
            v[0] += shuffle_xor(v[0], mask);
        }
    }
}

template <int Count>
__device__ __forceinline__ int first_of_lane(int lane) { return Count >= 32 ? lane * (Count / 32) : lane / (32 / Count); }

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
