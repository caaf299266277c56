// What a chunk writes into the state under the delta rule with decays by channel:
//   V' = (I + A)^{-1} diag(beta) (V - (K e^b) S)      A = diag(beta) M      M_ij = sum_d k_id k_jd e^{b_id - b_jd} for j < i
//   S' = diag(e^{b_C}) S + (K e^(b_C - b))^T V'
// Here a key also reads, as a query does: M is made of the scores of keys that read, and K e^b of Q e^b.
#pragma once
#include "channel_chunk.h"
#include "delta_chunk.h"

namespace memgen {

// M, from X of the keys' levels and their own scores, all of them before a barrier. Its rows and columns are not interleaved: whoever
// solves reads it by fours.
template <int V, class T, int K, int Bands>
__device__ __forceinline__ void enter_keys(DeltaChunk<V, true>& d, const Tile<T, Chunk, K>& near, const Tile<T, Chunk, K>& far, const BandScores (&own)[Bands]) {
    const Levels<T, K> x{near, far};
    enter_scores_at([&](int i, int j) { return d.keys.at(interleaved(i), interleaved(j)); }, x, x, own, 1.0f);
}

// The strengths of the chunk to come, by lanes of the first warp.
struct NextStrengths {
    const float* beta; // of the chain's first token
    int64_t stride;
    float next = 0.0f; // of this lane's token

    __device__ __forceinline__ void load(int64_t t, int64_t tokens) {
        if (threadIdx.x >= Chunk) return;
        const int64_t i = t + static_cast<int64_t>(threadIdx.x);
        next = i < tokens ? beta[i * stride] : 0.0f;
    }
    template <int V>
    __device__ __forceinline__ void store(DeltaChunk<V, true>& d) const {
        if (threadIdx.x < Chunk) d.beta[threadIdx.x] = next;
    }
};

// What a warp has of its bands' keys from when they read until the state takes what they write.
template <class T, int K, int V>
struct ChannelKeys {
    PieceOperand<T> written[ChannelBands<K>]; // K e^(b_C - b)
    float2 whole[ChannelBands<K>];            // e^{b_C}

    // X of the keys' levels, their own scores and K e^b, for a barrier; decays are left in the place of their logs. `near` or `reads` may be
    // the keys' own tile.
    __device__ __forceinline__ void read(Tile<float, Chunk, K>& logs, const Tile<T, Chunk, K>& keys, Tile<T, Chunk, K>& near, Tile<T, Chunk, K>& far, Tile<T, Chunk, K>& reads, BandScores (&own)[K / Band]) {
        MEMGEN_UNROLL
        for (int b = 0; b < ChannelBands<K>; b++) {
            const int d = channel_of_thread<K>(b);
            const Piece single = decays_of(logs, d);
            keep_decays(single, logs, d);
            PieceDecays a;
            a.enter(single);
            Piece k;
            k.load(keys, d);
            enter_pairs(near, far, own[band_of_warp<K>(b)], single, a, k, k, d);
            Piece x = k;
            enter_queries(x, a, 1.0f);
            x.store(reads, d);
            leave_keys(k, a);
            written[b].enter(k);
            whole[b] = a.whole;
        }
    }

    // The state behind the chunk.
    __device__ __forceinline__ void write(ChannelState<K, V>& state, const Tile<T, Chunk, V>& values) {
        MEMGEN_UNROLL
        for (int b = 0; b < ChannelBands<K>; b++) {
            state.scale(b, whole[b]);
            multiply_tokens<T, V>(state.x[b], written[b], values);
        }
    }
};

// V' in the place of V, for the next barrier, from what the keys read of the state before the last one; keep(row, column, y) takes V'
// before beta. One barrier inside.
template <class T, int K, int V, class Keep>
__device__ __forceinline__ void write_values(DeltaChunk<V, true>& d, const Tile<T, Chunk, K>& near, const Tile<T, Chunk, K>& far, const Tile<T, Chunk, K>& reads, const BandScores (&own)[K / Band], const StateTile<T, K, V>& state, Tile<T, Chunk, V>& values, Keep keep) {
    ChannelProduct<Chunk, V, K> read;
    read.zero();
    enter_keys(d, near, far, own);
    multiply(read, reads, state);
    read.each_pair([&](int i, int j, float& first, float& second) {
        const float2 x = load_pair(values.at(i, j));
        store_pair(d.columns.at(i, j), x.x - first, x.y - second);
    });
    __syncthreads();
    solve_columns<ChannelWarps<K> / 2, Interleaved>(d, [&](int, int row, int column, float y, float written) {
        keep(row, column, y);
        *values.at(row, column) = rounded<T>(written);
    });
}

} // namespace memgen
