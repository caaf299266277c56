// Products of tiles by a block of 2 x W warps, each holding its part of the result in its registers. W is 2, or 4 where the
// quarter of a state would leave a multiprocessor with one warp for each of its schedulers.
//
// bfloat16 tiles are multiplied by the tensor cores, float tiles by plain multiply-adds in the same
// layout, so that float results keep float's accuracy.
#pragma once
#include "tile.h"

namespace memgen {

// A tile read as its transpose.
template <class TileType>
struct Turned {
    const TileType& tile;
};

template <class T, int R, int C>
__device__ __forceinline__ Turned<Tile<T, R, C>> turned(const Tile<T, R, C>& tile) { return {tile}; }

// [M, N] over the block: warp (m, n) has rows m M/2 .. and columns n N/W .., in fragments C of ptx.h.
template <int M, int N, int W = 2>
struct Accumulator {
    static_assert(M % 32 == 0 && N % (8 * W) == 0, "a warp's part is a multiple of 16 x 8");
    static constexpr int RowTiles = M / 32, ColumnTiles = N / (8 * W), BlockThreads = 64 * W;
    float x[RowTiles][ColumnTiles][4];

    static __device__ __forceinline__ int first_row() { return static_cast<int>(threadIdx.x) / (32 * W) * (M / 2); }
    static __device__ __forceinline__ int first_column() { return static_cast<int>(threadIdx.x) / 32 % W * (N / W); }

    __device__ __forceinline__ void zero() {
        each_pair([](int, int, float& first, float& second) { first = second = 0.0f; });
    }

    // f(row, column, x[row, column], x[row, column + 1]) for every pair that this thread holds.
    template <class F>
    __device__ __forceinline__ void each_pair(F f) {
        const int lane = static_cast<int>(threadIdx.x) % 32, row = first_row() + lane / 4, column = first_column() + lane % 4 * 2;
        MEMGEN_UNROLL
        for (int i = 0; i < RowTiles; i++)
            MEMGEN_UNROLL
            for (int j = 0; j < ColumnTiles; j++)
                MEMGEN_UNROLL
                for (int half = 0; half < 2; half++) f(row + 16 * i + 8 * half, column + 8 * j, x[i][j][2 * half], x[i][j][2 * half + 1]);
    }

    // The same with the pair that `other` has there: f(row, column, x .., x .., other .., other ..).
    template <class F>
    __device__ __forceinline__ void each_pair_with(const Accumulator& other, F f) {
        const int lane = static_cast<int>(threadIdx.x) % 32, row = first_row() + lane / 4, column = first_column() + lane % 4 * 2;
        MEMGEN_UNROLL
        for (int i = 0; i < RowTiles; i++)
            MEMGEN_UNROLL
            for (int j = 0; j < ColumnTiles; j++)
                MEMGEN_UNROLL
                for (int half = 0; half < 2; half++) f(row + 16 * i + 8 * half, column + 8 * j, x[i][j][2 * half], x[i][j][2 * half + 1], other.x[i][j][2 * half], other.x[i][j][2 * half + 1]);
    }

    // f(index, x) for every fragment of this thread.
    template <class F>
    __device__ __forceinline__ void each_fragment(F f) {
        MEMGEN_UNROLL
        for (int i = 0; i < RowTiles * ColumnTiles; i++) f(i, x[i / ColumnTiles][i % ColumnTiles]);
    }

    __device__ __forceinline__ void scale(float factor) {
        each_pair([=](int, int, float& first, float& second) { first *= factor, second *= factor; });
    }

    // Every row by its factor.
    __device__ __forceinline__ void scale_rows(const float* factors) {
        each_pair([=](int row, int, float& first, float& second) { first *= factors[row], second *= factors[row]; });
    }

    template <class T>
    __device__ __forceinline__ void store(Tile<T, M, N>& to) {
        each_pair([&](int row, int column, float& first, float& second) { store_pair(to.at(row, column), first, second); });
    }

