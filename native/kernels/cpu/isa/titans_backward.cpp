// Backward pass of the Titans memory in closed form, through its own inner gradients (second order), block
// by block from the last. The steps are those of the forward pass in reverse: what the block left behind,
// its read, the inner gradients, the inner forward, the gates.
#include "kernels.h"
#include "threads.h"
#include "titans_block.h"

namespace memgen {
namespace {

// d of the read: from dZ_L to dX_0, leaving dA, dD, d_beta, d_kappa, dGamma and what W and S get.
void leave_read(const TitansBackwardScratch& s, const float* weights, const float* momenta) {
    const TitansSizes& z = s.sizes;
    const TitansBlock& f = s.block;
    const int64_t C = z.block;
    for (int64_t l = z.layers; l >= 1; l--) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        float *dZ = s.dZ[l], *X = f.X[l - 1];
        // through W and S: dX, and beta and kappa that scaled X
        product_by_turned(f, C, dZ, out, weights + z.offset[l], in, z.row[l], false, s.through);
        product_by_turned(f, C, dZ, out, momenta + z.offset[l], in, z.row[l], false, s.other);
        for (int64_t i = 0; i < C; i++) {
            s.d_beta[i] += dot(X + i * in, s.through + i * in, in);
            s.d_kappa[i] += dot(X + i * in, s.other + i * in, in);
            Vector beta = splat(f.beta[i]), kappa = splat(f.kappa[i]);
            for (int64_t j = 0; j < in; j += W) store(s.dX + i * in + j, beta * load(s.through + i * in + j) + kappa * load(s.other + i * in + j));
        }
        scale_rows(X, f.beta, C, in, f.scaled);
        product_onto(s.dW + z.offset[l], 1, in, out, C, Turned{f.scaled, in}, dZ, out, s.dW + z.offset[l], z.row[l]);
        scale_rows(X, f.kappa, C, in, f.scaled);
        product_onto(s.dS + z.offset[l], 1, in, out, C, Turned{f.scaled, in}, dZ, out, s.dS + z.offset[l], z.row[l]);
        // through -(Gamma R) D
        similarities(z, f, l, s.R);
        transpose(f.D[l], out, C, out, f.turned, C);
        product(C, C, out, ByRows{dZ, out}, f.turned, C, f.square, C); // -d(Gamma R)
        for (int64_t i = 0; i < C * C; i += W) {
            Vector dM = -load(f.square + i), gamma = load(f.Gamma + i), r = load(s.R + i);
            store(s.dGamma + i, load(s.dGamma + i) + dM * r);
            store(s.R + i, -gamma * r);
            store(f.square + i, dM * gamma); // dR
        }
        product_onto(s.dD[l], 1, C, out, C, Turned{s.R, C}, dZ, out, s.dD[l], out);
        product_onto(s.dA[l - 1], 1, C, in, C, Turned{f.square, C}, X, in, s.dA[l - 1], in);
        product_onto(s.dX, 1, C, in, C, ByRows{f.square, C}, f.A[l - 1], in, s.dX, in);
        for (int64_t i = 0; l > 1 && i < C * in; i += W) store(s.dZ[l - 1] + i, load(s.dX + i) * silu_curve(load(f.Z[l - 1] + i)).slope);
    }
}

// d of what the block left behind; dW and dS turn from the gradients after the block into those before it.
void leave_carry(const TitansBackwardScratch& s, const float* weights, const float* momenta, int64_t last) {
    const TitansSizes& z = s.sizes;
    const TitansBlock& f = s.block;
    const int64_t C = z.block;
    for (int64_t l = 1; l <= z.layers; l++) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        const float *dW = s.dW + z.offset[l], *dS = s.dS + z.offset[l], *g = f.Gamma + last * C, *m = f.Eta + last * C;
        product(C, out, in, ByRows{f.A[l - 1], in}, dW, z.row[l], s.through, out);
        product(C, out, in, ByRows{f.A[l - 1], in}, dS, z.row[l], s.other, out);
        for (int64_t i = 0; i < C; i++) {
            s.dGamma[last * C + i] -= dot(s.through + i * out, f.D[l] + i * out, out);
            s.dEta[last * C + i] -= dot(s.other + i * out, f.D[l] + i * out, out);
            for (int64_t j = 0; j < out; j += W) {
                float* d = s.dD[l] + i * out + j;
                store(d, load(d) - splat(g[i]) * load(s.through + i * out + j) - splat(m[i]) * load(s.other + i * out + j));
            }
        }
        for (int64_t i = 0; i < C; i++)
            for (int64_t j = 0; j < out; j += W) store(f.scaled + i * out + j, splat(-g[i]) * load(f.D[l] + i * out + j));
        product_by_turned(f, C, f.scaled, out, dW, in, z.row[l], true, s.dA[l - 1]);
        for (int64_t i = 0; i < C; i++)
            for (int64_t j = 0; j < out; j += W) store(f.scaled + i * out + j, splat(-m[i]) * load(f.D[l] + i * out + j));
        product_by_turned(f, C, f.scaled, out, dS, in, z.row[l], true, s.dA[l - 1]);
    }
    Vector by_beta = {}, by_kappa = {}, by_h = {}, beta = splat(f.beta[last]), kappa = splat(f.kappa[last]), h = splat(f.h[last]);
    for (int64_t i = 0; i < z.weights(); i += W) {
        Vector dW = load(s.dW + i), dS = load(s.dS + i), w = load(weights + i), m = load(momenta + i);
        by_beta += dW * w;
        by_kappa += dW * m;
        by_h += dS * m;
        store(s.dW + i, beta * dW);
        store(s.dS + i, kappa * dW + h * dS);
    }
    s.d_beta[last] += sum(by_beta), s.d_kappa[last] += sum(by_kappa), s.d_h[last] += sum(by_h);
}

