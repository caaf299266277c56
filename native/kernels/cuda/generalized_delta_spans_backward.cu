// A^T and D of the spans of the generalised delta rule, from the last chunk on, with R and the scores of generalized_delta.h:
//   X = (I - AB)^{-T} (QB^T dO + (B e^(b_C - b)) dS')      dS = diag(e^{b_C}) dS' + scale (Q e^b)^T dO + (A e^b')^T X
#include "delta_spans.h"
#include "generalized_delta.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct GeneralizedSpanMemory : GeneralizedChunk<T, K, V> { // a: then X of the first level; b: B e^(b_C - b)
    Tile<T, Chunk, K> q;            // then X of the first level
    Tile<T, Chunk, V> d_o, d_recalled; // d_recalled: X, the gradient of what is recalled
    Tile<float, Chunk, K> logs;
    StateTile<T, K, V> state;
    TokenRows q_rows, d_o_rows, log_rows;
};

template <class T, int K, int V>
__global__ void __launch_bounds__(ChannelThreads<K>) generalized_span_backward(const MatrixMemoryParameters p, const Spans spans, bool unit) {
    typedef GeneralizedSpanMemory<T, K, V> Memory;
    constexpr int BlockThreads = ChannelThreads<K>;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || c.before == 0) return;
    const int keys = static_cast<int>(p.key_dim);
    if (threadIdx.x == 0) {
        s.q_rows = read_rows<T>(p, p.q, c, 0, keys), s.log_rows = read_rows<float>(p, p.log_decay, c, 0, keys);
        s.d_o_rows = read_rows<T>(p, p.d_o, c, c.first_value, c.values); // zeros for A, of which nobody has asked anything
    }
    s.enter(p, c);
    __syncthreads();
    ChannelState<K, V> d_state;
    enter_unit(d_state, c, keys, unit);
    for (int64_t t = (c.tokens - 1) / Chunk * Chunk; t >= 0; t -= Chunk) {
        load_interleaved<BlockThreads>(s.q, s.q_rows, t, c.count(t));
        load_interleaved<BlockThreads>(s.d_o, s.d_o_rows, t, c.count(t));
        load_interleaved<BlockThreads, true>(s.logs, s.log_rows, t, c.count(t));
        s.load(t, c.count(t));
        close_copies();
        d_state.store(s.state);
        wait_copies<0>();
        __syncthreads();

        const int d = channel_of_thread<K>(0);
        PieceOperand<T> asked, recalled; // scale Q e^b and A e^b'
        {
            const Piece single = decays_of(s.logs, d);
            PieceDecays decays;
            decays.enter(single);
            Piece q, a, b;
            q.load(s.q, d), a.load(s.a, d), b.load(s.b, d);
            s.template enter_pairs<true, false>(s.q, s.a, single, decays, q, b, a, b, 0);
            enter_queries(q, decays, p.scale), asked.enter(q);
            enter_queries<Reads::BeforeDecay>(a, decays, 1.0f), recalled.enter(a);
            leave_keys(b, decays), b.store(s.b, d);
            d_state.scale(0, decays.whole);
        }
        __syncthreads();
        {
            ChannelProduct<Chunk, V, K> d_recalled;
            d_recalled.zero();
            s.template enter_scores<true, false>(s.q, s.a, p.scale);
            multiply(d_recalled, s.b, s.state);
            __syncthreads();
            multiply(d_recalled, turned(s.qb), s.d_o);
            d_recalled.store(s.chunk.columns);
        }
        __syncthreads();
        solve_turned<ChannelWarps<K> / 2, Interleaved>(s.chunk);
        __syncthreads();
        s.enter_solved(s.d_recalled);
        __syncthreads();
        multiply_tokens<T, V>(d_state.x[0], asked, s.d_o);
        multiply_tokens<T, V>(d_state.x[0], recalled, s.d_recalled);
        __syncthreads();
    }
    store_span(d_state, p, spans, c, c.span, unit);
}

template <class T, int K>
struct GeneralizedSpanBackward {
    static cudaError_t run(const MatrixMemoryParameters& p, const Spans& spans, bool unit, cudaStream_t stream) {
        if constexpr (K > largest_keys(Recurrence::Generalized, sizeof(T) == 4)) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = channel_values<T, K>(Recurrence::Generalized);
            static_assert(sizeof(GeneralizedSpanMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            return launch(generalized_span_backward<T, K, V>, spans.count * p.heads * tile_count(p, V), ChannelThreads<K>, sizeof(GeneralizedSpanMemory<T, K, V>), stream, p, spans, unit);
        }
    }
};

} // namespace

cudaError_t launch_generalized_delta_spans_backward(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) { return launch_spans<GeneralizedSpanBackward>(p, spans, true, stream); }

} // namespace memgen
