// One block of a Titans memory: reading it, the gradients it writes, its read, and what it leaves behind.
#pragma once
#include "powers.h"
#include "titans_residual.h"

namespace memgen {
namespace {

// A block of a chain; beyond the last one it has no tokens.
inline TitansTokens block_of(const TitansTokens& chain, int64_t block) {
    const int64_t t = block * chain.a.block, rest = chain.a.tokens - t;
    return {chain.a, chain.h, t, rest < 0 || block < 0 ? 0 : rest < chain.a.block ? rest : chain.a.block};
}

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
        if (i >= x.n || width < padded_width || !from.data) fill(out, padded_width, 0.0f);
        if (i < x.n && from.data) __builtin_memcpy(out, x.row(from, i), sizeof(float) * static_cast<size_t>(width));
    }
}

// out[i] = sign factor[i] x[i], row by row
inline void scale_rows(const float* x, int64_t x_row, const float* factor, float sign, int64_t rows, int64_t width, float* out, int64_t out_row) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j += W) store(out + i * out_row + j, splat(sign * factor[i]) * load(x + i * x_row + j));
}

// body(n, columns): the columns of a register tile, so that what is prepared for them stays in the cache until it is used.
template <class Body>
MEMGEN_INLINE void for_panels(int64_t width, Body&& body) {
    for (int64_t n = 0; n < width; n += 2 * W) body(n, n + 2 * W <= width ? 2 * W : W);
}

// out = X M^T with X [block, M's columns]: M X^T, turned back.
inline void product_by_turned(const TitansRead& r, int64_t block, const float* x, int64_t x_width, const float* m, int64_t m_rows, int64_t m_row, float* out) {
    transpose(x, x_width, block, x_width, r.turned, block);
    product(m_rows, block, x_width, ByRows{m, m_row}, r.turned, block, r.turned2, block);
    transpose(r.turned2, block, m_rows, block, out, m_rows);
}

struct Curve {
    Vector value, slope, bend; // phi and its two derivatives
};

MEMGEN_INLINE Curve silu_curve(Vector u) {
    Vector s = sigmoid(u), one = splat(1.0f), rest = one - s;
    return {u * s, s * (one + u * rest), s * rest * (splat(2.0f) + u * (rest - s))};
}

// The normal distribution function within 7.5e-8: Abramowitz and Stegun 7.1.26, whose polynomial is the tail beyond |u|.
MEMGEN_INLINE Curve gelu_curve(Vector u) {
    Vector one = splat(1.0f), size = maximum(u, -u), t = one / (one + splat(0.23164189f) * size);
    Vector bell = exponential(splat(-0.5f) * u * u);
    Vector tail = t * (splat(0.127414796f) + t * (splat(-0.142248368f) + t * (splat(0.710706871f) + t * (splat(-0.726576013f) + t * splat(0.530702715f))))) * bell;
    Vector below = u < Vector{} ? tail : one - tail, density = splat(0.398942280f) * bell;
    return {u * below, below + u * density, (splat(2.0f) - u * u) * density};
}

MEMGEN_INLINE Curve curve(const memgen_titans_args& a, Vector u) { return a.activation == MEMGEN_TITANS_GELU ? gelu_curve(u) : silu_curve(u); }

// Coefficients of the block: beta, kappa, h of what it started with, 1 - beta of the target, Gamma and Eta of its gradients. Of a
// whole block nobody reads what stands right of the diagonal's squares of 16.
inline void read_gates(const TitansTokens& x, const TitansSizes& sizes, const TitansWrites& s) {
    const int64_t C = sizes.block;
    float beta = 1.0f, kappa = 0.0f, h = 1.0f, one[2 * W] = {};
    for (int64_t i = 0; i < C; i++) {
        bool valid = i < x.n;
        s.theta[i] = valid ? *x.row(x.a.theta, i) : 0.0f;
        s.eta[i] = valid && sizes.momentum ? *x.row(x.a.eta, i) : 0.0f;
        s.keep[i] = !valid ? 0.0f : x.a.alpha.data ? 1.0f - *x.row(x.a.alpha, i) : 1.0f;
        h *= s.eta[i];
        kappa = s.keep[i] * kappa + h;
        beta *= s.keep[i];
        s.beta[i] = beta, s.kappa[i] = kappa, s.h[i] = h, s.gone[i] = 1.0f - beta;
    }
    if (x.n < C)
        for (float* rows : {s.Gamma, s.Eta}) fill(rows, C * C, 0.0f);
    one[W] = 1.0f;
    for (int64_t j = 0; j < C; j += W) { // a few columns, and in them from row to row
        Vector eta = {}, gamma = {};
        for (int64_t i = j / 16 * 16; i < x.n; i++) {
            eta *= splat(s.eta[i]);
            gamma = splat(s.keep[i]) * gamma + eta;
            if (i >= j && i < j + W) {
                Vector own = load(one + W - (i - j));
                eta += own, gamma += own;
            }
            store(s.Eta + i * C + j, eta), store(s.Gamma + i * C + j, gamma);
        }
    }
}

