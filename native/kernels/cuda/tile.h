// Matrices in shared memory, and rows of tensors into them. Blocks have 128 threads: 2 x 2 warps.
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

// Rows are 16 bytes longer than their columns: eight of them, at 16 bytes each, then lie in different banks.
template <class T, int R, int C>
struct alignas(16) Tile {
    typedef T Number;
    static constexpr int Rows = R, Columns = C, Stride = C + 16 / static_cast<int>(sizeof(T));
    T elements[R * Stride];

    __device__ __forceinline__ T* at(int row, int column) { return elements + row * Stride + column; }
    __device__ __forceinline__ const T* at(int row, int column) const { return elements + row * Stride + column; }
    __device__ __forceinline__ float value(int row, int column) const { return to_float(*at(row, column)); }
};

// [rows, columns] of a tensor into the upper left of a tile, zero elsewhere. Complete after close_copies,
// wait_copies and a barrier. Rows that begin at 16 bytes are copied without passing through registers.
template <class T, int R, int C>
__device__ __forceinline__ void load_rows(Tile<T, R, C>& to, const T* from, int64_t stride, int rows, int columns) {
    constexpr int Vector = 16 / static_cast<int>(sizeof(T)), PerRow = C / Vector;
    const bool aligned = (reinterpret_cast<uintptr_t>(from) | static_cast<uintptr_t>(stride * static_cast<int64_t>(sizeof(T))) | static_cast<uintptr_t>(columns * sizeof(T))) % 16 == 0;
    for (int i = static_cast<int>(threadIdx.x); i < R * PerRow; i += Threads) {
        const int row = i / PerRow, column = i % PerRow * Vector;
        const bool inside = row < rows && column < columns;
        if (aligned) {
            copy_async(to.at(row, column), inside ? from + row * stride + column : from, inside ? 16 : 0);
        } else {
            MEMGEN_UNROLL
            for (int e = 0; e < Vector; e++) *to.at(row, column + e) = inside && column + e < columns ? from[row * stride + column + e] : rounded<T>(0.0f);
        }
    }
}

} // namespace memgen
