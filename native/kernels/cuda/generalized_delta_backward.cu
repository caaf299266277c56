// Backward pass of the generalised delta rule, a block for every head and value tile, in chunks from the last to the first
// (matrix_backward.h, channel_gradients.h). With R and the scores of generalized_delta.h:
//   dR = QB^T dO + (B e^(b_C - b)) dS'      X = (I - AB)^{-T} dR      dV = QK^T dO + AK^T X + (K e^(b_C - b)) dS'
//   dQK = scale dO V^T, dQB = scale dO R^T for j <= i      dAK = X V^T, dAB = X R^T for j < i
//   dS = diag(e^{b_C}) dS' + scale (Q e^b)^T dO + (A e^b')^T X
// and of queries, keys, a, b and decays what channel_gradients.h says, for each pair of who reads and what is written. A log_decay_t is
// in what `a` reads only for tokens behind t.
#include "channel_gradients.h"
#include "generalized_delta.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct ChannelGradientScores<T, K, V, Recurrence::Generalized> : GeneralizedChunk<T, K, V> {
    Tile<T, Chunk, V> recalled, d_recalled;     // R and X
    ScoreGradients<T> d_qb, d_ak, d_ab;         // beside d_scores, of QK
    TokenRows d_a, d_b;
};

template <class T, int K, int V>
struct GeneralizedBackward : ChannelGradients<T, K, V, Recurrence::Generalized> {
    typedef ChannelGradients<T, K, V, Recurrence::Generalized> Base;
    typedef typename Base::Memory Memory;
    typedef typename Base::State State;
    using Base::p, Base::s, Base::own, Base::in_parts, Base::BlockThreads, Base::count, Base::put_aside;
    static_assert(Base::Bands == 1 && Memory::Stages == 1, "one band of sixteen channels a warp, one chunk at a time");

    // R of the chunk at t.
    __device__ __forceinline__ T* kept_values(int64_t t) const {
        return reinterpret_cast<T*>(own + walk_floats(sizeof(T), K, V) + t % CheckpointTokens / Chunk * kept_floats(Recurrence::Generalized, sizeof(T), V));
    }
    __device__ __forceinline__ void load_keys(int64_t t) {
        load_interleaved<BlockThreads>(s.stages[0].k, s.k, t, count(t));
        s.load(t, count(t));
    }

    // States before the chunks of [first, end) into their places, and what the chunks recall; state enters as the one before first.
    __device__ __forceinline__ void replay(State& state, int64_t first, int64_t end, T* places) {
        auto& now = s.stages[0];
        __syncthreads();
        for (int64_t t = first; t < end; t += Chunk, places += K * V) {
            load_keys(t);
            load_interleaved<BlockThreads>(now.v, s.v, t, count(t));
            load_interleaved<BlockThreads, true>(now.logs, s.logs, t, count(t));
            close_copies();
            put_aside(state, places);
            state.store(s.state);
            wait_copies<0>();
            __syncthreads();
            ChannelProduct<Chunk, V, K> nothing;
            walk_chunk<false>(s, now.k, now.k, now.v, now.logs, s.state, state, nothing);
            store_place<BlockThreads>(kept_values(t), now.v);
            __syncthreads();
        }
    }

