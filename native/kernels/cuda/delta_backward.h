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

// A block's shared memory leaves no room for a second one, so that it has eight warps: two for each scheduler.
constexpr int Columns = 4, BackwardThreads = 64 * Columns;
template <int M, int N>
using Part = Accumulator<M, N, Columns>;

template <class T, int V, bool Delta>
struct DeltaGradients {
    Tile<T, Chunk, V> y, x;
    Tile<T, Chunk, Chunk> mixed; // D
    float x_sums[Columns][Chunk]; // k_i (-beta_i g_i X S^T)_i
};
template <class T, int V>
struct DeltaGradients<T, V, false> {};

template <class T, int K, int V, bool Delta, int Count>
struct BackwardMemoryOf {
    static constexpr int Stages = Count; // of the tokens that are loaded ahead
    struct {
        Tile<T, Chunk, K> q, k;
        Tile<T, Chunk, V> v, d_o;
    } stages[Stages];
    Tile<T, Chunk, V> faded;
    Tile<T, K, V> state;                // S, then dS', then S again
    Tile<T, Chunk, Chunk> scores;       // P, then dP
    Tile<float, Chunk, Chunk> crossing; // E of the pairs j < i
    Decays decays;
    float query_sums[Columns][Chunk], key_sums[Columns][Chunk]; // q_i (scale g_i dO S^T)_i and k_i (r_i V' dS'^T)_i, with x_sums
    float state_sums[BackwardThreads / 32];         // <S, dS'> by warp
    DeltaChunk<V, Delta> delta;
    DeltaGradients<T, V, Delta> gradients;
};

template <class T, int K, int V, bool Delta>
using BackwardMemory = BackwardMemoryOf<T, K, V, Delta, sizeof(BackwardMemoryOf<T, K, V, Delta, 2>) <= LargestSharedMemory ? 2 : 1>;

template <class T, int K, int V, bool Delta>
struct Backward {
    typedef BackwardMemory<T, K, V, Delta> Memory;
    const MatrixMemoryParameters& p;
    Memory& s;
    const Chain c;
    const Workspace workspace;
    int stage = 0;       // of the chunk that is left
    int64_t asked = -1;  // the chunk whose tokens are on their way there

    __device__ __forceinline__ void enter_gates(int64_t t) {
        if (threadIdx.x >= 32) return;
        const int lane = static_cast<int>(threadIdx.x);
        const bool inside = lane < c.count(t);
        const float* log_decay = tokens_of<const float>(p.log_decay, c);
        s.decays.enter(inside && log_decay ? log_decay[(t + lane) * p.log_decay.stride[1]] : 0.0f);
        if constexpr (Delta) s.delta.beta[lane] = inside ? tokens_of<const float>(p.beta, c)[(t + lane) * p.beta.stride[1]] : 0.0f;
    }

    template <int Width>
    __device__ __forceinline__ void load(Tile<T, Chunk, Width>& to, const TensorView& x, int64_t t, int first, int columns) { load_tokens<BackwardThreads>(to, p, x, c, t, c.count(t), first, columns); }

    __device__ __forceinline__ void load_written(int to, int64_t t) {
        load(s.stages[to].k, p.k, t, 0, static_cast<int>(p.key_dim));
        load(s.stages[to].v, p.v, t, c.first_value, c.values);
    }
    __device__ __forceinline__ void load_all(int to, int64_t t) {
        load_written(to, t);
        load(s.stages[to].q, p.q, t, 0, static_cast<int>(p.key_dim));
        load(s.stages[to].d_o, p.d_o, t, c.first_value, c.values);
    }

