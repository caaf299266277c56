// Decays by key channel inside a chunk, as products and never as quotients.
//
// A chunk is four stretches of eight tokens. Two tokens j < i of different stretches part at one level: the one whose blocks of 2 h
// tokens hold both, j in the left half and i in the right (h = 8, 16). With mid the first token of the right half,
//   e^(b_i - b_j) = D_i D_j,   D_i = a_mid .. a_i on the right,   D_j = a_(j+1) .. a_(mid-1) on the left,
// both at most 1, so a level's scores are one product of X = D (q on the right, k on the left) with itself. Those of two tokens of
// one stretch are summed channel by channel, by the threads that have both tokens (channel_state.h).
#pragma once
#include <type_traits>

#include "channel_state.h"
#include "lanes.h"

namespace memgen {

// Of the tile of log decays, floats: where a stretch's tokens have to lie for their pairs not to meet in a bank.
__device__ __forceinline__ constexpr int decay_row(int stretch, int e) { return e * Stretches + stretch; }
__device__ __forceinline__ constexpr int token_of_decay_row(int row) { return row % Stretches * Stretch + row / Stretches; }

// Columns of a chain's tokens in a tensor. Kernels have them in shared memory: registers have no room for their strides.
struct TokenRows {
    void* data;     // of the first token; null: nothing is wanted there
    int64_t stride; // elements between tokens
    int columns;
    bool aligned;   // to 16 bytes what is read, and to what a lane writes at once what is written

    template <class T>
    __device__ __forceinline__ T* at(int64_t t) const { return static_cast<T*>(data) + t * stride; }
};
template <class T>
__device__ __forceinline__ TokenRows token_rows(T* data, int64_t stride, int columns, int alignment) {
    const uintptr_t all = reinterpret_cast<uintptr_t>(data) | static_cast<uintptr_t>(stride * static_cast<int64_t>(sizeof(T))) | static_cast<uintptr_t>(columns * sizeof(T));
    return {data, stride, columns, all % static_cast<unsigned>(alignment) == 0};
}
template <class T>
__device__ __forceinline__ TokenRows written_rows(const TensorView& x, const Chain& c, int first, int columns, int alignment) {
    T* data = tokens_of<T>(x, c);
    return token_rows(data ? data + first : data, x.stride[1], columns, alignment);
}
// Without columns where the tensor is absent, which are read as zeros.
template <class T>
__device__ __forceinline__ TokenRows read_rows(const MemoryParameters& p, const TensorView& x, const Chain& c, int first, int columns) {
    return x.data ? token_rows(tokens_of<T>(x, c) + first, x.stride[1], columns, 16) : TokenRows{p.k.data, 0, 0, true};
}

// The chunk of `count` tokens from t on into a tile, zeros behind them. Rows are interleaved, those of Decays as above.
template <int BlockThreads, bool Decays = false, class T, int Width>
__device__ __forceinline__ void load_interleaved(Tile<T, Chunk, Width>& to, const TokenRows& rows, int64_t t, int count) {
    constexpr int Vector = 16 / static_cast<int>(sizeof(T)), PerRow = Width / Vector, AtOnce = BlockThreads / PerRow;
    static_assert(BlockThreads % PerRow == 0 && (Chunk % AtOnce == 0 || AtOnce > Chunk), "whole rounds, or a part of one");
    const int row = static_cast<int>(threadIdx.x) / PerRow, column = static_cast<int>(threadIdx.x) % PerRow * Vector;
    if (AtOnce > Chunk && row >= Chunk) return;
    // Both orders exchange bits of a row's number: the rows of a thread, i apart, have tokens that are order(i) apart.
    auto order = [](int i) { return Decays ? token_of_decay_row(i) : interleaved(i); };
    const int left = count - order(row); // tokens from the thread's first on
    const int columns = rows.columns;
    const int64_t stride = rows.stride;
    const T* source = rows.template at<T>(t + order(row)) + column;
    if (rows.aligned) {
        const int inside = column < columns ? left : 0;
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i += AtOnce) copy_async(to.at(row + i, column), source + order(i) * stride, order(i) < inside ? 16 : 0);
        return;
    }
#ifdef __CUDACC__
#pragma unroll 1
#endif
    for (int i = 0; i < Chunk; i += AtOnce)
        for (int e = 0; e < Vector; e++) *to.at(row + i, column + e) = order(i) < left && column + e < columns ? source[order(i) * stride + e] : rounded<T>(0.0f);
}

