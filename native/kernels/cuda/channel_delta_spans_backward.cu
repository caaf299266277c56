// A^T and D of the spans of the channel delta rule, as channel_delta_spans.cu finds A and B, from the last chunk on, with X, Z and P of
// channel_delta_backward.cu:
//   X = (I + A)^{-T} (P^T dO + (K e^(b_C - b)) dS')      dS = diag(e^{b_C}) dS' + scale (Q e^b)^T dO + (K e^b)^T Z
#include "channel_delta.h"
#include "delta_spans.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct ChannelDeltaSpanMemory {
    Tile<T, Chunk, K> q, k; // q: then X of the keys' first level
    Tile<T, Chunk, K> near, far; // X of both levels; near: then K e^(b_C - b)
    Tile<T, Chunk, V> d_o, erased; // erased: Z
    Tile<float, Chunk, K> logs;
    StateTile<T, K, V> state;
    Tile<T, Chunk, Chunk> scores;
    BandScores own[K / Band];
    DeltaChunk<V, true> chunk;
    TokenRows q_rows, k_rows, d_o_rows, log_rows;
};

template <class T, int K, int V>
__global__ void __launch_bounds__(ChannelThreads<K>) channel_delta_span_backward(const MatrixMemoryParameters p, const Spans spans, bool unit) {
    typedef ChannelDeltaSpanMemory<T, K, V> Memory;
    constexpr int BlockThreads = ChannelThreads<K>, Bands = ChannelBands<K>;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || c.before == 0) return;
    const int keys = static_cast<int>(p.key_dim);
    const bool answers = p.d_o.data != nullptr; // of A nobody has asked anything
    if (threadIdx.x == 0) {
        s.q_rows = read_rows<T>(p, p.q, c, 0, keys), s.k_rows = read_rows<T>(p, p.k, c, 0, keys), s.log_rows = read_rows<float>(p, p.log_decay, c, 0, keys);
        s.d_o_rows = read_rows<T>(p, p.d_o, c, c.first_value, c.values);
    }
    clear_scores<T, BlockThreads>(s.scores);
    __syncthreads();
    ChannelState<K, V> d_state;
    enter_unit(d_state, c, keys, unit);
    NextStrengths strengths{tokens_of<const float>(p.beta, c), p.beta.stride[1]};
    for (int64_t t = (c.tokens - 1) / Chunk * Chunk; t >= 0; t -= Chunk) {
        if (answers) {
            load_interleaved<BlockThreads>(s.q, s.q_rows, t, c.count(t));
            load_interleaved<BlockThreads>(s.d_o, s.d_o_rows, t, c.count(t));
        }
        load_interleaved<BlockThreads>(s.k, s.k_rows, t, c.count(t));
        load_interleaved<BlockThreads, true>(s.logs, s.log_rows, t, c.count(t));
        close_copies();
        strengths.load(t, c.tokens);
        strengths.store(s.chunk);
        d_state.store(s.state);
        wait_copies<0>();
        __syncthreads();

        PieceOperand<T> asked[Bands], read[Bands]; // scale Q e^b and K e^b
        if (answers) {
            MEMGEN_UNROLL
            for (int b = 0; b < Bands; b++) {
                const int d = channel_of_thread<K>(b);
                const Piece single = decays_of(s.logs, d);
                PieceDecays a;
                a.enter(single);
                Piece q, k;
                q.load(s.q, d), k.load(s.k, d);
                enter_pairs(s.near, s.far, s.own[band_of_warp<K>(b)], single, a, q, k, d);
                enter_queries(q, a, p.scale);
                asked[b].enter(q);
            }
            __syncthreads();
            enter_scores<T, K>(s.scores, s.near, s.far, s.own, p.scale);
            __syncthreads();
        }
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) {
            const int d = channel_of_thread<K>(b);
            const Piece single = decays_of(s.logs, d);
            PieceDecays a;
            a.enter(single);
            Piece k;
            k.load(s.k, d);
            enter_pairs(s.q, s.far, s.own[band_of_warp<K>(b)], single, a, k, k, d);
            Piece x = k;
            enter_queries(x, a, 1.0f);
            read[b].enter(x);
            leave_keys(k, a);
            k.store(s.near, d);
            d_state.scale(b, a.whole);
        }
        __syncthreads();

        {
            ChannelProduct<Chunk, V, K> d_written;
            d_written.zero();
            enter_keys(s.chunk, s.q, s.far, s.own);
            multiply(d_written, s.near, s.state);
            if (answers) multiply(d_written, turned(s.scores), s.d_o);
            d_written.store(s.chunk.columns);
        }
        __syncthreads();
        solve_turned<ChannelWarps<K> / 2, Interleaved>(s.chunk);
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += BlockThreads * 2) {
            const float2 x = load_pair(s.chunk.columns.at(i / V, i % V));
            const float erase = -s.chunk.beta[interleaved(i / V)];
            store_pair(s.erased.at(i / V, i % V), erase * x.x, erase * x.y);
        }
        __syncthreads();
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) {
            if (answers) multiply_tokens<T, V>(d_state.x[b], asked[b], s.d_o);
            multiply_tokens<T, V>(d_state.x[b], read[b], s.erased);
        }
        __syncthreads();
    }
    store_span(d_state, p, spans, c, c.span, unit);
}

template <class T, int K>
struct ChannelDeltaSpanBackward {
    static cudaError_t run(const MatrixMemoryParameters& p, const Spans& spans, bool unit, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = channel_values<T, K>(Recurrence::ChannelDelta);
            static_assert(sizeof(ChannelDeltaSpanMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            return launch(channel_delta_span_backward<T, K, V>, spans.count * p.heads * tile_count(p, V), ChannelThreads<K>, sizeof(ChannelDeltaSpanMemory<T, K, V>), stream, p, spans, unit);
        }
    }
};

} // namespace

cudaError_t launch_channel_delta_spans_backward(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) { return launch_spans<ChannelDeltaSpanBackward>(p, spans, true, stream); }

} // namespace memgen