    // States before the chunks of [first, end) into their places; state enters as the one before first.
    __device__ __forceinline__ void replay(Part<K, V>& state, int64_t first, int64_t end, T* places) {
        for (int64_t t = first; t + Chunk < end; t += Chunk, places += K * V) {
            const int here = Memory::Stages == 2 ? static_cast<int>(t / Chunk % 2) : 0;
            auto& x = s.stages[here];
            if (Memory::Stages == 1 || t == first) load_written(here, t);
            close_copies();
            enter_gates(t);
            state.store(s.state);
            wait_copies<0>();
            __syncthreads();
            if (Memory::Stages == 2 && t + 2 * Chunk < end) load_written(here ^ 1, t + Chunk);
            store_place<BackwardThreads>(places, s.state);
            if constexpr (Delta) {
                write_values_alone<T, K, V, Columns>(s.delta, s.decays, x.k, s.state, x.v, s.faded);
            } else {
                Part<Chunk, V> none;
                write_values<Delta>(s.delta, s.decays, none, x.v, s.faded, static_cast<Tile<T, Chunk, V>*>(nullptr));
            }
            state.scale(s.decays.whole);
            multiply(state, turned(x.k), s.faded);
            __syncthreads();
        }
        state.store(s.state);
        __syncthreads();
        store_place<BackwardThreads>(places, s.state);
    }

    __device__ __forceinline__ void leave(Part<K, V>& d_state, int64_t t, const T* place);
    __device__ __forceinline__ void leave_values(int64_t t);
    __device__ __forceinline__ void d_gates(int64_t t);
};

// From X: dV, dbeta, and X as an operand.
template <class T, int K, int V, bool Delta>
__device__ __forceinline__ void Backward<T, K, V, Delta>::leave_values(int64_t t) {
    T* d_v = tokens_of<T>(p.d_v, c);
    memgen::leave_values<BackwardThreads, InOrder>(s.delta, s.gradients.y, s.gradients.x, d_v ? d_v + c.first_value + t * p.d_v.stride[1] : nullptr, p.d_v.stride[1], c.count(t), c.values,
        [](int) { return 1.0f; },
        [&](int i, float sum) {
            if (!p.d_beta.data) return;
            if (workspace.part) workspace.part_of(p, c, t + i)[2 * p.key_dim] = sum;
            else tokens_of<float>(p.d_beta, c)[(t + i) * p.d_beta.stride[1]] = sum;
        });
}

