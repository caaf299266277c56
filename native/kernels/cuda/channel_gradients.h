// What the backward passes of channel decay and of the channel delta rule share: one chunk of one warp's channels, and the kernel. With X,
// D and the levels of channel_chunk.h, what the chunk writes as V and its gradient:
//   dP = scale dO V^T for j <= i      dV = P^T dO + (K e^(b_C - b)) dS'
//   dQ = scale e^b (dO S^T) + sum over levels D (dP X) + own      dK = e^(b_C - b) (V dS'^T) + sum over levels D (dP^T X) + own
//   dS = diag(e^{b_C}) dS' + scale (Q e^b)^T dO
// where own is what the pairs of a stretch give. A log_decay_t of a channel is in D_i for mid <= t <= i and in D_j for j < t < mid, so
// its gradient is the sum of q dQ and k dK over exactly those tokens, level by level: nothing cancels. In the tokens of a stretch all
// levels, and what goes through the states, are such a sum over the same tokens of the stretch and over whole other stretches.
//
// Under the delta rule a key also reads, as a query of scale one does, all but itself; the gradient of what it has read is
// Z = -diag(beta) X in the place of dO, with the X of delta_backward.h. The generalised rule is in generalized_delta_backward.cu.
#pragma once
#include "channel_delta.h"
#include "matrix_backward.h"

namespace memgen {
namespace {

// dP of the pairs of two stretches, and turned above the diagonal, and that of the pairs of a stretch beside those of the others.
template <class T>
struct ScoreGradients {
    Tile<T, Chunk, Chunk> levels;
    alignas(16) float own[Stretch][Chunk + 4];

