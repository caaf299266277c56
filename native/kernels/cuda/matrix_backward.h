// What the backward passes of the matrix memories share: the walk from the last chunk to the first, states
// computed again from checkpoints, and gradients that are sums over value tiles.
#pragma once
#include "matrix_memory.h"

namespace memgen {

constexpr int Places = CheckpointTokens / Chunk; // of a block's workspace: the states before its chunks, rounded as products take them

// Floats of a block's workspace: dS, put aside while states are computed again, and the places.
__host__ __device__ __forceinline__ constexpr int64_t walk_floats(int64_t bytes, int64_t K, int64_t V) { return K * V + Places * K * V * bytes / 4; }

// Of a token and head in the part of one value tile: d_q, d_k and d_beta, d_log_decay or, by channel, d_log_decay and, under the
// delta rule, d_beta and one number that is not used, so that rows begin at pairs; under the generalised one d_q, d_k, d_a, d_b and
// d_log_decay.
__host__ __device__ __forceinline__ int64_t part_width(const MatrixMemoryParameters& p, Recurrence recurrence) {
    if (!by_channel(recurrence)) return 2 * p.key_dim + 2;
    return recurrence == Recurrence::ChannelDelta ? 3 * p.key_dim + 2 : (recurrence == Recurrence::Generalized ? 5 : 3) * p.key_dim;
}

// Of its d_log_decay, by channel: the matrices before it.
__host__ __device__ __forceinline__ constexpr int64_t part_decays(Recurrence recurrence) { return recurrence == Recurrence::Generalized ? 4 : 2; }

// The channel delta rule keeps of every place also V' before beta and the scores of its keys, floats; the generalised one R.
__host__ __device__ __forceinline__ constexpr int64_t kept_floats(Recurrence recurrence, int64_t bytes, int64_t V) {
    const bool generalized = recurrence == Recurrence::Generalized;
    return generalized || recurrence == Recurrence::ChannelDelta ? Chunk * V * bytes / 4 + (generalized ? 0 : Chunk * Chunk) : 0;
}
__host__ __device__ __forceinline__ constexpr int64_t block_floats(Recurrence recurrence, int64_t bytes, int64_t K, int64_t V) {
    return walk_floats(bytes, K, V) + Places * kept_floats(recurrence, bytes, V);
}
__host__ __device__ __forceinline__ int64_t part_floats(const MemoryParameters& p, int64_t width) { return (p.batch * p.tokens * p.heads * width + 3) / 4 * 4; }

// The workspace: `parts` times [B T, H, width], one for every value tile, where there are several, then block_floats for
// every block, then the states between spans.
struct Workspace {
    float* part; // of this block's tile; null where it is the only one
    float* own;  // of this block
    int64_t row; // elements between the parts' tokens
    int64_t width;

    __device__ __forceinline__ Workspace(const MemoryParameters& p, const Chain& c, int64_t parts, int64_t width, int64_t block_floats) : width(width) {
        part = parts > 1 ? p.workspace + c.tile * part_floats(p, width) : nullptr;
        own = p.workspace + (parts > 1 ? parts * part_floats(p, width) : 0) + static_cast<int64_t>(blockIdx.x) * block_floats;
        row = p.heads * width;
    }

    // Without the states between spans; `blocks`: of all sequences or spans.
    static int64_t floats(const MemoryParameters& p, int64_t blocks, int64_t parts, int64_t width, int64_t block_floats) {
        return (parts > 1 ? parts * part_floats(p, width) : 0) + blocks * block_floats;
    }

    __device__ __forceinline__ float* part_of(const MemoryParameters& p, const Chain& c, int64_t t) const {
        return part + (c.row * p.tokens + c.token + t) * row + c.head * width;
    }

