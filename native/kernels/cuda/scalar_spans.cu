// A and B of the spans of scalar decay and linear attention, a block for every span of a head and value tile. A is the decay of
// all its tokens, and, chunk after chunk with g and r of delta_forward.cu,
//   B' = g_C B + K^T diag(r) V      backward, from the last chunk on:  D' = g_C D + scale (diag(g) Q)^T dO
#include "matrix_memory.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct ScalarSpanMemory {
    struct {
        Tile<T, Chunk, K> x; // k or q
        Tile<T, Chunk, V> y; // v or d_o
    } stages[2];
    Decays decays;
};

template <class T, int K, int V, bool Backward>
__global__ void __launch_bounds__(Threads) scalar_span(const MatrixMemoryParameters p, const Spans spans) {
    typedef ScalarSpanMemory<T, K, V> Memory;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || (Backward ? c.before == 0 : c.last)) return;
    const int keys = static_cast<int>(p.key_dim), lane = static_cast<int>(threadIdx.x) % 32;
    const bool first_warp = threadIdx.x < 32;
    const int64_t chunks = (c.tokens + Chunk - 1) / Chunk;
    const float* log_decay = tokens_of<const float>(p.log_decay, c);

    auto start = [&](int64_t i) { return (Backward ? chunks - 1 - i : i) * Chunk; };
    auto load = [&](int stage, int64_t t) {
        load_tokens(s.stages[stage].x, p, Backward ? p.q : p.k, c, t, c.count(t), 0, keys);
        load_tokens(s.stages[stage].y, p, Backward ? p.d_o : p.v, c, t, c.count(t), c.first_value, c.values);
        close_copies();
    };
    float gate = 0.0f; // of this lane's token in the chunk to come
    auto load_gate = [&](int64_t t) { gate = log_decay && t + lane < c.tokens ? log_decay[(t + lane) * p.log_decay.stride[1]] : 0.0f; };

    Accumulator<K, V> state;
    state.zero();
    float decay = 1.0f;
    if (first_warp) load_gate(start(0));
    load(0, start(0));
    for (int64_t i = 0; i < chunks; i++) {
        wait_copies<0>();
        __syncthreads();
        if (i + 1 < chunks) load(static_cast<int>(i + 1) % 2, start(i + 1));
        auto& tokens = s.stages[i % 2];
        if (first_warp) {
            s.decays.enter(gate);
            if (i + 1 < chunks) load_gate(start(i + 1));
        }
        __syncthreads();
        for (int e = static_cast<int>(threadIdx.x) * 2; e < Chunk * V; e += Threads * 2) {
            const float2 x = load_pair(tokens.y.at(e / V, e % V));
            const float factor = Backward ? p.scale * s.decays.since[e / V] : s.decays.until[e / V];
            store_pair(tokens.y.at(e / V, e % V), factor * x.x, factor * x.y);
        }
        decay *= s.decays.whole;
        state.scale(s.decays.whole);
        __syncthreads();
        multiply(state, turned(tokens.x), tokens.y);
    }
    const int64_t place = Backward ? c.span : c.span + 1;
    state.store_rows(span_state(p, spans, place, c.head) + c.first_value, p.value_dim, keys, c.values, 1.0f);
    if (c.tile == 0 && threadIdx.x == 0) *span_decays(p, spans, place, c.head) = decay;
}

template <bool Backward>
struct ScalarSpan {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) {
            constexpr int V = forward_values<T, K>();
            static_assert(sizeof(ScalarSpanMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            return launch(scalar_span<T, K, V, Backward>, spans.count * p.heads * tile_count(p, V), Threads, sizeof(ScalarSpanMemory<T, K, V>), stream, p, spans);
        }
    };
};

} // namespace

cudaError_t launch_scalar_spans(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream) {
    if (are_whole(p, spans)) return cudaSuccess;
    const cudaError_t status = backward ? by_number_and_keys<ScalarSpan<true>::Launch>(p, spans, stream) : by_number_and_keys<ScalarSpan<false>::Launch>(p, spans, stream);
    return status != cudaSuccess ? status : launch_carry(p, spans, backward, stream);
}

} // namespace memgen