    // scale d_o values^T, both before a barrier.
    template <int K, int V>
    __device__ __forceinline__ void enter(const Tile<T, Chunk, V>& d_o, const Tile<T, Chunk, V>& values, float scale) {
        ChannelProduct<Chunk, Chunk, K> d;
        d.zero();
        multiply(d, d_o, turned(values));
        d.scale(scale);
        d.each_pair([&](int i, int j, float& first, float& second) {
            const int right = i % 8 / 2, left = j % 8 / 2;
            if (right == left) {
                store_pair(own[i / 8 * 2 + i % 2] + left * Stretch + j / 8 * 2, first, second);
            } else if (right > left) {
                store_pair(levels.at(i, j), first, second);
                *levels.at(j, i) = rounded<T>(first);
                *levels.at(j + 1, i) = rounded<T>(second);
            }
        });
    }
};

// What a chunk's gradients take beside its tokens and theirs.
template <class T, int K, int V, Recurrence Rule>
struct ChannelGradientScores {
    Tile<T, Chunk, K> far; // X of the second level
    Tile<T, Chunk, Chunk> scores;
    BandScores own[K / Band];
};
template <class T, int K, int V>
struct ChannelGradientScores<T, K, V, Recurrence::ChannelDelta> : ChannelGradientScores<T, K, V, Recurrence::Channel> {
    Tile<T, Chunk, V> written, erased; // V' and Z
    ScoreGradients<T> d_keys;          // of M
    DeltaChunk<V, true> chunk;
    TokenRows beta, d_beta;
};
template <class T, int K, int V, Recurrence Rule, int Count>
struct ChannelBackwardMemoryOf : ChannelGradientScores<T, K, V, Rule> {
    static constexpr int Stages = Count; // of the tokens that are loaded ahead
    struct {
        Tile<T, Chunk, K> q, k; // then X of the first level and K e^(b_C - b)
        Tile<T, Chunk, V> v, d_o; // v: under the delta rule V' before beta where a chunk is left
        Tile<float, Chunk, K> logs;
    } stages[Stages];
    StateTile<T, K, V> state; // dS'
    ScoreGradients<T> d_scores;
    TokenRows q, k, v, d_o, logs, d_q, d_k, d_v, d_logs;
    int64_t tokens;
};

// The generalised rule's a and b have one stage.
template <class T, int K, int V, Recurrence Rule>
using ChannelBackwardMemory = ChannelBackwardMemoryOf<T, K, V, Rule, Rule != Recurrence::Generalized && sizeof(ChannelBackwardMemoryOf<T, K, V, Rule, 2>) <= LargestSharedMemory ? 2 : 1>;

// The pairs of token I of a stretch, which reads, and the tokens it reads: this thread's part of their scores, and what they add to the
// gradients. d_q may be d_k where a token does not read itself.
template <int I, Reads R>
__device__ __forceinline__ void leave_token(const float (&d_own)[Stretch][Chunk + 4], float* scores, const Piece& a, const Piece& q, const Piece& k, Piece& d_q, Piece& d_k, Piece& d_decay) {
    float4 d[2];
    MEMGEN_UNROLL
    for (int i = 0; i <= I / 4; i++) d[i] = load_four(d_own[I] + stretch_of_thread() * Stretch + 4 * i);
    auto score = [&](int j, float2 x) { scores[j] = x.x + x.y; };
    float2 d_query = d_q.of[I];
    if constexpr (R == Reads::UpToItself) {
        const float own = number_of(d[I / 4], I);
        score(I, q.of[I] * k.of[I]);
        d_query = d_query + own * k.of[I];
        d_k.of[I] = d_k.of[I] + own * q.of[I];
    }
    float2 decay = R == Reads::BeforeDecay ? make_float2(1.0f, 1.0f) : a.of[I], crossing[Stretch];
    MEMGEN_UNROLL
    for (int j = I - 1; j >= 0; j--) {
        const float each = number_of(d[j / 4], j);
        const float2 key = decay * k.of[j], x = q.of[I] * key;
        score(j, x);
        d_query = d_query + each * key;
        d_k.of[j] = d_k.of[j] + each * decay * q.of[I];
        crossing[j] = each * x;
        decay = decay * a.of[j];
    }
    d_q.of[I] = d_query;
    float2 sum = make_float2(0.0f, 0.0f);
    MEMGEN_UNROLL
    for (int j = 0; j < (R == Reads::BeforeDecay ? I - 1 : I); j++) {
        sum = sum + crossing[j];
        d_decay.of[j + 1] = d_decay.of[j + 1] + sum;
    }
}

// The same of all tokens of a stretch, without scores.
template <Reads R>
__device__ __forceinline__ void leave_stretch(const float (&d_own)[Stretch][Chunk + 4], const Piece& a, const Piece& q, const Piece& k, Piece& d_q, Piece& d_k, Piece& d_decay) {
    float scores[Stretch]; // nobody asks for them
    auto leave = [&](auto token) { leave_token<decltype(token)::Index, R>(d_own, scores, a, q, k, d_q, d_k, d_decay); };
    leave(Token<7>()), leave(Token<6>()), leave(Token<5>()), leave(Token<4>()), leave(Token<3>()), leave(Token<2>()), leave(Token<1>()), leave(Token<0>());
}

// What a level adds to the gradients of who reads and of the keys. Returns the sums over the stretch of what it adds to q dQ or k dK.
template <int Half, Reads R = Reads::UpToItself, class T>
__device__ __forceinline__ float2 leave_level(const Piece& x, const ScoreGradients<T>& d_scores, const PieceDecays& a, const Piece& q, const Piece& k, Piece& d_q, Piece& d_k) {
    PieceOperand<T> operand;
    operand.enter(x);
    PieceFragments both; // of q on the right, of k on the left
    zero(both);
    multiply_level<Half>(both, operand, d_scores.levels);
    const float2 to_query = level_decay<Half>(a, true), to_key = level_decay<Half>(a, false);
    float2 sum = make_float2(0.0f, 0.0f);
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) {
        const float2 x = to_query * token_of(both, e) * since_first<R>(a, e), y = to_key * token_of(both, e) * a.until[e];
        d_q.of[e] = d_q.of[e] + x, d_k.of[e] = d_k.of[e] + y;
        sum = sum + q.of[e] * x + k.of[e] * y;
    }
    return sum;
}

template <class T, int K, int V, Recurrence R>
struct ChannelGradients {
    static constexpr Recurrence Rule = R;
    static constexpr bool Delta = R == Recurrence::ChannelDelta;
    static constexpr int Values = V, BlockThreads = ChannelThreads<K>, Bands = ChannelBands<K>;
    typedef ChannelBackwardMemory<T, K, V, R> Memory;
    typedef ChannelState<K, V> State;
    const MatrixMemoryParameters& p;
    Memory& s;
    float* const own;    // of the block's workspace
    const bool in_parts; // d_q, d_k, d_logs and d_beta are a value tile's part of them, floats

