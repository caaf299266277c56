// Backward pass of the channel delta rule, a block for every head and value tile, in chunks from the last to the first
// (matrix_backward.h, channel_gradients.h).
//
// While the states are computed again, what a chunk writes is kept: y, V' before beta, and M of channel_delta.h. With them and P, the
// scores of the queries, a chunk is left in two passes over its channels, between which values are solved for:
//   dV' = P^T dO + (K e^(b_C - b)) dS'      X = (I + A)^{-T} dV'      dV = beta X      dbeta_i = X_i y_i      Z = -diag(beta) X
#include "channel_gradients.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct ChannelDeltaBackward : ChannelGradients<T, K, V, Recurrence::ChannelDelta> {
    typedef ChannelGradients<T, K, V, Recurrence::ChannelDelta> Base;
    typedef typename Base::Memory Memory;
    typedef typename Base::State State;
    using Base::p, Base::s, Base::own, Base::Bands, Base::BlockThreads, Base::stage_of, Base::count, Base::put_aside;
    int64_t asked = -1; // the chunk whose tokens are on their way to be left

    // What is kept of the chunk at t: y, and behind it M.
    __device__ __forceinline__ T* kept_values(int64_t t) const {
        return reinterpret_cast<T*>(own + walk_floats(sizeof(T), K, V) + t % CheckpointTokens / Chunk * kept_floats(Recurrence::ChannelDelta, sizeof(T), V));
    }
    __device__ __forceinline__ float* kept_keys(int64_t t) const { return reinterpret_cast<float*>(kept_values(t) + Chunk * V); }

    __device__ __forceinline__ void load_written(int64_t t) {
        auto& to = stage_of(t);
        load_interleaved<BlockThreads>(to.k, s.k, t, count(t));
        load_interleaved<BlockThreads>(to.v, s.v, t, count(t));
        load_interleaved<BlockThreads, true>(to.logs, s.logs, t, count(t));
        close_copies();
    }
    __device__ __forceinline__ void load_keys(int64_t t) {
        load_interleaved<BlockThreads>(stage_of(t).q, s.q, t, count(t));
        load_interleaved<BlockThreads>(stage_of(t).k, s.k, t, count(t));
        close_copies();
    }
    __device__ __forceinline__ void load_all(int64_t t) {
        auto& to = stage_of(t);
        load_interleaved<BlockThreads>(to.d_o, s.d_o, t, count(t));
        load_interleaved<BlockThreads, true>(to.logs, s.logs, t, count(t));
        load_place<BlockThreads>(to.v, kept_values(t));
        load_keys(t);
    }
    __device__ __forceinline__ void enter_strengths(int64_t t) {
        NextStrengths strengths{s.beta.template at<const float>(0), s.beta.stride};
        strengths.load(t, s.tokens);
        strengths.store(s.chunk);
    }

    // States before the chunks of [first, end) into their places, and what the chunks write; state enters as the one before first.
    __device__ __forceinline__ void replay(State& state, int64_t first, int64_t end, T* places) {
        __syncthreads();
        if (Memory::Stages == 2) load_written(first);
        for (int64_t t = first; t < end; t += Chunk, places += K * V) {
            auto& now = stage_of(t);
            if (Memory::Stages == 1) load_written(t);
            put_aside(state, places);
            state.store(s.state);
            enter_strengths(t);
            wait_copies<0>();
            __syncthreads();
            if (Memory::Stages == 2 && t + Chunk < end) load_written(t + Chunk);
            ChannelKeys<T, K, V> keys;
            keys.read(now.logs, now.k, now.k, s.far, now.q, s.own);
            __syncthreads();
            T* y = kept_values(t);
            write_values(s.chunk, now.k, s.far, now.q, s.own, s.state, now.v, [=](int row, int column, float x) { y[row * V + column] = rounded<T>(x); });
            store_place<BlockThreads>(kept_keys(t), s.chunk.keys);
            __syncthreads();
            if (t + Chunk < end) keys.write(state, now.v);
            if (Memory::Stages == 1) __syncthreads();
        }
    }

    __device__ __forceinline__ void leave(State& d_state, int64_t t, const T* place) {
        auto& now = stage_of(t);
        const int n = count(t);
        if (asked != t) load_all(t);
        load_place<BlockThreads>(s.chunk.keys, kept_keys(t));
        close_copies();
        enter_strengths(t);
        d_state.store(s.state);
        wait_copies<0>();
        __syncthreads();
        if (Memory::Stages == 2 && t % CheckpointTokens > 0) load_all(asked = t - Chunk);

        for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += BlockThreads * 2) {
            const float2 y = load_pair(now.v.at(i / V, i % V));
            const float beta = s.chunk.beta[interleaved(i / V)];
            store_pair(s.written.at(i / V, i % V), beta * y.x, beta * y.y);
        }
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) {
            const int d = channel_of_thread<K>(b);
            const Piece single = decays_of(now.logs, d);
            keep_decays(single, now.logs, d);
            PieceDecays a;
            a.enter(single);
            Piece q, k;
            q.load(now.q, d), k.load(now.k, d);
            enter_pairs(now.q, s.far, s.own[band_of_warp<K>(b)], single, a, q, k, d);
            leave_keys(k, a);
            k.store(now.k, d);
        }
        __syncthreads();

        {
            ChannelProduct<Chunk, V, K> d_v;
            d_v.zero();
            enter_scores<T, K>(s.scores, now.q, s.far, s.own, p.scale);
            multiply(d_v, now.k, s.state);
            __syncthreads();
            load_keys(t); // the second pass takes them as they came
            multiply(d_v, turned(s.scores), now.d_o);
            d_v.store(s.chunk.columns);
        }
        __syncthreads();
        solve_turned<ChannelWarps<K> / 2, Interleaved>(s.chunk);
        __syncthreads();
        leave_values<BlockThreads, Interleaved>(s.chunk, now.v, s.erased, s.d_v.data ? s.d_v.template at<T>(t) : nullptr, s.d_v.stride, n, s.d_v.columns,
            [&](int i) { return -s.chunk.beta[i]; },
            [&](int i, float sum) { if (s.d_beta.data) *s.d_beta.template at<float>(t + i) = sum; });
        BandOperand<T, V> state[Bands];
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) state[b].template load<BlockThreads>(place, b);
        wait_copies<0>();
        __syncthreads();

        s.d_scores.template enter<K>(now.d_o, s.written, p.scale);
        s.d_keys.template enter<K>(s.erased, s.written, 1.0f);
        __syncthreads();
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) Base::leave_band(d_state, state[b], b, t);
        if (Memory::Stages == 1) __syncthreads();
    }
};

template <class T, int K>
struct ChannelDeltaBackwardLaunch {
    static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            const Spans spans = backward_spans(p, Recurrence::ChannelDelta);
            const cudaError_t status = launch_channel_delta_spans_backward(p, spans, stream);
            return status != cudaSuccess ? status : launch_channel_backward<ChannelDeltaBackward<T, K, channel_values<T, K>(Recurrence::ChannelDelta)>, T, K>(p, spans, stream);
        }
    }
};

} // namespace

cudaError_t launch_channel_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<ChannelDeltaBackwardLaunch>(p, stream); }

} // namespace memgen