    // Where this thread's first pair lies in a tensor.
    template <class T>
    static __device__ __forceinline__ T* first_pair(T* tensor, int64_t stride) {
        const int lane = static_cast<int>(threadIdx.x) % 32;
        return tensor + (first_row() + lane / 4) * stride + first_column() + lane % 4 * 2;
    }
    // f(p, first, second) for every pair, p where it lies.
    template <class T, class F>
    __device__ __forceinline__ void each_pair_of(T* tensor, int64_t stride, F f) {
        T* p = first_pair(tensor, stride);
        MEMGEN_UNROLL
        for (int i = 0; i < RowTiles; i++) {
            MEMGEN_UNROLL
            for (int half = 0; half < 2; half++) {
                MEMGEN_UNROLL
                for (int j = 0; j < ColumnTiles; j++) f(p + 8 * j, x[i][j][2 * half], x[i][j][2 * half + 1]);
                p += 8 * stride;
            }
        }
    }
    template <class T>
    static __device__ __forceinline__ bool by_pairs(const T* tensor, int64_t stride) { return is_aligned(tensor, stride, 2 * sizeof(T)); }
    template <class T>
    static __device__ __forceinline__ bool is_aligned(const T* tensor, int64_t stride, size_t bytes) {
        return (reinterpret_cast<uintptr_t>(tensor) | static_cast<uintptr_t>(stride * static_cast<int64_t>(sizeof(T)))) % bytes == 0;
    }

    // f(row, column, x), rounded, for every two pairs of bfloat16 that follow each other in a row. Neighbouring lanes exchange a pair of every
    // two fragments: by pairs alone, a warp's store to a tensor would fill half of each of its sectors.
    template <class F>
    __device__ __forceinline__ void each_four(float factor, F f) {
        static_assert(ColumnTiles % 2 == 0, "fragments go by two");
        const int lane = static_cast<int>(threadIdx.x) % 32, odd = lane % 2, row = first_row() + lane / 4, column = first_column() + odd * 8 + lane % 4 / 2 * 4;
        MEMGEN_UNROLL
        for (int i = 0; i < RowTiles; i++)
            MEMGEN_UNROLL
            for (int half = 0; half < 2; half++)
                MEMGEN_UNROLL
                for (int j = 0; j < ColumnTiles; j += 2) {
                    const float *left = x[i][j] + 2 * half, *right = x[i][j + 1] + 2 * half;
                    const uint32_t first = pack_bfloat16(left[0] * factor, left[1] * factor), second = pack_bfloat16(right[0] * factor, right[1] * factor);
                    const uint32_t other = shuffle_xor(odd ? first : second, 1);
                    f(row + 16 * i + 8 * half, column + 8 * j, static_cast<uint64_t>(odd ? second : other) << 32 | (odd ? other : first));
                }
    }
    // What a lane stores of a row at once where rows are whole: two floats, and where fragments come by two four of bfloat16.
    template <class T>
    static constexpr size_t StoreBytes = sizeof(T) == 4 || ColumnTiles % 2 == 0 ? 8 : 4;

    // Into [rows, columns] of a tensor whose elements of a row follow each other.
    template <class T>
    __device__ __forceinline__ void store_rows(T* to, int64_t stride, int rows, int columns, float factor) {
        if (rows >= M && columns >= N && is_aligned(to, stride, StoreBytes<T>)) {
            if constexpr (StoreBytes<T> == 8 && sizeof(T) == 2) each_four(factor, [=](int row, int column, uint64_t x) { *reinterpret_cast<uint64_t*>(to + row * stride + column) = x; });
            else each_pair_of(to, stride, [=](T* p, float& first, float& second) { store_pair(p, first * factor, second * factor); });
            return;
        }
        each_pair([&](int row, int column, float& first, float& second) {
            if (row >= rows) return;
            T* p = to + row * stride + column;
            if (column < columns) p[0] = rounded<T>(first * factor);
            if (column + 1 < columns) p[1] = rounded<T>(second * factor);
        });
    }

