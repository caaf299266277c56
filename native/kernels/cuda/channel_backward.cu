// Backward pass of channel decay, a block for every head and value tile, in chunks from the last to the
// first (matrix_backward.h). With X, D and the levels of channel_chunk.h:
//   dP = scale dO V^T for j <= i      dV = P^T dO + (K e^(b_C - b)) dS'
//   dQ = scale e^b (dO S^T) + sum over levels D (dP X) + own      dK = e^(b_C - b) (V dS'^T) + sum over levels D (dP^T X) + own
//   dS = diag(e^{b_C}) dS' + scale (Q e^b)^T dO
// where own is what the pairs of a stretch give. A log_decay_t of a channel is in D_i for mid <= t <= i and in D_j for j < t < mid, so
// its gradient is the sum of q dQ and k dK over exactly those tokens, level by level: nothing cancels. In the tokens of a stretch all
// levels, and what goes through the states, are such a sum over the same tokens of the stretch and over whole other stretches.
#include "channel_chunk.h"
#include "matrix_backward.h"

namespace memgen {
namespace {

template <class T, int K, int V, int Count>
struct ChannelBackwardMemoryOf {
    static constexpr int Stages = Count; // of the tokens that are loaded ahead
    struct {
        Tile<T, Chunk, K> q, k; // then X of the first level and K e^(b_C - b)
        Tile<T, Chunk, V> v, d_o;
        Tile<float, Chunk, K> logs;
    } stages[Stages];
    Tile<T, Chunk, K> far;    // X of the second level
    StateTile<T, K, V> state; // dS'
    Tile<T, Chunk, Chunk> scores, d_scores; // d_scores: dP of the pairs of two stretches, and turned above the diagonal
    alignas(16) float d_own[Stretch][Chunk + 4]; // dP of the pairs of a stretch, beside those of the others
    BandScores own[K / Band];
    TokenRows q, k, v, d_o, logs, d_q, d_k, d_v, d_logs;
    int64_t tokens;
};

template <class T, int K, int V>
using ChannelBackwardMemory = ChannelBackwardMemoryOf<T, K, V, sizeof(ChannelBackwardMemoryOf<T, K, V, 2>) <= LargestSharedMemory ? 2 : 1>;

template <class T, int K, int V>
struct ChannelBackward {
    typedef ChannelBackwardMemory<T, K, V> Memory;
    typedef ChannelState<K, V> State;
    static constexpr int BlockThreads = ChannelThreads<K>, Bands = ChannelBands<K>;
    const MatrixMemoryParameters& p;
    Memory& s;
    const bool in_parts; // d_q, d_k and d_logs are a value tile's part of them, floats

    __device__ __forceinline__ auto& stage_of(int64_t t) { return s.stages[Memory::Stages == 2 ? static_cast<unsigned>(t) / Chunk % 2 : 0]; }
    __device__ __forceinline__ int count(int64_t t) const { return s.tokens - t < Chunk ? static_cast<int>(s.tokens - t) : Chunk; }

    // Asks for what the chunk at t writes into the state, and for the rest of its tokens where it is the last before `end`, from which
    // chunks are left.
    __device__ __forceinline__ void load(int64_t t, int64_t end) {
        const int n = count(t);
        auto& to = stage_of(t);
        load_interleaved<BlockThreads>(to.k, s.k, t, n);
        load_interleaved<BlockThreads>(to.v, s.v, t, n);
        load_interleaved<BlockThreads, true>(to.logs, s.logs, t, n);
        if (t + Chunk >= end) {
            load_interleaved<BlockThreads>(to.q, s.q, t, n);
            load_interleaved<BlockThreads>(to.d_o, s.d_o, t, n);
        }
        close_copies();
    }

    __device__ __forceinline__ void put_aside(const State& state, T* place) const {
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) {
            BandOperand<T, V> rounded_state;
            rounded_state.enter(state.x[b]);
            rounded_state.template store<BlockThreads>(place, b);
        }
    }

