// One block of a Titans memory: reading it, the gradients it writes, its read, and what it leaves behind.
#pragma once
#include "chunk.h"
#include "titans_layout.h"

namespace memgen {
namespace {

struct TitansTokens {
    const memgen_titans_args& a;
    int64_t b, h, t, n; // n of them from t on

    float* row(const memgen_tensor& x, int64_t i) const { return at(x, t + i, h) + b * x.stride[0]; }
    float* state(const memgen_tensor& x) const { return x.data ? x.data + b * x.stride[0] + h * x.stride[1] : nullptr; }
};

inline void fill(float* x, int64_t n, float value) {
    for (int64_t i = 0; i < n; i += W) store(x + i, splat(value));
}

// x += y over whole vectors
inline void add(float* x, const float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += W) store(x + i, load(x + i) + load(y + i));
}

inline void read_padded(const TitansTokens& x, const memgen_tensor& from, int64_t width, int64_t padded_width, int64_t block, float* to) {
    for (int64_t i = 0; i < block; i++) {
        float* out = to + i * padded_width;
        fill(out, padded_width, 0.0f);
        if (i < x.n && from.data) __builtin_memcpy(out, x.row(from, i), sizeof(float) * static_cast<size_t>(width));
    }
}

// out[i] = factor[i] x[i], row by row
inline void scale_rows(const float* x, const float* factor, int64_t rows, int64_t width, float* out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j += W) store(out + i * width + j, splat(factor[i]) * load(x + i * width + j));
}

// out = X M^T with X [block, M's columns]: M X^T, turned back. Added to out where `onto`.
inline void product_by_turned(const TitansBlock& s, int64_t block, const float* x, int64_t x_width, const float* m, int64_t m_rows, int64_t m_row, bool onto, float* out) {
    transpose(x, x_width, block, x_width, s.turned, block);
    product(m_rows, block, x_width, ByRows{m, m_row}, s.turned, block, s.turned2, block);
    if (!onto) {
        transpose(s.turned2, block, m_rows, block, out, m_rows);
        return;
    }
    transpose(s.turned2, block, m_rows, block, s.turned, m_rows);
    add(out, s.turned, block * m_rows);
}

struct Curve {
    Vector value, slope, bend; // silu and its two derivatives
};

MEMGEN_INLINE Curve silu_curve(Vector u) {
    Vector s = sigmoid(u), one = splat(1.0f), rest = one - s;
    return {u * s, s * (one + u * rest), s * rest * (splat(2.0f) + u * (rest - s))};
}

// Coefficients of the block: beta, kappa, h of what it started with, Gamma and Eta of its gradients.
inline void read_gates(const TitansTokens& x, const TitansSizes& sizes, const TitansBlock& s) {
    const int64_t C = sizes.block;
    fill(s.Gamma, C * C, 0.0f);
    fill(s.Eta, C * C, 0.0f);
    float beta = 1.0f, kappa = 0.0f, h = 1.0f;
    for (int64_t i = 0; i < C; i++) {
        bool valid = i < x.n;
        s.theta[i] = valid ? *x.row(x.a.theta, i) : 0.0f;
        s.eta[i] = valid ? *x.row(x.a.eta, i) : 0.0f;
        s.keep[i] = valid ? 1.0f - *x.row(x.a.alpha, i) : 0.0f;
        h *= s.eta[i];
        kappa = s.keep[i] * kappa + h;
        beta *= s.keep[i];
        s.beta[i] = beta, s.kappa[i] = kappa, s.h[i] = h;
        if (!valid) continue;
        for (int64_t j = 0; i > 0 && j < C; j += W) {
            Vector eta = splat(s.eta[i]) * load(s.Eta + (i - 1) * C + j);
            store(s.Eta + i * C + j, eta);
            store(s.Gamma + i * C + j, splat(s.keep[i]) * load(s.Gamma + (i - 1) * C + j) + eta);
        }
        s.Eta[i * C + i] = s.Gamma[i * C + i] = 1.0f;
    }
}

// The gradients D_l that the block writes, at the weights it started with.
inline void inner_gradients(const TitansTokens& x, const TitansSizes& z, const TitansBlock& s, const float* weights) {
    const int64_t C = z.block, L = z.layers;
    read_padded(x, x.a.k, x.a.dims[0], z.width[0], C, s.A[0]);
    read_padded(x, x.a.v, x.a.dims[L], z.width[L], C, s.delta[L]);
    for (int64_t l = 1; l <= L; l++) {
        product(C, z.width[l], z.width[l - 1], ByRows{s.A[l - 1], z.width[l - 1]}, weights + z.offset[l], z.row[l], s.U[l], z.width[l]);
        for (int64_t i = 0; i < C * z.width[l]; i += W) {
            if (l < L) store(s.A[l] + i, silu_curve(load(s.U[l] + i)).value);
            else store(s.delta[l] + i, load(s.U[l] + i) - load(s.delta[l] + i));
        }
    }
    for (int64_t l = L; l >= 1; l--) {
        if (l < L) {
            product_by_turned(s, C, s.delta[l + 1], z.width[l + 1], weights + z.offset[l + 1], z.width[l], z.row[l + 1], false, s.N[l]);
            for (int64_t i = 0; i < C * z.width[l]; i += W) store(s.delta[l] + i, load(s.N[l] + i) * silu_curve(load(s.U[l] + i)).slope);
        }
        scale_rows(s.delta[l], s.theta, C, z.width[l], s.D[l]);
    }
}

