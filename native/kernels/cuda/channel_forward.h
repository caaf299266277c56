// Forward pass of channel decay, a block for every head and value tile. With the scores P of channel_chunk.h:
//   O = scale (Q e^b) S + P V      S' = diag(e^{b_C}) S + (K e^(b_C - b))^T V
// The delta rule writes V' in the place of V (channel_delta.h), the generalised one R beside it (generalized_delta.h).
#pragma once
#include "generalized_delta.h"

namespace memgen {
namespace {

// What a chunk's writes take beside keys and values, and what its answers take.
template <class T, int K, int V, Recurrence Rule>
struct ChannelScores {
    Tile<T, Chunk, K> far; // X of the second level
    Tile<T, Chunk, Chunk> scores;
    BandScores own[K / Band];
};
template <class T, int K, int V>
struct ChannelScores<T, K, V, Recurrence::ChannelDelta> : ChannelScores<T, K, V, Recurrence::Channel> {
    Tile<T, Chunk, K> near, reads; // of the keys: X of the first level and K e^b
    DeltaChunk<V, true> chunk;
};
template <class T, int K, int V>
struct ChannelScores<T, K, V, Recurrence::Generalized> : GeneralizedChunk<T, K, V> {};

template <class T, int K, int V, Recurrence Rule, int Count>
struct ChannelMemoryOf : ChannelScores<T, K, V, Rule> {
    static constexpr int Stages = Count; // of the tokens that are loaded ahead
    struct {
        Tile<T, Chunk, K> q, k; // then Q e^b and X of the first level
        Tile<T, Chunk, V> v;
        Tile<float, Chunk, K> logs;
    } stages[Stages];
    StateTile<T, K, V> state; // S
    TokenRows q, k, v, logs, o;
};

// The generalised rule's a and b have one stage.
template <class T, int K, int V, Recurrence Rule>
using ChannelMemory = ChannelMemoryOf<T, K, V, Rule, Rule != Recurrence::Generalized && sizeof(ChannelMemoryOf<T, K, V, Rule, 2>) <= LargestSharedMemory ? 2 : 1>;

// What one warp does with the channels of a band, without any other, for the products of the block: Q e^b, X and its own scores. Keys of the
// delta rule have been read; of the others this is the time for what they write.
template <class T, int K, int V, Recurrence Rule, class Stage>
__device__ __forceinline__ void enter_band(ChannelMemory<T, K, V, Rule>& s, Stage& now, ChannelKeys<T, K, V>& keys, int band) {
    constexpr bool Delta = Rule == Recurrence::ChannelDelta;
    const int d = channel_of_thread<K>(band);
    const Piece single = Delta ? kept_decays(now.logs, d) : decays_of(now.logs, d);
    PieceDecays a;
    a.enter(single);
    Piece q, k;
    q.load(now.q, d), k.load(now.k, d);
    enter_pairs(now.k, s.far, s.own[band_of_warp<K>(band)], single, a, q, k, d);
    enter_queries(q, a, 1.0f);
    q.store(now.q, d);
    if constexpr (!Delta) {
        leave_keys(k, a);
        keys.written[band].enter(k);
        keys.whole[band] = a.whole;
    }
}

template <class T, int K, int V, Recurrence Rule>
__global__ void __launch_bounds__(ChannelThreads<K>) channel_forward(const MatrixMemoryParameters p, const Spans spans) {
    typedef ChannelMemory<T, K, V, Rule> Memory;
    constexpr bool Delta = Rule == Recurrence::ChannelDelta, Generalized = Rule == Recurrence::Generalized;
    constexpr int BlockThreads = ChannelThreads<K>;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    const int keys = static_cast<int>(p.key_dim);
    if (threadIdx.x == 0) {
        s.q = read_rows<T>(p, p.q, c, 0, keys), s.k = read_rows<T>(p, p.k, c, 0, keys), s.logs = read_rows<float>(p, p.log_decay, c, 0, keys);
        s.v = read_rows<T>(p, p.v, c, c.first_value, c.values), s.o = written_rows<T>(p.o, c, c.first_value, c.values, 8);
    }
    if constexpr (Generalized) s.enter(p, c);
    else clear_scores<T, BlockThreads>(s.scores);
    __syncthreads();
    auto load = [&](int to, int64_t t) {
        load_interleaved<BlockThreads>(s.stages[to].q, s.q, t, c.count(t));
        load_interleaved<BlockThreads>(s.stages[to].k, s.k, t, c.count(t));
        load_interleaved<BlockThreads>(s.stages[to].v, s.v, t, c.count(t));
        load_interleaved<BlockThreads, true>(s.stages[to].logs, s.logs, t, c.count(t));
        if constexpr (Generalized) s.load(t, c.count(t));
    };

    ChannelState<K, V> state;
    state.zero();
    const StateRows initial = state_before(p, c, spans);
    if (initial.data) state.load_rows(initial.data, initial.stride, keys, c.values);
    NextStrengths strengths{tokens_of<const float>(p.beta, c), p.beta.stride[1]};
    if constexpr (Delta) strengths.load(0, c.tokens);
    int stage = 0;
    for (int64_t t = 0; t < c.tokens; t += Chunk) {
        auto& now = s.stages[stage];
        if (Memory::Stages == 1 || t == 0) load(stage, t);
        close_copies();
        if (p.checkpoints && c.before + t > 0 && t % CheckpointTokens == 0) state.store_rows(checkpoint_of(p, c, t), p.value_dim, keys, c.values, 1.0f);
        state.store(s.state);
        if constexpr (Delta) strengths.store(s.chunk);
        wait_copies<0>();
        __syncthreads();
        if (Memory::Stages == 2 && t + Chunk < c.tokens) load(stage ^ 1, t + Chunk);

        ChannelProduct<Chunk, V, K> out;
        if constexpr (Generalized) {
            walk_chunk<true>(s, now.q, now.k, now.v, now.logs, s.state, state, out);
        } else {
            ChannelKeys<T, K, V> own;
            if constexpr (Delta) {
                strengths.load(t + Chunk, c.tokens);
                own.read(now.logs, now.k, s.near, s.far, s.reads, s.own);
                __syncthreads();
                write_values(s.chunk, s.near, s.far, s.reads, s.own, s.state, now.v, [](int, int, float) {});
            }
            static_assert(ChannelBands<K> <= 2, "band after band: in a loop, nvcc puts what they leave for the state into memory");
            enter_band<T, K, V, Rule>(s, now, own, 0);
            if constexpr (ChannelBands<K> > 1) enter_band<T, K, V, Rule>(s, now, own, 1);
            if constexpr (!Delta) own.write(state, now.v);
            __syncthreads();

            out.zero();
            enter_scores<T, K>(s.scores, now.k, s.far, s.own, 1.0f);
            multiply(out, now.q, s.state);
            if constexpr (Delta) own.write(state, now.v);
            __syncthreads();
            multiply(out, s.scores, now.v);
        }
        store_interleaved<T>(out, s.o, t, c.count(t), p.scale);
        if (Memory::Stages == 2) stage ^= 1;
        else __syncthreads();
    }
    float* final = c.last ? state_of(p.final_state, c) : nullptr;
    if (final) state.store_rows(final, p.final_state.stride[2], keys, c.values, 1.0f);
}

template <Recurrence Rule>
struct ChannelForward {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
            if constexpr (K > largest_keys(Rule, sizeof(T) == 4)) {
                return cudaErrorInvalidValue;
            } else {
                constexpr int V = channel_values<T, K>(Rule);
                static_assert(sizeof(ChannelMemory<T, K, V, Rule>) <= LargestSharedMemory, "does not fit on sm_80");
                const Spans spans = forward_spans(p, Rule);
                const cudaError_t status = Rule == Recurrence::Channel ? launch_channel_spans(p, spans, false, stream) : Rule == Recurrence::ChannelDelta ? launch_channel_delta_spans(p, spans, stream) : launch_generalized_delta_spans(p, spans, stream);
                return status != cudaSuccess ? status : launch(channel_forward<T, K, V, Rule>, spans.count * p.heads * tile_count(p, V), ChannelThreads<K>, sizeof(ChannelMemory<T, K, V, Rule>), stream, p, spans);
            }
        }
    };
};

} // namespace
} // namespace memgen
