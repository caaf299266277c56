// Products of matrices of floats of any size by one block, tile after tile of the result, each summed from strips of both operands
// that come into shared memory. In bfloat16 a strip is two: what rounding keeps and, rounded too, what it leaves; of their four
// products the one of what both leave is left out, which keeps some sixteen bits. The order of every sum depends on the sizes alone.
#pragma once
#include "lanes.h"
#include "product.h"

namespace memgen {

constexpr int Side = 64, Depth = 32; // of a tile of the result, and of the strips

// Rows of floats in shared or global memory, each of them at 16 bytes.
struct Matrix {
    float* data;               // null: absent
    int stride, rows, columns; // stride: a multiple of 4
    const float* factors;      // of the rows, as the matrix enters a product; null: none

    __device__ __forceinline__ float& at(int row, int column) const { return data[static_cast<int64_t>(row) * stride + column]; }
    __device__ __forceinline__ Matrix scaled(const float* by) const { return {data, stride, rows, columns, by}; }
};

// left right, left right^T or left^T right; nothing where a matrix is absent.
struct Term {
    Matrix left, right;
    bool left_turned, right_turned; // not both
};
__device__ __forceinline__ Term times(const Matrix& left, const Matrix& right) { return {left, right, false, false}; }
__device__ __forceinline__ Term times_turned(const Matrix& left, const Matrix& right) { return {left, right, false, true}; }
__device__ __forceinline__ Term turned_times(const Matrix& left, const Matrix& right) { return {left, right, true, false}; }

constexpr int MostTerms = 4;

// A sum of products.
struct Terms {
    Term of[MostTerms];
    int count;
};

template <class T>
constexpr int StripParts = sizeof(T) == 2 ? 2 : 1;

template <class T>
union StripTile {
    Tile<T, Side, Depth> tall;
    Tile<T, Depth, Side> wide;
};

// What a kernel's shared memory begins with: the strips of a term, then a tile of the result.
template <class T>
union ProductTiles {
    struct {
        StripTile<T> left[StripParts<T>], right[StripParts<T>];
    } strips;
    Tile<float, Side, Side> result;
};

namespace {

// What rounding leaves of a number.
template <class T>
__device__ __forceinline__ float kept(float x) { return to_float(rounded<T>(x)); }

// [R, C] of a matrix, zero outside, on its way into a tile: in registers from when it is read until the tile is free.
template <class T, int R, int C>
struct Strip {
    static constexpr int PerRow = C / 4, Count = R * PerRow / Threads;
    float4 x[Count];

    __device__ __forceinline__ void read(const Matrix& from, int first_row, int first_column) {
        MEMGEN_UNROLL
        for (int i = 0; i < Count; i++) {
            const int index = static_cast<int>(threadIdx.x) + i * Threads, row = first_row + index / PerRow, column = first_column + index % PerRow * 4;
            float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (row < from.rows && column < from.columns) {
                const float* p = &from.at(row, column);
                if (column + 4 <= from.columns) {
                    v = *reinterpret_cast<const float4*>(p);
                } else {
                    v.x = p[0];
                    if (column + 1 < from.columns) v.y = p[1];
                    if (column + 2 < from.columns) v.z = p[2];
                }
                if (from.factors) {
                    const float by = from.factors[row];
                    v.x *= by, v.y *= by, v.z *= by, v.w *= by;
                }
            }
            x[i] = v;
        }
    }