    __device__ __forceinline__ auto& stage_of(int64_t t) { return s.stages[Memory::Stages == 2 ? static_cast<unsigned>(t) / Chunk % 2 : 0]; }
    __device__ __forceinline__ int count(int64_t t) const { return s.tokens - t < Chunk ? static_cast<int>(s.tokens - t) : Chunk; }

    __device__ __forceinline__ void put_aside(const State& state, T* place) const {
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) {
            BandOperand<T, V> rounded_state;
            rounded_state.enter(state.x[b]);
            rounded_state.template store<BlockThreads>(place, b);
        }
    }

    __device__ __forceinline__ void leave_band(State& d_state, const BandOperand<T, V>& state, int band, int64_t t);
};

// What one warp does with the channels of a band, without any other: d_state from behind the chunk to before it, and the gradients of the
// chunk's queries, keys and decays. Without the delta rule also, for the products of the block, X, K e^(b_C - b) and its own scores.
template <class T, int K, int V, Recurrence R>
__device__ __forceinline__ void ChannelGradients<T, K, V, R>::leave_band(State& d_state, const BandOperand<T, V>& state, int band, int64_t t) {
    const int d = channel_of_thread<K>(band), stretch = stretch_of_thread();
    auto& now = stage_of(t);
    // What goes through the states. Of a decay it is the sum of q dQ from its token on, of k dK before it, and of S dS'.
    float2 d_decays = sum_of_stretches(state.dot(d_state.x[band])), read = make_float2(0.0f, 0.0f), written = read;
    PieceFragments from_state, from_behind, from_erased;
    zero(from_state), zero(from_behind);
    multiply_values(from_state, state, now.d_o);
    if constexpr (Delta) zero(from_erased), multiply_values(from_erased, state, s.erased);
    {
        BandOperand<T, V> behind;
        behind.enter(d_state.x[band]);
        if constexpr (Delta) multiply_values(from_behind, behind, s.written);
        else multiply_values(from_behind, behind, now.v);
    }
    PieceDecays a;
    if constexpr (Delta) {
        a.enter(kept_decays(now.logs, d));
    } else {
        const Piece single = decays_of(now.logs, d);
        keep_decays(single, now.logs, d);
        a.enter(single);
    }
    Piece q, k, d_q, d_k, d_reader; // d_reader: of keys that read
    q.load(now.q, d), k.load(now.k, d);
    d_decays = a.whole * d_decays;
    const float2 before = p.scale * a.before;
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) {
        d_q.of[e] = before * a.since[e] * token_of(from_state, e);
        d_k.of[e] = a.behind * a.until[e] * token_of(from_behind, e);
        read = read + q.of[e] * d_q.of[e], written = written + k.of[e] * d_k.of[e];
        if constexpr (Delta) {
            d_reader.of[e] = a.before * a.since[e] * token_of(from_erased, e);
            read = read + k.of[e] * d_reader.of[e];
        }
    }
    MEMGEN_UNROLL
    for (int other = 0; other < Stretches; other++) {
        const float2 its_read = of_stretch(read, other), its_written = of_stretch(written, other), none = make_float2(0.0f, 0.0f);
        d_decays = d_decays + (other > stretch ? its_read : none) + (other < stretch ? its_written : none);
    }

    {
        const Piece x = level_of<Stretch>(a, q, k);
        if constexpr (!Delta) x.store(now.q, d);
        leave_level<Stretch>(x, s.d_scores, a, q, k, d_q, d_k);
    }
    { // the outer stretches' sums of the second level are for the inner ones too
        const Piece x = level_of<2 * Stretch>(a, q, k);
        if constexpr (!Delta) x.store(s.far, d);
        float2 far = leave_level<2 * Stretch>(x, s.d_scores, a, q, k, d_q, d_k);
        if constexpr (Delta) {
            leave_level<Stretch>(level_of<Stretch>(a, k, k), s.d_keys, a, k, k, d_reader, d_k);
            far = far + leave_level<2 * Stretch>(level_of<2 * Stretch>(a, k, k), s.d_keys, a, k, k, d_reader, d_k);
        }
        const float2 its = of_stretch(far, stretch ^ 1);
        if (stretch == 1 || stretch == 2) d_decays = d_decays + its;
    }

    {
        Piece x = k;
        if constexpr (!Delta) {
            leave_keys(x, a);
            x.store(now.k, d);
        }
        x = q;
        enter_queries(x, a, p.scale);
        PieceOperand<T> operand;
        operand.enter(x);
        d_state.scale(band, a.whole);
        multiply_tokens<T, V>(d_state.x[band], operand, now.d_o);
        if constexpr (Delta) {
            x = k;
            enter_queries(x, a, 1.0f);
            operand.enter(x);
            multiply_tokens<T, V>(d_state.x[band], operand, s.erased);
        }
    }

    const Piece single = kept_decays(now.logs, d);
    Piece d_decay;
    {
        float2 sum = d_decays;
        MEMGEN_UNROLL
        for (int e = 0; e < Stretch; e++) d_decay.of[e] = sum, sum = sum + k.of[e] * d_k.of[e];
        sum = make_float2(0.0f, 0.0f);
        MEMGEN_UNROLL
        for (int e = Stretch - 1; e >= 0; e--) {
            sum = sum + q.of[e] * d_q.of[e];
            if constexpr (Delta) sum = sum + k.of[e] * d_reader.of[e];
            d_decay.of[e] = d_decay.of[e] + sum;
        }
    }
    if constexpr (Delta) {
        MEMGEN_UNROLL
        for (int e = 0; e < Stretch; e++) d_k.of[e] = d_k.of[e] + d_reader.of[e];
        leave_stretch<Reads::UpToItself>(s.d_scores.own, single, q, k, d_q, d_k, d_decay);
        leave_stretch<Reads::Older>(s.d_keys.own, single, k, k, d_k, d_k, d_decay);
    } else {
        sum_own_scores(s.own[band_of_warp<K>(band)], [&](auto token, float* scores) { leave_token<decltype(token)::Index, Reads::UpToItself>(s.d_scores.own, scores, single, q, k, d_q, d_k, d_decay); });
    }

    const int n = count(t);
    if (in_parts) store_piece<float>(d_q, s.d_q, t, n, d), store_piece<float>(d_k, s.d_k, t, n, d);
    else store_piece<T>(d_q, s.d_q, t, n, d), store_piece<T>(d_k, s.d_k, t, n, d);
    store_piece<float>(d_decay, s.d_logs, t, n, d);
}

