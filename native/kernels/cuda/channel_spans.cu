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
    Tile<float, Chunk, K> logs;
    TokenRows x_rows, y_rows, log_rows;
};

template <class T, int K, int V, bool Backward>
__global__ void __launch_bounds__(ChannelThreads<K>) channel_span(const MatrixMemoryParameters p, const Spans spans) {
    typedef ChannelSpanMemory<T, K, V> Memory;
    constexpr int BlockThreads = ChannelThreads<K>, Bands = ChannelBands<K>;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || (Backward ? c.before == 0 : c.last)) return;
    const int keys = static_cast<int>(p.key_dim);
    const int64_t chunks = (c.tokens + Chunk - 1) / Chunk;

    if (threadIdx.x == 0) {
        s.x_rows = read_rows<T>(p, Backward ? p.q : p.k, c, 0, keys), s.y_rows = read_rows<T>(p, Backward ? p.d_o : p.v, c, c.first_value, c.values);
        s.log_rows = read_rows<float>(p, p.log_decay, c, 0, keys);
    }
    __syncthreads();
    ChannelState<K, V> state;
    state.zero();
    float2 decay[Bands]; // of the span
    MEMGEN_UNROLL
    for (int b = 0; b < Bands; b++) decay[b] = make_float2(1.0f, 1.0f);
    for (int64_t i = 0; i < chunks; i++) {
        const int64_t t = (Backward ? chunks - 1 - i : i) * Chunk;
        load_interleaved<BlockThreads>(s.x, s.x_rows, t, c.count(t));
        load_interleaved<BlockThreads>(s.y, s.y_rows, t, c.count(t));
        load_interleaved<BlockThreads, true>(s.logs, s.log_rows, t, c.count(t));
        close_copies();
        wait_copies<0>();
        __syncthreads();
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) {
            const int d = channel_of_thread<K>(b);
            PieceDecays a;
            a.enter(decays_of(s.logs, d));
            Piece x;
            x.load(s.x, d);
            if (Backward) enter_queries(x, a, p.scale);
            else leave_keys(x, a);
            PieceOperand<T> operand;
            operand.enter(x);
            decay[b] = decay[b] * a.whole;
            state.scale(b, a.whole);
            multiply_tokens<T, V>(state.x[b], operand, s.y);
        }
        __syncthreads();
    }
    const int64_t place = Backward ? c.span : c.span + 1;
    state.store_rows(span_state(p, spans, place, c.head) + c.first_value, p.value_dim, keys, c.values, 1.0f);
    if (c.tile > 0 || stretch_of_thread() > 0) return;
    MEMGEN_UNROLL
    for (int b = 0; b < Bands; b++) {
        const int d = channel_of_thread<K>(b);
        if (d < keys) span_decays(p, spans, place, c.head)[d] = decay[b].x;
        if (d + 1 < keys) span_decays(p, spans, place, c.head)[d + 1] = decay[b].y;
    }
}

template <bool Backward>
struct ChannelSpan {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) {
            if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
                return cudaErrorInvalidValue;
            } else {
                constexpr int V = channel_values<T, K>(Recurrence::Channel);
                static_assert(sizeof(ChannelSpanMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
                return launch(channel_span<T, K, V, Backward>, spans.count * p.heads * tile_count(p, V), ChannelThreads<K>, sizeof(ChannelSpanMemory<T, K, V>), stream, p, spans);
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