    // Leaves behind what rounding leaves.
    __device__ __forceinline__ void store(Tile<T, R, C>& to) {
        MEMGEN_UNROLL
        for (int i = 0; i < Count; i++) {
            const int index = static_cast<int>(threadIdx.x) + i * Threads;
            T* p = to.at(index / PerRow, index % PerRow * 4);
            store_pair(p, x[i].x, x[i].y);
            store_pair(p + 2, x[i].z, x[i].w);
            if constexpr (StripParts<T> > 1) x[i].x -= kept<T>(x[i].x), x[i].y -= kept<T>(x[i].y), x[i].z -= kept<T>(x[i].z), x[i].w -= kept<T>(x[i].w);
        }
    }
};

typedef Accumulator<Side, Side> ResultTile;

// Adds the part of a term that lies in the tile of the result from (row, column) on; barriers inside.
template <bool LeftTurned, bool RightTurned, class T>
__device__ __forceinline__ void add_term(ResultTile& c, ProductTiles<T>& s, const Matrix& a, const Matrix& b, int row, int column) {
    const int depth = LeftTurned ? a.rows : a.columns;
    const int rows = LeftTurned ? a.columns : a.rows, columns = RightTurned ? b.rows : b.columns;
    const bool inside = row + ResultTile::first_row() < rows && column + ResultTile::first_column() < columns; // whether this warp has any of it
    Strip<T, LeftTurned ? Depth : Side, LeftTurned ? Side : Depth> left;
    Strip<T, RightTurned ? Side : Depth, RightTurned ? Depth : Side> right;
    auto read = [&](int k) {
        left.read(a, LeftTurned ? k : row, LeftTurned ? row : k);
        right.read(b, RightTurned ? column : k, RightTurned ? k : column);
    };
    auto& strips = s.strips;
    read(0);
    for (int k = 0; k < depth; k += Depth) {
        __syncthreads();
        MEMGEN_UNROLL
        for (int i = 0; i < StripParts<T>; i++) {
            if constexpr (LeftTurned) left.store(strips.left[i].wide);
            else left.store(strips.left[i].tall);
            if constexpr (RightTurned) right.store(strips.right[i].tall);
            else right.store(strips.right[i].wide);
        }
        __syncthreads();
        if (k + Depth < depth) read(k + Depth);
        if (!inside) continue;
        MEMGEN_UNROLL
        for (int i = 0; i < StripParts<T>; i++)
            MEMGEN_UNROLL
            for (int j = 0; i + j < StripParts<T>; j++) {
                if constexpr (LeftTurned) multiply(c, turned(strips.left[i].wide), strips.right[j].wide);
                else if constexpr (RightTurned) multiply(c, strips.left[i].tall, turned(strips.right[j].tall));
                else multiply(c, strips.left[i].tall, strips.right[j].wide);
            }
    }
}

template <class T>
__device__ __forceinline__ ProductTiles<T>& product_tiles() { return *reinterpret_cast<ProductTiles<T>*>(shared_memory()); }

// The tile from (row, column) on into the result. A function of its own: kernels have some thirty products.
template <class T>
__device__ MEMGEN_OUT_OF_LINE void sum_terms(const Terms& terms, int row, int column) {
    ProductTiles<T>& s = product_tiles<T>();
    ResultTile c;
    c.zero();
    for (int i = 0; i < terms.count; i++) {
        const Term& term = terms.of[i];
        if (!term.left.data || !term.right.data) continue;
        if (term.left_turned) add_term<true, false>(c, s, term.left, term.right, row, column);
        else if (term.right_turned) add_term<false, true>(c, s, term.left, term.right, row, column);
        else add_term<false, false>(c, s, term.left, term.right, row, column);
    }
    __syncthreads();
    c.store(s.result);
    __syncthreads();
}

// f(row, column, x) for every element x of a sum of terms [rows, columns]; a barrier at the end. What f writes must not be read by
// the terms.
template <class T, class F>
__device__ __forceinline__ void product(int rows, int columns, const Terms& terms, F f) {
    const Tile<float, Side, Side>& result = product_tiles<T>().result;
    for (int row = 0; row < rows; row += Side)
        for (int column = 0; column < columns; column += Side) {
            sum_terms<T>(terms, row, column);
            for (int e = static_cast<int>(threadIdx.x); e < Side * Side; e += Threads) {
                const int i = row + e / Side, j = column + e % Side;
                if (i < rows && j < columns) f(i, j, *result.at(e / Side, e % Side));
            }
        }
    __syncthreads();
}

// f(row) for every row, by a warp each; a barrier at the end.
template <class F>
__device__ __forceinline__ void for_rows(int rows, F f) {
    for (int i = static_cast<int>(threadIdx.x) / 32; i < rows; i += Threads / 32) f(i);
    __syncthreads();
}

// f(column) for every column of this lane.
template <class F>
__device__ __forceinline__ void for_columns(int columns, F f) {
    for (int j = static_cast<int>(threadIdx.x) % 32; j < columns; j += 32) f(j);
}

// f(row, column) for every element of [rows, columns], a warp a row; a barrier at the end.
template <class F>
__device__ __forceinline__ void for_elements(int rows, int columns, F f) {
    for_rows(rows, [&](int i) { for_columns(columns, [&](int j) { f(i, j); }); });
}

// The same with sums over a row, to which f(row, column, sums) adds; then write(row, sums) once a row.
template <int Count, class F, class Write>
__device__ __forceinline__ void sum_rows(int rows, int columns, F f, Write write) {
    for_rows(rows, [&](int i) {
        float sums[Count] = {};
        for_columns(columns, [&](int j) { f(i, j, sums); });
        MEMGEN_UNROLL
        for (int e = 0; e < Count; e++) sums[e] = sum_of_lanes(sums[e]);
        if (threadIdx.x % 32 == 0) write(i, sums);
    });
}

} // namespace
} // namespace memgen