// For walk_back. Lambdas around bodies as long as these nvcc does not inline, and the states that they take then lie in memory.
template <class T, class Gradients>
struct Replay {
    Gradients& gradients;
    __device__ __forceinline__ void operator()(typename Gradients::State& state, int64_t first, int64_t end, T* places) const { gradients.replay(state, first, end, places); }
};
template <class T, class Gradients>
struct Leave {
    Gradients& gradients;
    __device__ __forceinline__ void operator()(typename Gradients::State& d_state, int64_t t, const T* place) const { gradients.leave(d_state, t, place); }
};

// Gradients: ChannelGradients with `replay` and `leave`.
template <class T, int K, class Gradients>
__global__ void __launch_bounds__(ChannelThreads<K>) channel_backward(const MatrixMemoryParameters p, const Spans spans) {
    constexpr int V = Gradients::Values;
    constexpr Recurrence recurrence = Gradients::Rule;
    auto& s = *reinterpret_cast<typename Gradients::Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    if constexpr (recurrence == Recurrence::Generalized) s.enter(p, c);
    else clear_scores<T, ChannelThreads<K>>(s.scores);
    const Workspace workspace(p, c, tile_count(p, V), part_width(p, recurrence), block_floats(recurrence, sizeof(T), K, V));
    if (threadIdx.x == 0) {
        const int keys = static_cast<int>(p.key_dim);
        s.tokens = c.tokens;
        s.q = read_rows<T>(p, p.q, c, 0, keys), s.k = read_rows<T>(p, p.k, c, 0, keys), s.logs = read_rows<float>(p, p.log_decay, c, 0, keys);
        s.v = read_rows<T>(p, p.v, c, c.first_value, c.values), s.d_o = read_rows<T>(p, p.d_o, c, c.first_value, c.values);
        s.d_v = written_rows<T>(p.d_v, c, c.first_value, c.values, 8);
        auto part = [&](const TensorView& of, int64_t first) { return token_rows(of.data ? workspace.part_of(p, c, 0) + first : nullptr, workspace.row, keys, 8); };
        s.d_q = workspace.part ? part(p.d_q, 0) : written_rows<T>(p.d_q, c, 0, keys, 2 * sizeof(T));
        s.d_k = workspace.part ? part(p.d_k, p.key_dim) : written_rows<T>(p.d_k, c, 0, keys, 2 * sizeof(T));
        s.d_logs = workspace.part ? part(p.d_log_decay, part_decays(recurrence) * p.key_dim) : written_rows<float>(p.d_log_decay, c, 0, keys, 8);
        if constexpr (recurrence == Recurrence::Generalized) {
            s.d_a = workspace.part ? part(p.d_a, 2 * p.key_dim) : written_rows<T>(p.d_a, c, 0, keys, 2 * sizeof(T));
            s.d_b = workspace.part ? part(p.d_b, 3 * p.key_dim) : written_rows<T>(p.d_b, c, 0, keys, 2 * sizeof(T));
        }
        if constexpr (recurrence == Recurrence::ChannelDelta) {
            s.beta = read_rows<float>(p, p.beta, c, 0, 1);
            s.d_beta = workspace.part ? part(p.d_beta, 3 * p.key_dim) : written_rows<float>(p.d_beta, c, 0, 1, 4);
        }
    }
    Gradients gradients{{p, s, workspace.own, workspace.part != nullptr}};
    walk_back<T, K, V, ChannelState<K, V>>(p, c, spans, workspace.own, Replay<T, Gradients>{gradients}, Leave<T, Gradients>{gradients});
}

template <class Gradients, class T, int K>
cudaError_t launch_channel_backward(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) {
    typedef typename Gradients::Memory Memory;
    static_assert(sizeof(Memory) <= LargestSharedMemory, "does not fit on sm_80");
    const int64_t tiles = tile_count(p, Gradients::Values);
    const cudaError_t status = launch(channel_backward<T, K, Gradients>, spans.count * p.heads * tiles, ChannelThreads<K>, sizeof(Memory), stream, p, spans);
    return status != cudaSuccess || tiles < 2 ? status : launch(sum_tiles<T>, spans.count * p.heads, Threads, 0, stream, p, spans, tiles, Gradients::Rule);
}

} // namespace
} // namespace memgen