// The steps that gradients are written with: theta times min(1, clip / |gradient|).
inline void clip_steps(const memgen_titans_args& a, const TitansSizes& z, const TitansWrites& s) {
    for (int64_t i = 0; i < z.block; i++) {
        float square = 0.0f;
        for (int64_t l = 1; a.clip > 0 && l <= z.layers; l++) {
            const float *A = s.A[l - 1] + i * z.width[l - 1], *delta = s.delta[l] + i * z.width[l];
            s.input[l][i] = dot(A, A, z.width[l - 1]);
            s.error[l][i] = dot(delta, delta, z.width[l]);
            square += s.input[l][i] * s.error[l][i];
        }
        const float length = __builtin_sqrtf(square), clip = static_cast<float>(a.clip);
        s.share[i] = length > clip && clip > 0.0f ? clip / length : 1.0f;
        s.step[i] = s.theta[i] * s.share[i];
    }
}

// The gradients D_l that the block writes, at the weights it started with.
inline void inner_gradients(const TitansTokens& x, const TitansSizes& z, const TitansWrites& s, const TitansRead& r, const float* state, TitansAhead& ahead) {
    const int64_t C = z.block, L = z.layers;
    read_padded(x, x.a.k, x.a.dims[0], z.width[0], C, s.A[0]);
    read_padded(x, x.a.v, x.a.dims[L], z.width[L], C, s.delta[L]);
    for (int64_t l = 1; l < L; l++) {
        product(C, z.width[l], z.width[l - 1], ByRows{s.A[l - 1], z.width[l - 1]}, state + z.offset[l], z.row[l], s.A[l], z.width[l], ahead);
        for (int64_t i = 0; i < C * z.width[l]; i += W) {
            Curve c = curve(x.a, load(s.A[l] + i));
            store(s.A[l] + i, c.value), store(s.slope[l] + i, c.slope), store(s.bend[l] + i, c.bend);
        }
    }
    if (z.residual) {
        const int64_t width = z.width[L];
        product(C, width, z.width[L - 1], ByRows{s.A[L - 1], z.width[L - 1]}, state + z.offset[L], z.row[L], s.normal, width, ahead);
        for (int64_t i = 0; i < C; i++) s.scale[i] = residual_error(s.A[0] + i * width, r.gamma, s.normal + i * width, s.missed + i * width, s.delta[L] + i * width, z.outputs, width);
    } else product_onto(s.delta[L], -1, C, z.width[L], z.width[L - 1], ByRows{s.A[L - 1], z.width[L - 1]}, state + z.offset[L], z.row[L], s.delta[L], z.width[L], ahead);
    for (int64_t l = L - 1; l >= 1; l--) {
        product_by_turned(r, C, s.delta[l + 1], z.width[l + 1], state + z.offset[l + 1], z.width[l], z.row[l + 1], s.N[l]);
        for (int64_t i = 0; i < C * z.width[l]; i += W) store(s.delta[l] + i, load(s.N[l] + i) * load(s.slope[l] + i));
    }
    clip_steps(x.a, z, s);
    for (int64_t l = 1; l <= L; l++) scale_rows(s.delta[l], z.width[l], s.step, 1.0f, C, z.width[l], s.D[l], z.width[l]);
}

// R[l]: what layer l's writes (columns) are to the reads (rows) of their block, up to the last one that a group of 16 reads sees.
inline void relate(const TitansSizes& z, const TitansWrites& s, const TitansRead& r, int64_t l, TitansAhead& ahead) {
    const int64_t C = z.block, in = z.width[l - 1];
    transpose(s.A[l - 1], in, C, in, r.turned, C);
    for (int64_t i = 0; i < C; i += 16) product(16, i + 16, in, ByRows{r.X[l - 1] + i * in, in}, r.turned, C, r.R[l] + i * C, C, ahead);
}

