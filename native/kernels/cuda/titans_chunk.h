// The Titans memory of one matrix, in chunks of at most Chunk tokens of one gradient block.
//
// W and S are weights and momentum before a chunk, A the weights that its gradient block started with, C its last token.
// Of its tokens, from the recurrences in memgen_titans.h:
//   b_t = (1 - alpha_t) b_{t-1}      h_t = eta_t h_{t-1}      c_t = (1 - alpha_t) c_{t-1} + h_t, from b = h = 1 and c = 0 on
//   H_ti = eta_t H_{t-1,i} with H_tt = 1      Gamma_ti = (1 - alpha_t) Gamma_{t-1,i} + H_ti
//   Delta = K A - V      D = diag(theta) Delta, theta shortened where a clip is
//   O = diag(b) Q W + diag(c) Q S - (Gamma o Q K^T) D, or Q A where reads begin with the block
//   W' = b_C W + c_C S - K^T diag(Gamma_C) D      S' = h_C S - K^T diag(H_C) D
#pragma once
#include "matrix_memory.h"

namespace memgen {

// Value columns of a block by the padded K: what keeps W and S in registers, and its tiles in shared memory.
template <class T, int K>
constexpr int titans_values() { return sizeof(T) == 2 && K <= 128 ? 64 : 32; }

// Tokens between the states that backward keeps: whole blocks, about CheckpointTokens of them.
__host__ __device__ __forceinline__ int64_t titans_interval(int64_t block) { return (CheckpointTokens + block - 1) / block * block; }
__host__ __device__ __forceinline__ int64_t titans_chunks(int64_t tokens) { return (tokens + Chunk - 1) / Chunk; }

struct TitansGates {
    Tile<float, Chunk, Chunk> gamma, eta_products; // Gamma, H
    alignas(16) float theta[Chunk], eta[Chunk], keep[Chunk]; // keep: 1 - alpha
    float of_weights[Chunk], of_momentum[Chunk], momentum[Chunk]; // b, c, h
    float step[Chunk];                             // theta, and less where a gradient is clipped