    // From [rows, columns] of a tensor; zero outside.
    template <class T>
    __device__ __forceinline__ void load_rows(const T* from, int64_t stride, int rows, int columns) {
        if (rows >= M && columns >= N && by_pairs(from, stride)) {
            each_pair_of(from, stride, [](const T* p, float& first, float& second) {
                const float2 pair = load_pair(p);
                first = pair.x, second = pair.y;
            });
            return;
        }
        each_pair([&](int row, int column, float& first, float& second) {
            const T* p = from + row * stride + column;
            first = row < rows && column < columns ? to_float(p[0]) : 0.0f;
            second = row < rows && column + 1 < columns ? to_float(p[1]) : 0.0f;
        });
    }

    // sums[n][row] = sum of f(row, column, x[row, column], x[row, column + 1]) over the columns of the warps (., n).
    template <class F>
    __device__ __forceinline__ void sum_rows(float (&sums)[W][M], F f) {
        const int lane = static_cast<int>(threadIdx.x) % 32, row = first_row() + lane / 4, column = first_column() + lane % 4 * 2;
        MEMGEN_UNROLL
        for (int i = 0; i < RowTiles; i++)
            MEMGEN_UNROLL
            for (int half = 0; half < 2; half++) {
                float sum = 0.0f;
                MEMGEN_UNROLL
                for (int j = 0; j < ColumnTiles; j++) sum += f(row + 16 * i + 8 * half, column + 8 * j, x[i][j][2 * half], x[i][j][2 * half + 1]);
                sum += shuffle_xor(sum, 1);
                sum += shuffle_xor(sum, 2);
                if (lane % 4 == 0) sums[static_cast<int>(threadIdx.x) / 32 % W][row + 16 * i + 8 * half] = sum;
            }
    }

    // most[n][row] = the largest x[row, column] in the columns of the warps (., n); NaN where one is.
    __device__ __forceinline__ void most_rows(float (&most)[W][M]) {
        const int lane = static_cast<int>(threadIdx.x) % 32, row = first_row() + lane / 4;
        MEMGEN_UNROLL
        for (int i = 0; i < RowTiles; i++)
            MEMGEN_UNROLL
            for (int half = 0; half < 2; half++) {
                float found = x[i][0][2 * half];
                MEMGEN_UNROLL
                for (int j = 0; j < ColumnTiles; j++) found = greater(found, greater(x[i][j][2 * half], x[i][j][2 * half + 1]));
                found = greater(found, shuffle_xor(found, 1));
                found = greater(found, shuffle_xor(found, 2));
                if (lane % 4 == 0) most[static_cast<int>(threadIdx.x) / 32 % W][row + 16 * i + 8 * half] = found;
            }
    }
};

// Operands as [rows, depth] and [depth, columns], whichever way they are stored.
template <class TileType>
struct Operand {
    typedef typename TileType::Number Number;
    static constexpr bool IsTurned = false;
    static constexpr int Rows = TileType::Rows, Columns = TileType::Columns;
    static __device__ __forceinline__ const TileType& tile(const TileType& t) { return t; }
};

template <class TileType>
struct Operand<Turned<TileType>> {
    typedef typename TileType::Number Number;
    static constexpr bool IsTurned = true;
    static constexpr int Rows = TileType::Columns, Columns = TileType::Rows;
    static __device__ __forceinline__ const TileType& tile(const Turned<TileType>& t) { return t.tile; }
};

// Fragments A of rows first .. + 16 and depth k .. + 16.
template <bool IsTurned, class TileType>
__device__ __forceinline__ void load_left(uint32_t (&a)[4], const TileType& t, int first, int k) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if constexpr (IsTurned) load_matrices_turned(a, t.at(k + lane % 8 + lane / 16 * 8, first + lane / 8 % 2 * 8));
    else load_matrices(a, t.at(first + lane % 16, k + lane / 16 * 8));
}

// Fragments B of columns first .. + 16, two of eight: b[0], b[1] and b[2], b[3].
template <bool IsTurned, class TileType>
__device__ __forceinline__ void load_right(uint32_t (&b)[4], const TileType& t, int first, int k) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if constexpr (IsTurned) load_matrices(b, t.at(first + lane % 8 + lane / 16 * 8, k + lane / 8 % 2 * 8));
    else load_matrices_turned(b, t.at(k + lane % 8 + lane / 8 % 2 * 8, first + lane / 16 * 8));
}

