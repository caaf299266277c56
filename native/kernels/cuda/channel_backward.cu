// Backward pass of channel decay, a block for every head and value tile, in chunks from the last to the first (matrix_backward.h,
// channel_gradients.h).
#include "channel_gradients.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct ChannelBackward : ChannelGradients<T, K, V, Recurrence::Channel> {
    typedef ChannelGradients<T, K, V, Recurrence::Channel> Base;
    typedef typename Base::Memory Memory;
    typedef typename Base::State State;
    using Base::p, Base::s, Base::Bands, Base::BlockThreads, Base::stage_of, Base::count, Base::put_aside;

    // Asks for what the chunk at t writes into the state, and for the rest of its tokens where it is the last before `end`, from which
    // chunks are left.
    __device__ __forceinline__ void load(int64_t t, int64_t end) {
        const int n = count(t);
        auto& to = stage_of(t);
        load_interleaved<BlockThreads>(to.k, s.k, t, n);
        load_interleaved<BlockThreads>(to.v, s.v, t, n);
        load_interleaved<BlockThreads, true>(to.logs, s.logs, t, n);
        if (t + Chunk >= end) {
            load_interleaved<BlockThreads>(to.q, s.q, t, n);
            load_interleaved<BlockThreads>(to.d_o, s.d_o, t, n);
        }
        close_copies();
    }

    // States before the chunks of [first, end) into their places; state enters as the one before first.
    __device__ __forceinline__ void replay(State& state, int64_t first, int64_t end, T* places) {
        __syncthreads();
        if (Memory::Stages == 2) load(first, end);
        for (int64_t t = first; t + Chunk < end; t += Chunk, places += K * V) {
            if (Memory::Stages == 1) load(t, end);
            put_aside(state, places);
            wait_copies<0>();
            __syncthreads();
            if (Memory::Stages == 2) load(t + Chunk, end);
            auto& now = stage_of(t);
            MEMGEN_UNROLL
            for (int b = 0; b < Bands; b++) {
                const int d = channel_of_thread<K>(b);
                PieceDecays a;
                a.enter(decays_of(now.logs, d));
                Piece k;
                k.load(now.k, d);
                leave_keys(k, a);
                PieceOperand<T> written;
                written.enter(k);
                state.scale(b, a.whole);
                multiply_tokens<T, V>(state.x[b], written, now.v);
            }
            if (Memory::Stages == 1) __syncthreads();
        }
        put_aside(state, places);
    }

    __device__ __forceinline__ void leave(State& d_state, int64_t t, const T* place) {
        auto& now = stage_of(t);
        if (Memory::Stages == 1) load(t, t);
        BandOperand<T, V> state[Bands];
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) state[b].template load<BlockThreads>(place, b);
        d_state.store(s.state);
        wait_copies<0>();
        __syncthreads();
        if (Memory::Stages == 2 && t % CheckpointTokens > 0) load(t - Chunk, t);

        s.d_scores.template enter<K>(now.d_o, now.v, p.scale);
        __syncthreads();

        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++) Base::leave_band(d_state, state[b], b, t);
        __syncthreads();

        ChannelProduct<Chunk, V, K> d_v;
        d_v.zero();
        enter_scores<T, K>(s.scores, now.q, s.far, s.own, p.scale);
        multiply(d_v, now.k, s.state);
        __syncthreads();
        multiply(d_v, turned(s.scores), now.d_o);
        store_interleaved<T>(d_v, s.d_v, t, count(t), 1.0f);
        if (Memory::Stages == 1) __syncthreads();
    }
};

template <class T, int K>
struct BackwardLaunch {
    static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            const Spans spans = backward_spans(p, Recurrence::Channel);
            const cudaError_t status = launch_channel_spans(p, spans, true, stream);
            return status != cudaSuccess ? status : launch_channel_backward<ChannelBackward<T, K, channel_values<T, K>(Recurrence::Channel)>, T, K>(p, spans, stream);
        }
    }
};

} // namespace

cudaError_t launch_channel_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<BackwardLaunch>(p, stream); }

} // namespace memgen