// d of the inner gradients and of the inner forward pass under them.
void leave_inner(const TitansBackwardScratch& s, const float* weights) {
    const TitansSizes& z = s.sizes;
    const TitansBlock& f = s.block;
    const int64_t C = z.block, L = z.layers;
    for (int64_t l = 1; l <= L; l++)
        for (int64_t i = 0; i < C; i++) s.d_theta[i] += dot(s.dD[l] + i * z.width[l], f.delta[l] + i * z.width[l], z.width[l]);
    for (int64_t l = 1; l <= L; l++) scale_rows(s.dD[l], f.theta, C, z.width[l], s.dD[l]); // of delta_l from here on
    for (int64_t l = 1; l < L; l++) {
        const int64_t width = z.width[l], above = z.width[l + 1];
        for (int64_t i = 0; i < C * width; i += W) {
            Curve c = silu_curve(load(f.U[l] + i));
            Vector d = load(s.dD[l] + i);
            store(s.dU[l] + i, d * load(f.N[l] + i) * c.bend);
            store(s.through + i, d * c.slope); // of N_l
        }
        product_onto(s.dD[l + 1], 1, C, above, width, ByRows{s.through, width}, weights + z.offset[l + 1], z.row[l + 1], s.dD[l + 1], above);
        product_onto(s.dW + z.offset[l + 1], 1, width, above, C, Turned{s.through, width}, f.delta[l + 1], above, s.dW + z.offset[l + 1], z.row[l + 1]);
    }
    for (int64_t i = 0; i < C * z.width[L]; i += W) store(s.dU[L] + i, load(s.dD[L] + i));
    for (int64_t l = L; l >= 1; l--) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        product_onto(s.dW + z.offset[l], 1, in, out, C, Turned{f.A[l - 1], in}, s.dU[l], out, s.dW + z.offset[l], z.row[l]);
        product_by_turned(f, C, s.dU[l], out, weights + z.offset[l], in, z.row[l], true, s.dA[l - 1]);
        for (int64_t i = 0; l > 1 && i < C * in; i += W) store(s.dU[l - 1] + i, load(s.dU[l - 1] + i) + load(s.dA[l - 1] + i) * silu_curve(load(f.U[l - 1] + i)).slope);
    }
}

// d of the recurrences of the coefficients, last token first.
void leave_gates(const TitansBackwardScratch& s, int64_t n) {
    const TitansBlock& f = s.block;
    const int64_t C = s.sizes.block;
    for (int64_t t = n - 1; t >= 0; t--) {
        float beta = t > 0 ? f.beta[t - 1] : 1.0f, kappa = t > 0 ? f.kappa[t - 1] : 0.0f, h = t > 0 ? f.h[t - 1] : 1.0f;
        s.d_h[t] += s.d_kappa[t];
        s.d_keep[t] = s.d_beta[t] * beta + s.d_kappa[t] * kappa;
        s.d_eta[t] = s.d_h[t] * h;
        float* dG = s.dGamma + t * C;
        float* dH = s.dEta + t * C;
        for (int64_t i = 0; i <= t; i++) dH[i] += dG[i];
        if (t == 0) break;
        s.d_beta[t - 1] += f.keep[t] * s.d_beta[t];
        s.d_kappa[t - 1] += f.keep[t] * s.d_kappa[t];
        s.d_h[t - 1] += f.eta[t] * s.d_h[t];
        for (int64_t i = 0; i < t; i++) {
            s.d_keep[t] += dG[i] * f.Gamma[(t - 1) * C + i];
            s.d_eta[t] += dH[i] * f.Eta[(t - 1) * C + i];
            dG[i - C] += f.keep[t] * dG[i];
            dH[i - C] += f.eta[t] * dH[i];
        }
    }
}

