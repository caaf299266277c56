// A and B of the spans of the gated delta rule, a block for every span of a head and value tile: of B with the values of its
// tokens, from a state of zeros, and of A, whose columns are as many as keys, without values from the unit matrix. With V' of
// delta_chunk.h, chunk after chunk:  S' = g_C S + K^T diag(r) V'
#include "delta_spans.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct DeltaSpanMemory {
    struct {
        Tile<T, Chunk, K> k;
        Tile<T, Chunk, V> v;
    } stages[2];
    Tile<T, K, V> state;
    Tile<T, Chunk, V> faded;
    Decays decays;
    DeltaChunk<V, true> delta;
};

template <class T, int K, int V>
__global__ void __launch_bounds__(Threads) delta_span(const MatrixMemoryParameters p, const Spans spans, bool unit) {
    typedef DeltaSpanMemory<T, K, V> Memory;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || c.last) return;
    const int keys = static_cast<int>(p.key_dim), lane = static_cast<int>(threadIdx.x) % 32;
    const bool first_warp = threadIdx.x < 32;
    const float *log_decay = tokens_of<const float>(p.log_decay, c), *beta = tokens_of<const float>(p.beta, c);

    auto load = [&](int stage, int64_t t) {
        load_tokens(s.stages[stage].k, p, p.k, c, t, c.count(t), 0, keys);
        load_tokens(s.stages[stage].v, p, p.v, c, t, c.count(t), c.first_value, c.values);
        close_copies();
    };
    float gate = 0.0f, strength = 0.0f; // of this lane's token in the chunk to come
    auto load_gates = [&](int64_t t) {
        const bool inside = t + lane < c.tokens;
        gate = inside && log_decay ? log_decay[(t + lane) * p.log_decay.stride[1]] : 0.0f;
        strength = inside ? beta[(t + lane) * p.beta.stride[1]] : 0.0f;
    };

    Accumulator<K, V> state;
    enter_unit(state, c, keys, unit);
    if (first_warp) load_gates(0);
    load(0, 0);
    int stage = 0;
    for (int64_t t = 0; t < c.tokens; t += Chunk, stage ^= 1) {
        wait_copies<0>();
        __syncthreads();
        if (t + Chunk < c.tokens) load(stage ^ 1, t + Chunk);
        auto& x = s.stages[stage];
        if (first_warp) {
            s.decays.enter(gate);
            s.delta.beta[lane] = strength;
            load_gates(t + Chunk);
        }
        state.store(s.state);
        __syncthreads();
        write_values_alone<T, K, V, 2>(s.delta, s.decays, x.k, s.state, x.v, s.faded);
        state.scale(s.decays.whole);
        multiply(state, turned(x.k), s.faded);
    }
    store_span(state, p, spans, c, c.span + 1, unit);
}

template <class T, int K>
struct DeltaSpan {
    static cudaError_t run(const MatrixMemoryParameters& p, const Spans& spans, bool unit, cudaStream_t stream) {
        constexpr int V = forward_values<T, K>();
        static_assert(sizeof(DeltaSpanMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
        return launch(delta_span<T, K, V>, spans.count * p.heads * tile_count(p, V), Threads, sizeof(DeltaSpanMemory<T, K, V>), stream, p, spans, unit);
    }
};

} // namespace

cudaError_t launch_delta_spans(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) { return launch_spans<DeltaSpan>(p, spans, false, stream); }

} // namespace memgen
