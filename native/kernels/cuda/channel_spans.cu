// A and B of the spans of channel decay, a block for every span of a head and value tile. A is the decay of all its tokens by
// channel, and, chunk after chunk,
//   B' = diag(e^{b_C}) B + (K e^(b_C - b))^T V      backward, from the last chunk on:  D' = diag(e^{b_C}) D + scale (Q e^b)^T dO
#include "channel_chunk.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct ChannelSpanMemory {
    Tile<T, Chunk, K> x; // k or q
    Tile<T, Chunk, V> y; // v or d_o
    Tile<float, Chunk, K> decays;
    alignas(8) float whole[K], decay[K]; // decay: of the span
};

template <class T, int K, int V, bool Backward>
__global__ void __launch_bounds__(Threads) channel_span(const MatrixMemoryParameters p, const Spans spans) {
    typedef ChannelSpanMemory<T, K, V> Memory;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || (Backward ? c.before == 0 : c.last)) return;
    const int keys = static_cast<int>(p.key_dim);
    const int64_t chunks = (c.tokens + Chunk - 1) / Chunk;

    Accumulator<K, V> state;
    state.zero();
    for (int d = static_cast<int>(threadIdx.x); d < K; d += Threads) s.decay[d] = 1.0f;
    for (int64_t i = 0; i < chunks; i++) {
        const int64_t t = (Backward ? chunks - 1 - i : i) * Chunk;
        const int n = c.count(t);
        load_tokens(s.x, p, Backward ? p.q : p.k, c, t, n, 0, keys);
        load_tokens(s.y, p, Backward ? p.d_o : p.v, c, t, n, c.first_value, c.values);
        load_tokens(s.decays, p, p.log_decay, c, t, n, 0, keys);
        close_copies();
        wait_copies<0>();
        __syncthreads();
        enter_decays(s.decays);
        __syncthreads();
        by_channels<K>([&](int d, int part) {
            const float2 whole = Backward ? enter_queries(d, part, s.decays, s.x) : leave_keys(d, part, s.decays, s.x);
            if (part != (Backward ? 1 : 0)) return;
            store_pair(s.whole + d, whole);
            store_pair(s.decay + d, load_pair(s.decay + d) * whole);
        });
        for (int e = static_cast<int>(threadIdx.x) * 2; Backward && e < Chunk * V; e += Threads * 2) {
            const float2 x = load_pair(s.y.at(e / V, e % V));
            store_pair(s.y.at(e / V, e % V), p.scale * x.x, p.scale * x.y);
        }
        __syncthreads();
        state.scale_rows(s.whole);
        multiply(state, turned(s.x), s.y);
        __syncthreads();
    }
    const int64_t place = Backward ? c.span : c.span + 1;
    state.store_rows(span_state(p, spans, place, c.head) + c.first_value, p.value_dim, keys, c.values, 1.0f);
    for (int d = static_cast<int>(threadIdx.x); c.tile == 0 && d < keys; d += Threads) span_decays(p, spans, place, c.head)[d] = s.decay[d];
}

template <bool Backward>
struct ChannelSpan {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) {
            if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
                return cudaErrorInvalidValue;
            } else {
                constexpr int V = forward_values<T, K>();
                static_assert(sizeof(ChannelSpanMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
                return launch(channel_span<T, K, V, Backward>, spans.count * p.heads * tile_count(p, V), Threads, sizeof(ChannelSpanMemory<T, K, V>), stream, p, spans);
            }
        }
    };
};

} // namespace

cudaError_t launch_channel_spans(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream) {
    if (are_whole(p, spans)) return cudaSuccess;
    const cudaError_t status = backward ? by_number_and_keys<ChannelSpan<true>::Launch>(p, spans, stream) : by_number_and_keys<ChannelSpan<false>::Launch>(p, spans, stream);
    return status != cudaSuccess ? status : launch_carry(p, spans, backward, stream);
}

} // namespace memgen