// Fragments B of columns first .. + 8 and depth k .. + 32: b[0], b[1] of the first 16 and b[2], b[3] of the others.
template <bool IsTurned, class TileType>
__device__ __forceinline__ void load_right_deep(uint32_t (&b)[4], const TileType& t, int first, int k) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if constexpr (IsTurned) load_matrices(b, t.at(first + lane % 8, k + lane / 8 * 8));
    else load_matrices_turned(b, t.at(k + lane, first));
}

// c += left right. Reads what every thread of the block has stored before the last barrier.
template <int M, int N, int W, class Left, class Right>
__device__ __forceinline__ void multiply(Accumulator<M, N, W>& c, const Left& left, const Right& right) {
    typedef Operand<Left> L;
    typedef Operand<Right> R;
    static_assert(L::Rows == M && R::Columns == N && L::Columns == R::Rows, "sizes of a product");
    typedef Accumulator<M, N, W> Result;
    const auto& a = L::tile(left);
    const auto& b = R::tile(right);
    const int row = Result::first_row(), column = Result::first_column();
    if constexpr (sizeof(typename L::Number) == 2 && Result::ColumnTiles == 1) {
        MEMGEN_UNROLL
        for (int k = 0; k < L::Columns; k += 32) {
            uint32_t columns[4];
            load_right_deep<R::IsTurned>(columns, b, column, k);
            MEMGEN_UNROLL
            for (int i = 0; i < Result::RowTiles; i++)
                MEMGEN_UNROLL
                for (int half = 0; half < 2; half++) {
                    uint32_t rows[4];
                    load_left<L::IsTurned>(rows, a, row + 16 * i, k + 16 * half);
                    multiply_accumulate(c.x[i][0], rows, columns[2 * half], columns[2 * half + 1]);
                }
        }
    } else if constexpr (sizeof(typename L::Number) == 2) {
        static_assert(Result::ColumnTiles % 2 == 0, "columns are multiplied by sixteen");
        MEMGEN_UNROLL
        for (int k = 0; k < L::Columns; k += 16) {
            uint32_t rows[Result::RowTiles][4];
            MEMGEN_UNROLL
            for (int i = 0; i < Result::RowTiles; i++) load_left<L::IsTurned>(rows[i], a, row + 16 * i, k);
            MEMGEN_UNROLL
            for (int j = 0; j < Result::ColumnTiles; j += 2) {
                uint32_t columns[4];
                load_right<R::IsTurned>(columns, b, column + 8 * j, k);
                MEMGEN_UNROLL
                for (int i = 0; i < Result::RowTiles; i++) {
                    multiply_accumulate(c.x[i][j], rows[i], columns[0], columns[1]);
                    multiply_accumulate(c.x[i][j + 1], rows[i], columns[2], columns[3]);
                }
            }
        }
    } else {
        const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
#ifdef __CUDACC__
#pragma unroll 4
#endif
        for (int k = 0; k < L::Columns; k++) {
            float rows[Result::RowTiles][2], columns[Result::ColumnTiles][2];
            MEMGEN_UNROLL
            for (int i = 0; i < Result::RowTiles; i++)
                MEMGEN_UNROLL
                for (int half = 0; half < 2; half++) {
                    const int r = row + 16 * i + 8 * half + g;
                    rows[i][half] = L::IsTurned ? *a.at(k, r) : *a.at(r, k);
                }
            MEMGEN_UNROLL
            for (int j = 0; j < Result::ColumnTiles; j++) {
                const int r = column + 8 * j + 2 * t;
                if constexpr (R::IsTurned) {
                    columns[j][0] = *b.at(r, k), columns[j][1] = *b.at(r + 1, k);
                } else {
                    const float2 pair = load_pair(b.at(k, r));
                    columns[j][0] = pair.x, columns[j][1] = pair.y;
                }
            }
            MEMGEN_UNROLL
            for (int i = 0; i < Result::RowTiles; i++)
                MEMGEN_UNROLL
                for (int j = 0; j < Result::ColumnTiles; j++)
                    MEMGEN_UNROLL
                    for (int e = 0; e < 4; e++) c.x[i][j][e] = fmaf(rows[i][e / 2], columns[j][e % 2], c.x[i][j][e]);
        }
    }
}

