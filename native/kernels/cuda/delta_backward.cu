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
#include "delta_chunk.h"

namespace memgen {
namespace {

constexpr int Places = CheckpointTokens / Chunk + 1; // states of a block's workspace: its chunks', and dS meanwhile

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

template <class T, int K, int V>
__device__ __forceinline__ void load_state(Tile<T, K, V>& to, const float* from) {
    for (int i = static_cast<int>(threadIdx.x) * 4; i < K * V; i += Threads * 4) {
        const float4 x = *reinterpret_cast<const float4*>(from + i);
        store_pair(to.at(i / V, i % V), x.x, x.y);
        store_pair(to.at(i / V, i % V + 2), x.z, x.w);
    }
}

// Gradients that are sums over value tiles: where there are several, each tile leaves its own part, by
// [tile, B T, H, 2 K + 2] (d_q, d_k, d_beta, d_log_decay), and sum_tiles adds them up.
struct Parts {
    float* data; // of this tile; null with one tile
    int64_t heads, width, keys;

    __device__ __forceinline__ float* at(const Chain& c, int64_t tokens, int64_t t) const { return data + ((c.row * tokens + c.token + t) * heads + c.head) * width; }
};

__host__ __device__ __forceinline__ int64_t part_floats(const MatrixMemoryParameters& p) { return (p.batch * p.tokens * p.heads * (2 * p.key_dim + 2) + 3) / 4 * 4; }

template <class T, int K, int V, bool Delta>
struct Backward {
    typedef BackwardMemory<T, K, V, Delta> Memory;
    const MatrixMemoryParameters& p;
    Memory& s;
    const Chain c;
    float* places; // [Places, K, V]
    Parts parts;

    __device__ __forceinline__ int count(int64_t t) const { return c.tokens - t < Chunk ? static_cast<int>(c.tokens - t) : Chunk; }

    template <int Width>
    __device__ __forceinline__ void load(Tile<T, Chunk, Width>& to, const TensorView& x, int64_t t, int first, int columns) const {
        const T* from = tokens_of<const T>(x, c);
        load_rows(to, from ? from + t * x.stride[1] + first : static_cast<const T*>(p.k.data), x.stride[1], from ? count(t) : 0, columns);
    }

    __device__ __forceinline__ void enter_gates(int64_t t) {
        if (threadIdx.x >= 32) return;
        const int lane = static_cast<int>(threadIdx.x);
        const bool inside = lane < count(t);
        const float* log_decay = tokens_of<const float>(p.log_decay, c);
        s.decays.enter(inside && log_decay ? log_decay[(t + lane) * p.log_decay.stride[1]] : 0.0f);
        if constexpr (Delta) s.delta.beta[lane] = inside ? tokens_of<const float>(p.beta, c)[(t + lane) * p.beta.stride[1]] : 0.0f;
    }

