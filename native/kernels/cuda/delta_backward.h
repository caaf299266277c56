// Backward pass of the gated delta rule and of scalar decay, a block for every head and value tile, in
// chunks from the last to the first.
//
// Forward left the state every CheckpointTokens. The states of the chunks since are computed again from
// there and kept in the block's workspace, and the chunks are then walked back with the gradient dS of
// the state in registers. With M, A and V' of delta_chunk.h (scalar decay: V' = V, X = dV'), G_ij = e^(b_i - b_j),
// P = scale G Q K^T for j <= i, g_i = e^{b_i} and r_i = e^{b_C - b_i}:
//   dV' = P^T dO + diag(r) K dS'      X = (I + A)^{-T} dV'      dV = beta X      dbeta_i = X_i y_i
//   dP = scale G dO V'^T      D = -diag(beta) G X V'^T for j < i
//   dQ = scale diag(g) dO S^T + dP K      dK = dP^T Q + diag(r) V' dS'^T + (D + D^T) K - diag(beta g) X S^T
//   dS = g_C dS' + scale (diag(g) Q)^T dO - (diag(beta g) K)^T X
// A log_decay_t is in G_ij for j < t <= i, in g_i for i >= t, in r_j for j < t and in g_C. Its gradient is
// taken from E = dP P / scale + D M, whose rows and columns are summed from the same numbers, so that what
// cancels cancels exactly.
#pragma once
#include "delta_chunk.h"
#include "matrix_backward.h"

namespace memgen {
namespace {

template <class T, int V, bool Delta>
struct DeltaGradients {
    Tile<T, Chunk, V> y, x;
    Tile<T, Chunk, Chunk> mixed; // D
    float x_sums[2][Chunk];      // k_i (-beta_i g_i X S^T)_i
};
template <class T, int V>
struct DeltaGradients<T, V, false> {};

template <class T, int K, int V, bool Delta>
struct BackwardMemory {
    Tile<T, Chunk, K> q, k;
    Tile<T, Chunk, V> v, d_o, faded;
    Tile<T, K, V> state;                // S, then dS', then S again
    Tile<T, Chunk, Chunk> scores;       // P, then dP
    Tile<float, Chunk, Chunk> crossing; // E of the pairs j < i
    Decays decays;
    float query_sums[2][Chunk], key_sums[2][Chunk]; // q_i (scale g_i dO S^T)_i and k_i (r_i V' dS'^T)_i, with x_sums
    float state_sums[Threads / 32];                 // <S, dS'> by warp
    DeltaChunk<V, Delta> delta;
    DeltaGradients<T, V, Delta> gradients;
};

template <class T, int K, int V, bool Delta>
struct Backward {
    typedef BackwardMemory<T, K, V, Delta> Memory;
    const MatrixMemoryParameters& p;
    Memory& s;
    const Chain c;
    const Workspace workspace;

    __device__ __forceinline__ void enter_gates(int64_t t) {
        if (threadIdx.x >= 32) return;
        const int lane = static_cast<int>(threadIdx.x);
        const bool inside = lane < c.count(t);
        const float* log_decay = tokens_of<const float>(p.log_decay, c);
        s.decays.enter(inside && log_decay ? log_decay[(t + lane) * p.log_decay.stride[1]] : 0.0f);
        if constexpr (Delta) s.delta.beta[lane] = inside ? tokens_of<const float>(p.beta, c)[(t + lane) * p.beta.stride[1]] : 0.0f;
    }

