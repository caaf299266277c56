// Backward pass of channel decay, a block for every head and value tile, in chunks from the last to the
// first (matrix_backward.h). With X, D and the levels of channel_chunk.h:
//   dP = scale dO V^T for j <= i      dV = P^T dO + (K e^(b_C - b)) dS'
//   dQ = scale e^b (dO S^T) + sum over levels D (dP X)      dK = e^(b_C - b) (V dS'^T) + sum over levels D (dP^T X)
//   dS = diag(e^{b_C}) dS' + scale (Q e^b)^T dO
// A log_decay_t of a channel is in D_i for mid <= t <= i and in D_j for j < t < mid, so its gradient is the sum of
// q dQ and k dK over exactly those tokens, level by level: nothing cancels.
#include "channel_chunk.h"
#include "matrix_backward.h"

namespace memgen {
namespace {

// Gradients of the decays. Of each channel its two threads alone see them, so that those of the largest keys can do without
// shared memory, which would not hold them on sm_80.
template <int K>
struct DecayGradients {
    static constexpr int Floats = 0; // of the workspace
    Tile<float, Chunk, K> sums;
    __device__ __forceinline__ float* at(float*, int token, int d) { return sums.at(token, d); }
};
template <>
struct DecayGradients<256> {
    static constexpr int Floats = Chunk * 256;
    __device__ __forceinline__ float* at(float* workspace, int token, int d) { return workspace + token * 256 + d; }
};

template <class T, int K, int V>
struct ChannelBackwardMemory : ChannelTokens<T, K, V> {
    DecayGradients<K> d_decays;
    Tile<T, Chunk, V> d_o;
    Tile<float, Chunk, K> factors; // D, then what the gradient of the decays is summed from
    Tile<T, K, V> state;           // S, then dS'
    Tile<T, Chunk, Chunk> scores, d_scores; // d_scores: dP, and turned above the diagonal
    alignas(8) float whole[K], state_sums[2][K];
};

// c += L X, L what of the symmetric matrix d belongs to tokens that part at this level. Nothing is copied for it: fragments of d are
// masked in registers.
template <int Half, class T, int K>
__device__ __forceinline__ void multiply_level(Accumulator<Chunk, K>& c, const Tile<T, Chunk, Chunk>& d, const Tile<T, Chunk, K>& x) {
    typedef Accumulator<Chunk, K> Result;
    const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4, row = Result::first_row(), column = Result::first_column();
    auto parts = [](int i, int j) { return (i ^ j) >= Half && (i ^ j) < 2 * Half; };
    if constexpr (sizeof(T) == 2) {
        MEMGEN_UNROLL
        for (int k = 0; k < Chunk; k += 16) {
            uint32_t rows[4], columns[4];
            load_left<false>(rows, d, row, k);
            MEMGEN_UNROLL
            for (int e = 0; e < 4; e++) {
                const int i = row + g + e % 2 * 8, j = k + 2 * t + e / 2 * 8;
                rows[e] &= (parts(i, j) ? 0x0000ffffu : 0u) | (parts(i, j + 1) ? 0xffff0000u : 0u);
            }
            MEMGEN_UNROLL
            for (int j = 0; j < Result::ColumnTiles; j += 2) {
                load_right<false>(columns, x, column + 8 * j, k);
                multiply_accumulate(c.x[0][j], rows, columns[0], columns[1]);
                multiply_accumulate(c.x[0][j + 1], rows, columns[2], columns[3]);
            }
        }
    } else {
        for (int k = 0; k < Chunk; k++) {
            const float upper = parts(row + g, k) ? *d.at(row + g, k) : 0.0f, lower = parts(row + g + 8, k) ? *d.at(row + g + 8, k) : 0.0f;
            MEMGEN_UNROLL
            for (int j = 0; j < Result::ColumnTiles; j++) {
                const float2 pair = load_pair(x.at(k, column + 8 * j + 2 * t));
                c.x[0][j][0] += upper * pair.x, c.x[0][j][1] += upper * pair.y;
                c.x[0][j][2] += lower * pair.x, c.x[0][j][3] += lower * pair.y;
            }
        }
    }
}

template <class T, int K>
constexpr int channel_backward_values() { return backward_values<T, K>() / 2; }

template <class T, int K, int V>
struct ChannelBackward {
    typedef ChannelBackwardMemory<T, K, V> Memory;
    const MatrixMemoryParameters& p;
    Memory& s;
    const Chain c;
    const Workspace workspace;

