// Forward pass of channel decay, a block for every head and value tile. With the scores P of channel_chunk.h:
//   O = scale (Q e^b) S + P V      S' = diag(e^{b_C}) S + (K e^(b_C - b))^T V
#include "channel_chunk.h"

namespace memgen {
namespace {

template <class T, int K, int V, int Count>
struct ChannelMemoryOf {
    static constexpr int Stages = Count; // of the tokens that are loaded ahead
    struct {
        Tile<T, Chunk, K> q, k; // then Q e^b and X of the first level
        Tile<T, Chunk, V> v;
        Tile<float, Chunk, K> logs;
    } stages[Stages];
    Tile<T, Chunk, K> far;    // X of the second level
    StateTile<T, K, V> state; // S
    Tile<T, Chunk, Chunk> scores;
    BandScores own[K / Band];
    TokenRows q, k, v, logs, o;
};

template <class T, int K, int V>
using ChannelMemory = ChannelMemoryOf<T, K, V, sizeof(ChannelMemoryOf<T, K, V, 2>) <= LargestSharedMemory ? 2 : 1>;

// What one warp does with the channels of a band, without any other: the state from before the chunk to behind it, and for the products
// of the block Q e^b, X and its own scores.
template <class T, int K, int V, class Stage>
__device__ __forceinline__ void enter_band(ChannelMemory<T, K, V>& s, Stage& now, ChannelState<K, V>& state, int band) {
    const int d = channel_of_thread<K>(band);
    const Piece single = decays_of(now.logs, d);
    PieceDecays a;
    a.enter(single);
    Piece q, k;
    q.load(now.q, d), k.load(now.k, d);
    level_of<Stretch>(a, q, k).store(now.k, d);
    level_of<2 * Stretch>(a, q, k).store(s.far, d);
    sum_own_scores(s.own[band * ChannelWarps<K> + static_cast<int>(threadIdx.x) / 32], [&](auto token, float* scores) {
        constexpr int I = decltype(token)::Index;
        float2 query = q.of[I];
        MEMGEN_UNROLL
        for (int j = I; j >= 0; j--) {
            const float2 x = query * k.of[j];
            scores[j] = x.x + x.y;
            query = query * single.of[j];
        }
    });
    enter_queries(q, a, 1.0f);
    q.store(now.q, d);
    leave_keys(k, a);
    PieceOperand<T> written;
    written.enter(k);
    state.scale(band, a.whole);
    multiply_tokens<T, V>(state.x[band], written, now.v);
}

template <class T, int K, int V>
__global__ void __launch_bounds__(ChannelThreads<K>) channel_forward(const MatrixMemoryParameters p, const Spans spans) {
    typedef ChannelMemory<T, K, V> Memory;
    constexpr int BlockThreads = ChannelThreads<K>;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    const int keys = static_cast<int>(p.key_dim);
    if (threadIdx.x == 0) {
        s.q = read_rows<T>(p, p.q, c, 0, keys), s.k = read_rows<T>(p, p.k, c, 0, keys), s.logs = read_rows<float>(p, p.log_decay, c, 0, keys);
        s.v = read_rows<T>(p, p.v, c, c.first_value, c.values), s.o = written_rows<T>(p.o, c, c.first_value, c.values, 8);
    }
    clear_scores<T, BlockThreads>(s.scores);
    __syncthreads();
    auto load = [&](int to, int64_t t) {
        load_interleaved<BlockThreads>(s.stages[to].q, s.q, t, c.count(t));
        load_interleaved<BlockThreads>(s.stages[to].k, s.k, t, c.count(t));
        load_interleaved<BlockThreads>(s.stages[to].v, s.v, t, c.count(t));
        load_interleaved<BlockThreads, true>(s.stages[to].logs, s.logs, t, c.count(t));
    };

    ChannelState<K, V> state;
    state.zero();
    const StateRows initial = state_before(p, c, spans);
    if (initial.data) state.load_rows(initial.data, initial.stride, keys, c.values);
    int stage = 0;
    for (int64_t t = 0; t < c.tokens; t += Chunk) {
        auto& now = s.stages[stage];
        if (Memory::Stages == 1 || t == 0) load(stage, t);
        close_copies();
        if (p.checkpoints && c.before + t > 0 && t % CheckpointTokens == 0) state.store_rows(checkpoint_of(p, c, t), p.value_dim, keys, c.values, 1.0f);
        state.store(s.state);
        wait_copies<0>();
        __syncthreads();
        if (Memory::Stages == 2 && t + Chunk < c.tokens) load(stage ^ 1, t + Chunk);

        MEMGEN_UNROLL
        for (int b = 0; b < ChannelBands<K>; b++) enter_band<T, K, V>(s, now, state, b);
        __syncthreads();

        ChannelProduct<Chunk, V, K> out;
        out.zero();
        enter_scores<T, K>(s.scores, now.k, s.far, s.own, 1.0f);
        multiply(out, now.q, s.state);
        __syncthreads();
        multiply(out, s.scores, now.v);
        store_interleaved<T>(out, s.o, t, c.count(t), p.scale);
        if (Memory::Stages == 2) stage ^= 1;
        else __syncthreads();
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
            constexpr int V = channel_values<T, K>();
            static_assert(sizeof(ChannelMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            const Spans spans = forward_spans(p, Recurrence::Channel);
            const cudaError_t status = launch_channel_spans(p, spans, false, stream);
            return status != cudaSuccess ? status : launch(channel_forward<T, K, V>, spans.count * p.heads * tile_count(p, V), ChannelThreads<K>, sizeof(ChannelMemory<T, K, V>), stream, p, spans);
        }
    }
};

} // namespace

cudaError_t launch_channel_decay_forward(const MatrixMemoryParameters& p, cudaStream_t stream) {
    return is_step(p) ? launch_matrix_memory_step(p, true, stream) : by_number_and_keys<ForwardLaunch>(p, stream);
}

} // namespace memgen