    // States before the chunks of [first, end) into their places; state enters as the one before first.
    __device__ __forceinline__ void replay(Accumulator<K, V>& state, int64_t first, int64_t end) {
        for (int64_t t = first; t < end; t += Chunk) {
            state.store_rows(workspace.places + (t - first) / Chunk * (K * V), V, K, V, 1.0f);
            if (t + Chunk >= end) break;
            load_tokens(s.k, p, p.k, c, t, c.count(t), 0, static_cast<int>(p.key_dim));
            load_tokens(s.v, p, p.v, c, t, c.count(t), c.first_value, c.values);
            close_copies();
            enter_gates(t);
            state.store(s.state);
            wait_copies<0>();
            __syncthreads();
            write_values<Delta>(s.delta, s.decays, s.k, s.v, s.state, s.faded, static_cast<Tile<T, Chunk, V>*>(nullptr));
            state.scale(s.decays.whole);
            multiply(state, turned(s.k), s.faded);
            __syncthreads();
        }
    }

    __device__ __forceinline__ void leave(Accumulator<K, V>& d_state, int64_t t, const float* place);
    __device__ __forceinline__ void d_gates(int64_t t);
};

// One chunk, whose state lies in `place`: d_state from behind it to before it, and the gradients of its tokens.
template <class T, int K, int V, bool Delta>
__device__ __forceinline__ void Backward<T, K, V, Delta>::leave(Accumulator<K, V>& d_state, int64_t t, const float* place) {
    const int keys = static_cast<int>(p.key_dim), n = c.count(t);
    load_tokens(s.q, p, p.q, c, t, n, 0, keys);
    load_tokens(s.k, p, p.k, c, t, n, 0, keys);
    load_tokens(s.v, p, p.v, c, t, n, c.first_value, c.values);
    load_tokens(s.d_o, p, p.d_o, c, t, n, c.first_value, c.values);
    close_copies();
    load_state(s.state, place);
    enter_gates(t);
    wait_copies<0>();
    __syncthreads();

    {
        Accumulator<Chunk, Chunk> scores;
        scores.zero();
        multiply(scores, s.q, turned(s.k));
        scores.each_pair([&](int i, int j, float& first, float& second) {
            store_pair(s.scores.at(i, j), j <= i ? p.scale * first * s.decays.between(i, j) : 0.0f, j + 1 <= i ? p.scale * second * s.decays.between(i, j + 1) : 0.0f);
        });
    }
    Tile<T, Chunk, V>* y = nullptr;
    if constexpr (Delta) y = &s.gradients.y;
    write_values<Delta>(s.delta, s.decays, s.k, s.v, s.state, s.faded, y);

    {
        float sum = 0.0f;
        d_state.each_pair([&](int row, int column, float& first, float& second) {
            const float2 x = load_pair(place + row * V + column);
            sum += x.x * first + x.y * second;
        });
        for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
        if (threadIdx.x % 32 == 0) s.state_sums[threadIdx.x / 32] = sum;
    }
    d_state.store(s.state);
    __syncthreads();

    Accumulator<Chunk, K> d_k;
    d_k.zero();
    multiply(d_k, s.faded, turned(s.state));
    d_k.sum_rows(s.key_sums, [&](int i, int j, float first, float second) { return first * s.k.value(i, j) + second * s.k.value(i, j + 1); });
    {
        Accumulator<Chunk, V> d_v;
        d_v.zero();
        multiply(d_v, s.k, s.state);
        d_v.scale_rows(s.decays.until);
        multiply(d_v, turned(s.scores), s.d_o);
        if constexpr (Delta) d_v.store(s.delta.columns);
        else if (p.d_v.data) d_v.store_rows(tokens_of<T>(p.d_v, c) + c.first_value + t * p.d_v.stride[1], p.d_v.stride[1], n, c.values, 1.0f);
    }
    __syncthreads();

    load_state(s.state, place);
    if constexpr (Delta) {
        solve_turned(s.delta);
        __syncthreads();
        // A row's four threads: dV, the dot product for dbeta, and X as an operand.
        const int i = static_cast<int>(threadIdx.x) / 4, quarter = static_cast<int>(threadIdx.x) % 4;
        T* d_v = p.d_v.data ? tokens_of<T>(p.d_v, c) + c.first_value + (t + i) * p.d_v.stride[1] : nullptr;
        float sum = 0.0f;
        for (int j = quarter * 2; j < V; j += 8) {
            const float2 x = load_pair(s.delta.columns.at(i, j)), each = load_pair(s.gradients.y.at(i, j));
            sum += x.x * each.x + x.y * each.y;
            store_pair(s.gradients.x.at(i, j), x.x, x.y);
            if (d_v && i < n && j < c.values) d_v[j] = rounded<T>(s.delta.beta[i] * x.x);
            if (d_v && i < n && j + 1 < c.values) d_v[j + 1] = rounded<T>(s.delta.beta[i] * x.y);
        }
        sum += shuffle_xor(sum, 1);
        sum += shuffle_xor(sum, 2);
        if (quarter == 0 && i < n && p.d_beta.data) {
            if (workspace.part) workspace.part_of(p, c, t + i)[2 * p.key_dim] = sum;
            else tokens_of<float>(p.d_beta, c)[(t + i) * p.d_beta.stride[1]] = sum;
        }
    }
    __syncthreads();

    {
        Accumulator<Chunk, Chunk> d_scores;
        d_scores.zero();
        multiply(d_scores, s.d_o, turned(s.v));
        d_scores.each_pair([&](int i, int j, float& first, float& second) {
            const float2 score = load_pair(s.scores.at(i, j));
            store_pair(s.crossing.at(i, j), j < i ? first * score.x : 0.0f, j + 1 < i ? second * score.y : 0.0f);
            store_pair(s.scores.at(i, j), j <= i ? p.scale * first * s.decays.between(i, j) : 0.0f, j + 1 <= i ? p.scale * second * s.decays.between(i, j + 1) : 0.0f);
        });
    }
    Accumulator<Chunk, K> d_q;
    d_q.zero();
    multiply(d_q, s.d_o, turned(s.state));
    d_q.each_pair([&](int i, int, float& first, float& second) {
        const float factor = p.scale * s.decays.since[i];
        first *= factor, second *= factor;
    });
    d_q.sum_rows(s.query_sums, [&](int i, int j, float first, float second) { return first * s.q.value(i, j) + second * s.q.value(i, j + 1); });
    if constexpr (Delta) {
        {
            Accumulator<Chunk, Chunk> mixed;
            mixed.zero();
            multiply(mixed, s.gradients.x, turned(s.v));
            mixed.each_pair([&](int i, int j, float& first, float& second) {
                const float2 m = load_pair(s.delta.keys.at(i, j));
                const float x = j < i ? -s.delta.beta[i] * first : 0.0f, z = j + 1 < i ? -s.delta.beta[i] * second : 0.0f;
                *s.crossing.at(i, j) += x * m.x;
                *s.crossing.at(i, j + 1) += z * m.y;
                store_pair(s.gradients.mixed.at(i, j), j < i ? x * s.decays.between(i, j) : 0.0f, j + 1 < i ? z * s.decays.between(i, j + 1) : 0.0f);
            });
        }
        Accumulator<Chunk, K> erased;
        erased.zero();
        multiply(erased, s.gradients.x, turned(s.state));
        erased.each_pair([&](int i, int, float& first, float& second) {
            const float factor = -s.delta.beta[i] * s.decays.since[i];
            first *= factor, second *= factor;
        });
        erased.sum_rows(s.gradients.x_sums, [&](int i, int j, float first, float second) { return first * s.k.value(i, j) + second * s.k.value(i, j + 1); });
        for (int i = 0; i < Accumulator<Chunk, K>::ColumnTiles; i++)
            for (int e = 0; e < 4; e++) d_k.x[0][i][e] += erased.x[0][i][e];
    }
    __syncthreads();

    multiply(d_q, s.scores, s.k);
    workspace.template write_rows<T>(p, c, d_q, p.d_q, t, n, 0);
    multiply(d_k, turned(s.scores), s.q);
    if constexpr (Delta) {
        multiply(d_k, s.gradients.mixed, s.k);
        multiply(d_k, turned(s.gradients.mixed), s.k);
    }
    workspace.template write_rows<T>(p, c, d_k, p.d_k, t, n, p.key_dim);
    for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += Threads * 2) {
        const int row = i / V, column = i % V;
        const float2 x = load_pair(s.d_o.at(row, column));
        const float factor = p.scale * s.decays.since[row];
        store_pair(s.d_o.at(row, column), factor * x.x, factor * x.y);
        if constexpr (Delta) {
            const float2 z = load_pair(s.delta.columns.at(row, column));
            const float erase = -s.delta.beta[row] * s.decays.since[row];
            store_pair(s.gradients.x.at(row, column), erase * z.x, erase * z.y);
        }
    }
    if (p.d_log_decay.data && threadIdx.x < 32) d_gates(t);
    d_state.scale(s.decays.whole);
    __syncthreads();