    __device__ __forceinline__ void leave(State& d_state, int64_t t, const T* place) {
        auto& now = s.stages[0];
        const int d = channel_of_thread<K>(0);
        load_interleaved<BlockThreads>(now.q, s.q, t, count(t));
        load_keys(t);
        load_interleaved<BlockThreads>(now.v, s.v, t, count(t));
        load_interleaved<BlockThreads>(now.d_o, s.d_o, t, count(t));
        load_interleaved<BlockThreads, true>(now.logs, s.logs, t, count(t));
        load_place<BlockThreads>(s.recalled, kept_values(t));
        close_copies();
        d_state.store(s.state);
        wait_copies<0>();
        __syncthreads();

        {
            const Piece single = decays_of(now.logs, d);
            keep_decays(single, now.logs, d);
            PieceDecays decays;
            decays.enter(single);
            Piece q, k, a, b;
            q.load(now.q, d), k.load(now.k, d), a.load(s.a, d), b.load(s.b, d);
            s.template enter_pairs<true, true>(now.q, s.a, single, decays, q, k, a, b, 0);
            leave_keys(k, decays), k.store(now.k, d);
            leave_keys(b, decays), b.store(s.b, d);
        }
        __syncthreads();

        {
            ChannelProduct<Chunk, V, K> d_v, d_recalled;
            d_v.zero(), d_recalled.zero();
            s.template enter_scores<true, true>(now.q, s.a, p.scale);
            multiply(d_v, now.k, s.state);
            multiply(d_recalled, s.b, s.state);
            __syncthreads();
            load_interleaved<BlockThreads>(now.q, s.q, t, count(t)); // the second pass takes them as they came
            load_keys(t);
            close_copies();
            multiply(d_v, turned(s.qk), now.d_o);
            multiply(d_recalled, turned(s.qb), now.d_o);
            d_recalled.store(s.chunk.columns);
            __syncthreads();
            solve_turned<ChannelWarps<K> / 2, Interleaved>(s.chunk);
            __syncthreads();
            s.enter_solved(s.d_recalled);
            __syncthreads();
            multiply(d_v, turned(s.ak), s.d_recalled);
            store_interleaved<T>(d_v, s.d_v, t, count(t), 1.0f);
        }
        s.d_scores.template enter<K>(now.d_o, now.v, p.scale), s.d_qb.template enter<K>(now.d_o, s.recalled, p.scale);
        s.d_ak.template enter<K>(s.d_recalled, now.v, 1.0f), s.d_ab.template enter<K>(s.d_recalled, s.recalled, 1.0f);
        BandOperand<T, V> state;
        state.template load<BlockThreads>(place, 0);
        wait_copies<0>();
        __syncthreads();
        leave_channels(d_state, state, t);
        __syncthreads();
    }

    // What one warp does with its channels, without any other: d_state from behind the chunk to before it, and the gradients of the chunk's
    // queries, keys, a, b and decays.
    __device__ __forceinline__ void leave_channels(State& d_state, const BandOperand<T, V>& state, int64_t t) {
        auto& now = s.stages[0];
        const int d = channel_of_thread<K>(0), stretch = stretch_of_thread();
        Piece k, b, d_k, d_b, d_q, d_a, d_decay;
        {
            float2 d_decays = sum_of_stretches(state.dot(d_state.x[0])), written = make_float2(0.0f, 0.0f); // of all tokens of the stretch
            PieceFragments from_values, from_recalled;
            zero(from_values), zero(from_recalled);
            {
                BandOperand<T, V> behind;
                behind.enter(d_state.x[0]);
                multiply_values(from_values, behind, now.v), multiply_values(from_recalled, behind, s.recalled);
            }
            PieceDecays decays;
            decays.enter(kept_decays(now.logs, d));
            d_decays = decays.whole * d_decays;
            d_state.scale(0, decays.whole);
            k.load(now.k, d), b.load(s.b, d);
            MEMGEN_UNROLL
            for (int e = 0; e < Stretch; e++) {
                const float2 fades = decays.behind * decays.until[e];
                d_k.of[e] = fades * token_of(from_values, e), d_b.of[e] = fades * token_of(from_recalled, e);
                written = written + k.of[e] * d_k.of[e] + b.of[e] * d_b.of[e];
                d_decay.of[e] = make_float2(0.0f, 0.0f);
            }
            float2 read = leave_reader<Reads::UpToItself>(d_state, state, decays, now.q, now.d_o, s.d_scores, s.d_qb, p.scale, k, b, d_q, d_k, d_b, d_decay, d_decays);
            read = read + leave_reader<Reads::BeforeDecay>(d_state, state, decays, s.a, s.d_recalled, s.d_ak, s.d_ab, 1.0f, k, b, d_a, d_k, d_b, d_decay, d_decays);
            MEMGEN_UNROLL
            for (int other = 0; other < Stretches; other++) {
                const float2 its_read = of_stretch(read, other), its_written = of_stretch(written, other), none = make_float2(0.0f, 0.0f);
                d_decays = d_decays + (other > stretch ? its_read : none) + (other < stretch ? its_written : none);
            }
            MEMGEN_UNROLL
            for (int e = 0; e < Stretch; e++) d_decay.of[e] = d_decay.of[e] + d_decays, d_decays = d_decays + k.of[e] * d_k.of[e] + b.of[e] * d_b.of[e];
        }

        const Piece single = kept_decays(now.logs, d);
        auto store = [&](const Piece& x, const TokenRows& to) {
            if (in_parts) store_piece<float>(x, to, t, count(t), d);
            else store_piece<T>(x, to, t, count(t), d);
        };
        Piece reader;
        reader.load(now.q, d);
        leave_stretch<Reads::UpToItself>(s.d_scores.own, single, reader, k, d_q, d_k, d_decay);
        leave_stretch<Reads::UpToItself>(s.d_qb.own, single, reader, b, d_q, d_b, d_decay);
        store(d_q, s.d_q);
        reader.load(s.a, d);
        leave_stretch<Reads::BeforeDecay>(s.d_ak.own, single, reader, k, d_a, d_k, d_decay);
        leave_stretch<Reads::BeforeDecay>(s.d_ab.own, single, reader, b, d_a, d_b, d_decay);
        store(d_a, s.d_a), store(d_k, s.d_k), store(d_b, s.d_b);
        store_piece<float>(d_decay, s.d_logs, t, count(t), d);
    }