// Of a depth of sixteen from k on: first += left right, second += other right, what is asked for of them.
template <bool First, bool Second, int N, int W, class Right>
__device__ __forceinline__ void multiply_columns(Accumulator<32, N, W>& first, Accumulator<32, N, W>& second, uint32_t (&left)[4], uint32_t (&other)[4], const Right& right, int k) {
    typedef Accumulator<32, N, W> Result;
    typedef Operand<Right> R;
    static_assert(Result::ColumnTiles % 2 == 0, "columns are multiplied by sixteen");
    MEMGEN_UNROLL
    for (int j = 0; j < Result::ColumnTiles; j += 2) {
        uint32_t columns[4];
        load_right<R::IsTurned>(columns, R::tile(right), Result::first_column() + 8 * j, k);
        MEMGEN_UNROLL
        for (int e = 0; e < 2; e++) {
            if constexpr (First) multiply_accumulate(first.x[0][j + e], left, columns[2 * e], columns[2 * e + 1]);
            if constexpr (Second) multiply_accumulate(second.x[0][j + e], other, columns[2 * e], columns[2 * e + 1]);
        }
    }
}

// Products of chunks of 32 rows that share operands: a += left narrow, b += left wide, c += other narrow, d += other wide, what is
// asked for of them. Each operand is read once; read for every product, shared memory would be what they wait for.
template <bool A, bool B, bool C, bool D, int N, int M, int W, class Left, class Narrow, class Wide>
__device__ __forceinline__ void multiply_shared(Accumulator<32, N, W>& a, Accumulator<32, M, W>& b, Accumulator<32, N, W>& c, Accumulator<32, M, W>& d, const Left& left, const Left& other, const Narrow& narrow, const Wide& wide) {
    typedef Accumulator<32, N, W> NarrowResult;
    typedef Accumulator<32, M, W> WideResult;
    typedef Operand<Narrow> NarrowOperand;
    if constexpr (sizeof(typename Left::Number) == 4 || WideResult::ColumnTiles == 1) {
        if constexpr (A) multiply(a, left, narrow);
        if constexpr (B) multiply(b, left, wide);
        if constexpr (C) multiply(c, other, narrow);
        if constexpr (D) multiply(d, other, wide);
    } else {
        constexpr int NarrowTiles = NarrowResult::ColumnTiles;
        const int row = NarrowResult::first_row();
        MEMGEN_UNROLL
        for (int k = 0; k < Left::Columns; k += 32) {
            uint32_t deep[4];
            if constexpr (NarrowTiles == 1) load_right_deep<NarrowOperand::IsTurned>(deep, NarrowOperand::tile(narrow), NarrowResult::first_column(), k);
            MEMGEN_UNROLL
            for (int half = 0; half < 2; half++) {
                uint32_t rows[4], other_rows[4];
                if constexpr (A || B) load_left<false>(rows, left, row, k + 16 * half);
                if constexpr (C || D) load_left<false>(other_rows, other, row, k + 16 * half);
                if constexpr (NarrowTiles == 1) {
                    if constexpr (A) multiply_accumulate(a.x[0][0], rows, deep[2 * half], deep[2 * half + 1]);
                    if constexpr (C) multiply_accumulate(c.x[0][0], other_rows, deep[2 * half], deep[2 * half + 1]);
                } else {
                    multiply_columns<A, C>(a, c, rows, other_rows, narrow, k + 16 * half);
                }
                multiply_columns<B, D>(b, d, rows, other_rows, wide, k + 16 * half);
            }
        }
    }
}

} // namespace memgen