// One chunk, whose state lies in `place`: d_state from behind it to before it, and the gradients of its tokens.
template <class T, int K, int V, bool Delta>
__device__ __forceinline__ void Backward<T, K, V, Delta>::leave(Part<K, V>& d_state, int64_t t, const T* place) {
    const int n = c.count(t);
    auto& now = s.stages[stage];
    if (asked != t) load_all(stage, t);
    load_place<BackwardThreads>(s.state, place);
    close_copies();
    enter_gates(t);
    wait_copies<0>();
    __syncthreads();
    if (Memory::Stages == 2 && t % CheckpointTokens > 0) {
        load_all(stage ^ 1, asked = t - Chunk);
        close_copies();
    }

    Part<Chunk, Chunk> g; // G
    {
        Part<Chunk, Chunk> scores, products;
        Part<Chunk, V> read;
        scores.zero(), products.zero(), read.zero();
        if constexpr (Delta) multiply_shared<true, false, true, true>(scores, read, products, read, now.q, now.k, turned(now.k), s.state);
        else multiply(scores, now.q, turned(now.k));
        enter_decays(g, s.decays);
        enter_scores(s.scores, scores, g, p.scale);
        Tile<T, Chunk, V>* y = nullptr;
        if constexpr (Delta) enter_keys(s.delta, products, g), y = &s.gradients.y;
        write_values<Delta>(s.delta, s.decays, read, now.v, s.faded, y);
    }

    {
        float sum = 0.0f;
        d_state.each_pair([&](int row, int column, float& first, float& second) {
            const float2 x = load_pair(s.state.at(row, column));
            sum += x.x * first + x.y * second;
        });
        sum = sum_of_lanes(sum);
        if (threadIdx.x % 32 == 0) s.state_sums[threadIdx.x / 32] = sum;
    }
    d_state.store(s.state);
    __syncthreads();

    Part<Chunk, K> d_k;
    d_k.zero();
    multiply(d_k, s.faded, turned(s.state));
    d_k.sum_rows(s.key_sums, [&](int i, int j, float first, float second) { return product_of(now.k.at(i, j), first, second); });
    {
        Part<Chunk, V> d_v;
        d_v.zero();
        multiply(d_v, now.k, s.state);
        d_v.scale_rows(s.decays.until);
        multiply(d_v, turned(s.scores), now.d_o);
        if constexpr (Delta) d_v.store(s.delta.columns);
        else if (p.d_v.data) d_v.store_rows(tokens_of<T>(p.d_v, c) + c.first_value + t * p.d_v.stride[1], p.d_v.stride[1], n, c.values, 1.0f);
    }
    __syncthreads();

    load_place<BackwardThreads>(s.state, place);
    close_copies();
    if constexpr (Delta) {
        solve_turned<Columns>(s.delta);
        __syncthreads();
        leave_values(t);
    }
    wait_copies<0>();
    __syncthreads();

    Part<Chunk, K> d_q, erased; // erased: X S^T
    {
        Part<Chunk, Chunk> d_scores, mixed;
        d_scores.zero(), mixed.zero(), d_q.zero(), erased.zero();
        if constexpr (Delta) multiply_shared<true, true, true, true>(d_scores, d_q, mixed, erased, now.d_o, s.gradients.x, turned(now.v), turned(s.state));
        else multiply_shared<true, true, false, false>(d_scores, d_q, mixed, erased, now.d_o, now.d_o, turned(now.v), turned(s.state));
        d_scores.each_pair_with(g, [&](int i, int j, float& first, float& second, float g_first, float g_second) {
            const float2 score = load_pair(s.scores.at(i, j));
            store_pair(s.crossing.at(i, j), j < i ? first * score.x : 0.0f, j + 1 < i ? second * score.y : 0.0f);
            store_pair(s.scores.at(i, j), j <= i ? p.scale * first * g_first : 0.0f, j + 1 <= i ? p.scale * second * g_second : 0.0f);
        });
        if constexpr (Delta) {
            mixed.each_pair_with(g, [&](int i, int j, float& first, float& second, float g_first, float g_second) {
                const float2 m = load_pair(s.delta.keys.at(i, j)), crossing = load_pair(s.crossing.at(i, j));
                const float x = j < i ? -s.delta.beta[i] * first : 0.0f, z = j + 1 < i ? -s.delta.beta[i] * second : 0.0f;
                store_pair(s.crossing.at(i, j), crossing.x + x * m.x, crossing.y + z * m.y);
                store_pair(s.gradients.mixed.at(i, j), j < i ? x * g_first : 0.0f, j + 1 < i ? z * g_second : 0.0f);
            });
        }
    }
    d_q.each_pair([&](int i, int, float& first, float& second) {
        const float factor = p.scale * s.decays.since[i];
        first *= factor, second *= factor;
    });
    d_q.sum_rows(s.query_sums, [&](int i, int j, float first, float second) { return product_of(now.q.at(i, j), first, second); });
    if constexpr (Delta) {
        erased.each_pair([&](int i, int, float& first, float& second) {
            const float factor = -s.delta.beta[i] * s.decays.since[i];
            first *= factor, second *= factor;
        });
        erased.sum_rows(s.gradients.x_sums, [&](int i, int j, float first, float second) { return product_of(now.k.at(i, j), first, second); });
        d_k.each_pair_with(erased, [](int, int, float& first, float& second, float x, float y) { first += x, second += y; });
    }
    __syncthreads();

    multiply(d_q, s.scores, now.k);
    workspace.template write_rows<T>(p, c, d_q, p.d_q, t, n, 0);
    multiply(d_k, turned(s.scores), now.q);
    if constexpr (Delta) {
        multiply(d_k, s.gradients.mixed, now.k);
        multiply(d_k, turned(s.gradients.mixed), now.k);
    }
    workspace.template write_rows<T>(p, c, d_k, p.d_k, t, n, p.key_dim);
    for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += BackwardThreads * 2) {
        const int row = i / V, column = i % V;
        const float2 x = load_pair(now.d_o.at(row, column));
        const float factor = p.scale * s.decays.since[row];
        store_pair(now.d_o.at(row, column), factor * x.x, factor * x.y);
        if constexpr (Delta) {
            const float2 z = load_pair(s.delta.columns.at(row, column));
            const float erase = -s.delta.beta[row] * s.decays.since[row];
            store_pair(s.gradients.x.at(row, column), erase * z.x, erase * z.y);
        }
    }
    if (p.d_log_decay.data && threadIdx.x < 32) d_gates(t);
    d_state.scale(s.decays.whole);
    __syncthreads();

    multiply(d_state, turned(now.q), now.d_o);
    if constexpr (Delta) multiply(d_state, turned(now.k), s.gradients.x);
    __syncthreads();
    if (Memory::Stages == 2) stage ^= 1;
}