    // States before the chunks of [first, end) into their places; state enters as the one before first.
    __device__ __forceinline__ void replay(State& state, int64_t first, int64_t end, T* places) {
        __syncthreads();
        if (Memory::Stages == 2) load(first, end);
        for (int64_t t = first; t + Chunk < end; t += Chunk, places += K * V) {
            if (Memory::Stages == 1) load(t, end);
            put_aside(state, places);
            wait_copies<0>();
            __syncthreads();
            if (Memory::Stages == 2) load(t + Chunk, end);
            auto& now = stage_of(t);
            MEMGEN_UNROLL
            for (int b = 0; b < Bands; b++) {
                const int d = channel_of_thread<K>(b);
                PieceDecays a;
                a.enter(decays_of(now.logs, d));
                Piece k;
                k.load(now.k, d);
                leave_keys(k, a);
                PieceOperand<T> written;
                written.enter(k);
                state.scale(b, a.whole);
                multiply_tokens<T, V>(state.x[b], written, now.v);
            }
            if (Memory::Stages == 1) __syncthreads();
        }
        put_aside(state, places);
    }

    template <int Half>
    __device__ __forceinline__ float2 leave_level(Tile<T, Chunk, K>& x, const PieceDecays& a, const Piece& q, const Piece& k, Piece& d_q, Piece& d_k, int d);
    template <int I>
    __device__ __forceinline__ void leave_token(float* scores, const Piece& a, const Piece& q, const Piece& k, Piece& d_q, Piece& d_k, Piece& d_decay);
    __device__ __forceinline__ void leave_band(State& d_state, const BandOperand<T, V>& state, int band, int64_t t);
    __device__ __forceinline__ void leave(State& d_state, int64_t t, const T* place);
};

// X of a level into its tile, and what the level adds to the gradients. Returns the sums over the stretch of what it adds to q dQ or
// k dK.
template <class T, int K, int V>
template <int Half>
__device__ __forceinline__ float2 ChannelBackward<T, K, V>::leave_level(Tile<T, Chunk, K>& to, const PieceDecays& a, const Piece& q, const Piece& k, Piece& d_q, Piece& d_k, int d) {
    PieceOperand<T> operand;
    {
        const Piece x = level_of<Half>(a, q, k);
        x.store(to, d);
        operand.enter(x);
    }
    PieceFragments both; // of q on the right, of k on the left
    zero(both);
    multiply_level<Half>(both, operand, s.d_scores);
    const float2 to_query = level_decay<Half>(a, true), to_key = level_decay<Half>(a, false);
    float2 sum = make_float2(0.0f, 0.0f);
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) {
        const float2 x = to_query * token_of(both, e) * a.since[e], y = to_key * token_of(both, e) * a.until[e];
        d_q.of[e] = d_q.of[e] + x, d_k.of[e] = d_k.of[e] + y;
        sum = sum + q.of[e] * x + k.of[e] * y;
    }
    return sum;
}

// The pairs of token I of the stretch and those up to it: this thread's part of their scores, and what they add to the gradients.
template <class T, int K, int V>
template <int I>
__device__ __forceinline__ void ChannelBackward<T, K, V>::leave_token(float* scores, const Piece& a, const Piece& q, const Piece& k, Piece& d_q, Piece& d_k, Piece& d_decay) {
    float4 d[2];
    MEMGEN_UNROLL
    for (int i = 0; i <= I / 4; i++) d[i] = load_four(s.d_own[I] + stretch_of_thread() * Stretch + 4 * i);
    auto score = [&](int j, float2 x) { scores[j] = x.x + x.y; };
    const float own = number_of(d[I / 4], I);
    score(I, q.of[I] * k.of[I]);
    float2 d_query = d_q.of[I] + own * k.of[I];
    d_k.of[I] = d_k.of[I] + own * q.of[I];
    float2 decay = a.of[I], crossing[Stretch];
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
    for (int j = 0; j < I; j++) {
        sum = sum + crossing[j];
        d_decay.of[j + 1] = d_decay.of[j + 1] + sum;
    }
}

