// Forward pass of the gated delta rule and of scalar decay, a block for every head and value tile.
//
// The state stays in registers for the whole sequence. For a chunk with entering state S, g_i = e^{b_i} and
// r_i = e^{b_C - b_i} (specification of the recurrence: memgen.h):
//   P_ij = e^(b_i - b_j) q_i k_j for j <= i      O = scale (diag(g) Q S + P V')      S' = g_C S + K^T diag(r) V'
#include "delta_chunk.h"

namespace memgen {
namespace {

template <class T, int K, int V, bool Delta>
struct ForwardMemory {
    static constexpr int Stages = sizeof(T) * K > 512 ? 1 : 2; // of the tokens that are loaded ahead
    struct {
        Tile<T, Chunk, K> q, k;
        Tile<T, Chunk, V> v;
    } stages[Stages];
    Tile<T, K, V> state;
    Tile<T, Chunk, V> faded;
    Tile<T, Chunk, Chunk> scores;
    Decays decays;
    DeltaChunk<V, Delta> delta;
};

template <class T, int K, int V, bool Delta>
__global__ void __launch_bounds__(Threads) delta_forward(const MatrixMemoryParameters p, const Spans spans) {
    typedef ForwardMemory<T, K, V, Delta> Memory;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    const int keys = static_cast<int>(p.key_dim), lane = static_cast<int>(threadIdx.x) % 32;
    const bool first_warp = threadIdx.x < 32;
    const T *q = tokens_of<const T>(p.q, c), *k = tokens_of<const T>(p.k, c), *v = tokens_of<const T>(p.v, c) + c.first_value;
    T* o = tokens_of<T>(p.o, c) + c.first_value;
    const float *log_decay = tokens_of<const float>(p.log_decay, c), *beta = tokens_of<const float>(p.beta, c);

    auto load = [&](int stage, int64_t t) {
        const int n = c.count(t);
        load_rows(s.stages[stage].q, q + t * p.q.stride[1], p.q.stride[1], n, keys);
        load_rows(s.stages[stage].k, k + t * p.k.stride[1], p.k.stride[1], n, keys);
        load_rows(s.stages[stage].v, v + t * p.v.stride[1], p.v.stride[1], n, c.values);
        close_copies();
    };
    float gate = 0.0f, strength = 0.0f; // of this lane's token in the chunk to come
    auto load_gates = [&](int64_t t) {
        const bool inside = t + lane < c.tokens;
        gate = inside && log_decay ? log_decay[(t + lane) * p.log_decay.stride[1]] : 0.0f;
        if constexpr (Delta) strength = inside ? beta[(t + lane) * p.beta.stride[1]] : 0.0f;
    };

    Accumulator<K, V> state;
    state.zero();
    const StateRows initial = state_before(p, c, spans);
    if (initial.data) state.load_rows(initial.data, initial.stride, keys, c.values);
    if (first_warp) load_gates(0);
    if (Memory::Stages == 2 && c.tokens > 0) load(0, 0);

    int stage = 0;
    for (int64_t t = 0; t < c.tokens; t += Chunk) {
        if (p.checkpoints && c.before + t > 0 && t % CheckpointTokens == 0) state.store_rows(checkpoint_of(p, c, t), p.value_dim, keys, c.values, 1.0f);
        if (Memory::Stages == 1) {
            __syncthreads(); // the last chunk is read
            load(0, t);
        }
        wait_copies<0>();
        __syncthreads();
        if (Memory::Stages == 2 && t + Chunk < c.tokens) load(stage ^ 1, t + Chunk);
        auto& x = s.stages[stage];
        if (Memory::Stages == 2) stage ^= 1;
        if (first_warp) {
            s.decays.enter(gate);
            if constexpr (Delta) s.delta.beta[lane] = strength;
            load_gates(t + Chunk);
        }
        state.store(s.state);
        __syncthreads();

        Accumulator<Chunk, V> out, read;
        out.zero(), read.zero();
        {
            Accumulator<Chunk, Chunk> g, scores, keys;
            scores.zero(), keys.zero();
            multiply_shared<true, true, Delta, Delta>(scores, out, keys, read, x.q, x.k, turned(x.k), s.state);
            enter_decays(g, s.decays);
            enter_scores(s.scores, scores, g, 1.0f);
            if constexpr (Delta) enter_keys(s.delta, keys, g);
        }
        out.scale_rows(s.decays.since);
        write_values<Delta>(s.delta, s.decays, read, x.v, s.faded, static_cast<Tile<T, Chunk, V>*>(nullptr));

        multiply(out, s.scores, x.v);
        const int n = c.count(t);
        if (!Delta && p.divisors) {
            const float* divisors = p.divisors + (c.row * p.tokens + c.token + t) * p.heads + c.head;
            out.each_pair([&](int i, int, float& first, float& second) {
                const float inverse = i < n ? 1.0f / divisors[i * p.heads] : 0.0f;
                first *= inverse, second *= inverse;
            });
        }
        out.store_rows(o + t * p.o.stride[1], p.o.stride[1], n, c.values, p.scale);
        state.scale(s.decays.whole);
        multiply(state, turned(x.k), s.faded);
    }
    float* final = c.last ? state_of(p.final_state, c) : nullptr;
    if (final) state.store_rows(final, p.final_state.stride[2], keys, c.values, 1.0f);
}

template <bool Delta>
struct Forward {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
            constexpr int V = forward_values<T, K>();
            static_assert(sizeof(ForwardMemory<T, K, V, Delta>) <= LargestSharedMemory, "does not fit on sm_80");
            const Spans spans = forward_spans(p, Delta ? Recurrence::Delta : Recurrence::Scalar);
            const cudaError_t status = Delta ? launch_delta_spans(p, spans, stream) : launch_scalar_spans(p, spans, false, stream);
            return status != cudaSuccess ? status : launch(delta_forward<T, K, V, Delta>, spans.count * p.heads * tile_count(p, V), Threads, sizeof(ForwardMemory<T, K, V, Delta>), stream, p, spans);
        }
    };
};

} // namespace

cudaError_t launch_scalar_decay_forward(const MatrixMemoryParameters& p, cudaStream_t stream) {
    return is_step(p) && !p.divisors ? launch_matrix_memory_step(p, false, stream) : by_number_and_keys<Forward<false>::Launch>(p, stream);
}
cudaError_t launch_gated_delta_rule_forward(const MatrixMemoryParameters& p, cudaStream_t stream) {
    return is_step(p) ? launch_matrix_memory_step(p, false, stream) : by_number_and_keys<Forward<true>::Launch>(p, stream);
}

} // namespace memgen