    // States before the chunks of [first, end) into their places; state enters as the one before first.
    __device__ __forceinline__ void replay(Accumulator<K, V>& state, int64_t first, int64_t end) {
        for (int64_t t = first; t < end; t += Chunk) {
            state.store_rows(places + (t - first) / Chunk * (K * V), V, K, V, 1.0f);
            if (t + Chunk >= end) break;
            load(s.k, p.k, t, 0, static_cast<int>(p.key_dim));
            load(s.v, p.v, t, c.first_value, c.values);
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
    __device__ __forceinline__ void write_rows(Accumulator<Chunk, K>& x, const TensorView& to, int64_t t, int64_t part_offset) const {
        if (!to.data) return;
        const int keys = static_cast<int>(p.key_dim);
        if (parts.data) x.store_rows(parts.at(c, p.tokens, t) + part_offset, parts.heads * parts.width, count(t), keys, 1.0f);
        else x.store_rows(tokens_of<T>(to, c) + t * to.stride[1], to.stride[1], count(t), keys, 1.0f);
    }
};

// One chunk, whose state lies in `place`: d_state from behind it to before it, and the gradients of its tokens.
template <class T, int K, int V, bool Delta>
__device__ __forceinline__ void Backward<T, K, V, Delta>::leave(Accumulator<K, V>& d_state, int64_t t, const float* place) {
    const int keys = static_cast<int>(p.key_dim), n = count(t);
    load(s.q, p.q, t, 0, keys);
    load(s.k, p.k, t, 0, keys);
    load(s.v, p.v, t, c.first_value, c.values);
    load(s.d_o, p.d_o, t, c.first_value, c.values);
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
            if (parts.data) parts.at(c, p.tokens, t + i)[2 * parts.keys] = sum;
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
    write_rows(d_q, p.d_q, t, 0);
    multiply(d_k, turned(s.scores), s.q);
    if constexpr (Delta) {
        multiply(d_k, s.gradients.mixed, s.k);
        multiply(d_k, turned(s.gradients.mixed), s.k);
    }
    write_rows(d_k, p.d_k, t, parts.keys);
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
    if (i >= count(t)) return;
    if (parts.data) parts.at(c, p.tokens, t + i)[2 * parts.keys + 1] = gradient;
    else tokens_of<float>(p.d_log_decay, c)[(t + i) * p.d_log_decay.stride[1]] = gradient;
}

template <class T, int K, int V, bool Delta>
__global__ void __launch_bounds__(Threads) delta_backward(const MatrixMemoryParameters p) {
    const Chain c = chain_of_block(p, V);
    const int keys = static_cast<int>(p.key_dim);
    const int64_t tiles = tile_count(p, V), all_parts = tiles > 1 ? tiles * part_floats(p) : 0;
    float* places = p.workspace + all_parts + static_cast<int64_t>(blockIdx.x) * (Places * K * V);
    const Parts parts{tiles > 1 ? p.workspace + c.tile * part_floats(p) : nullptr, p.heads, 2 * p.key_dim + 2, p.key_dim};
    Backward<T, K, V, Delta> backward{p, *reinterpret_cast<BackwardMemory<T, K, V, Delta>*>(shared_memory()), c, places, parts};
    float* held = places + (Places - 1) * (K * V);

    Accumulator<K, V> state; // S while states are computed again, else dS
    state.zero();
    if (const float* last = state_of(p.d_final_state, c)) state.load_rows(last, p.d_final_state.stride[2], keys, c.values);
    for (int64_t first = (c.tokens - 1) / CheckpointTokens * CheckpointTokens; c.tokens > 0 && first >= 0; first -= CheckpointTokens) {
        const int64_t end = first + CheckpointTokens < c.tokens ? first + CheckpointTokens : c.tokens;
        state.store_rows(held, V, K, V, 1.0f);
        state.zero();
        if (first > 0) {
            state.load_rows(checkpoint_of(p, c, first), p.value_dim, keys, c.values);
        } else if (const float* initial = state_of(p.initial_state, c)) {
            state.load_rows(initial, p.initial_state.stride[2], keys, c.values);
        }
        backward.replay(state, first, end);
        state.load_rows(held, V, K, V); // what this thread stored
        __syncthreads();
        for (int64_t t = first + (end - 1 - first) / Chunk * Chunk; t >= first; t -= Chunk) backward.leave(state, t, places + (t - first) / Chunk * (K * V));
    }
    if (float* d_initial = state_of(p.d_initial_state, c)) state.store_rows(d_initial, p.d_initial_state.stride[2], keys, c.values, 1.0f);
}

// Sums over value tiles in their order, a block for every head of every sequence.
template <class T>
__global__ void __launch_bounds__(Threads) sum_tiles(const MatrixMemoryParameters p, int64_t tiles) {
    const Chain c = chain_of_block(p, p.value_dim);
    const int64_t width = 2 * p.key_dim + 2;
    for (int64_t i = static_cast<int64_t>(threadIdx.x); i < c.tokens * width; i += Threads) {
        const int64_t t = i / width, column = i % width;
        const float* part = p.workspace + ((c.row * p.tokens + c.token + t) * p.heads + c.head) * width + column;
        float sum = 0.0f;
        if (column < p.key_dim) {
            if (!p.d_q.data) continue;
            for (int64_t tile = 0; tile < tiles; tile++) sum += part[tile * part_floats(p)];
            tokens_of<T>(p.d_q, c)[t * p.d_q.stride[1] + column] = rounded<T>(sum);
        } else if (column < 2 * p.key_dim) {
            if (!p.d_k.data) continue;
            for (int64_t tile = 0; tile < tiles; tile++) sum += part[tile * part_floats(p)];
            tokens_of<T>(p.d_k, c)[t * p.d_k.stride[1] + column - p.key_dim] = rounded<T>(sum);
        } else {
            const TensorView& to = column == 2 * p.key_dim ? p.d_beta : p.d_log_decay;
            if (!to.data) continue;
            for (int64_t tile = 0; tile < tiles; tile++) sum += part[tile * part_floats(p)];
            tokens_of<float>(to, c)[t * to.stride[1]] = sum;
        }
    }
}

template <bool Delta>
struct BackwardOf {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
            constexpr int V = backward_values<T, K>();
            const int64_t chains = sequence_count(p) * p.heads, tiles = tile_count(p, V);
            cudaError_t status = launch(delta_backward<T, K, V, Delta>, chains * tiles, Threads, sizeof(BackwardMemory<T, K, V, Delta>), stream, p);
            return status != cudaSuccess || tiles < 2 ? status : launch(sum_tiles<T>, chains, Threads, 0, stream, p, tiles);
        }
    };
};

} // namespace

cudaError_t launch_scalar_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<BackwardOf<false>::Launch>(p, stream); }
cudaError_t launch_gated_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<BackwardOf<true>::Launch>(p, stream); }

int64_t matrix_memory_checkpoint_floats(const MatrixMemoryParameters& p) {
    return (p.batch * p.tokens + CheckpointTokens - 1) / CheckpointTokens * p.heads * p.key_dim * p.value_dim;
}

int64_t matrix_memory_workspace_floats(const MatrixMemoryParameters& p, bool) {
    const int64_t K = p.key_dim <= 32 ? 32 : p.key_dim <= 64 ? 64 : p.key_dim <= 128 ? 128 : 256;
    const int64_t V = (K == 256 ? 64 : 128) / (p.number == Number::Float32 ? 2 : 1), tiles = tile_count(p, V);
    return (tiles > 1 ? tiles * part_floats(p) : 0) + sequence_count(p) * p.heads * tiles * Places * K * V;
}

} // namespace memgen