// R = X_{l-1} A_{l-1}^T
inline void similarities(const TitansSizes& z, const TitansBlock& s, int64_t l, float* out) {
    transpose(s.A[l - 1], z.width[l - 1], z.block, z.width[l - 1], s.turned, z.block);
    product(z.block, z.block, z.width[l - 1], ByRows{s.X[l - 1], z.width[l - 1]}, s.turned, z.block, out, z.block);
}

// Z_L: every query with the weights after its own token's write.
inline void read_memory(const TitansTokens& x, const TitansSizes& z, const TitansBlock& s, const float* weights, const float* momenta) {
    const int64_t C = z.block;
    read_padded(x, x.a.q, x.a.dims[0], z.width[0], C, s.X[0]);
    for (int64_t l = 1; l <= z.layers; l++) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        scale_rows(s.X[l - 1], s.beta, C, in, s.scaled);
        product(C, out, in, ByRows{s.scaled, in}, weights + z.offset[l], z.row[l], s.Z[l], out);
        scale_rows(s.X[l - 1], s.kappa, C, in, s.scaled);
        product_onto(s.Z[l], 1, C, out, in, ByRows{s.scaled, in}, momenta + z.offset[l], z.row[l], s.Z[l], out);
        similarities(z, s, l, s.square);
        for (int64_t i = 0; i < C * C; i += W) store(s.square + i, -load(s.square + i) * load(s.Gamma + i));
        product_onto(s.Z[l], 1, C, out, C, ByRows{s.square, C}, s.D[l], out, s.Z[l], out);
        for (int64_t i = 0; l < z.layers && i < C * out; i += W) store(s.X[l] + i, silu_curve(load(s.Z[l] + i)).value);
    }
}

// The weights and momenta after the block's last token. `next` may be the same memory.
inline void carry_memory(const TitansTokens& x, const TitansSizes& z, const TitansBlock& s, const float* weights, const float* momenta, float* next_weights, float* next_momenta) {
    const int64_t C = z.block, last = x.n - 1;
    const Vector beta = splat(s.beta[last]), kappa = splat(s.kappa[last]), h = splat(s.h[last]);
    for (int64_t i = 0; i < z.weights(); i += W) {
        Vector w = load(weights + i), m = load(momenta + i);
        store(next_weights + i, beta * w + kappa * m);
        store(next_momenta + i, h * m);
    }
    for (int64_t l = 1; l <= z.layers; l++) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        for (int64_t i = 0; i < C; i++) s.turned[i] = -s.Gamma[last * C + i], s.turned2[i] = -s.Eta[last * C + i];
        scale_rows(s.D[l], s.turned, C, out, s.scaled);
        product_onto(next_weights + z.offset[l], 1, in, out, C, Turned{s.A[l - 1], in}, s.scaled, out, next_weights + z.offset[l], z.row[l]);
        scale_rows(s.D[l], s.turned2, C, out, s.scaled);
        product_onto(next_momenta + z.offset[l], 1, in, out, C, Turned{s.A[l - 1], in}, s.scaled, out, next_momenta + z.offset[l], z.row[l]);
    }
}

// Padded weights from [B, H, d_{l-1}, d_l] tensors, and back.
inline void read_weights(const TitansTokens& x, const TitansSizes& z, const memgen_tensor* from, float* to) {
    for (int64_t l = 1; l <= z.layers; l++)
        copy_state_in(x.state(from[l - 1]), from[l - 1].stride[2], x.a.dims[l - 1], x.a.dims[l], to + z.offset[l], z.width[l - 1], z.row[l]);
}

inline void write_weights(const TitansTokens& x, const TitansSizes& z, const float* from, const memgen_tensor* to) {
    for (int64_t l = 1; l <= z.layers; l++)
        if (to[l - 1].data) copy_state_out(from + z.offset[l], z.row[l], x.a.dims[l - 1], x.a.dims[l], x.state(to[l - 1]), to[l - 1].stride[2]);
}

// Checkpoint number `index` of a chain: weights, then momenta, layer by layer, unpadded.
inline float* titans_checkpoint(const memgen_titans_args& a, int64_t b, int64_t h, int64_t index) {
    return static_cast<float*>(a.checkpoints) + ((b * a.heads + h) * titans_checkpoints(a) + index) * titans_state_elements(a);
}

inline void save_checkpoint(const memgen_titans_args& a, const TitansSizes& z, const float* weights, const float* momenta, float* to) {
    for (const float* from : {weights, momenta})
        for (int64_t l = 1; l <= z.layers; l++) {
            copy_state_out(from + z.offset[l], z.row[l], a.dims[l - 1], a.dims[l], to, a.dims[l]);
            to += a.dims[l - 1] * a.dims[l];
        }
}

inline void load_checkpoint(const memgen_titans_args& a, const TitansSizes& z, const float* from, float* weights, float* momenta) {
    for (float* to : {weights, momenta})
        for (int64_t l = 1; l <= z.layers; l++) {
            copy_state_in(from, a.dims[l], a.dims[l - 1], a.dims[l], to + z.offset[l], z.width[l - 1], z.row[l]);
            from += a.dims[l - 1] * a.dims[l];
        }
}

} // namespace
} // namespace memgen
