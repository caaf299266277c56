// What a chunk writes into the state under the generalised delta rule, beside V what its tokens recall, R:
//   R = (I - AB)^{-1} (AK V + (A e^b') S)      S' = diag(e^{b_C}) S + (K e^(b_C - b))^T V + (B e^(b_C - b))^T R
//   XY_ij = sum_d x_id y_jd e^(b_id - b_jd) for X = Q and j <= i;    for X = A with b', the sum before token i, in the place of b_i, and j < i
// Two kinds of tokens' rows read, Q and A, and two are written, K and B. With X of channel_chunk.h of Q beside K and of A beside B, the
// scores of all four pairs are the products of the two with each other, of which the rows of a right half and the columns of a left one
// are taken.
#pragma once
#include "channel_delta.h"

namespace memgen {

template <class T, int K, int V>
struct GeneralizedChunk {
    Tile<T, Chunk, K> a, b;                // then A e^b' and X of A and B on the first level, or as whoever enters them says
    Tile<T, Chunk, K> far, recalled_far;   // X on the second level of Q and K, and of A and B
    BandScores qk_own[K / Band], qb_own[K / Band], ak_own[K / Band], ab_own[K / Band];
    Tile<T, Chunk, Chunk> qk, qb, ak;      // scores
    DeltaChunk<V, true> chunk;             // -AB, and strengths of one: with them its solves are those above
    TokenRows a_rows, b_rows;

    // Before the first barrier.
    __device__ __forceinline__ void enter(const MatrixMemoryParameters& p, const Chain& c) {
        const int keys = static_cast<int>(p.key_dim);
        if (threadIdx.x == 0) a_rows = read_rows<T>(p, p.a, c, 0, keys), b_rows = read_rows<T>(p, p.b, c, 0, keys);
        if (threadIdx.x < Chunk) chunk.beta[threadIdx.x] = 1.0f;
        clear_scores<T, ChannelThreads<K>>(qk), clear_scores<T, ChannelThreads<K>>(qb), clear_scores<T, ChannelThreads<K>>(ak);
    }
    __device__ __forceinline__ void load(int64_t t, int count) {
        load_interleaved<ChannelThreads<K>>(a, a_rows, t, count);
        load_interleaved<ChannelThreads<K>>(b, b_rows, t, count);
    }

    // Of the pairs that are asked for, X and a band's own scores. near and recalled_near may be tiles that the pieces came from. What is
    // not asked for may be any piece.
    template <bool Queries, bool Keys>
    __device__ __forceinline__ void enter_pairs(Tile<T, Chunk, K>& near, Tile<T, Chunk, K>& recalled_near, const Piece& single, const PieceDecays& decays, const Piece& q, const Piece& k, const Piece& a_piece, const Piece& b_piece, int band) {
        const int d = channel_of_thread<K>(band), all = band_of_warp<K>(band);
        enter_levels(near, far, decays, q, k, d);
        enter_levels<Reads::BeforeDecay>(recalled_near, recalled_far, decays, a_piece, b_piece, d);
        if constexpr (Queries && Keys) enter_own_scores(qk_own[all], single, q, k);
        if constexpr (Queries) enter_own_scores(qb_own[all], single, q, b_piece);
        if constexpr (Keys) enter_own_scores<Reads::BeforeDecay>(ak_own[all], single, a_piece, k);
        enter_own_scores<Reads::BeforeDecay>(ab_own[all], single, a_piece, b_piece);
    }
    // Their scores, behind a barrier.
    template <bool Queries, bool Keys>
    __device__ __forceinline__ void enter_scores(const Tile<T, Chunk, K>& near, const Tile<T, Chunk, K>& recalled_near, float scale) {
        const Levels<T, K> asked{near, far}, recalled{recalled_near, recalled_far};
        if constexpr (Queries && Keys) enter_scores_at([&](int i, int j) { return qk.at(i, j); }, asked, asked, qk_own, scale);
        if constexpr (Queries) enter_scores_at([&](int i, int j) { return qb.at(i, j); }, asked, recalled, qb_own, scale);
        if constexpr (Keys) enter_scores_at([&](int i, int j) { return ak.at(i, j); }, recalled, asked, ak_own, 1.0f);
        enter_scores_at([&](int i, int j) { return chunk.keys.at(interleaved(i), interleaved(j)); }, recalled, recalled, ab_own, -1.0f);
    }

    // What a solve left, as an operand, between barriers.
    __device__ __forceinline__ void enter_solved(Tile<T, Chunk, V>& to) const {
        for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += ChannelThreads<K> * 2) {
            const float2 x = load_pair(chunk.columns.at(i / V, i % V));
            store_pair(to.at(i / V, i % V), x.x, x.y);
        }
    }
};

// One chunk, from tokens that are there behind a barrier, and with the state in `entering` too: R in the place of the values, the state
// behind the chunk, and of Queries what they read, without their scale. X of the first level takes the keys' place.
template <bool Queries, class T, int K, int V>
__device__ __forceinline__ void walk_chunk(GeneralizedChunk<T, K, V>& s, Tile<T, Chunk, K>& q, Tile<T, Chunk, K>& k, Tile<T, Chunk, V>& values, const Tile<float, Chunk, K>& logs, const StateTile<T, K, V>& entering, ChannelState<K, V>& state, ChannelProduct<Chunk, V, K>& out) {
    static_assert(ChannelBands<K> == 1, "keys above 128 do not fit in shared memory");
    const int d = channel_of_thread<K>(0);
    PieceOperand<T> written, rewritten; // K e^(b_C - b) and B e^(b_C - b)
    float2 whole;
    {
        const Piece single = decays_of(logs, d);
        PieceDecays decays;
        decays.enter(single);
        Piece query, key, a, b;
        key.load(k, d), a.load(s.a, d), b.load(s.b, d);
        if constexpr (Queries) query.load(q, d);
        s.template enter_pairs<Queries, true>(k, s.b, single, decays, Queries ? query : key, key, a, b, 0);
        if constexpr (Queries) enter_queries(query, decays, 1.0f), query.store(q, d);
        enter_queries<Reads::BeforeDecay>(a, decays, 1.0f), a.store(s.a, d);
        leave_keys(key, decays), leave_keys(b, decays);
        written.enter(key), rewritten.enter(b);
        whole = decays.whole;
    }
    __syncthreads();

    ChannelProduct<Chunk, V, K> recalled;
    recalled.zero();
    s.template enter_scores<Queries, true>(k, s.b, 1.0f);
    multiply(recalled, s.a, entering);
    if constexpr (Queries) out.zero(), multiply(out, q, entering);
    state.scale(0, whole);
    multiply_tokens<T, V>(state.x[0], written, values);
    __syncthreads();
    multiply(recalled, s.ak, values);
    if constexpr (Queries) multiply(out, s.qk, values);
    recalled.store(s.chunk.columns);
    __syncthreads();
    solve_columns<ChannelWarps<K> / 2, Interleaved>(s.chunk, [&](int, int row, int column, float, float x) { *values.at(row, column) = rounded<T>(x); });
    __syncthreads();
    if constexpr (Queries) multiply(out, s.qb, values);
    multiply_tokens<T, V>(state.x[0], rewritten, values);
}

} // namespace memgen