// The decays of a piece's tokens, from their logs.
template <int K>
__device__ __forceinline__ Piece decays_of(const Tile<float, Chunk, K>& logs, int d) {
    Piece a;
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) {
        const float2 log = load_pair(logs.at(decay_row(stretch_of_thread(), e), d));
        a.of[e] = make_float2(expf(log.x), expf(log.y));
    }
    return a;
}

// In the place of their logs, for who wants them again and has no registers for them meanwhile.
template <int K>
__device__ __forceinline__ void keep_decays(const Piece& a, Tile<float, Chunk, K>& logs, int d) {
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) store_pair(logs.at(decay_row(stretch_of_thread(), e), d), a.of[e]);
}
template <int K>
__device__ __forceinline__ Piece kept_decays(const Tile<float, Chunk, K>& logs, int d) {
    Piece a;
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) a.of[e] = load_pair(logs.at(decay_row(stretch_of_thread(), e), d));
    return a;
}

// Their products.
struct PieceDecays {
    float2 since[Stretch], until[Stretch]; // from the stretch's first token to each, and from behind each to its last
    float2 before, behind, whole;          // of the stretches before and behind this one, and of the chunk
    float2 middle;                         // of the stretch between this one and the chunk's middle

    __device__ __forceinline__ void enter(const Piece& a) {
        const float2 one = make_float2(1.0f, 1.0f);
        const int stretch = stretch_of_thread();
        since[0] = a.of[0];
        MEMGEN_UNROLL
        for (int e = 1; e < Stretch; e++) since[e] = since[e - 1] * a.of[e];
        until[Stretch - 1] = one;
        MEMGEN_UNROLL
        for (int e = Stretch - 1; e > 0; e--) until[e - 1] = until[e] * a.of[e];
        const float2 own = since[Stretch - 1];
        const float2 w0 = of_stretch(own, 0), w1 = of_stretch(own, 1), w2 = of_stretch(own, 2), w3 = of_stretch(own, 3);
        const float2 left = w0 * w1, right = w2 * w3;
        before = stretch == 0 ? one : stretch == 1 ? w0 : stretch == 2 ? left : left * w2;
        behind = stretch == 3 ? one : stretch == 2 ? w3 : stretch == 1 ? right : right * w1;
        middle = stretch == 0 ? w1 : stretch == 3 ? w2 : one;
        whole = left * right;
    }
};

template <int Half>
__device__ __forceinline__ bool is_on_right() { return (stretch_of_thread() & Half / Stretch) != 0; }

// D of a level is this times since where the thread's stretch is on the right of it, and times until where it is on the left; the other
// one of the two is zero.
template <int Half>
__device__ __forceinline__ float2 level_decay(const PieceDecays& a, bool right) {
    return right != is_on_right<Half>() ? make_float2(0.0f, 0.0f) : Half == Stretch ? make_float2(1.0f, 1.0f) : a.middle;
}

// What a token reads of its own chunk: what tokens up to it have written, as queries do, or only what older ones have, behind its own decay or,
// as `a` of the generalised delta rule, before it.
enum class Reads { UpToItself, Older, BeforeDecay };

// The decays from the stretch's first token to one that reads.
template <Reads R>
__device__ __forceinline__ float2 since_first(const PieceDecays& a, int e) { return R != Reads::BeforeDecay ? a.since[e] : e > 0 ? a.since[e - 1] : make_float2(1.0f, 1.0f); }

// X of a level.
template <int Half, Reads R = Reads::UpToItself>
__device__ __forceinline__ Piece level_of(const PieceDecays& a, const Piece& q, const Piece& k) {
    const bool right = is_on_right<Half>();
    Piece x;
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) {
        x.of[e] = right ? since_first<R>(a, e) * q.of[e] : a.until[e] * k.of[e];
        if (Half > Stretch) x.of[e] = a.middle * x.of[e];
    }
    return x;
}

