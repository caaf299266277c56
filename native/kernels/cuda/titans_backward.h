// Backward pass of the Titans memory of one matrix, through its own gradients, a block for every head and value tile.
//
// The forward kernel leaves W and S every titans_interval tokens; those before the chunks since are computed again from
// there and kept in the block's workspace, and the chunks are walked back with dW and dS in registers. With the names of
// titans_chunk.h, R = Q K^T, g = Gamma_C and m = H_C:
//   dM = -dO D^T      dGamma = dM o R      dR = dM o Gamma      dD = -(Gamma o R)^T dO - diag(g) K dW' - diag(m) K dS'
//   dQ = diag(b) dO W^T + diag(c) dO S^T + dR K      dK = dR^T Q - diag(g) D dW'^T - diag(m) D dS'^T + dDelta A^T
//   dDelta = diag(step) dD, and through the clip      dV = -dDelta      dA = K^T dDelta
//   dW = b_C dW' + Q^T diag(b) dO      dS = c_C dW' + h_C dS' + Q^T diag(c) dO
// dA joins dW before the block's first chunk. Where reads begin with the block, dQ = dO A^T and dA has Q^T dO more.
#pragma once
#include "lanes.h"
#include "matrix_backward.h"
#include "titans_chunk.h"
#include "titans_spans.h"

namespace memgen {
namespace {

// Floats that a block has to itself, in places of W and S: those before the chunks of an interval, and what is put aside.
template <int K, int V>
__host__ __device__ constexpr int64_t place_floats() { return 2 * K * V; }
__host__ __device__ __forceinline__ int64_t titans_places(int64_t block) { return titans_interval(block) / block * titans_chunks(block); }

constexpr int TitansSums = 3; // of a token and head behind d_q and d_k: d_theta, d_eta, d_alpha

template <class T, int K, int V>
struct TitansBackwardMemory {
    Tile<T, Chunk, K> q, k;
    Tile<T, Chunk, V> v, d_o;                  // v: then D, then dDelta
    Tile<T, Chunk, V> to_weights, to_momentum; // as in forward, then diag(b) dO and diag(c) dO
    Tile<T, K, V> weights, momentum;           // A; dW', dS'; W, S; A
    Tile<T, Chunk, Chunk> scores, d_scores;    // -Gamma o R, dR
    Tile<float, Chunk, Chunk> d_gamma;
    TitansGates gates;
    TitansClip clip;
    Chain chain; // here it takes no registers
    float of_weights[2][Chunk], of_momentum[2][Chunk];           // (K dW') D and (K dS') D by token, the halves of the columns apart
    float d_of_weights[2][Chunk], d_of_momentum[2][Chunk];       // (Q W) dO, (Q S) dO
    float d_step[2][Chunk];
    float whole[3][Threads / 32];                                // <W, dW'>, <S, dW'>, <S, dS'> by warp
};

template <class T, int K, int V>
struct TitansBackward {
    typedef Accumulator<K, V> State;
    const TitansParameters& p;
    TitansBackwardMemory<T, K, V>& s;
    const Chain& c;
    const Spans& spans;
    const Workspace workspace;

    __device__ __forceinline__ float* place(int64_t index) const { return workspace.own + index * place_floats<K, V>(); }

    __device__ __forceinline__ void store(State& weights, State& momentum, float* to) {
        weights.store_rows(to, V, K, V, 1.0f);
        momentum.store_rows(to + K * V, V, K, V, 1.0f);
    }
    // What this thread stored.
    __device__ __forceinline__ void load(State& weights, State& momentum, const float* from) {
        weights.load_rows(from, V, K, V);
        momentum.load_rows(from + K * V, V, K, V);
    }

