// A^T and D of the spans of the gated delta rule, as delta_spans.cu finds A and B, from the last chunk on, with X and P of
// delta_backward.h:
//   X = (I + A)^{-T} (P^T dO + diag(r) K dS')      dS = g_C dS' + scale (diag(g) Q)^T dO - (diag(beta g) K)^T X
#include "delta_spans.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct DeltaSpanMemory {
    Tile<T, Chunk, K> q, k;
    Tile<T, Chunk, V> d_o, x;
    Tile<T, K, V> state;
    Tile<T, Chunk, Chunk> scores;
    Decays decays;
    DeltaChunk<V, true> delta;
};

template <class T, int K, int V>
__global__ void __launch_bounds__(Threads) delta_span_backward(const MatrixMemoryParameters p, const Spans spans, bool unit) {
    typedef DeltaSpanMemory<T, K, V> Memory;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || c.before == 0) return;
    const int keys = static_cast<int>(p.key_dim), lane = static_cast<int>(threadIdx.x) % 32;
    const float *log_decay = tokens_of<const float>(p.log_decay, c), *beta = tokens_of<const float>(p.beta, c);

    Accumulator<K, V> d_state;
    enter_unit(d_state, c, keys, unit);
    for (int64_t t = (c.tokens - 1) / Chunk * Chunk; t >= 0; t -= Chunk) {
        const int n = c.count(t);
        if (p.d_o.data) load_tokens(s.q, p, p.q, c, t, n, 0, keys);
        load_tokens(s.k, p, p.k, c, t, n, 0, keys);
        load_tokens(s.d_o, p, p.d_o, c, t, n, c.first_value, c.values);
        close_copies();
        if (threadIdx.x < 32) {
            s.decays.enter(lane < n && log_decay ? log_decay[(t + lane) * p.log_decay.stride[1]] : 0.0f);
            s.delta.beta[lane] = lane < n ? beta[(t + lane) * p.beta.stride[1]] : 0.0f;
        }
        d_state.store(s.state);
        wait_copies<0>();
        __syncthreads();

        Accumulator<Chunk, V> d_written;
        d_written.zero();
        {
            Accumulator<Chunk, Chunk> g, scores, keys;
            scores.zero(), keys.zero();
            enter_decays(g, s.decays);
            if (p.d_o.data) {
                multiply_shared<true, false, true, true>(scores, d_written, keys, d_written, s.q, s.k, turned(s.k), s.state);
                enter_scores(s.scores, scores, g, p.scale);
            } else {
                multiply_shared<false, false, true, true>(scores, d_written, keys, d_written, s.k, s.k, turned(s.k), s.state);
            }
            enter_keys(s.delta, keys, g);
        }
        d_written.scale_rows(s.decays.until);
        __syncthreads();
        if (p.d_o.data) multiply(d_written, turned(s.scores), s.d_o);
        d_written.store(s.delta.columns);
        __syncthreads();
        solve_turned(s.delta);
        __syncthreads();

        for (int e = static_cast<int>(threadIdx.x) * 2; e < Chunk * V; e += Threads * 2) {
            const int row = e / V, column = e % V;
            const float2 x = load_pair(s.delta.columns.at(row, column)), d_o = load_pair(s.d_o.at(row, column));
            const float erase = -s.delta.beta[row] * s.decays.since[row], factor = p.scale * s.decays.since[row];
            store_pair(s.x.at(row, column), erase * x.x, erase * x.y);
            store_pair(s.d_o.at(row, column), factor * d_o.x, factor * d_o.y);
        }
        d_state.scale(s.decays.whole);
        __syncthreads();
        if (p.d_o.data) multiply(d_state, turned(s.q), s.d_o);
        multiply(d_state, turned(s.k), s.x);
        __syncthreads();
    }
    store_span(d_state, p, spans, c, c.span, unit);
}

template <class T, int K>
struct DeltaSpanBackward {
    static cudaError_t run(const MatrixMemoryParameters& p, const Spans& spans, bool unit, cudaStream_t stream) {
        constexpr int V = forward_values<T, K>();
        static_assert(sizeof(DeltaSpanMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
        return launch(delta_span_backward<T, K, V>, spans.count * p.heads * tile_count(p, V), Threads, sizeof(DeltaSpanMemory<T, K, V>), stream, p, spans, unit);
    }
};

} // namespace

cudaError_t launch_delta_spans_backward(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) { return launch_spans<DeltaSpanBackward>(p, spans, true, stream); }

} // namespace memgen
