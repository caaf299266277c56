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
    float beta[Chunk];
};
template <int V>
struct DeltaChunk<V, false> {};

// M, from keys behind a barrier.
template <class T, int K, int V>
__device__ __forceinline__ void enter_keys(DeltaChunk<V, true>& d, const Decays& decays, const Tile<T, Chunk, K>& k) {
    Accumulator<Chunk, Chunk> m;
    m.zero();
    multiply(m, k, turned(k));
    m.each_pair([&](int i, int j, float& first, float& second) {
        store_pair(d.keys.at(i, j), j < i ? first * decays.between(i, j) : 0.0f, j + 1 < i ? second * decays.between(i, j + 1) : 0.0f);
    });
}

// y = (I + M diag(beta))^{-1} r column by column; V'_i = beta_i y_i. A thread has a column.
template <class T, int V>
__device__ __forceinline__ void solve_written(const DeltaChunk<V, true>& d, const float* until, Tile<T, Chunk, V>& written, Tile<T, Chunk, V>& faded, Tile<T, Chunk, V>* y) {
    for (int v = static_cast<int>(threadIdx.x); v < V; v += Threads) {
        float w[Chunk];
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i++) w[i] = 0.0f;
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i++) {
            float x = *d.columns.at(i, v);
            MEMGEN_UNROLL
            for (int j = 0; j < i; j += 4) {
                const float4 m = *reinterpret_cast<const float4*>(d.keys.at(i, j)); // zero from i on
                x -= m.x * w[j] + m.y * w[j + 1] + m.z * w[j + 2] + m.w * w[j + 3];
            }
            if (y) *y->at(i, v) = rounded<T>(x);
            w[i] = d.beta[i] * x;
            *written.at(i, v) = rounded<T>(w[i]);
            *faded.at(i, v) = rounded<T>(until[i] * w[i]);
        }
    }
}

// x = (I + A)^{-T} d in place, column by column.
template <int V>
__device__ __forceinline__ void solve_turned(DeltaChunk<V, true>& d) {
    for (int v = static_cast<int>(threadIdx.x); v < V; v += Threads) {
        float x[Chunk];
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i++) x[i] = *d.columns.at(i, v);
        MEMGEN_UNROLL
        for (int j = Chunk - 1; j >= 0; j--) {
            const float w = d.beta[j] * x[j];
            *d.columns.at(j, v) = x[j];
            MEMGEN_UNROLL
            for (int i = 0; i < j; i += 4) {
                const float4 m = *reinterpret_cast<const float4*>(d.keys.at(j, i));
                x[i] -= m.x * w, x[i + 1] -= m.y * w, x[i + 2] -= m.z * w, x[i + 3] -= m.w * w;
            }
        }
    }
}

// From keys, values and the entering state (in tiles, behind a barrier): V' in v and diag(r) V' in faded,
// both behind a barrier; under the delta rule y (V' before beta) where it is asked for.
template <bool Delta, class T, int K, int V>
__device__ __forceinline__ void write_values(DeltaChunk<V, Delta>& d, const Decays& decays, const Tile<T, Chunk, K>& k, Tile<T, Chunk, V>& v, const Tile<T, K, V>& state, Tile<T, Chunk, V>& faded, Tile<T, Chunk, V>* y) {
    if constexpr (Delta) {
        enter_keys(d, decays, k);
        Accumulator<Chunk, V> r;
        r.zero();
        multiply(r, k, state);
        r.each_pair([&](int i, int j, float& first, float& second) {
            store_pair(d.columns.at(i, j), v.value(i, j) - decays.since[i] * first, v.value(i, j + 1) - decays.since[i] * second);
        });
        __syncthreads();
        solve_written(d, decays.until, v, faded, y);
    } else {
        for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += Threads * 2) {
            const float2 x = load_pair(v.at(i / V, i % V));
            const float r = decays.until[i / V];
            store_pair(faded.at(i / V, i % V), r * x.x, r * x.y);
        }
    }
    __syncthreads();
}

} // namespace memgen