    __device__ __forceinline__ void replay(State& weights, State& momentum, int64_t first, int64_t end);
    __device__ __forceinline__ void leave(State& d_weights, State& d_momentum, int64_t t, int64_t start, int64_t end, int64_t index);
    __device__ __forceinline__ void leave_carry(Accumulator<Chunk, K>& d_k, Accumulator<Chunk, V>& d_d, int n);
    __device__ __forceinline__ void leave_read(Accumulator<Chunk, K>& d_q, Accumulator<Chunk, K>& d_k, Accumulator<Chunk, V>& d_d);
    __device__ __forceinline__ void leave_inner(Accumulator<Chunk, K>& d_k, Accumulator<Chunk, V>& d_d, Accumulator<Chunk, V>& delta);
    __device__ __forceinline__ void leave_gates(int64_t t, int n);
    __device__ __forceinline__ void walk();
};

// W and S before the chunks of [first, end) into their places.
template <class T, int K, int V>
__device__ __forceinline__ void TitansBackward<T, K, V>::replay(State& weights, State& momentum, int64_t first, int64_t end) {
    int64_t index = 0;
    for (int64_t start = first; start < end; start += p.block) {
        const int64_t last = start + p.block < end ? start + p.block : end;
        for (int64_t t = start; t < last; t += Chunk, index++) {
            const int n = last - t < Chunk ? static_cast<int>(last - t) : Chunk;
            store(weights, momentum, place(index));
            if (t + n >= end) return;
            load_tokens(s.k, p, p.k, c, t, n, 0, static_cast<int>(p.key_dim));
            load_tokens(s.v, p, p.v, c, t, n, c.first_value, c.values);
            close_copies();
            if (threadIdx.x < 32) s.gates.enter(p, c, t, n);
            if (t == start) weights.store(s.weights);
            wait_copies<0>();
            __syncthreads();
            Accumulator<Chunk, V> delta;
            inner_gradients(delta, p.clip, s.gates, s.clip, s.k, s.v, s.weights, n, s.to_weights, s.to_momentum);
            __syncthreads();
            carry_memory(weights, momentum, p, s.gates, s.k, n, s.to_weights, s.to_momentum);
            __syncthreads();
        }
    }
}

// From dW' and dS' in the tiles of the state: what the chunk left behind.
template <class T, int K, int V>
__device__ __forceinline__ void TitansBackward<T, K, V>::leave_carry(Accumulator<Chunk, K>& d_k, Accumulator<Chunk, V>& d_d, int n) {
    d_k.zero();
    multiply(d_k, s.to_weights, turned(s.weights));
    d_d.zero();
    multiply(d_d, s.k, s.weights);
    d_d.sum_rows(s.of_weights, [&](int i, int j, float first, float second) { return first * s.v.value(i, j) + second * s.v.value(i, j + 1); });
    d_d.each_pair([&](int i, int, float& first, float& second) {
        const float g = -*s.gates.gamma.at(n - 1, i);
        first *= g, second *= g;
    });
    if (!p.momentum) return;
    multiply(d_k, s.to_momentum, turned(s.momentum));
    Accumulator<Chunk, V> through;
    through.zero();
    multiply(through, s.k, s.momentum);
    through.sum_rows(s.of_momentum, [&](int i, int j, float first, float second) { return first * s.v.value(i, j) + second * s.v.value(i, j + 1); });
    d_d.each_pair_with(through, [&](int i, int, float& first, float& second, float x, float y) {
        const float m = -*s.gates.eta_products.at(n - 1, i);
        first += m * x, second += m * y;
    });
}

// From W and S, or A, in the tiles of the state: the read. Barriers inside.
template <class T, int K, int V>
__device__ __forceinline__ void TitansBackward<T, K, V>::leave_read(Accumulator<Chunk, K>& d_q, Accumulator<Chunk, K>& d_k, Accumulator<Chunk, V>& d_d) {
    d_q.zero();
    if (p.reads_block_start) {
        multiply(d_q, s.d_o, turned(s.weights));
        for (int i = static_cast<int>(threadIdx.x); i < Chunk * Chunk; i += Threads) *s.d_gamma.at(i / Chunk, i % Chunk) = 0.0f;
        if (threadIdx.x < 2 * Chunk) s.d_of_weights[threadIdx.x / Chunk][threadIdx.x % Chunk] = s.d_of_momentum[threadIdx.x / Chunk][threadIdx.x % Chunk] = 0.0f;
        return;
    }
    weigh_gradients(s.gates, s.d_o, s.to_weights, s.to_momentum);
    {
        Accumulator<Chunk, V> seen;
        seen.zero();
        multiply(seen, s.q, s.weights);
        seen.sum_rows(s.d_of_weights, [&](int i, int j, float first, float second) { return first * s.d_o.value(i, j) + second * s.d_o.value(i, j + 1); });
        seen.zero();
        if (p.momentum) multiply(seen, s.q, s.momentum);
        seen.sum_rows(s.d_of_momentum, [&](int i, int j, float first, float second) { return first * s.d_o.value(i, j) + second * s.d_o.value(i, j + 1); });
    }
    {
        Accumulator<Chunk, Chunk> r, d_m; // R and -dM
        r.zero();
        multiply(r, s.q, turned(s.k));
        d_m.zero();
        multiply(d_m, s.d_o, turned(s.v));
        r.each_pair_with(d_m, [&](int i, int j, float& first, float& second, float x, float y) {
            const float g = j <= i ? -*s.gates.gamma.at(i, j) : 0.0f, h = j + 1 <= i ? -*s.gates.gamma.at(i, j + 1) : 0.0f;
            store_pair(s.scores.at(i, j), j <= i ? g * first : 0.0f, j + 1 <= i ? h * second : 0.0f);
            store_pair(s.d_scores.at(i, j), j <= i ? g * x : 0.0f, j + 1 <= i ? h * y : 0.0f);
            store_pair(s.d_gamma.at(i, j), j <= i ? -x * first : 0.0f, j + 1 <= i ? -y * second : 0.0f);
        });
    }
    __syncthreads();
    multiply(d_q, s.to_weights, turned(s.weights));
    if (p.momentum) multiply(d_q, s.to_momentum, turned(s.momentum));
    multiply(d_q, s.d_scores, s.k);
    multiply(d_k, turned(s.d_scores), s.q);
    multiply(d_d, turned(s.scores), s.d_o);
}

// From dD to dDelta, in d_d and in the place of D; barriers inside, the last one before dDelta is written.
template <class T, int K, int V>
__device__ __forceinline__ void TitansBackward<T, K, V>::leave_inner(Accumulator<Chunk, K>& d_k, Accumulator<Chunk, V>& d_d, Accumulator<Chunk, V>& delta) {
    {
        Accumulator<Chunk, V> product = d_d;
        product.each_pair_with(delta, [](int, int, float& first, float& second, float x, float y) { first *= x, second *= y; });
        product.sum_rows(s.d_step, [](int, int, float first, float second) { return first + second; });
    }
    __syncthreads();
    // A clipped step is theta clip / length, and the gradient of length^2 / 2 is |k|^2 Delta with respect to Delta, and the
    // other way round.
    const bool clips = p.clip > 0.0f;
    auto of_length = [&](int i) {
        const float share = s.clip.share[i], ratio = share / p.clip;
        return share < 1.0f ? -(s.d_step[0][i] + s.d_step[1][i]) * s.gates.theta[i] * share * ratio * ratio : 0.0f;
    };
    d_d.each_pair_with(delta, [&](int i, int j, float& first, float& second, float x, float y) {
        first *= s.gates.step[i], second *= s.gates.step[i];
        if (clips) {
            const float d = of_length(i) * s.clip.keys[i];
            first += d * x, second += d * y;
        }
        store_pair(s.v.at(i, j), first, second);
    });
    if (!clips) return;
    d_k.each_pair([&](int i, int j, float& first, float& second) {
        const float d = of_length(i) * (s.clip.errors[0][i] + s.clip.errors[1][i]);
        first += d * s.k.value(i, j), second += d * s.k.value(i, j + 1);
    });
}

// The gates of n tokens through their recurrences, last token first, by one warp: a lane has a column.
template <class T, int K, int V>
__device__ __forceinline__ void TitansBackward<T, K, V>::leave_gates(int64_t t, int n) {
    const int lane = static_cast<int>(threadIdx.x);
    auto by_warps = [&](int i) { return (s.whole[i][0] + s.whole[i][1]) + (s.whole[i][2] + s.whole[i][3]); };
    float d_b = by_warps(0), d_c = by_warps(1), d_h = by_warps(2), d_theta = 0.0f, d_eta = 0.0f, d_alpha = 0.0f;
    float d_coefficient = -(s.of_weights[0][lane] + s.of_weights[1][lane]), d_product = p.momentum ? -(s.of_momentum[0][lane] + s.of_momentum[1][lane]) : 0.0f;
    if (p.clip > 0.0f) d_theta = (s.d_step[0][lane] + s.d_step[1][lane]) * s.clip.share[lane];
    else d_theta = s.d_step[0][lane] + s.d_step[1][lane];
    // What a row adds to the sums for its token goes where the row's own numbers have been read; each lane sums one row at the end.
    float whole_alpha = 0.0f, whole_eta = 0.0f;
    for (int i = n - 1; i >= 0; i--) {
        const bool before = lane < i;
        d_b += s.d_of_weights[0][i] + s.d_of_weights[1][i], d_c += s.d_of_momentum[0][i] + s.d_of_momentum[1][i];
        d_h += d_c;
        d_coefficient = lane <= i ? d_coefficient + *s.d_gamma.at(i, lane) : 0.0f;
        d_product = lane <= i ? d_product + d_coefficient : 0.0f;
        *s.d_gamma.at(i, lane) = before ? d_coefficient * *s.gates.gamma.at(i - 1, lane) : 0.0f;
        *s.gates.gamma.at(i, lane) = before ? d_product * *s.gates.eta_products.at(i - 1, lane) : 0.0f;
        const float keep = i > 0 ? d_b * s.gates.of_weights[i - 1] + d_c * s.gates.of_momentum[i - 1] : d_b, eta = i > 0 ? d_h * s.gates.momentum[i - 1] : d_h;
        if (lane == i) whole_alpha = keep, whole_eta = eta;
        const float kept = s.gates.keep[i], e = s.gates.eta[i];
        d_b *= kept, d_c *= kept, d_h *= e;
        d_coefficient *= kept, d_product *= e;
    }
    sync_warp();
    if (lane < n) {
        MEMGEN_UNROLL
        for (int j = 0; j < Chunk; j += 4) {
            const float4 x = load_four(s.d_gamma.at(lane, j)), y = load_four(s.gates.gamma.at(lane, j));
            d_alpha += (x.x + x.y) + (x.z + x.w), d_eta += (y.x + y.y) + (y.z + y.w);
        }
        d_alpha = -(d_alpha + whole_alpha), d_eta += whole_eta;
    }
    if (lane >= n) return;
    if (workspace.part) {
        float* to = workspace.part_of(p, c, t + lane) + 2 * p.key_dim;
        to[0] = d_theta, to[1] = d_eta, to[2] = d_alpha;
        return;
    }
    auto write = [&](const TensorView& to, float x) {
        if (to.data) tokens_of<float>(to, c)[(t + lane) * to.stride[1]] = x;
    };
    write(p.d_theta, d_theta), write(p.d_eta, d_eta), write(p.d_alpha, d_alpha);
}

// A chunk from t on of the gradient block [start, end): dW and dS from behind it to before it, and the gradients of its
// tokens. W and S before it lie in place `index`; what is put aside has the last two places.
template <class T, int K, int V>
__device__ __forceinline__ void TitansBackward<T, K, V>::leave(State& d_weights, State& d_momentum, int64_t t, int64_t start, int64_t end, int64_t index) {
    const int keys = static_cast<int>(p.key_dim), n = end - t < Chunk ? static_cast<int>(end - t) : Chunk;
    const float *before = place(index), *anchor = place(index - (t - start) / Chunk);
    load_tokens(s.q, p, p.q, c, t, n, 0, keys);
    load_tokens(s.k, p, p.k, c, t, n, 0, keys);
    load_tokens(s.v, p, p.v, c, t, n, c.first_value, c.values);
    load_tokens(s.d_o, p, p.d_o, c, t, n, c.first_value, c.values);
    close_copies();
    load_state(s.weights, anchor);
    if (threadIdx.x < 32) s.gates.enter(p, c, t, n);
    wait_copies<0>();
    __syncthreads();

    Accumulator<Chunk, V> delta, d_d;
    inner_gradients(delta, p.clip, s.gates, s.clip, s.k, s.v, s.weights, n, s.to_weights, s.to_momentum);
    {
        float of_weights = 0.0f, of_momentum = 0.0f, momentum = 0.0f;
        d_weights.each_pair_with(d_momentum, [&](int row, int column, float& first, float& second, float x, float y) {
            const float2 w = load_pair(before + row * V + column), m = load_pair(before + K * V + row * V + column);
            of_weights += w.x * first + w.y * second;
            of_momentum += m.x * first + m.y * second;
            momentum += m.x * x + m.y * y;
        });
        const int warp = static_cast<int>(threadIdx.x) / 32;
        of_weights = sum_of_lanes(of_weights), of_momentum = sum_of_lanes(of_momentum), momentum = sum_of_lanes(momentum);
        if (threadIdx.x % 32 == 0) s.whole[0][warp] = of_weights, s.whole[1][warp] = of_momentum, s.whole[2][warp] = momentum;
    }
    __syncthreads();
    d_weights.store(s.weights);
    d_momentum.store(s.momentum);
    __syncthreads();
    Accumulator<Chunk, K> d_k;
    leave_carry(d_k, d_d, n);
    __syncthreads();

    load_state(s.weights, p.reads_block_start ? anchor : before);
    load_state(s.momentum, before + K * V);
    __syncthreads();
    {
        Accumulator<Chunk, K> d_q;
        leave_read(d_q, d_k, d_d);
        workspace.template write_rows<T>(p, c, d_q, p.d_q, t, n, 0);
    }
    leave_inner(d_k, d_d, delta);
    if (p.d_v.data) d_d.store_rows(tokens_of<T>(p.d_v, c) + c.first_value + t * p.d_v.stride[1], p.d_v.stride[1], n, c.values, -1.0f);
    if (t > start && !p.reads_block_start) load_state(s.weights, anchor);
    __syncthreads();
    multiply(d_k, s.v, turned(s.weights));
    workspace.template write_rows<T>(p, c, d_k, p.d_k, t, n, p.key_dim);

    {
        const float b = s.gates.of_weights[n - 1], m = s.gates.of_momentum[n - 1], h = s.gates.momentum[n - 1];
        d_momentum.each_pair_with(d_weights, [=](int, int, float& first, float& second, float x, float y) { first = h * first + m * x, second = h * second + m * y; });
        d_weights.scale(b);
    }
    if (!p.reads_block_start) {
        multiply(d_weights, turned(s.q), s.to_weights);
        multiply(d_momentum, turned(s.q), s.to_momentum);
    }
    // dA gathers aside, where the block has several chunks, and there dW waits while it does.
    float *aside = place(titans_places(p.block) + 1), *waiting = aside + K * V;
    if (t > start) {
        d_weights.store_rows(waiting, V, K, V, 1.0f);
        if (end - t > Chunk) d_weights.load_rows(aside, V, K, V);
        else d_weights.zero();
    } else if (end - t > Chunk) {
        d_weights.each_pair([&](int row, int column, float& first, float& second) {
            const float2 x = load_pair(aside + row * V + column);
            first += x.x, second += x.y;
        });
    }
    multiply(d_weights, turned(s.k), s.v);
    if (p.reads_block_start) multiply(d_weights, turned(s.q), s.d_o);
    if (t > start) {
        d_weights.store_rows(aside, V, K, V, 1.0f);
        d_weights.load_rows(waiting, V, K, V);
    }
    if (threadIdx.x < 32) leave_gates(t, n);
    __syncthreads();
}

template <class T, int K, int V>
__device__ __forceinline__ void TitansBackward<T, K, V>::walk() {
    const int keys = static_cast<int>(p.key_dim);
    const int64_t interval = titans_interval(p.block), chunks = titans_chunks(p.block);
    float* held = place(titans_places(p.block));
    State weights, momentum; // W and S while they are computed again, else their gradients
    if (are_whole(p, spans)) {
        load_memory(weights, p.d_final_state, c, keys);
        load_memory(momentum, p.momentum ? p.d_final_momentum : TensorView{}, c, keys);
    } else {
        momentum.zero();
        load_between(weights, momentum, p, c, spans, c.span + 1);
    }
    for (int64_t first = (c.tokens - 1) / interval * interval; c.tokens > 0 && first >= 0; first -= interval) {
        const int64_t end = first + interval < c.tokens ? first + interval : c.tokens;
        store(weights, momentum, held);
        if (c.before + first > 0) {
            const float* from = titans_checkpoint(p, c, first);
            weights.load_rows(from, p.value_dim, keys, c.values);
            momentum.load_rows(from + p.key_dim * p.value_dim, p.value_dim, keys, c.values);
        } else {
            load_memory(weights, p.initial_state, c, keys);
            load_memory(momentum, p.momentum ? p.initial_momentum : TensorView{}, c, keys);
        }
        replay(weights, momentum, first, end);
        load(weights, momentum, held);
        __syncthreads();
        for (int64_t start = first + (end - 1 - first) / p.block * p.block; start >= first; start -= p.block) {
            const int64_t last = start + p.block < end ? start + p.block : end;
            for (int64_t t = start + (last - 1 - start) / Chunk * Chunk; t >= start; t -= Chunk) leave(weights, momentum, t, start, last, (start - first) / p.block * chunks + (t - start) / Chunk);
        }
    }
    if (c.before > 0) return;
    store_memory(weights, p.d_initial_state, c, keys);
    if (p.momentum) store_memory(momentum, p.d_initial_momentum, c, keys);
}

} // namespace
} // namespace memgen