// beta X W + kappa X M + (1 - beta) X W* - (Gamma R) D
template <int Parts>
void read_tiles(const TitansSizes& z, const TitansWrites& s, const TitansRead& r, int64_t l, const float* state, float* to, int64_t to_row, TitansAhead& ahead) {
    const int64_t C = z.block, in = z.width[l - 1], out = z.width[l];
    for_tiles<TileRows>(C, out, ahead, [&](int64_t m, int64_t n, auto tile) {
        Vector sum[tile.Rows][tile.Vectors];
        times_state<Parts>(tile, in, out, ByRows{r.X[l - 1] + m * in, in}, state + z.offset[l] + n, z.row[l], [&](int i, int v, const Vector(&seen)[Parts]) {
            sum[i][v] = splat(s.beta[m + i]) * seen[0];
            if constexpr (Parts == 2) sum[i][v] += splat(s.kappa[m + i]) * seen[1];
        });
        if (r.target[l])
            times_state<1>(tile, in, out, ByRows{r.X[l - 1] + m * in, in}, r.target[l] + n, z.target_row(l), [&](int i, int v, const Vector(&seen)[1]) { sum[i][v] += splat(s.gone[m + i]) * seen[0]; });
        ahead();
        add_products(sum, m / 16 * 16 + 16, cursor<tile.Rows>(ByRows{r.square + m * C, C}), s.D[l] + n, out);
        store_tile(sum, to + m * to_row + n, to_row);
    });
}

// Z_l of every query, with the weights after its own token's write, or with those the block started with.
inline void read_layer(const TitansTokens& x, const TitansSizes& z, const TitansWrites& s, const TitansRead& r, int64_t l, const float* state, float* to, int64_t to_row, TitansAhead& ahead) {
    const int64_t C = z.block;
    if (x.a.reads_block_start) {
        product(C, z.width[l], z.width[l - 1], ByRows{r.X[l - 1], z.width[l - 1]}, state + z.offset[l], z.row[l], to, to_row, ahead);
        return;
    }
    relate(z, s, r, l, ahead);
    for (int64_t i = 0; i < C; i++)
        for (int64_t j = i * C; j < i * C + i / 16 * 16 + 16; j += W) store(r.square + j, -load(r.R[l] + j) * load(s.Gamma + j));
    (z.momentum ? read_tiles<2> : read_tiles<1>)(z, s, r, l, state, to, to_row, ahead);
}

// Z_L into X_L, and with a residual LN(Z_L).
inline void read_last(const TitansTokens& x, const TitansSizes& z, const TitansWrites& s, const TitansRead& r, const float* state, TitansAhead& ahead) {
    const int64_t width = z.width[z.layers];
    float* Z = r.X[z.layers];
    read_layer(x, z, s, r, z.layers, state, Z, width, ahead);
    for (int64_t i = 0; z.residual && i < z.block; i++) r.scale[i] = normalize(Z + i * width, z.outputs, width);
}

// The queries through the memory, up to the last layer's inputs.
inline void read_memory(const TitansTokens& x, const TitansSizes& z, const TitansWrites& s, const TitansRead& r, const float* state, TitansAhead& ahead) {
    const int64_t C = z.block;
    read_padded(x, x.a.q, x.a.dims[0], z.width[0], C, r.X[0]);
    for (int64_t l = 1; l < z.layers; l++) {
        read_layer(x, z, s, r, l, state, r.X[l], z.width[l], ahead);
        for (int64_t i = 0; i < C * z.width[l]; i += W) {
            Curve c = curve(x.a, load(r.X[l] + i));
            store(r.X[l] + i, c.value), store(r.slope[l] + i, c.slope);
        }
    }
}

