// What a chunk writes into the state: V' = (I + A)^{-1} diag(beta) (V - diag(g) K S) under the delta rule,
// V without it.
#pragma once
#include "lanes.h"
#include "matrix_memory.h"

namespace memgen {

// Of the delta rule alone. M_ij = e^(b_i - b_j) k_i k_j for j < i, so that A = diag(beta) M.
template <int V, bool Delta>
struct DeltaChunk {
    Tile<float, Chunk, Chunk> keys;  // M
    Tile<float, Chunk, V> columns;   // V - diag(g) K S, and what the solves leave
    alignas(16) float beta[Chunk];
};
template <int V>
struct DeltaChunk<V, false> {};

// G_ij for j <= i, zero above.
template <int W>
__device__ __forceinline__ void enter_decays(Accumulator<Chunk, Chunk, W>& g, const Decays& decays) {
    g.each_pair([&](int i, int j, float& first, float& second) { first = j <= i ? decays.between(i, j) : 0.0f, second = j + 1 <= i ? decays.between(i, j + 1) : 0.0f; });
}

// From Q K^T: scale G Q K^T for j <= i.
template <class T, int W>
__device__ __forceinline__ void enter_scores(Tile<T, Chunk, Chunk>& scores, Accumulator<Chunk, Chunk, W>& products, const Accumulator<Chunk, Chunk, W>& g, float scale) {
    products.each_pair_with(g, [&](int i, int j, float& first, float& second, float g_first, float g_second) {
        store_pair(scores.at(i, j), j <= i ? scale * first * g_first : 0.0f, j + 1 <= i ? scale * second * g_second : 0.0f);
    });
}

// From K K^T: M.
template <int V, int W>
__device__ __forceinline__ void enter_keys(DeltaChunk<V, true>& d, Accumulator<Chunk, Chunk, W>& products, const Accumulator<Chunk, Chunk, W>& g) {
    products.each_pair_with(g, [&](int i, int j, float& first, float& second, float g_first, float g_second) {
        store_pair(d.keys.at(i, j), j < i ? first * g_first : 0.0f, j + 1 < i ? second * g_second : 0.0f);
    });
}

// Where token i of a chunk lies in its tiles, and so the token of row i: both are asked for.
struct InOrder {
    static __device__ __forceinline__ constexpr int row(int i) { return i; }
};

// y = (I + M diag(beta))^{-1} r column by column; V'_i = beta_i y_i. A thread has a column: give(i, row, column, y_i, V'_i) for its tokens.
// Of a row's terms the youngest comes last: on the chain from row to row stand one multiply-add and one product.
template <int W, class Rows, int V, class Give>
__device__ __forceinline__ void solve_columns(const DeltaChunk<V, true>& d, Give give) {
    for (int v = static_cast<int>(threadIdx.x); v < V; v += 64 * W) {
        float w[Chunk];
        float4 beta, m;
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i++) {
            float x = *d.columns.at(Rows::row(i), v);
            MEMGEN_UNROLL
            for (int j = 0; j < i; j++) {
                if (j % 4 == 0) m = load_four(d.keys.at(i, j));
                x = fmaf(-number_of(m, j), w[j], x);
            }
            if (i % 4 == 0) beta = load_four(d.beta + i);
            w[i] = number_of(beta, i) * x;
            give(i, Rows::row(i), v, x, w[i]);
        }
    }
}

// The same into tiles, and diag(until) V'.
template <int W = 2, class T, int V>
__device__ __forceinline__ void solve_written(const DeltaChunk<V, true>& d, const float* until, Tile<T, Chunk, V>& written, Tile<T, Chunk, V>& faded, Tile<T, Chunk, V>* y) {
    float4 fade;
    solve_columns<W, InOrder>(d, [&](int i, int row, int v, float x, float w) {
        if (y) *y->at(row, v) = rounded<T>(x);
        if (i % 4 == 0) fade = load_four(until + i);
        *written.at(row, v) = rounded<T>(w);
        *faded.at(row, v) = rounded<T>(number_of(fade, i) * w);
    });
}

// x = (I + A)^{-T} d in place, column by column.
template <int W = 2, class Rows = InOrder, int V>
__device__ __forceinline__ void solve_turned(DeltaChunk<V, true>& d) {
    for (int v = static_cast<int>(threadIdx.x); v < V; v += 64 * W) {
        float x[Chunk];
        float4 beta, m;
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i++) x[i] = *d.columns.at(Rows::row(i), v);
        MEMGEN_UNROLL
        for (int j = Chunk - 1; j >= 0; j--) {
            if (j % 4 == 3) beta = load_four(d.beta + j - 3);
            const float w = -number_of(beta, j) * x[j];
            *d.columns.at(Rows::row(j), v) = x[j];
            MEMGEN_UNROLL
            for (int i = j - 1; i >= 0; i--) {
                if (i == j - 1 || i % 4 == 3) m = load_four(d.keys.at(j, i / 4 * 4));
                x[i] = fmaf(number_of(m, i), w, x[i]);
            }
        }
    }
}

