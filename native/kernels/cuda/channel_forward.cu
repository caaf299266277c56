// Forward pass of channel decay, a block for every head and value tile. With the scores P of channel_chunk.h:
//   O = scale ((Q e^b) S + P V)      S' = diag(e^{b_C}) S + (K e^(b_C - b))^T V
#include "channel_chunk.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct ChannelMemory : ChannelTokens<T, K, V> {
    Tile<T, K, V> state;
    Tile<T, Chunk, Chunk> scores;
    alignas(8) float whole[K];
};

template <class T, int K, int V>
__global__ void __launch_bounds__(Threads) channel_forward(const MatrixMemoryParameters p, const Spans spans) {
    typedef ChannelMemory<T, K, V> Memory;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    const int keys = static_cast<int>(p.key_dim);
    T* o = tokens_of<T>(p.o, c) + c.first_value;

    Accumulator<K, V> state;
    state.zero();
    const StateRows initial = state_before(p, c, spans);
    if (initial.data) state.load_rows(initial.data, initial.stride, keys, c.values);
    for (int64_t t = 0; t < c.tokens; t += Chunk) {
        if (p.checkpoints && c.before + t > 0 && t % CheckpointTokens == 0) state.store_rows(checkpoint_of(p, c, t), p.value_dim, keys, c.values, 1.0f);
        open_chunk(s, p, c, t, true, [&] { state.store(s.state); });

        {
            Accumulator<Chunk, Chunk> scores;
            channel_scores(scores, s.decays, s.q, s.k, s.x);
            scores.store(s.scores);
        }
        by_channels<K>([&](int d, int part) {
            enter_queries(d, part, s.decays, s.q);
            const float2 whole = leave_keys(d, part, s.decays, s.k);
            if (part == 0) store_pair(s.whole + d, whole);
        });
        __syncthreads();

        Accumulator<Chunk, V> out;
        out.zero();
        multiply(out, s.q, s.state);
        multiply(out, s.scores, s.v);
        out.store_rows(o + t * p.o.stride[1], p.o.stride[1], c.count(t), c.values, p.scale);
        state.scale_rows(s.whole);
        multiply(state, turned(s.k), s.v);
        __syncthreads();
    }
    float* final = c.last ? state_of(p.final_state, c) : nullptr;
    if (final) state.store_rows(final, p.final_state.stride[2], keys, c.values, 1.0f);
}

template <class T, int K>
struct ForwardLaunch {
    static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = forward_values<T, K>();
            static_assert(sizeof(ChannelMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            const Spans spans = forward_spans(p, Recurrence::Channel);
            const cudaError_t status = launch_channel_spans(p, spans, false, stream);
            return status != cudaSuccess ? status : launch(channel_forward<T, K, V>, spans.count * p.heads * tile_count(p, V), Threads, sizeof(ChannelMemory<T, K, V>), stream, p, spans);
        }
    }
};

} // namespace

cudaError_t launch_channel_decay_forward(const MatrixMemoryParameters& p, cudaStream_t stream) {
    return is_step(p) ? launch_matrix_memory_step(p, true, stream) : by_number_and_keys<ForwardLaunch>(p, stream);
}

} // namespace memgen