    __device__ __forceinline__ float* d_decay(int token, int d) { return s.d_decays.at(workspace.own + walk_floats(sizeof(T), K, V), token, d); }

    __device__ __forceinline__ void replay(Accumulator<K, V>& state, int64_t first, int64_t end, T* places) {
        for (int64_t t = first; t + Chunk < end; t += Chunk, places += K * V) {
            open_chunk(s, p, c, t, false, [&] { state.store(s.state); });
            store_place<Threads>(places, s.state);
            by_channels<K>([&](int d, int part) {
                const float2 whole = leave_keys(d, part, s.decays, s.k);
                if (part == 0) store_pair(s.whole + d, whole);
            });
            __syncthreads();
            state.scale_rows(s.whole);
            multiply(state, turned(s.k), s.v);
            __syncthreads();
        }
        state.store(s.state);
        __syncthreads();
        store_place<Threads>(places, s.state);
    }

    // x by the factors of its elements; what is left there is x times that of q or k which it belongs to.
    template <class Of>
    __device__ __forceinline__ void apply_factors(Accumulator<Chunk, K>& x, float scale, Of of) {
        x.each_pair([&](int i, int d, float& first, float& second) {
            const float2 f = load_pair(s.factors.at(i, d));
            const float2 y = load_pair(of(i).at(i, d));
            first *= scale * f.x, second *= scale * f.y;
            store_pair(s.factors.at(i, d), y.x * first, y.y * second);
        });
    }

    __device__ __forceinline__ void add_to_decay(int token, int d, float2 x) { store_pair(d_decay(token, d), load_pair(d_decay(token, d)) + x); }

    // Adds to the gradient of a channel's decays the sums of a level's products; those of the first level are its beginning.
    template <int Half>
    __device__ __forceinline__ void sum_level(int d, int part) {
        float2 sum;
        auto add = [&](int token) {
            if (Half == 1) store_pair(d_decay(token, d), sum);
            else add_to_decay(token, d, sum);
        };
        each_half<Half, false>(part, [&] { sum = make_float2(0.0f, 0.0f); },
            [&](int i) { sum = sum + load_pair(s.factors.at(i, d)), add(i); },
            [&](int j) { add(j), sum = sum + load_pair(s.factors.at(j, d)); });
    }