    multiply(d_state, turned(s.q), s.d_o);
    if constexpr (Delta) multiply(d_state, turned(s.k), s.gradients.x);
    __syncthreads();
}

// d_log_decay by one warp, a lane a token.
template <class T, int K, int V, bool Delta>
__device__ __forceinline__ void Backward<T, K, V, Delta>::d_gates(int64_t t) {
    const int i = static_cast<int>(threadIdx.x);
    float row = 0.0f, column = 0.0f;
    for (int j = 0; j < Chunk; j++) row += *s.crossing.at(i, j), column += *s.crossing.at(j, i);
    float since = s.query_sums[0][i] + s.query_sums[1][i], until = s.key_sums[0][i] + s.key_sums[1][i];
    if constexpr (Delta) since += s.gradients.x_sums[0][i] + s.gradients.x_sums[1][i];
    float whole = 0.0f;
    for (int w = 0; w < Threads / 32; w++) whole += s.state_sums[w];
    const float gradient = sum_from(since + (row - column)) + sum_before(until) + s.decays.whole * whole;
    if (i >= c.count(t)) return;
    if (workspace.part) workspace.part_of(p, c, t + i)[2 * p.key_dim + 1] = gradient;
    else tokens_of<float>(p.d_log_decay, c)[(t + i) * p.d_log_decay.stride[1]] = gradient;
}

template <class T, int K, int V, bool Delta>
__global__ void __launch_bounds__(Threads) delta_backward(const MatrixMemoryParameters p, const Spans spans) {
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    Backward<T, K, V, Delta> backward{p, *reinterpret_cast<BackwardMemory<T, K, V, Delta>*>(shared_memory()), c, Workspace(p, c, tile_count(p, V) + p.further_parts, part_width(p, false), Places * K * V)};
    walk_back<K, V>(p, c, spans, backward.workspace.places,
        [&](Accumulator<K, V>& state, int64_t first, int64_t end) { backward.replay(state, first, end); },
        [&](Accumulator<K, V>& d_state, int64_t t, const float* place) { backward.leave(d_state, t, place); });
}

template <bool Delta>
struct BackwardOf {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
            constexpr int V = backward_values<T, K>();
            static_assert(sizeof(BackwardMemory<T, K, V, Delta>) <= LargestSharedMemory, "does not fit on sm_80");
            const int64_t tiles = tile_count(p, V), parts = tiles + p.further_parts;
            const Spans spans = backward_spans(p, Delta ? Recurrence::Delta : Recurrence::Scalar);
            cudaError_t status = Delta ? launch_delta_spans_backward(p, spans, stream) : launch_scalar_spans(p, spans, true, stream);
            if (status == cudaSuccess) status = launch(delta_backward<T, K, V, Delta>, spans.count * p.heads * tiles, Threads, sizeof(BackwardMemory<T, K, V, Delta>), stream, p, spans);
            return status != cudaSuccess || parts < 2 ? status : launch(sum_tiles<T>, spans.count * p.heads, Threads, 0, stream, p, spans, parts, false);
        }
    };
};

} // namespace
} // namespace memgen
