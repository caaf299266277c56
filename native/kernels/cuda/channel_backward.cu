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

// Gradients of the decays. Of each channel its thread alone sees them, so that those of the largest keys can do without
// shared memory, which would not hold them on sm_80.
template <int K>
struct DecayGradients {
    static constexpr int Floats = 0; // of the workspace
    Tile<float, Chunk, K> sums;
    __device__ __forceinline__ float& at(float*, int token, int d) { return *sums.at(token, d); }
};
template <>
struct DecayGradients<256> {
    static constexpr int Floats = Chunk * 256;
    __device__ __forceinline__ float& at(float* workspace, int token, int d) { return workspace[token * 256 + d]; }
};

template <class T, int K, int V>
struct ChannelBackwardMemory : ChannelTokens<T, K, V> {
    DecayGradients<K> d_decays;
    Tile<T, Chunk, V> d_o;
    Tile<float, Chunk, K> factors; // D, then what the gradient of the decays is summed from
    Tile<T, K, V> state;           // S, then dS'
    Tile<T, Chunk, Chunk> scores, d_scores, level; // level: dP where i and j part, and turned below
    float whole[K], state_sums[2][K];
};

template <class T, int K>
constexpr int channel_backward_values() { return backward_values<T, K>() / 2; }

template <class T, int K, int V>
struct ChannelBackward {
    typedef ChannelBackwardMemory<T, K, V> Memory;
    const MatrixMemoryParameters& p;
    Memory& s;
    const Chain c;
    const Workspace workspace;

    __device__ __forceinline__ float& d_decay(int token, int d) { return s.d_decays.at(workspace.places + Places * K * V, token, d); }