// What one warp does with the channels of a band, without any other: d_state from behind the chunk to before it, the gradients of the
// chunk's queries, keys and decays, and for the products of the block X, K e^(b_C - b) and its own scores.
template <class T, int K, int V>
__device__ __forceinline__ void ChannelBackward<T, K, V>::leave_band(State& d_state, const BandOperand<T, V>& state, int band, int64_t t) {
    const int d = channel_of_thread<K>(band), stretch = stretch_of_thread();
    auto& now = stage_of(t);
    // What goes through the states. Of a decay it is the sum of q dQ from its token on, of k dK before it, and of S dS'.
    float2 d_decays = sum_of_stretches(state.dot(d_state.x[band])), read = make_float2(0.0f, 0.0f), written = read;
    PieceFragments from_state, from_behind;
    zero(from_state), zero(from_behind);
    multiply_values(from_state, state, now.d_o);
    {
        BandOperand<T, V> behind;
        behind.enter(d_state.x[band]);
        multiply_values(from_behind, behind, now.v);
    }
    PieceDecays a;
    {
        const Piece single = decays_of(now.logs, d);
        keep_decays(single, now.logs, d);
        a.enter(single);
    }
    Piece q, k, d_q, d_k;
    q.load(now.q, d), k.load(now.k, d);
    d_decays = a.whole * d_decays;
    const float2 before = p.scale * a.before;
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) {
        d_q.of[e] = before * a.since[e] * token_of(from_state, e);
        d_k.of[e] = a.behind * a.until[e] * token_of(from_behind, e);
        read = read + q.of[e] * d_q.of[e], written = written + k.of[e] * d_k.of[e];
    }
    MEMGEN_UNROLL
    for (int other = 0; other < Stretches; other++) {
        const float2 its_read = of_stretch(read, other), its_written = of_stretch(written, other), none = make_float2(0.0f, 0.0f);
        d_decays = d_decays + (other > stretch ? its_read : none) + (other < stretch ? its_written : none);
    }

    leave_level<Stretch>(now.q, a, q, k, d_q, d_k, d);
    { // the outer stretches' sums of the second level are for the inner ones too
        const float2 far = leave_level<2 * Stretch>(s.far, a, q, k, d_q, d_k, d), its = of_stretch(far, stretch ^ 1);
        if (stretch == 1 || stretch == 2) d_decays = d_decays + its;
    }

    {
        Piece x = k;
        leave_keys(x, a);
        x.store(now.k, d);
        x = q;
        enter_queries(x, a, p.scale);
        PieceOperand<T> operand;
        operand.enter(x);
        d_state.scale(band, a.whole);
        multiply_tokens<T, V>(d_state.x[band], operand, now.d_o);
    }

    const Piece single = kept_decays(now.logs, d);
    Piece d_decay;
    {
        float2 sum = d_decays;
        MEMGEN_UNROLL
        for (int e = 0; e < Stretch; e++) d_decay.of[e] = sum, sum = sum + k.of[e] * d_k.of[e];
        sum = make_float2(0.0f, 0.0f);
        MEMGEN_UNROLL
        for (int e = Stretch - 1; e >= 0; e--) sum = sum + q.of[e] * d_q.of[e], d_decay.of[e] = d_decay.of[e] + sum;
    }
    sum_own_scores(s.own[band * ChannelWarps<K> + static_cast<int>(threadIdx.x) / 32],
        [&](auto token, float* scores) { leave_token<decltype(token)::Index>(scores, single, q, k, d_q, d_k, d_decay); });

    const int n = count(t);
    if (in_parts) store_piece<float>(d_q, s.d_q, t, n, d), store_piece<float>(d_k, s.d_k, t, n, d);
    else store_piece<T>(d_q, s.d_q, t, n, d), store_piece<T>(d_k, s.d_k, t, n, d);
    store_piece<float>(d_decay, s.d_logs, t, n, d);
}

