// Matrices in shared memory, and rows of tensors into them. Blocks have 128 threads, 2 x 2 warps, unless they say otherwise.
#pragma once
#include "ptx.h"

#ifdef __CUDACC__
#define MEMGEN_UNROLL _Pragma("unroll")
#define MEMGEN_OUT_OF_LINE __noinline__
#else
#define MEMGEN_UNROLL
#define MEMGEN_OUT_OF_LINE
#endif

namespace memgen {

constexpr int Threads = 128;

// Rows are eight numbers longer than their columns. Eight rows of bfloat16, at 16 bytes each, then lie in different banks, and so
// do the pairs of floats that half of a warp has of an accumulator.
template <class T, int R, int C>
struct alignas(16) Tile {
    typedef T Number;
    static constexpr int Rows = R, Columns = C, Stride = C + 8;
    T elements[R * Stride];

    __device__ __forceinline__ T* at(int row, int column) { return elements + row * Stride + column; }
    __device__ __forceinline__ const T* at(int row, int column) const { return elements + row * Stride + column; }
    __device__ __forceinline__ float value(int row, int column) const { return to_float(*at(row, column)); }
};

// [rows, columns] of a tensor into the upper left of a tile, zero elsewhere. Complete after close_copies,
// wait_copies and a barrier. Rows that begin at 16 bytes are copied without passing through registers.
template <int BlockThreads = Threads, class T, int R, int C>
__device__ __forceinline__ void load_rows(Tile<T, R, C>& to, const T* from, int64_t stride, int rows, int columns) {
    constexpr int Vector = 16 / static_cast<int>(sizeof(T)), PerRow = C / Vector, AtOnce = BlockThreads / PerRow;
    static_assert(AtOnce > 0, "a round takes whole rows");
    const int first = static_cast<int>(threadIdx.x) / PerRow, column = static_cast<int>(threadIdx.x) % PerRow * Vector;
    const T* source = from + first * stride + column;
    if (BlockThreads % PerRow && first >= AtOnce) return;
    if ((reinterpret_cast<uintptr_t>(from) | static_cast<uintptr_t>(stride * static_cast<int64_t>(sizeof(T))) | static_cast<uintptr_t>(columns * sizeof(T))) % 16 == 0) {
        MEMGEN_UNROLL
        for (int i = 0; i < R; i += AtOnce) {
            if (R % AtOnce == 0 || first + i < R) copy_async(to.at(first + i, column), source, first + i < rows && column < columns ? 16 : 0);
            source += AtOnce * stride;
        }
        return;
    }
    for (int i = first; i < R; i += AtOnce) {
        MEMGEN_UNROLL
        for (int e = 0; e < Vector; e++) *to.at(i, column + e) = i < rows && column + e < columns ? source[e] : rounded<T>(0.0f);
        source += AtOnce * stride;
    }
}

} // namespace memgen
