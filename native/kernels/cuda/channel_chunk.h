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

// What the threads of the channels do: f(d, part) for the channels d and d + 1 and the tokens of half a chunk, part 0 or 1, each
// by one thread.
template <int K, class F>
__device__ __forceinline__ void by_channels(F f) {
    for (int e = static_cast<int>(threadIdx.x); e < K; e += Threads) f(e % (K / 2) * 2, e / (K / 2));
}

// Of two neighbouring channels.
__device__ __forceinline__ float2 operator*(float2 x, float2 y) { return make_float2(x.x * y.x, x.y * y.y); }
__device__ __forceinline__ float2 operator+(float2 x, float2 y) { return make_float2(x.x + y.x, x.y + y.y); }
template <class T>
__device__ __forceinline__ void store_pair(T* to, float2 x) { store_pair(to, x.x, x.y); }

// f(i, product over the decays of tokens 0 .. i) for the tokens of a part, in their order. Returns the product over all of them.
template <int K, class F>
__device__ __forceinline__ float2 decays_from_start(int d, int part, const Tile<float, Chunk, K>& decays, F f) {
    float2 product = make_float2(1.0f, 1.0f);
    MEMGEN_UNROLL
    for (int i = 0; i < Chunk / 2; i++)
        if (part) product = product * load_pair(decays.at(i, d));
    MEMGEN_UNROLL
    for (int e = 0; e < Chunk / 2; e++) {
        const int i = part * (Chunk / 2) + e;
        f(i, product = product * load_pair(decays.at(i, d)));
    }
    return product;
}

// f(j, product over those of tokens j + 1 .. 31), the last token first. Returns the product over those of the part and behind it.
template <int K, class F>
__device__ __forceinline__ float2 decays_to_end(int d, int part, const Tile<float, Chunk, K>& decays, F f) {
    float2 product = make_float2(1.0f, 1.0f);
    MEMGEN_UNROLL
    for (int j = Chunk - 1; j >= Chunk / 2; j--)
        if (!part) product = product * load_pair(decays.at(j, d));
    MEMGEN_UNROLL
    for (int e = Chunk / 2 - 1; e >= 0; e--) {
        const int j = part * (Chunk / 2) + e;
        f(j, product);
        product = product * load_pair(decays.at(j, d));
    }
    return product;
}

// f(Level<h>) for h = 1, 2, 4, 8, 16.
template <int H>
struct Level {
    static constexpr int Half = H;
};
template <class F>
__device__ __forceinline__ void each_level(F f) {
    f(Level<1>()), f(Level<2>()), f(Level<4>()), f(Level<8>()), f(Level<LastHalf>());
}

// right(i) for the tokens of right halves of a part and left(j) for those of left ones, each half begun by start(): right halves
// in the order of their tokens, left ones against it, or the other way round.
template <int Half, bool Outwards, class Start, class Right, class Left>
__device__ __forceinline__ void each_half(int part, Start start, Right right, Left left) {
    const int first = part * (Chunk / 2);
    auto half = [&](int from, bool on_right) {
        start();
        const bool ahead = on_right == Outwards;
        MEMGEN_UNROLL
        for (int i = 0; i < Half; i++) {
            const int token = from + (ahead ? i : Half - 1 - i);
            if (on_right) right(token);
            else left(token);
        }
    };
    if constexpr (Half == LastHalf) {
        half(first, part == 1);
    } else {
        MEMGEN_UNROLL
        for (int mid = Half; mid < Chunk / 2; mid += 2 * Half) half(first + mid, true), half(first + mid - Half, false);
    }
}

// Log decays into decays, in place.
template <int K>
__device__ __forceinline__ void enter_decays(Tile<float, Chunk, K>& decays) {
    for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * K; i += Threads * 2) {
        const float2 a = load_pair(decays.at(i / K, i % K));
        store_pair(decays.at(i / K, i % K), expf(a.x), expf(a.y));
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
template <int Half, class T, int K>
__device__ __forceinline__ void enter_level(int d, int part, const Tile<float, Chunk, K>& decays, const Tile<T, Chunk, K>& q, const Tile<T, Chunk, K>& k, Tile<T, Chunk, K>& x, Tile<float, Chunk, K>* factors) {
    float2 product;
    auto enter = [&](int i, const Tile<T, Chunk, K>& of) {
        store_pair(x.at(i, d), product * load_pair(of.at(i, d)));
        if (factors) store_pair(factors->at(i, d), product);
    };
    each_half<Half, true>(part, [&] { product = make_float2(1.0f, 1.0f); },
        [&](int i) { product = product * load_pair(decays.at(i, d)), enter(i, q); },
        [&](int j) { enter(j, k), product = product * load_pair(decays.at(j, d)); });
}

// Q K^T with what is not of one token and itself left out: where the scores of channel_scores begin.
template <class T, int K>
__device__ __forceinline__ void own_scores(Accumulator<Chunk, Chunk>& scores, const Tile<T, Chunk, K>& q, const Tile<T, Chunk, K>& k) {
    scores.zero();
    multiply(scores, q, turned(k));
    scores.each_pair([](int i, int j, float& first, float& second) {
        if (i != j) first = 0.0f;
        if (i != j + 1) second = 0.0f;
    });
}

// From X of a level: its part of the scores.
template <int Half, class T, int K>
__device__ __forceinline__ void level_scores(Accumulator<Chunk, Chunk>& scores, const Tile<T, Chunk, K>& x) {
    Accumulator<Chunk, Chunk> level;
    level.zero();
    multiply(level, x, turned(x));
    scores.each_pair_with(level, [=](int i, int j, float& first, float& second, float level_first, float level_second) {
        if (part_here(i, j, Half)) first = level_first;
        if (part_here(i, j + 1, Half)) second = level_second;
    });
}

// scores_ij = sum_d q_id k_jd e^(b_id - b_jd) for j <= i, in registers; zero above. Uses x; barriers inside, the
// last one before the last level's product.
template <class T, int K>
__device__ __forceinline__ void channel_scores(Accumulator<Chunk, Chunk>& scores, const Tile<float, Chunk, K>& decays, const Tile<T, Chunk, K>& q, const Tile<T, Chunk, K>& k, Tile<T, Chunk, K>& x) {
    own_scores(scores, q, k);
    each_level([&](auto level) {
        constexpr int Half = decltype(level)::Half;
        by_channels<K>([&](int d, int part) { enter_level<Half, T, K>(d, part, decays, q, k, x, nullptr); });
        __syncthreads();
        level_scores<Half>(scores, x);
        if (Half < LastHalf) __syncthreads();
    });
}

// k e^(b_C - b) in place of k, and q e^b in place of q. Part 0 of the first and part 1 of the second are given e^(b_C).
template <class T, int K>
__device__ __forceinline__ float2 leave_keys(int d, int part, const Tile<float, Chunk, K>& decays, Tile<T, Chunk, K>& k) {
    return decays_to_end(d, part, decays, [&](int j, float2 product) { store_pair(k.at(j, d), product * load_pair(k.at(j, d))); });
}
template <class T, int K>
__device__ __forceinline__ float2 enter_queries(int d, int part, const Tile<float, Chunk, K>& decays, Tile<T, Chunk, K>& q) {
    return decays_from_start(d, part, decays, [&](int i, float2 product) { store_pair(q.at(i, d), product * load_pair(q.at(i, d))); });
}

} // namespace memgen
