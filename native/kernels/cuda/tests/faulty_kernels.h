// Kernels that are right where their argument is true, and wrong otherwise: what the emulator is there to find.
#pragma once
#include "product.h"

namespace {

using namespace memgen;

template <bool Barrier>
__global__ void reversed(const float* x, float* y) {
    float* s = reinterpret_cast<float*>(shared_memory());
    s[threadIdx.x] = x[threadIdx.x];
    if (Barrier) __syncthreads();
    y[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

template <bool Wait>
__global__ void copied(const float* x, float* y) {
    float* s = reinterpret_cast<float*>(shared_memory());
    copy_async(s + 4 * threadIdx.x, x + 4 * threadIdx.x, threadIdx.x == 0 ? 0 : 16);
    close_copies();
    if (Wait) wait_copies<0>();
    __syncthreads();
    for (int i = 0; i < 4; i++) y[4 * threadIdx.x + i] = s[4 * threadIdx.x + i];
    wait_copies<0>();
}

// Copies over what neighbours read, before they have where there is no barrier.
template <bool Barrier>
__global__ void copied_again(const float* x, float* y) {
    float* s = reinterpret_cast<float*>(shared_memory());
    for (int round = 0; round < 2; round++) {
        if (round > 0 && Barrier) __syncthreads();
        copy_async(s + 4 * threadIdx.x, x + 4 * (threadIdx.x + round), 16);
        close_copies();
        if (round > 0) break;
        wait_copies<0>();
        __syncthreads();
        y[4 * threadIdx.x] = s[4 * (blockDim.x - 1 - threadIdx.x)];
    }
    wait_copies<0>();
}

// A shuffle brings a number, and is no barrier.
template <bool Barrier>
__global__ void handed_down(const float* x, float* y) {
    float* s = reinterpret_cast<float*>(shared_memory());
    s[threadIdx.x] = shuffle_xor(x[threadIdx.x], 1);
    if (Barrier) sync_warp();
    y[threadIdx.x] = shuffle_xor(s[threadIdx.x ^ 1], 2);
}

template <bool Same>
__global__ void two_barriers(const float*, float* y) {
    if (Same || threadIdx.x < 32) __syncthreads();
    else __syncthreads();
    y[threadIdx.x] = 1.0f;
}

template <bool Aligned>
__global__ void in_fours(const float* x, float* y) {
    const float4 four = *reinterpret_cast<const float4*>(x + 4 * threadIdx.x + (Aligned ? 0 : 2));
    *reinterpret_cast<float4*>(y + 4 * threadIdx.x) = four;
}

} // namespace