    // Rows t .. of d_q (first = 0) or d_k (first = K).
    template <class T, int K, int W>
    __device__ __forceinline__ void write_rows(const MemoryParameters& p, const Chain& c, Accumulator<Chunk, K, W>& x, const TensorView& to, int64_t t, int rows, int64_t first) const {
        if (!to.data) return;
        const int keys = static_cast<int>(p.key_dim);
        if (part) x.store_rows(part_of(p, c, t) + first, row, rows, keys, 1.0f);
        else x.store_rows(tokens_of<T>(to, c) + t * to.stride[1], to.stride[1], rows, keys, 1.0f);
    }
};

template <class T, int K, int V>
__device__ __forceinline__ void load_state(Tile<T, K, V>& to, const float* from) {
    for (int i = static_cast<int>(threadIdx.x) * 4; i < K * V; i += Threads * 4) {
        const float4 x = load_four(from + i);
        store_four(to.at(i / V, i % V), x);
    }
}

// A tile whose rows lie packed in memory: there, and back by asynchronous copies.
template <int BlockThreads, class T, int K, int V>
__device__ __forceinline__ void store_place(T* to, const Tile<T, K, V>& from) {
    constexpr int Vector = 16 / static_cast<int>(sizeof(T)), PerRow = V / Vector;
    static_assert(K * PerRow % BlockThreads == 0, "whole rounds");
    MEMGEN_UNROLL
    for (int i = 0; i < K * PerRow; i += BlockThreads) {
        const int e = i + static_cast<int>(threadIdx.x);
        *reinterpret_cast<uint4*>(to + e * Vector) = *reinterpret_cast<const uint4*>(from.at(e / PerRow, e % PerRow * Vector));
    }
}
template <int BlockThreads, class T, int K, int V>
__device__ __forceinline__ void load_place(Tile<T, K, V>& to, const T* from) {
    constexpr int Vector = 16 / static_cast<int>(sizeof(T)), PerRow = V / Vector;
    static_assert(K * PerRow % BlockThreads == 0 || K * PerRow < BlockThreads, "whole rounds, or a part of one");
    MEMGEN_UNROLL
    for (int i = 0; i < K * PerRow; i += BlockThreads) {
        const int e = i + static_cast<int>(threadIdx.x);
        if (K * PerRow % BlockThreads == 0 || e < K * PerRow) copy_async(to.at(e / PerRow, e % PerRow * Vector), from + e * Vector, 16);
    }
}

// Calls replay(S, first, end) for the tokens between two checkpoints, last first: it stores the states before
// their chunks in their places, barriers behind the last. Then leave(dS, t, place) for the chunks, last first.
template <class T, int K, int V, class State, class Replay, class Leave>
__device__ __forceinline__ void walk_back(const MatrixMemoryParameters& p, const Chain& c, const Spans& spans, float* own, Replay replay, Leave leave) {
    const int keys = static_cast<int>(p.key_dim);
    T* places = reinterpret_cast<T*>(own + K * V);
    State state; // S while states are computed again, else dS
    state.zero();
    const StateRows last = d_state_behind(p, c, spans);
    if (last.data) state.load_rows(last.data, last.stride, keys, c.values);
    for (int64_t first = (c.tokens - 1) / CheckpointTokens * CheckpointTokens; c.tokens > 0 && first >= 0; first -= CheckpointTokens) {
        const int64_t end = first + CheckpointTokens < c.tokens ? first + CheckpointTokens : c.tokens;
        auto own_place = [own](int i) { return own + (i * State::BlockThreads + static_cast<int>(threadIdx.x)) * 4; };
        state.each_fragment([=](int i, float (&x)[4]) { store_four(own_place(i), make_float4(x[0], x[1], x[2], x[3])); });
        state.zero();
        if (c.before + first > 0) {
            state.load_rows(checkpoint_of(p, c, first), p.value_dim, keys, c.values);
        } else if (const float* initial = state_of(p.initial_state, c)) {
            state.load_rows(initial, p.initial_state.stride[2], keys, c.values);
        }
        replay(state, first, end, places);
        state.each_fragment([=](int i, float (&x)[4]) {
            const float4 stored = load_four(own_place(i));
            x[0] = stored.x, x[1] = stored.y, x[2] = stored.z, x[3] = stored.w;
        });
        __syncthreads();
        for (int64_t t = first + (end - 1 - first) / Chunk * Chunk; t >= first; t -= Chunk) leave(state, t, places + (t - first) / Chunk * (K * V));
    }
    float* d_initial = c.before ? nullptr : state_of(p.d_initial_state, c);
    if (d_initial) state.store_rows(d_initial, p.d_initial_state.stride[2], keys, c.values, 1.0f);
}

// Sums over parts in their order, for the chain of a block. Of a token and head the parts have d_q, d_k and, where it is `Recalls`, d_a and
// d_b; gate(i) is where the i-th number behind them goes: that of the first token, and the elements between tokens.
template <class T, bool Recalls = false, class Parameters, class Gate>
__device__ __forceinline__ void sum_parts(const Parameters& p, const Chain& c, int64_t parts, int64_t width, Gate gate) {
    const int64_t part = part_floats(p, width), K = p.key_dim;
    for (int64_t i = static_cast<int64_t>(threadIdx.x); i < c.tokens * width; i += Threads) {
        const int64_t t = i / width, column = i % width;
        const float* from = p.workspace + ((c.row * p.tokens + c.token + t) * p.heads + c.head) * width + column;
        float sum = 0.0f;
        for (int64_t i = 0; i < parts; i++) sum += from[i * part];
        auto put = [&](const TensorView& to) {
            if (to.data) tokens_of<T>(to, c)[t * to.stride[1] + column % K] = rounded<T>(sum);
        };
        constexpr int64_t Matrices = Recalls ? 4 : 2;
        if (column < K) put(p.d_q);
        else if (column < 2 * K) put(p.d_k);
        if constexpr (Recalls) {
            if (column >= 2 * K && column < 3 * K) put(p.d_a);
            else if (column >= 3 * K && column < 4 * K) put(p.d_b);
        }
        if (column >= Matrices * K) {
            int64_t stride = 0;
            if (float* to = gate(column - Matrices * K, stride)) to[t * stride] = sum;
        }
    }
}

template <class T>
__global__ void __launch_bounds__(Threads) sum_tiles(const MatrixMemoryParameters p, const Spans spans, int64_t parts, Recurrence recurrence) {
    Chain c;
    if (!span_of_block(c, p, p.value_dim, spans)) return;
    auto gate = [&](int64_t i, int64_t& stride) -> float* {
        const bool channels = by_channel(recurrence), decay = channels ? i < p.key_dim : i == 1;
        const TensorView& to = decay ? p.d_log_decay : p.d_beta;
        stride = to.stride[1];
        return to.data && (!channels || i <= p.key_dim) ? tokens_of<float>(to, c) + (channels && decay ? i : 0) : nullptr;
    };
    const int64_t width = part_width(p, recurrence);
    if (recurrence == Recurrence::Generalized) sum_parts<T, true>(p, c, parts, width, gate);
    else sum_parts<T>(p, c, parts, width, gate);
}

} // namespace memgen