    // Of who reads, from the state and through both levels: its gradient, what it adds to those of what it reads, to d_state, and, in its own
    // stretch, to those of decays; d_decays: to all of the stretch. Returns its sum of the stretch for the decays before it.
    template <Reads R>
    __device__ __forceinline__ float2 leave_reader(State& d_state, const BandOperand<T, V>& state, const PieceDecays& decays, const Tile<T, Chunk, K>& readers, const Tile<T, Chunk, V>& answers,
        const ScoreGradients<T>& of_keys, const ScoreGradients<T>& of_b, float scale, const Piece& k, const Piece& b, Piece& d_reader, Piece& d_k, Piece& d_b, Piece& d_decay, float2& d_decays) {
        const int d = channel_of_thread<K>(0), stretch = stretch_of_thread();
        PieceFragments from_state;
        zero(from_state);
        multiply_values(from_state, state, answers);
        Piece reader;
        reader.load(readers, d);
        float2 read = make_float2(0.0f, 0.0f);
        const float2 before = scale * decays.before;
        MEMGEN_UNROLL
        for (int e = 0; e < Stretch; e++) {
            d_reader.of[e] = before * since_first<R>(decays, e) * token_of(from_state, e);
            read = read + reader.of[e] * d_reader.of[e];
        }
        leave_level<Stretch, R>(level_of<Stretch, R>(decays, reader, k), of_keys, decays, reader, k, d_reader, d_k);
        leave_level<Stretch, R>(level_of<Stretch, R>(decays, reader, b), of_b, decays, reader, b, d_reader, d_b);
        // The outer stretches' sums of the second level are for the inner ones too.
        float2 far = leave_level<2 * Stretch, R>(level_of<2 * Stretch, R>(decays, reader, k), of_keys, decays, reader, k, d_reader, d_k);
        far = far + leave_level<2 * Stretch, R>(level_of<2 * Stretch, R>(decays, reader, b), of_b, decays, reader, b, d_reader, d_b);
        const float2 its = of_stretch(far, stretch ^ 1);
        if (stretch == 1 || stretch == 2) d_decays = d_decays + its;

        float2 sum = make_float2(0.0f, 0.0f);
        MEMGEN_UNROLL
        for (int e = Stretch - 1; e >= 0; e--) {
            const float2 own = reader.of[e] * d_reader.of[e];
            d_decay.of[e] = d_decay.of[e] + sum;
            if (R != Reads::BeforeDecay) d_decay.of[e] = d_decay.of[e] + own;
            sum = sum + own;
        }
        enter_queries<R>(reader, decays, scale);
        PieceOperand<T> operand;
        operand.enter(reader);
        multiply_tokens<T, V>(d_state.x[0], operand, answers);
        return read;
    }
};

template <class T, int K>
struct GeneralizedBackwardLaunch {
    static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
        if constexpr (K > largest_keys(Recurrence::Generalized, sizeof(T) == 4)) {
            return cudaErrorInvalidValue;
        } else {
            const Spans spans = backward_spans(p, Recurrence::Generalized);
            const cudaError_t status = launch_generalized_delta_spans_backward(p, spans, stream);
            return status != cudaSuccess ? status : launch_channel_backward<GeneralizedBackward<T, K, channel_values<T, K>(Recurrence::Generalized)>, T, K>(p, spans, stream);
        }
    }
};

} // namespace

cudaError_t launch_generalized_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<GeneralizedBackwardLaunch>(p, stream); }

} // namespace memgen
