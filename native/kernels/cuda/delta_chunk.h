// What a chunk writes into the state: V' = (I + A)^{-1} diag(beta) (V - diag(g) K S) under the delta rule,
// V without it.
#pragma once
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

// y = (I + M diag(beta))^{-1} r column by column; V'_i = beta_i y_i. A thread has a column. Of a row's terms the youngest comes
// last: on the chain from row to row stand one multiply-add and one product.
template <int W = 2, class T, int V>
__device__ __forceinline__ void solve_written(const DeltaChunk<V, true>& d, const float* until, Tile<T, Chunk, V>& written, Tile<T, Chunk, V>& faded, Tile<T, Chunk, V>* y) {
    for (int v = static_cast<int>(threadIdx.x); v < V; v += 64 * W) {
        float w[Chunk];
        float4 beta, fade, m;
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i++) {
            float x = *d.columns.at(i, v);
            MEMGEN_UNROLL
            for (int j = 0; j < i; j++) {
                if (j % 4 == 0) m = load_four(d.keys.at(i, j));
                x = fmaf(-number_of(m, j), w[j], x);
            }
            if (y) *y->at(i, v) = rounded<T>(x);
            if (i % 4 == 0) beta = load_four(d.beta + i), fade = load_four(until + i);
            w[i] = number_of(beta, i) * x;
            *written.at(i, v) = rounded<T>(w[i]);
            *faded.at(i, v) = rounded<T>(number_of(fade, i) * w[i]);
        }
    }
}

// x = (I + A)^{-T} d in place, column by column.
template <int W = 2, int V>
__device__ __forceinline__ void solve_turned(DeltaChunk<V, true>& d) {
    for (int v = static_cast<int>(threadIdx.x); v < V; v += 64 * W) {
        float x[Chunk];
        float4 beta, m;
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i++) x[i] = *d.columns.at(i, v);
        MEMGEN_UNROLL
        for (int j = Chunk - 1; j >= 0; j--) {
            if (j % 4 == 3) beta = load_four(d.beta + j - 3);
            const float w = -number_of(beta, j) * x[j];
            *d.columns.at(j, v) = x[j];
            MEMGEN_UNROLL
            for (int i = j - 1; i >= 0; i--) {
                if (i == j - 1 || i % 4 == 3) m = load_four(d.keys.at(j, i / 4 * 4));
                x[i] = fmaf(number_of(m, i), w, x[i]);
            }
        }
    }
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