// scale q e^b in place of q, and k e^(b_C - b) in place of k.
template <Reads R = Reads::UpToItself>
__device__ __forceinline__ void enter_queries(Piece& q, const PieceDecays& a, float scale) {
    const float2 before = scale * a.before;
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) q.of[e] = before * since_first<R>(a, e) * q.of[e];
}
__device__ __forceinline__ void leave_keys(Piece& k, const PieceDecays& a) {
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) k.of[e] = a.behind * a.until[e] * k.of[e];
}

// Scores of the pairs of a stretch, summed over the channels of a band: those of token i and the tokens up to it in row i - 3 of five
// rows of eight. Behind those of 5, 4 and 3 stand the ones of 0, 1 and 2: an even and an odd token, which do not meet in a bank.
constexpr int OwnRows = 5;
struct BandScores {
    float of[Stretches][OwnRows * Stretch];
};

template <int I>
struct Token {
    static constexpr int Index = I;
};

// sum(Token<i>, scores) leaves this thread's part of the scores of token i in scores[0 .. i].
template <class Sum>
__device__ __forceinline__ void sum_own_scores(BandScores& to, Sum sum) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    auto close = [&](float (&scores)[Stretch], int row) {
        sum_over<Stretch / 2, 16, 4>(scores, lane);
        to.of[stretch_of_thread()][row * Stretch + lane / 4] = scores[0];
    };
    float scores[Stretch];
    sum(Token<7>(), scores), close(scores, 4);
    sum(Token<6>(), scores), scores[7] = 0.0f, close(scores, 3);
    sum(Token<5>(), scores), sum(Token<0>(), scores + 6), scores[7] = 0.0f, close(scores, 2);
    sum(Token<4>(), scores), sum(Token<1>(), scores + 5), scores[7] = 0.0f, close(scores, 1);
    sum(Token<3>(), scores), sum(Token<2>(), scores + 4), scores[7] = 0.0f, close(scores, 0);
}

// A band's own scores.
template <Reads R = Reads::UpToItself>
__device__ __forceinline__ void enter_own_scores(BandScores& own, const Piece& single, const Piece& q, const Piece& k) {
    sum_own_scores(own, [&](auto token, float* scores) {
        constexpr int I = decltype(token)::Index, Last = R == Reads::BeforeDecay ? I - 1 : I;
        if constexpr (Last < I) scores[I] = 0.0f;
        float2 query = q.of[I];
        MEMGEN_UNROLL
        for (int j = Last; j >= 0; j--) {
            const float2 x = query * k.of[j];
            scores[j] = x.x + x.y;
            query = query * single.of[j];
        }
    });
}

// X of both levels.
template <Reads R = Reads::UpToItself, class T, int K>
__device__ __forceinline__ void enter_levels(Tile<T, Chunk, K>& near, Tile<T, Chunk, K>& far, const PieceDecays& a, const Piece& q, const Piece& k, int d) {
    level_of<Stretch, R>(a, q, k).store(near, d);
    level_of<2 * Stretch, R>(a, q, k).store(far, d);
}

// What the scores of a chunk take of a band's readers and keys.
template <class T, int K>
__device__ __forceinline__ void enter_pairs(Tile<T, Chunk, K>& near, Tile<T, Chunk, K>& far, BandScores& own, const Piece& single, const PieceDecays& a, const Piece& q, const Piece& k, int d) {
    enter_levels(near, far, a, q, k, d);
    enter_own_scores(own, single, q, k);
}

// For those of later tokens, which nobody enters.
template <class T, int BlockThreads>
__device__ __forceinline__ void clear_scores(Tile<T, Chunk, Chunk>& scores) {
    for (int i = static_cast<int>(threadIdx.x); i < Chunk * Chunk; i += BlockThreads) *scores.at(i / Chunk, i % Chunk) = rounded<T>(0.0f);
}

// X of both levels, before a barrier.
template <class T, int K>
struct Levels {
    const Tile<T, Chunk, K>&near, &far;
};