    __device__ __forceinline__ void replay(Accumulator<K, V>& state, int64_t first, int64_t end) {
        for (int64_t t = first; t < end; t += Chunk) {
            state.store_rows(workspace.places + (t - first) / Chunk * (K * V), V, K, V, 1.0f);
            if (t + Chunk >= end) break;
            open_chunk(s, p, c, t, false, [] {});
            by_channel<K>([&](int d) { leave_keys(d, s.decays, s.k, s.whole); });
            __syncthreads();
            state.scale_rows(s.whole);
            multiply(state, turned(s.k), s.v);
            __syncthreads();
        }
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

    // Adds to the gradient of a channel's decays the sums of a level's products.
    __device__ __forceinline__ void sum_level(int d, int half) {
        for (int mid = half; mid < Chunk; mid += 2 * half) {
            float sum = 0.0f;
            for (int i = mid + half - 1; i >= mid; i--) d_decay(i, d) += sum += *s.factors.at(i, d);
            sum = 0.0f;
            for (int j = mid - half; j < mid; j++) {
                d_decay(j, d) += sum;
                sum += *s.factors.at(j, d);
            }
        }
    }

    __device__ __forceinline__ void leave(Accumulator<K, V>& d_state, int64_t t, const float* place);
};

template <class T, int K, int V>
__device__ __forceinline__ void ChannelBackward<T, K, V>::leave(Accumulator<K, V>& d_state, int64_t t, const float* place) {
    const int n = c.count(t);
    open_chunk(s, p, c, t, true, [&] {
        load_tokens(s.d_o, p, p.d_o, c, t, n, c.first_value, c.values);
        load_state(s.state, place);
    });

    {
        Accumulator<Chunk, Chunk> scores;
        channel_scores(scores, s.decays, s.q, s.k, s.x);
        scores.scale(p.scale);
        scores.store(s.scores);
    }
    Accumulator<Chunk, K> d_q;
    d_q.zero();
    multiply(d_q, s.d_o, turned(s.state));
    by_channel<K>([&](int d) { // from before the chunk to token i
        float product = 1.0f;
        for (int i = 0; i < Chunk; i++) *s.factors.at(i, d) = product *= *s.decays.at(i, d);
    });
    __syncthreads();

    apply_factors(d_q, p.scale, [&](int) -> const Tile<T, Chunk, K>& { return s.q; });
    {
        Accumulator<Chunk, Chunk> d_scores;
        d_scores.zero();
        multiply(d_scores, s.d_o, turned(s.v));
        d_scores.each_pair([&](int i, int j, float& first, float& second) { store_pair(s.d_scores.at(i, j), j <= i ? p.scale * first : 0.0f, j + 1 <= i ? p.scale * second : 0.0f); });
    }
    d_state.sum_rows(s.state_sums, [&](int row, int column, float first, float second) {
        const float2 x = load_pair(place + row * V + column);
        return x.x * first + x.y * second;
    });
    d_state.store(s.state);
    __syncthreads();

    by_channel<K>([&](int d) {
        float sum = 0.0f;
        for (int i = Chunk - 1; i >= 0; i--) d_decay(i, d) = sum += *s.factors.at(i, d);
        float product = 1.0f; // from token j to the chunk's end
        for (int j = Chunk - 1; j >= 0; j--) {
            *s.factors.at(j, d) = product;
            *s.x.at(j, d) = rounded<T>(product * s.k.value(j, d));
            product *= *s.decays.at(j, d);
        }
        s.whole[d] = product;
    });
    __syncthreads();

    Accumulator<Chunk, K> d_k;
    d_k.zero();
    multiply(d_k, s.v, turned(s.state));
    apply_factors(d_k, 1.0f, [&](int) -> const Tile<T, Chunk, K>& { return s.k; });
    {
        Accumulator<Chunk, V> d_v;
        d_v.zero();
        multiply(d_v, s.x, s.state);
        multiply(d_v, turned(s.scores), s.d_o);
        if (p.d_v.data) d_v.store_rows(tokens_of<T>(p.d_v, c) + c.first_value + t * p.d_v.stride[1], p.d_v.stride[1], n, c.values, 1.0f);
    }
    __syncthreads();

    by_channel<K>([&](int d) {
        float sum = s.whole[d] * (s.state_sums[0][d] + s.state_sums[1][d]);
        for (int j = 0; j < Chunk; j++) {
            d_decay(j, d) += sum;
            sum += *s.factors.at(j, d);
        }
    });
    for (int half = 1; half <= LastHalf; half *= 2) {
        by_channel<K>([&](int d) { enter_level(d, half, s.decays, s.q, s.k, s.x, &s.factors); });
        for (int e = static_cast<int>(threadIdx.x); e < Chunk * Chunk; e += Threads) {
            const int i = e / Chunk, j = e % Chunk;
            *s.level.at(i, j) = part_here(i, j, half) ? *s.d_scores.at(i, j) : part_here(j, i, half) ? *s.d_scores.at(j, i) : rounded<T>(0.0f);
        }
        __syncthreads();
        Accumulator<Chunk, K> both; // of q on the right, of k on the left
        both.zero();
        multiply(both, s.level, s.x);
        apply_factors(both, 1.0f, [&](int i) -> const Tile<T, Chunk, K>& { return on_right(i, half) ? s.q : s.k; });
        d_q.each_pair_with(both, [=](int i, int, float& first, float& second, float x, float y) {
            if (on_right(i, half)) first += x, second += y;
        });
        d_k.each_pair_with(both, [=](int i, int, float& first, float& second, float x, float y) {
            if (!on_right(i, half)) first += x, second += y;
        });
        __syncthreads();
        by_channel<K>([&](int d) { sum_level(d, half); });
    }

    d_q.each_pair([&](int i, int d, float& first, float& second) {
        const float own = s.d_scores.value(i, i);
        first += own * s.k.value(i, d), second += own * s.k.value(i, d + 1);
    });
    d_k.each_pair([&](int i, int d, float& first, float& second) {
        const float own = s.d_scores.value(i, i);
        first += own * s.q.value(i, d), second += own * s.q.value(i, d + 1);
    });
    workspace.template write_rows<T>(p, c, d_q, p.d_q, t, n, 0);
    workspace.template write_rows<T>(p, c, d_k, p.d_k, t, n, p.key_dim);
    __syncthreads();

    by_channel<K>([&](int d) {
        enter_queries(d, s.decays, s.q);
        if (!p.d_log_decay.data || d >= p.key_dim) return;
        for (int i = 0; i < n; i++) {
            if (workspace.part) workspace.part_of(p, c, t + i)[2 * p.key_dim + d] = d_decay(i, d);
            else tokens_of<float>(p.d_log_decay, c)[(t + i) * p.d_log_decay.stride[1] + d] = d_decay(i, d);
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
    ChannelBackward<T, K, V> backward{p, *reinterpret_cast<ChannelBackwardMemory<T, K, V>*>(shared_memory()), c, Workspace(p, c, tile_count(p, V), part_width(p, true), Places * K * V + DecayGradients<K>::Floats)};
    walk_back<K, V>(p, c, spans, backward.workspace.places,
        [&](Accumulator<K, V>& state, int64_t first, int64_t end) { backward.replay(state, first, end); },
        [&](Accumulator<K, V>& d_state, int64_t t, const float* place) { backward.leave(d_state, t, place); });
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
