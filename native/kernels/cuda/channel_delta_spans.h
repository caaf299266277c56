// A and B of the spans of the delta rules by channel, as delta_spans.cu finds those of the gated delta rule: chunk after chunk, with V' of
// channel_delta.h,  S' = diag(e^{b_C}) S + (K e^(b_C - b))^T V',  or as generalized_delta.h has it.
#pragma once
#include "delta_spans.h"
#include "generalized_delta.h"

namespace memgen {
namespace {

template <class T, int K, int V, Recurrence Rule>
struct ChannelDeltaSpanMemory {
    Tile<T, Chunk, K> k; // then X of the keys' first level
    Tile<T, Chunk, K> far, reads;
    Tile<T, Chunk, V> v;
    Tile<float, Chunk, K> logs;
    StateTile<T, K, V> state;
    BandScores own[K / Band];
    DeltaChunk<V, true> chunk;
    TokenRows k_rows, v_rows, log_rows;
};

template <class T, int K, int V>
struct ChannelDeltaSpanMemory<T, K, V, Recurrence::Generalized> : GeneralizedChunk<T, K, V> {
    Tile<T, Chunk, K> k;
    Tile<T, Chunk, V> v;
    Tile<float, Chunk, K> logs;
    StateTile<T, K, V> state;
    TokenRows k_rows, v_rows, log_rows;
};

template <class T, int K, int V, Recurrence Rule>
__global__ void __launch_bounds__(ChannelThreads<K>) channel_delta_span(const MatrixMemoryParameters p, const Spans spans, bool unit) {
    typedef ChannelDeltaSpanMemory<T, K, V, Rule> Memory;
    constexpr bool Generalized = Rule == Recurrence::Generalized;
    constexpr int BlockThreads = ChannelThreads<K>;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || c.last) return;
    const int keys = static_cast<int>(p.key_dim);
    if (threadIdx.x == 0) {
        s.k_rows = read_rows<T>(p, p.k, c, 0, keys), s.v_rows = read_rows<T>(p, p.v, c, c.first_value, c.values);
        s.log_rows = read_rows<float>(p, p.log_decay, c, 0, keys);
    }
    if constexpr (Generalized) s.enter(p, c);
    __syncthreads();
    ChannelState<K, V> state;
    enter_unit(state, c, keys, unit);
    NextStrengths strengths{tokens_of<const float>(p.beta, c), p.beta.stride[1]};
    if constexpr (!Generalized) strengths.load(0, c.tokens);
    for (int64_t t = 0; t < c.tokens; t += Chunk) {
        load_interleaved<BlockThreads>(s.k, s.k_rows, t, c.count(t));
        load_interleaved<BlockThreads>(s.v, s.v_rows, t, c.count(t));
        load_interleaved<BlockThreads, true>(s.logs, s.log_rows, t, c.count(t));
        if constexpr (Generalized) s.load(t, c.count(t));
        close_copies();
        state.store(s.state);
        if constexpr (!Generalized) strengths.store(s.chunk);
        wait_copies<0>();
        __syncthreads();
        if constexpr (Generalized) {
            ChannelProduct<Chunk, V, K> nothing;
            walk_chunk<false>(s, s.k, s.k, s.v, s.logs, s.state, state, nothing);
        } else {
            strengths.load(t + Chunk, c.tokens);
            ChannelKeys<T, K, V> read;
            read.read(s.logs, s.k, s.k, s.far, s.reads, s.own);
            __syncthreads();
            write_values(s.chunk, s.k, s.far, s.reads, s.own, s.state, s.v, [](int, int, float) {});
            __syncthreads();
            read.write(state, s.v);
        }
        __syncthreads();
    }
    store_span(state, p, spans, c, c.span + 1, unit);
}

template <Recurrence Rule>
struct ChannelDeltaSpan {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, const Spans& spans, bool unit, cudaStream_t stream) {
            if constexpr (K > largest_keys(Rule, sizeof(T) == 4)) {
                return cudaErrorInvalidValue;
            } else {
                constexpr int V = channel_values<T, K>(Rule);
                typedef ChannelDeltaSpanMemory<T, K, V, Rule> Memory;
                static_assert(sizeof(Memory) <= LargestSharedMemory, "does not fit on sm_80");
                return launch(channel_delta_span<T, K, V, Rule>, spans.count * p.heads * tile_count(p, V), ChannelThreads<K>, sizeof(Memory), stream, p, spans, unit);
            }
        }
    };
};

} // namespace
} // namespace memgen