// scale sum_d q_id k_jd e^(b_id - b_jd) for j <= i, from X of who reads and of what is read, which may be the same, and the bands' own
// scores, all of them before a barrier. place(i, j) is where those of the interleaved row i and column j go, two columns beside each other.
template <class T, int K, int Bands, class Place>
__device__ __forceinline__ void enter_scores_at(Place place, const Levels<T, K>& readers, const Levels<T, K>& read, const BandScores (&own)[Bands], float scale) {
    ChannelProduct<Chunk, Chunk, K> x, y;
    x.zero(), y.zero();
    multiply(x, readers.near, turned(read.near));
    multiply(y, readers.far, turned(read.far));
    x.each_pair_with(y, [&](int i, int j, float& near_first, float& near_second, float far_first, float far_second) {
        const int right = i % 8 / 2, left = j % 8 / 2;
        const bool is_near = (right ^ left) == 1;
        if (right > left) store_pair(place(i, j), scale * (is_near ? near_first : far_first), scale * (is_near ? near_second : far_second));
    });
    for (int e = static_cast<int>(threadIdx.x); e < Stretches * OwnRows * Stretch; e += ChannelThreads<K>) {
        const int row = e / (Stretches * Stretch) + 3, stretch = e / Stretch % Stretches, column = e % Stretch;
        const int i = column <= row ? row : 5 - row, j = column <= row ? column : column - row - 1;
        if (row < 7 && column == 7) continue;
        float sum = 0.0f;
        MEMGEN_UNROLL
        for (int band = 0; band < Bands; band++) sum += own[band].of[stretch][(row - 3) * Stretch + column];
        auto* p = place(row_of(stretch, i), row_of(stretch, j));
        *p = rounded<std::remove_reference_t<decltype(*p)>>(scale * sum);
    }
}
template <class T, int K, int Bands>
__device__ __forceinline__ void enter_scores(Tile<T, Chunk, Chunk>& scores, const Tile<T, Chunk, K>& near, const Tile<T, Chunk, K>& far, const BandScores (&own)[Bands], float scale) {
    const Levels<T, K> x{near, far};
    enter_scores_at([&](int i, int j) { return scores.at(i, j); }, x, x, own, scale);
}

// Of the chunk of `count` tokens from t on: a piece, and the rows of a result, interleaved.
template <class T>
__device__ __forceinline__ void store_piece(const Piece& x, const TokenRows& to, int64_t t, int count, int d) {
    if (!to.data) return;
    const int first = stretch_of_thread() * Stretch;
    const int64_t stride = to.stride;
    T* p = to.template at<T>(t + first) + d;
    if (count == Chunk && d < to.columns && to.aligned) {
        MEMGEN_UNROLL
        for (int e = 0; e < Stretch; e++) store_pair(p + e * stride, x.of[e]);
        return;
    }
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) {
        if (first + e >= count) continue;
        if (d < to.columns) p[e * stride] = rounded<T>(x.of[e].x);
        if (d + 1 < to.columns) p[e * stride + 1] = rounded<T>(x.of[e].y);
    }
}
template <class T, int V, int W>
__device__ __forceinline__ void store_interleaved(Accumulator<Chunk, V, W>& x, const TokenRows& to, int64_t t, int count, float factor) {
    if (!to.data) return;
    const int64_t stride = to.stride;
    T* from_start = to.template at<T>(t);
    if (count == Chunk && to.columns >= V && to.aligned) {
        if constexpr (sizeof(T) == 2 && Accumulator<Chunk, V, W>::template StoreBytes<T> == 8) x.each_four(factor, [=](int row, int column, uint64_t four) { *reinterpret_cast<uint64_t*>(from_start + interleaved(row) * stride + column) = four; });
        else x.each_pair([=](int row, int column, float& first, float& second) { store_pair(from_start + interleaved(row) * stride + column, first * factor, second * factor); });
        return;
    }
    const int columns = to.columns;
    x.each_pair([=](int row, int column, float& first, float& second) {
        if (interleaved(row) >= count) return;
        T* p = from_start + interleaved(row) * stride + column;
        if (column < columns) p[0] = rounded<T>(first * factor);
        if (column + 1 < columns) p[1] = rounded<T>(second * factor);
    });
}

} // namespace memgen