// The state after the block's last token. `next` may be the same memory. What the next tile begins with is asked for.
template <int Parts>
void carry_memory(const TitansTokens& x, const TitansSizes& z, const TitansWrites& s, const TitansRead& r, const float* state, float* next, TitansAhead& ahead) {
    const int64_t C = z.block, last = x.n - 1;
    const Vector beta = splat(s.beta[last]), kappa = splat(s.kappa[last]), h = splat(s.h[last]), gone = splat(s.gone[last]);
    for (int64_t l = 1; l <= z.layers; l++) {
        const int64_t in = z.width[l - 1], out = z.width[l], row = z.row[l], target_row = z.target_row(l);
        for_panels(out, [&](int64_t n, int64_t columns) {
            const float* written[] = {r.scaled, r.scaled + C * columns};
            scale_rows(s.D[l] + n, out, s.Gamma + last * C, -1.0f, C, columns, r.scaled, columns);
            if (Parts == 2) scale_rows(s.D[l] + n, out, s.Eta + last * C, -1.0f, C, columns, r.scaled + C * columns, columns);
            for_tiles<TileRows>(in, columns, ahead, [&](int64_t first, int64_t, auto tile) {
                const Turned A = {s.A[l - 1] + first, in};
                const int64_t at = z.offset[l] + first * row + n;
                const float *w = state + at, *m = w + out, *target = r.target[l] ? r.target[l] + first * target_row + n : nullptr;
                tile_from(tile, C, A, written[0], columns, next + at, row, [&](int i, int v) {
                    const float* p = w + i * row + v * W;
                    Vector kept = beta * load(p);
                    if constexpr (Parts == 2) kept += kappa * load(p + out);
                    return target ? kept + gone * load(target + i * target_row + v * W) : kept;
                });
                ahead();
                if constexpr (Parts == 2) tile_from(tile, C, A, written[1], columns, next + at + out, row, [&](int i, int v) { return h * load(m + i * row + v * W); });
            });
        });
    }
}

inline void carry_memory(const TitansTokens& x, const TitansSizes& z, const TitansWrites& s, const TitansRead& r, const float* state, float* next, TitansAhead& ahead) {
    (z.momentum ? carry_memory<2> : carry_memory<1>)(x, z, s, r, state, next, ahead);
}

// Layer l's padded matrix from a [B, H, d_{l-1}, d_l] tensor, zeros where it is absent, and back.
inline void read_matrix(const TitansTokens& x, const TitansSizes& z, int64_t l, const memgen_tensor& from, float* to, int64_t to_row) {
    for (int64_t i = 0; i < z.width[l - 1]; i++) {
        fill(to + i * to_row, z.width[l], 0.0f);
        if (from.data && i < x.a.dims[l - 1]) __builtin_memcpy(to + i * to_row, x.state_row(from, i), sizeof(float) * static_cast<size_t>(x.a.dims[l]));
    }
}

inline void write_matrix(const TitansTokens& x, int64_t l, const float* from, int64_t from_row, const memgen_tensor& to) {
    for (int64_t i = 0; to.data && i < x.a.dims[l - 1]; i++) __builtin_memcpy(x.state_row(to, i), from + i * from_row, sizeof(float) * static_cast<size_t>(x.a.dims[l]));
}

inline void read_state(const TitansTokens& x, const TitansSizes& z, const memgen_tensor* weights, const memgen_tensor* momenta, float* to) {
    for (int64_t l = 1; l <= z.layers; l++)
        for (int64_t part = 0; part < (z.momentum ? 2 : 1); part++) read_matrix(x, z, l, (part == 0 ? weights : momenta)[l - 1], to + z.offset[l] + part * z.width[l], z.row[l]);
}

inline void write_state(const TitansTokens& x, const TitansSizes& z, const float* from, const memgen_tensor* weights, const memgen_tensor* momenta) {
    for (int64_t l = 1; l <= z.layers; l++)
        for (int64_t part = 0; part < (z.momentum ? 2 : 1); part++) write_matrix(x, l, from + z.offset[l] + part * z.width[l], z.row[l], (part == 0 ? weights : momenta)[l - 1]);
}

// What stays the same from block to block: the target and gamma.
inline void read_constants(const TitansTokens& x, const TitansSizes& z, const TitansRead& r) {
    for (int64_t l = 1; l <= z.layers; l++)
        if (r.target[l]) read_matrix(x, z, l, x.a.target[l - 1], r.target[l], z.target_row(l));
    if (!z.residual) return;
    fill(r.gamma, z.width[z.layers], 0.0f);
    __builtin_memcpy(r.gamma, x.head_row(x.a.gamma), sizeof(float) * static_cast<size_t>(z.outputs));
}

} // namespace
} // namespace memgen