    // The n tokens from t on, by one warp: a lane has a token, and that column of both matrices.
    __device__ __forceinline__ void enter(const TitansParameters& p, const Chain& c, int64_t t, int n) {
        const int lane = static_cast<int>(threadIdx.x) % 32;
        auto gate = [&](const TensorView& x, float absent) {
            const float* from = tokens_of<const float>(x, c);
            return lane < n && from ? from[(t + lane) * x.stride[1]] : absent;
        };
        const float own_eta = p.momentum ? gate(p.eta, 0.0f) : 0.0f, own_keep = lane < n ? 1.0f - gate(p.alpha, 0.0f) : 0.0f;
        theta[lane] = step[lane] = gate(p.theta, 0.0f);
        eta[lane] = own_eta, keep[lane] = own_keep;
        sync_warp();
        float b = 1.0f, from_momentum = 0.0f, h = 1.0f, product = 0.0f, coefficient = 0.0f;
        float4 etas, keeps; // of four tokens: they are read without waiting for what is multiplied
        MEMGEN_UNROLL
        for (int i = 0; i < Chunk; i++) {
            if (i % 4 == 0) etas = load_four(eta + i), keeps = load_four(keep + i);
            const float e = number_of(etas, i), kept = number_of(keeps, i);
            b *= kept, h *= e, from_momentum = kept * from_momentum + h;
            if (lane == i) of_weights[i] = b, of_momentum[i] = from_momentum, momentum[i] = h;
            const bool own = lane == i && i < n;
            product = own ? 1.0f : e * product;
            coefficient = own ? 1.0f : kept * coefficient + product;
            *gamma.at(i, lane) = coefficient, *eta_products.at(i, lane) = product;
        }
    }
};

// A gradient's length is |k_t| |Delta_t|.
struct TitansClip {
    float errors[2][Chunk], keys[Chunk]; // squares of both; errors by half of the columns
    float share[Chunk];                  // min(1, clip / length)
};

// Shortens gates.step where a gradient is longer than the clip; barriers where there is one.
template <class T, int K, int V>
__device__ __forceinline__ void clip_steps(float clip, TitansGates& gates, TitansClip& s, const Tile<T, Chunk, K>& k, Accumulator<Chunk, V>& delta) {
    if (!(clip > 0.0f)) return;
    delta.sum_rows(s.errors, [](int, int, float first, float second) { return first * first + second * second; });
    const int row = static_cast<int>(threadIdx.x) / 4;
    float sum = 0.0f;
    for (int d = static_cast<int>(threadIdx.x) % 4; d < K; d += 4) sum += k.value(row, d) * k.value(row, d);
    sum += shuffle_xor(sum, 1);
    sum += shuffle_xor(sum, 2);
    if (threadIdx.x % 4 == 0) s.keys[row] = sum;
    __syncthreads();
    if (threadIdx.x < Chunk) {
        const int i = static_cast<int>(threadIdx.x);
        const float length = sqrtf(s.keys[i] * (s.errors[0][i] + s.errors[1][i]));
        s.share[i] = length > clip ? clip / length : 1.0f;
        gates.step[i] *= s.share[i];
    }
    __syncthreads();
}

// What reads ask of W and S: diag(b) dO in to_weights and diag(c) dO in to_momentum, visible behind the next barrier.
template <class T, int V>
__device__ __forceinline__ void weigh_gradients(const TitansGates& gates, const Tile<T, Chunk, V>& d_o, Tile<T, Chunk, V>& to_weights, Tile<T, Chunk, V>& to_momentum) {
    for (int i = static_cast<int>(threadIdx.x) * 2; i < Chunk * V; i += Threads * 2) {
        const int row = i / V, column = i % V;
        const float2 x = load_pair(d_o.at(row, column));
        const float b = gates.of_weights[row], m = gates.of_momentum[row];
        store_pair(to_weights.at(row, column), b * x.x, b * x.y);
        store_pair(to_momentum.at(row, column), m * x.x, m * x.y);
    }
}

// What a chunk of n tokens writes: Delta in registers, D in the place of v, -diag(Gamma_C) D in to_weights and
// -diag(H_C) D in to_momentum, visible behind the next barrier.
template <class T, int K, int V>
__device__ __forceinline__ void inner_gradients(Accumulator<Chunk, V>& delta, float clip, TitansGates& gates, TitansClip& s, const Tile<T, Chunk, K>& k, Tile<T, Chunk, V>& v, const Tile<T, K, V>& anchor, int n, Tile<T, Chunk, V>& to_weights, Tile<T, Chunk, V>& to_momentum) {
    delta.zero();
    multiply(delta, k, anchor);
    delta.each_pair([&](int i, int j, float& first, float& second) { first -= v.value(i, j), second -= v.value(i, j + 1); });
    clip_steps(clip, gates, s, k, delta);
    delta.each_pair([&](int i, int j, float& first, float& second) {
        const float x = gates.step[i] * first, y = gates.step[i] * second, g = -*gates.gamma.at(n - 1, i), m = -*gates.eta_products.at(n - 1, i);
        store_pair(v.at(i, j), x, y);
        store_pair(to_weights.at(i, j), g * x, g * y);
        store_pair(to_momentum.at(i, j), m * x, m * y);
    });
}

// W and S from before a chunk of n tokens to behind it.
template <class T, int K, int V>
__device__ __forceinline__ void carry_memory(Accumulator<K, V>& weights, Accumulator<K, V>& momentum, const TitansParameters& p, const TitansGates& gates, const Tile<T, Chunk, K>& k, int n, const Tile<T, Chunk, V>& to_weights, const Tile<T, Chunk, V>& to_momentum) {
    const float b = gates.of_weights[n - 1], c = gates.of_momentum[n - 1], h = gates.momentum[n - 1];
    weights.each_pair_with(momentum, [=](int, int, float& first, float& second, float x, float y) { first = b * first + c * x, second = b * second + c * y; });
    multiply(weights, turned(k), to_weights);
    if (!p.momentum) return;
    momentum.scale(h);
    multiply(momentum, turned(k), to_momentum);
}

// [K, V] of a block's columns from a tensor of states, zero where it is absent, and back.
template <int K, int V>
__device__ __forceinline__ void load_memory(Accumulator<K, V>& x, const TensorView& from, const Chain& c, int keys) {
    x.zero();
    if (const float* first = state_of(from, c)) x.load_rows(first, from.stride[2], keys, c.values);
}
template <int K, int V>
__device__ __forceinline__ void store_memory(Accumulator<K, V>& x, const TensorView& to, const Chain& c, int keys) {
    if (float* first = state_of(to, c)) x.store_rows(first, to.stride[2], keys, c.values, 1.0f);
}

// Of a block's columns, W above S, contiguous rows of value_dim.
template <int K, int V>
__device__ __forceinline__ void load_between(Accumulator<K, V>& weights, Accumulator<K, V>& momentum, const TitansParameters& p, const Chain& c, const Spans& spans, int64_t span) {
    const float* from = span_state(p, spans, span, c.head) + c.first_value;
    weights.load_rows(from, p.value_dim, static_cast<int>(p.key_dim), c.values);
    if (p.momentum) momentum.load_rows(from + p.key_dim * p.value_dim, p.value_dim, static_cast<int>(p.key_dim), c.values);
}
template <int K, int V>
__device__ __forceinline__ void store_between(Accumulator<K, V>& weights, Accumulator<K, V>& momentum, const TitansParameters& p, const Chain& c, float* state) {
    weights.store_rows(state + c.first_value, p.value_dim, static_cast<int>(p.key_dim), c.values, 1.0f);
    if (p.momentum) momentum.store_rows(state + c.first_value + p.key_dim * p.value_dim, p.value_dim, static_cast<int>(p.key_dim), c.values, 1.0f);
}

// Where W before token t of the chain is kept, t a multiple of the interval above 0; S lies behind it.
__device__ __forceinline__ float* titans_checkpoint(const TitansParameters& p, const Chain& c, int64_t t) {
    const int64_t place = (c.row * p.tokens + c.token + t) / titans_interval(p.block);
    return p.checkpoints + (place * p.heads + c.head) * 2 * p.key_dim * p.value_dim + c.first_value;
}

} // namespace memgen