// d_log_decay by one warp, a lane a token.
template <class T, int K, int V, bool Delta>
__device__ __forceinline__ void Backward<T, K, V, Delta>::d_gates(int64_t t) {
    const int i = static_cast<int>(threadIdx.x);
    float row = 0.0f, column = 0.0f;
    MEMGEN_UNROLL
    for (int j = 0; j < Chunk; j += 4) { // of a row by fours: one by one, eight lanes would meet in a bank
        const float4 x = load_four(s.crossing.at(i, j));
        row += (x.x + x.y) + (x.z + x.w);
    }
    MEMGEN_UNROLL
    for (int j = 0; j < Chunk; j += 4) column += (*s.crossing.at(j, i) + *s.crossing.at(j + 1, i)) + (*s.crossing.at(j + 2, i) + *s.crossing.at(j + 3, i));
    float since = 0.0f, until = 0.0f, whole = 0.0f;
    for (int w = 0; w < Columns; w++) {
        since += s.query_sums[w][i], until += s.key_sums[w][i];
        if constexpr (Delta) since += s.gradients.x_sums[w][i];
    }
    for (int w = 0; w < BackwardThreads / 32; w++) whole += s.state_sums[w];
    const float gradient = sum_from(since + (row - column)) + sum_before(until) + s.decays.whole * whole;
    if (i >= c.count(t)) return;
    if (workspace.part) workspace.part_of(p, c, t + i)[2 * p.key_dim + 1] = gradient;
    else tokens_of<float>(p.d_log_decay, c)[(t + i) * p.d_log_decay.stride[1]] = gradient;
}

template <class T, int K, int V, bool Delta>
__global__ void __launch_bounds__(BackwardThreads) delta_backward(const MatrixMemoryParameters p, const Spans spans) {
    Chain c;
    if (!span_of_block(c, p, V, spans)) return;
    Backward<T, K, V, Delta> backward{p, *reinterpret_cast<BackwardMemory<T, K, V, Delta>*>(shared_memory()), c, Workspace(p, c, tile_count(p, V) + p.further_parts, part_width(p, Delta ? Recurrence::Delta : Recurrence::Scalar), walk_floats(sizeof(T), K, V))};
    walk_back<T, K, V, Part<K, V>>(p, c, spans, backward.workspace.own,
        [&](Part<K, V>& state, int64_t first, int64_t end, T* places) { backward.replay(state, first, end, places); },
        [&](Part<K, V>& d_state, int64_t t, const T* place) { backward.leave(d_state, t, place); });
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
            if (status == cudaSuccess) status = launch(delta_backward<T, K, V, Delta>, spans.count * p.heads * tiles, BackwardThreads, sizeof(BackwardMemory<T, K, V, Delta>), stream, p, spans);
            return status != cudaSuccess || parts < 2 ? status : launch(sum_tiles<T>, spans.count * p.heads, Threads, 0, stream, p, spans, parts, Delta ? Recurrence::Delta : Recurrence::Scalar);
        }
    };
};

} // namespace
} // namespace memgen
