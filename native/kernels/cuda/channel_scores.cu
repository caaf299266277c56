// Forward pass of channel decay's memory read along its other axis, o_t = S_t (scale q_t), a block for every head and value tile. With
// P = scale Q V^T for j <= i, and the levels of channel_chunk.h:
//   O = e^b (scale Q S^T) + sum over levels D (P X) + own      S' = diag(e^{b_C}) S + (K e^(b_C - b))^T V
// So is dQ formed where channel decay is left, of dO, and O here by the same code, of Q in the place of dO (channel_gradients.h). A walk
// from the first chunk on, it takes nothing from a later token than the one that reads.
#include "channel_gradients.h"

namespace memgen {
namespace {

template <class T, int K, int V, int Count>
struct ScoresMemoryOf {
    static constexpr int Stages = Count; // of the tokens that are loaded ahead
    struct {
        Tile<T, Chunk, K> k;
        Tile<T, Chunk, V> v, q;
        Tile<float, Chunk, K> logs;
    } stages[Stages];
    ScoreGradients<T> products; // P
    TokenRows q, k, v, logs, o;
};

template <class T, int K, int V>
using ScoresMemory = ScoresMemoryOf<T, K, V, sizeof(ScoresMemoryOf<T, K, V, 2>) <= LargestSharedMemory ? 2 : 1>;

// What one warp does with the channels of a band, without any other: what the chunk's queries find there, and the state from before
// the chunk to behind it.
template <class T, int K, int V, class Stage, class Write>
__device__ __forceinline__ void read_band(const ScoreGradients<T>& products, const Stage& now, ChannelState<K, V>& state, int band, float scale, Write write) {
    const int d = channel_of_thread<K>(band);
    PieceFragments from_state;
    zero(from_state);
    {
        BandOperand<T, V> before;
        before.enter(state.x[band]);
        multiply_values(from_state, before, now.q);
    }
    const Piece single = decays_of(now.logs, d);
    PieceDecays a;
    a.enter(single);
    Piece k, out, d_k = {}, d_decay = {}; // nobody asks for the last two, or for what readers would get, in whose place k stands: none of it is computed
    k.load(now.k, d);
    const float2 before = scale * a.before;
    MEMGEN_UNROLL
    for (int e = 0; e < Stretch; e++) out.of[e] = before * a.since[e] * token_of(from_state, e);
    leave_level<Stretch>(level_of<Stretch>(a, k, k), products, a, k, k, out, d_k);
    leave_level<2 * Stretch>(level_of<2 * Stretch>(a, k, k), products, a, k, k, out, d_k);
    leave_stretch<Reads::UpToItself>(products.own, single, k, k, out, d_k, d_decay);
    write(out, d);

    leave_keys(k, a);
    PieceOperand<T> written;
    written.enter(k);
    state.scale(band, a.whole);
    multiply_tokens<T, V>(state.x[band], written, now.v);
}

// The output has the place of d_q in p: its parts of value tiles are summed as those of d_q are.
template <class T, int K, int V>
__global__ void __launch_bounds__(ChannelThreads<K>) channel_scores(const MatrixMemoryParameters p, const Spans spans) {
    typedef ScoresMemory<T, K, V> Memory;
    constexpr int BlockThreads = ChannelThreads<K>;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    const int keys = static_cast<int>(p.key_dim);
    const Workspace workspace(p, c, tile_count(p, V), p.key_dim, 0);
    if (threadIdx.x == 0) {
        s.q = read_rows<T>(p, p.q, c, c.first_value, c.values), s.v = read_rows<T>(p, p.v, c, c.first_value, c.values);
        s.k = read_rows<T>(p, p.k, c, 0, keys), s.logs = read_rows<float>(p, p.log_decay, c, 0, keys);
        s.o = workspace.part ? token_rows(workspace.part_of(p, c, 0), workspace.row, keys, 8) : written_rows<T>(p.d_q, c, 0, keys, 2 * sizeof(T));
    }
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
        wait_copies<0>();
        __syncthreads();
        if (Memory::Stages == 2 && t + Chunk < c.tokens) load(stage ^ 1, t + Chunk);
        s.products.template enter<K>(now.q, now.v, p.scale);
        __syncthreads();
        auto write = [&](const Piece& out, int d) {
            if (workspace.part) store_piece<float>(out, s.o, t, c.count(t), d);
            else store_piece<T>(out, s.o, t, c.count(t), d);
        };
        MEMGEN_UNROLL
        for (int b = 0; b < ChannelBands<K>; b++) read_band<T, K, V>(s.products, now, state, b, p.scale, write);
        if (Memory::Stages == 2) stage ^= 1;
        else __syncthreads();
    }
    float* final = c.last ? state_of(p.final_state, c) : nullptr;
    if (final) state.store_rows(final, p.final_state.stride[2], keys, c.values, 1.0f);
}

template <class T>
__global__ void __launch_bounds__(Threads) sum_scores(const MatrixMemoryParameters p, const Spans spans, int64_t tiles) {
    Chain c;
    if (span_of_block(c, p, p.value_dim, spans)) sum_parts<T>(p, c, tiles, p.key_dim, [](int64_t, int64_t&) -> float* { return nullptr; });
}

template <class T, int K>
struct ScoresLaunch {
    static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = channel_values<T, K>(Recurrence::Channel);
            static_assert(sizeof(ScoresMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            const Spans spans = scores_spans(p);
            const int64_t tiles = tile_count(p, V);
            cudaError_t status = launch_channel_spans(p, spans, false, stream);
            if (status == cudaSuccess) status = launch(channel_scores<T, K, V>, spans.count * p.heads * tiles, ChannelThreads<K>, sizeof(ScoresMemory<T, K, V>), stream, p, spans);
            return status != cudaSuccess || tiles < 2 ? status : launch(sum_scores<T>, spans.count * p.heads, Threads, 0, stream, p, spans, tiles);
        }
    }
};

} // namespace

cudaError_t launch_channel_scores(const MatrixMemoryParameters& call, cudaStream_t stream) {
    MatrixMemoryParameters p = call;
    p.d_q = call.o;
    return by_number_and_keys<ScoresLaunch>(p, stream);
}

} // namespace memgen