    template <int Half>
    __device__ __forceinline__ void leave_level(Accumulator<Chunk, Chunk>& scores, Accumulator<Chunk, K>& d_q, Accumulator<Chunk, K>& d_k);
    __device__ __forceinline__ void leave(Accumulator<K, V>& d_state, int64_t t, const T* place);
};

// The scores of a level and what it adds to the gradients, from dP; barriers inside.
template <class T, int K, int V>
template <int Half>
__device__ __forceinline__ void ChannelBackward<T, K, V>::leave_level(Accumulator<Chunk, Chunk>& scores, Accumulator<Chunk, K>& d_q, Accumulator<Chunk, K>& d_k) {
    by_channels<K>([&](int d, int part) { enter_level<Half>(d, part, s.decays, s.q, s.k, s.x, &s.factors); });
    __syncthreads();
    level_scores<Half>(scores, s.x);
    Accumulator<Chunk, K> both; // of q on the right, of k on the left
    both.zero();
    multiply_level<Half>(both, s.d_scores, s.x);
    apply_factors(both, 1.0f, [&](int i) -> const Tile<T, Chunk, K>& { return on_right(i, Half) ? s.q : s.k; });
    d_q.each_pair_with(both, [=](int i, int, float& first, float& second, float x, float y) {
        if (on_right(i, Half)) first += x, second += y;
    });
    d_k.each_pair_with(both, [=](int i, int, float& first, float& second, float x, float y) {
        if (!on_right(i, Half)) first += x, second += y;
    });
    __syncthreads();
    by_channels<K>([&](int d, int part) { sum_level<Half>(d, part); });
}

template <class T, int K, int V>
__device__ __forceinline__ void ChannelBackward<T, K, V>::leave(Accumulator<K, V>& d_state, int64_t t, const T* place) {
    const int n = c.count(t);
    open_chunk(s, p, c, t, true, [&] {
        load_tokens(s.d_o, p, p.d_o, c, t, n, c.first_value, c.values);
        load_place<Threads>(s.state, place);
    });

    auto add = [](int, int, float& first, float& second, float x, float y) { first += x, second += y; };
    Accumulator<Chunk, Chunk> scores;
    own_scores(scores, s.q, s.k);
    {
        Accumulator<Chunk, Chunk> d_scores;
        d_scores.zero();
        multiply(d_scores, s.d_o, turned(s.v));
        d_scores.each_pair([&](int i, int j, float& first, float& second) {
            if (j <= i) *s.d_scores.at(i, j) = *s.d_scores.at(j, i) = rounded<T>(p.scale * first);
            if (j + 1 <= i) *s.d_scores.at(i, j + 1) = *s.d_scores.at(j + 1, i) = rounded<T>(p.scale * second);
        });
    }
    __syncthreads();
    Accumulator<Chunk, K> d_q, d_k; // of a token and itself, at first
    d_q.each_pair([&](int i, int d, float& first, float& second) {
        const float own = s.d_scores.value(i, i);
        const float2 k = load_pair(s.k.at(i, d));
        first = own * k.x, second = own * k.y;
    });
    d_k.each_pair([&](int i, int d, float& first, float& second) {
        const float own = s.d_scores.value(i, i);
        const float2 q = load_pair(s.q.at(i, d));
        first = own * q.x, second = own * q.y;
    });
    each_level([&](auto level) { leave_level<decltype(level)::Half>(scores, d_q, d_k); });
    scores.scale(p.scale);
    scores.store(s.scores);

    by_channels<K>([&](int d, int part) { // from before the chunk to token i
        decays_from_start(d, part, s.decays, [&](int i, float2 product) { store_pair(s.factors.at(i, d), product); });
    });
    d_state.sum_rows(s.state_sums, [&](int row, int column, float first, float second) { return product_of(s.state.at(row, column), first, second); });
    {
        Accumulator<Chunk, K> read;
        read.zero();
        multiply(read, s.d_o, turned(s.state));
        __syncthreads();
        apply_factors(read, p.scale, [&](int) -> const Tile<T, Chunk, K>& { return s.q; });
        d_q.each_pair_with(read, add);
    }
    d_state.store(s.state);
    __syncthreads();

    by_channels<K>([&](int d, int part) {
        float2 sum = make_float2(0.0f, 0.0f);
        MEMGEN_UNROLL
        for (int i = Chunk - 1; i >= Chunk / 2; i--)
            if (!part) sum = sum + load_pair(s.factors.at(i, d));
        MEMGEN_UNROLL
        for (int e = Chunk / 2 - 1; e >= 0; e--) {
            const int i = part * (Chunk / 2) + e;
            sum = sum + load_pair(s.factors.at(i, d));
            add_to_decay(i, d, sum);
        }
    });
    __syncthreads();
    by_channels<K>([&](int d, int part) { // from token j to the chunk's end
        const float2 whole = decays_to_end(d, part, s.decays, [&](int j, float2 product) {
            store_pair(s.factors.at(j, d), product);
            store_pair(s.x.at(j, d), product * load_pair(s.k.at(j, d)));
        });
        if (part == 0) store_pair(s.whole + d, whole);
    });
    __syncthreads();

    {
        Accumulator<Chunk, K> written;
        written.zero();
        multiply(written, s.v, turned(s.state));
        apply_factors(written, 1.0f, [&](int) -> const Tile<T, Chunk, K>& { return s.k; });
        d_k.each_pair_with(written, add);
    }
    {
        Accumulator<Chunk, V> d_v;
        d_v.zero();
        multiply(d_v, s.x, s.state);
        multiply(d_v, turned(s.scores), s.d_o);
        if (p.d_v.data) d_v.store_rows(tokens_of<T>(p.d_v, c) + c.first_value + t * p.d_v.stride[1], p.d_v.stride[1], n, c.values, 1.0f);
    }
    workspace.template write_rows<T>(p, c, d_q, p.d_q, t, n, 0);
    workspace.template write_rows<T>(p, c, d_k, p.d_k, t, n, p.key_dim);
    __syncthreads();

    by_channels<K>([&](int d, int part) {
        float2 sum = load_pair(s.whole + d) * (load_pair(s.state_sums[0] + d) + load_pair(s.state_sums[1] + d));
        MEMGEN_UNROLL
        for (int j = 0; j < Chunk / 2; j++)
            if (part) sum = sum + load_pair(s.factors.at(j, d));
        MEMGEN_UNROLL
        for (int e = 0; e < Chunk / 2; e++) {
            const int j = part * (Chunk / 2) + e;
            add_to_decay(j, d, sum);
            sum = sum + load_pair(s.factors.at(j, d));
        }
        enter_queries(d, part, s.decays, s.q);
        for (int e = 0; p.d_log_decay.data && e < Chunk / 2; e++) {
            const int i = part * (Chunk / 2) + e;
            if (i >= n) break;
            const float2 x = load_pair(d_decay(i, d));
            float* to = (workspace.part ? workspace.part_of(p, c, t + i) + 2 * p.key_dim : tokens_of<float>(p.d_log_decay, c) + (t + i) * p.d_log_decay.stride[1]) + d;
            if (d + 1 < p.key_dim && reinterpret_cast<uintptr_t>(to) % 8 == 0) {
                store_pair(to, x);
            } else {
                if (d < p.key_dim) to[0] = x.x;
                if (d + 1 < p.key_dim) to[1] = x.y;
            }
        }
    });
    for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += Threads * 2) {
        const float2 x = load_pair(s.d_o.at(i / V, i % V));
        store_pair(s.d_o.at(i / V, i % V), p.scale * x.x, p.scale * x.y);
    }
    d_state.scale_rows(s.whole);
    __syncthreads();
    multiply(d_state, turned(s.q), s.d_o);
    __syncthreads();
}

template <class T, int K, int V>
__global__ void __launch_bounds__(Threads) channel_backward(const MatrixMemoryParameters p, const Spans spans) {
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    ChannelBackward<T, K, V> backward{p, *reinterpret_cast<ChannelBackwardMemory<T, K, V>*>(shared_memory()), c, Workspace(p, c, tile_count(p, V), part_width(p, true), walk_floats(sizeof(T), K, V) + DecayGradients<K>::Floats)};
    walk_back<T, K, V, 2>(p, c, spans, backward.workspace.own,
        [&](Accumulator<K, V>& state, int64_t first, int64_t end, T* places) { backward.replay(state, first, end, places); },
        [&](Accumulator<K, V>& d_state, int64_t t, const T* place) { backward.leave(d_state, t, place); });
}

template <class T, int K>
struct BackwardLaunch {
    static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = channel_backward_values<T, K>();
            static_assert(sizeof(ChannelBackwardMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            const int64_t tiles = tile_count(p, V);
            const Spans spans = backward_spans(p, Recurrence::Channel);
            cudaError_t status = launch_channel_spans(p, spans, true, stream);
            if (status == cudaSuccess) status = launch(channel_backward<T, K, V>, spans.count * p.heads * tiles, Threads, sizeof(ChannelBackwardMemory<T, K, V>), stream, p, spans);
            return status != cudaSuccess || tiles < 2 ? status : launch(sum_tiles<T>, spans.count * p.heads, Threads, 0, stream, p, spans, tiles, true);
        }
    }
};

} // namespace

cudaError_t launch_channel_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<BackwardLaunch>(p, stream); }

} // namespace memgen
