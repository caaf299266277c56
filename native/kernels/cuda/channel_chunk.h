// Decays by key channel inside a chunk, as products and never as quotients.
//
// Two tokens j < i part at one level: the one whose blocks of 2 h tokens hold both, j in the left half and
// i in the right (h = 1, 2, 4, 8, 16). With mid the first token of the right half,
//   e^(b_i - b_j) = D_i D_j,   D_i = a_mid .. a_i on the right,   D_j = a_(j+1) .. a_(mid-1) on the left,
// both at most 1, so a level's scores are one product of X = D (q on the right, k on the left) with itself.
#pragma once
#include "matrix_memory.h"

namespace memgen {

constexpr int LastHalf = Chunk / 2;

// What a chunk is opened with, and X below.
template <class T, int K, int V>
struct ChannelTokens {
    Tile<T, Chunk, K> q, k, x;
    Tile<T, Chunk, V> v;
    Tile<float, Chunk, K> decays;
};

__device__ __forceinline__ bool on_right(int token, int half) { return (token & half) != 0; }
// Whether tokens j < i part at this level.
__device__ __forceinline__ bool part_here(int i, int j, int half) { return (i ^ j) < 2 * half && on_right(i, half) && !on_right(j, half); }

// What the threads of a channel do, a thread a channel.
template <int K, class F>
__device__ __forceinline__ void by_channel(F f) {
    for (int d = static_cast<int>(threadIdx.x); d < K; d += Threads) f(d);
}

// Log decays into decays, in place.
template <int K>
__device__ __forceinline__ void enter_decays(Tile<float, Chunk, K>& decays) {
    for (int i = static_cast<int>(threadIdx.x); i < Chunk * K; i += Threads) {
        float& a = *decays.at(i / K, i % K);
        a = expf(a);
    }
}

// Keys, values, decays and, where asked for, queries of the chunk at t, behind a barrier. `meanwhile` runs while they come,
// and may itself copy.
template <class T, int K, int V, class Meanwhile>
__device__ __forceinline__ void open_chunk(ChannelTokens<T, K, V>& s, const MatrixMemoryParameters& p, const Chain& c, int64_t t, bool queries, Meanwhile meanwhile) {
    const int n = c.count(t), keys = static_cast<int>(p.key_dim);
    if (queries) load_tokens(s.q, p, p.q, c, t, n, 0, keys);
    load_tokens(s.k, p, p.k, c, t, n, 0, keys);
    load_tokens(s.v, p, p.v, c, t, n, c.first_value, c.values);
    load_tokens(s.decays, p, p.log_decay, c, t, n, 0, keys);
    meanwhile();
    close_copies();
    wait_copies<0>();
    __syncthreads();
    enter_decays(s.decays);
    __syncthreads();
}

// X of a level, and D where it is wanted.
template <class T, int K>
__device__ __forceinline__ void enter_level(int d, int half, const Tile<float, Chunk, K>& decays, const Tile<T, Chunk, K>& q, const Tile<T, Chunk, K>& k, Tile<T, Chunk, K>& x, Tile<float, Chunk, K>* factors) {
    for (int mid = half; mid < Chunk; mid += 2 * half) {
        float product = 1.0f;
        for (int i = mid; i < mid + half; i++) {
            product *= *decays.at(i, d);
            *x.at(i, d) = rounded<T>(product * q.value(i, d));
            if (factors) *factors->at(i, d) = product;
        }
        product = 1.0f;
        for (int j = mid - 1; j >= mid - half; j--) {
            *x.at(j, d) = rounded<T>(product * k.value(j, d));
            if (factors) *factors->at(j, d) = product;
            product *= *decays.at(j, d);
        }
    }
}

// scores_ij = sum_d q_id k_jd e^(b_id - b_jd) for j <= i, in registers; zero above. Uses x; barriers inside, the
// last one before the last level's product.
template <class T, int K>
__device__ __forceinline__ void channel_scores(Accumulator<Chunk, Chunk>& scores, const Tile<float, Chunk, K>& decays, const Tile<T, Chunk, K>& q, const Tile<T, Chunk, K>& k, Tile<T, Chunk, K>& x) {
    scores.zero();
    multiply(scores, q, turned(k));
    scores.each_pair([](int i, int j, float& first, float& second) {
        if (i != j) first = 0.0f;
        if (i != j + 1) second = 0.0f;
    });
    for (int half = 1; half <= LastHalf; half *= 2) {
        by_channel<K>([&](int d) { enter_level<T, K>(d, half, decays, q, k, x, nullptr); });
        __syncthreads();
        Accumulator<Chunk, Chunk> level;
        level.zero();
        multiply(level, x, turned(x));
        scores.each_pair_with(level, [=](int i, int j, float& first, float& second, float level_first, float level_second) {
            if (part_here(i, j, half)) first = level_first;
            if (part_here(i, j + 1, half)) second = level_second;
        });
        if (half < LastHalf) __syncthreads();
    }
}

// k e^(b_C - b) in place of k and e^(b_C); q e^b in place of q, and e^(b_C) again.
template <class T, int K>
__device__ __forceinline__ void leave_keys(int d, const Tile<float, Chunk, K>& decays, Tile<T, Chunk, K>& k, float* whole) {
    float product = 1.0f;
    for (int j = Chunk - 1; j >= 0; j--) {
        *k.at(j, d) = rounded<T>(product * k.value(j, d));
        product *= *decays.at(j, d);
    }
    whole[d] = product;
}
template <class T, int K>
__device__ __forceinline__ float enter_queries(int d, const Tile<float, Chunk, K>& decays, Tile<T, Chunk, K>& q) {
    float product = 1.0f;
    for (int i = 0; i < Chunk; i++) {
        product *= *decays.at(i, d);
        *q.at(i, d) = rounded<T>(product * q.value(i, d));
    }
    return product;
}

} // namespace memgen