// From X in the chunk's columns: dV = beta X, the dot products X y for dbeta, and factor(i) X as an operand. A warp has whole rows.
// d_v: of the chunk's first token, null if nobody wants it; put(i, x) takes dbeta. Of `count` tokens and `values` columns.
template <int BlockThreads, class Rows, class T, int V, class Factor, class Put>
__device__ __forceinline__ void leave_values(const DeltaChunk<V, true>& d, const Tile<T, Chunk, V>& y, Tile<T, Chunk, V>& operand, T* d_v, int64_t stride, int count, int values, Factor factor, Put put) {
    constexpr int Count = Chunk / (BlockThreads / 32); // rows of a warp
    const int lane = static_cast<int>(threadIdx.x) % 32, first = static_cast<int>(threadIdx.x) / 32 * Count;
    float sums[Count];
    MEMGEN_UNROLL
    for (int r = 0; r < Count; r++) {
        const int row = first + r, i = Rows::row(row);
        T* to = d_v && i < count ? d_v + i * stride : nullptr;
        const bool pairs = reinterpret_cast<uintptr_t>(to) % (2 * sizeof(T)) == 0;
        const float beta = d.beta[i], by = factor(i);
        sums[r] = 0.0f;
        MEMGEN_UNROLL
        for (int e = 0; e < V; e += 64) {
            const int j = e + lane * 2;
            if (V < 64 && j >= V) continue;
            const float2 x = load_pair(d.columns.at(row, j));
            sums[r] += product_of(y.at(row, j), x.x, x.y);
            store_pair(operand.at(row, j), by * x.x, by * x.y);
            if (!to || j >= values) continue;
            if (pairs && j + 1 < values) {
                store_pair(to + j, beta * x.x, beta * x.y);
            } else {
                to[j] = rounded<T>(beta * x.x);
                if (j + 1 < values) to[j + 1] = rounded<T>(beta * x.y);
            }
        }
    }
    sums_of_lanes(sums, lane);
    const int i = Rows::row(first + first_of_lane<Count>(lane));
    if (holds_first<Count>(lane) && i < count) put(i, sums[0]);
}

// V' in v and diag(r) V' in faded, both behind a barrier. Under the delta rule from what is read, K S, and from M, which has been
// entered; with y (V' before beta) where it is asked for.
template <bool Delta, class T, int V, int W>
__device__ __forceinline__ void write_values(DeltaChunk<V, Delta>& d, const Decays& decays, Accumulator<Chunk, V, W>& read, Tile<T, Chunk, V>& v, Tile<T, Chunk, V>& faded, Tile<T, Chunk, V>* y) {
    if constexpr (Delta) {
        read.each_pair([&](int i, int j, float& first, float& second) {
            const float2 x = load_pair(v.at(i, j));
            store_pair(d.columns.at(i, j), x.x - decays.since[i] * first, x.y - decays.since[i] * second);
        });
        __syncthreads();
        solve_written<W>(d, decays.until, v, faded, y);
    } else {
        for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += 128 * W) {
            const float2 x = load_pair(v.at(i / V, i % V));
            const float r = decays.until[i / V];
            store_pair(faded.at(i / V, i % V), r * x.x, r * x.y);
        }
    }
    __syncthreads();
}

// The same for those who want V' alone, from keys, values and the entering state.
template <class T, int K, int V, int W>
__device__ __forceinline__ void write_values_alone(DeltaChunk<V, true>& d, const Decays& decays, const Tile<T, Chunk, K>& k, const Tile<T, K, V>& state, Tile<T, Chunk, V>& v, Tile<T, Chunk, V>& faded) {
    Accumulator<Chunk, Chunk, W> g, products;
    Accumulator<Chunk, V, W> read;
    products.zero(), read.zero();
    multiply_shared<true, true, false, false>(products, read, products, read, k, k, turned(k), state);
    enter_decays(g, decays);
    enter_keys(d, products, g);
    write_values<true>(d, decays, read, v, faded, static_cast<Tile<T, Chunk, V>*>(nullptr));
}

} // namespace memgen