template <class T, int K, int V>
__device__ __forceinline__ void ChannelBackward<T, K, V>::leave(State& d_state, int64_t t, const T* place) {
    auto& now = stage_of(t);
    if (Memory::Stages == 1) load(t, t);
    BandOperand<T, V> state[Bands];
    MEMGEN_UNROLL
    for (int b = 0; b < Bands; b++) state[b].template load<BlockThreads>(place, b);
    d_state.store(s.state);
    wait_copies<0>();
    __syncthreads();
    if (Memory::Stages == 2 && t % CheckpointTokens > 0) load(t - Chunk, t);

    {
        ChannelProduct<Chunk, Chunk, K> d_scores;
        d_scores.zero();
        multiply(d_scores, now.d_o, turned(now.v));
        d_scores.scale(p.scale);
        d_scores.each_pair([&](int i, int j, float& first, float& second) {
            const int right = i % 8 / 2, left = j % 8 / 2;
            if (right == left) {
                store_pair(s.d_own[i / 8 * 2 + i % 2] + left * Stretch + j / 8 * 2, first, second);
            } else if (right > left) {
                store_pair(s.d_scores.at(i, j), first, second);
                *s.d_scores.at(j, i) = rounded<T>(first);
                *s.d_scores.at(j + 1, i) = rounded<T>(second);
            }
        });
    }
    __syncthreads();

    MEMGEN_UNROLL
    for (int b = 0; b < Bands; b++) leave_band(d_state, state[b], b, t);
    __syncthreads();

    ChannelProduct<Chunk, V, K> d_v;
    d_v.zero();
    enter_scores<T, K>(s.scores, now.q, s.far, s.own, p.scale);
    multiply(d_v, now.k, s.state);
    __syncthreads();
    multiply(d_v, turned(s.scores), now.d_o);
    store_interleaved<T>(d_v, s.d_v, t, count(t), 1.0f);
    if (Memory::Stages == 1) __syncthreads();
}

template <class T, int K, int V>
__global__ void __launch_bounds__(ChannelThreads<K>) channel_backward(const MatrixMemoryParameters p, const Spans spans) {
    typedef ChannelBackwardMemory<T, K, V> Memory;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    clear_scores<T, ChannelThreads<K>>(s.scores);
    const Workspace workspace(p, c, tile_count(p, V), part_width(p, true), walk_floats(sizeof(T), K, V));
    if (threadIdx.x == 0) {
        const int keys = static_cast<int>(p.key_dim);
        s.tokens = c.tokens;
        s.q = read_rows<T>(p, p.q, c, 0, keys), s.k = read_rows<T>(p, p.k, c, 0, keys), s.logs = read_rows<float>(p, p.log_decay, c, 0, keys);
        s.v = read_rows<T>(p, p.v, c, c.first_value, c.values), s.d_o = read_rows<T>(p, p.d_o, c, c.first_value, c.values);
        s.d_v = written_rows<T>(p.d_v, c, c.first_value, c.values, 8);
        auto part = [&](const TensorView& of, int64_t first) { return token_rows(of.data ? workspace.part_of(p, c, 0) + first : nullptr, workspace.row, keys, 8); };
        s.d_q = workspace.part ? part(p.d_q, 0) : written_rows<T>(p.d_q, c, 0, keys, 2 * sizeof(T));
        s.d_k = workspace.part ? part(p.d_k, p.key_dim) : written_rows<T>(p.d_k, c, 0, keys, 2 * sizeof(T));
        s.d_logs = workspace.part ? part(p.d_log_decay, 2 * p.key_dim) : written_rows<float>(p.d_log_decay, c, 0, keys, 8);
    }
    ChannelBackward<T, K, V> backward{p, s, workspace.part != nullptr};
    walk_back<T, K, V, ChannelState<K, V>>(p, c, spans, workspace.own,
        [&](ChannelState<K, V>& state, int64_t first, int64_t end, T* places) { backward.replay(state, first, end, places); },
        [&](ChannelState<K, V>& d_state, int64_t t, const T* place) { backward.leave(d_state, t, place); });
}

template <class T, int K>
struct BackwardLaunch {
    static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = channel_values<T, K>();
            static_assert(sizeof(ChannelBackwardMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            const int64_t tiles = tile_count(p, V);
            const Spans spans = backward_spans(p, Recurrence::Channel);
            cudaError_t status = launch_channel_spans(p, spans, true, stream);
            if (status == cudaSuccess) status = launch(channel_backward<T, K, V>, spans.count * p.heads * tiles, ChannelThreads<K>, sizeof(ChannelBackwardMemory<T, K, V>), stream, p, spans);
            return status != cudaSuccess || tiles < 2 ? status : launch(sum_tiles<T>, spans.count * p.heads, Threads, 0, stream, p, spans, tiles, true);
        }
    }
};

} // namespace

cudaError_t launch_channel_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<BackwardLaunch>(p, stream); }

} // namespace memgen