void write_rows(const TitansTokens& x, const memgen_tensor& to, const float* from, int64_t width, int64_t padded_width, float factor) {
    for (int64_t i = 0; to.data && i < x.n; i++)
        for (int64_t j = 0; j < width; j++) x.row(to, i)[j] = factor * from[i * padded_width + j];
}

void leave_block(const TitansTokens& x, const TitansBackwardScratch& s, const float* weights, const float* momenta) {
    const TitansSizes& z = s.sizes;
    const int64_t C = z.block, L = z.layers;
    read_gates(x, z, s.block);
    inner_gradients(x, z, s.block, weights);
    read_memory(x, z, s.block, weights, momenta);
    for (int64_t l = 0; l <= L; l++) fill(s.dA[l], C * z.width[l], 0.0f), fill(s.dD[l], C * z.width[l], 0.0f);
    for (float* d : {s.d_theta, s.d_eta, s.d_keep, s.d_beta, s.d_kappa, s.d_h}) fill(d, C, 0.0f);
    fill(s.dGamma, C * C, 0.0f), fill(s.dEta, C * C, 0.0f);
    read_padded(x, x.a.d_o, x.a.dims[L], z.width[L], C, s.dZ[L]);

    leave_carry(s, weights, momenta, x.n - 1);
    leave_read(s, weights, momenta);
    write_rows(x, x.a.d_q, s.dX, x.a.dims[0], z.width[0], 1.0f);
    leave_inner(s, weights);
    write_rows(x, x.a.d_k, s.dA[0], x.a.dims[0], z.width[0], 1.0f);
    write_rows(x, x.a.d_v, s.dD[L], x.a.dims[L], z.width[L], -1.0f);
    leave_gates(s, x.n);
    write_rows(x, x.a.d_theta, s.d_theta, 1, 1, 1.0f);
    write_rows(x, x.a.d_eta, s.d_eta, 1, 1, 1.0f);
    write_rows(x, x.a.d_alpha, s.d_keep, 1, 1, -1.0f);
}

void run_chain(const memgen_titans_args& a, int64_t b, int64_t h, char* slice) {
    Arena arena{slice};
    TitansBackwardScratch s(arena, a);
    const TitansSizes& z = s.sizes;
    TitansTokens chain{a, b, h, 0, 0};
    const int64_t interval = titans_interval(a), blocks = titans_blocks(a);
    auto tokens = [&](int64_t block) {
        int64_t t = block * a.block;
        return TitansTokens{a, b, h, t, a.tokens - t < a.block ? a.tokens - t : a.block};
    };
    read_weights(chain, z, a.d_final_weights, s.dW);
    read_weights(chain, z, a.d_final_momenta, s.dS);
    for (int64_t segment = titans_checkpoints(a); segment >= 0 && blocks > 0; segment--) {
        int64_t first = segment * interval, end = first + interval < blocks ? first + interval : blocks;
        if (segment > 0) load_checkpoint(a, z, titans_checkpoint(a, b, h, segment - 1), s.W(0), s.S(0));
        else read_weights(chain, z, a.initial_weights, s.W(0)), read_weights(chain, z, a.initial_momenta, s.S(0));
        for (int64_t i = 0; first + i + 1 < end; i++) {
            TitansTokens x = tokens(first + i);
            read_gates(x, z, s.block);
            inner_gradients(x, z, s.block, s.W(i));
            carry_memory(x, z, s.block, s.W(i), s.S(i), s.W(i + 1), s.S(i + 1));
        }
        for (int64_t i = end - first - 1; i >= 0; i--) leave_block(tokens(first + i), s, s.W(i), s.S(i));
    }
    write_weights(chain, z, s.dW, a.d_initial_weights);
    write_weights(chain, z, s.dS, a.d_initial_momenta);
}

} // namespace

namespace MEMGEN_ISA {
void titans_backward(const memgen_titans_args& a, const Scratch& scratch) {
    for_items(a.batch * a.heads, scratch.workers, [&](int64_t item, int worker) { run_chain(a, item / a.heads, item % a.heads, scratch.of(worker)); });
}
} // namespace MEMGEN_ISA

} // namespace memgen
