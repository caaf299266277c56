// Backward pass of the Titans memory in closed form, through its own inner gradients (second order), block
// by block from the last. The steps are those of the forward pass in reverse: what the block left behind,
// its read, the inner gradients, the inner forward, the gates.
#include "kernels.h"
#include "sequences.h"
#include "threads.h"
#include "titans_block.h"

namespace memgen {
namespace {

// d of what the block left behind, as far as it goes to dA, dD and the coefficients.
void leave_carry(const TitansBackwardScratch& s, int64_t last) {
    const TitansSizes& z = s.sizes;
    const TitansBlock& f = s.block;
    const int64_t C = z.block;
    const float *g = f.Gamma + last * C, *m = f.Eta + last * C;
    for (int64_t l = 1; l <= z.layers; l++) {
        const int64_t in = z.width[l - 1], out = z.width[l], wide = z.wide[l];
        const float* d_state = s.d_state + z.offset[l];
        product(C, wide, in, ByRows{f.A[l - 1], in}, d_state, z.row[l], s.through, wide);
        for (int64_t i = 0; i < C; i++) {
            const float *through = s.through + i * wide, *D = f.D[l] + i * out;
            s.dGamma[last * C + i] -= dot(through, D, out);
            if (z.momentum) s.dEta[last * C + i] -= dot(through + out, D, out);
            for (int64_t j = 0; j < out; j += W) {
                Vector d = splat(g[i]) * load(through + j);
                if (z.momentum) d += splat(m[i]) * load(through + out + j);
                store(s.dD[l] + i * out + j, -d);
            }
        }
        scale_both(z, l, f.D[l], g, m, -1.0f, f.scaled);
        product_by_turned(f, C, f.scaled, wide, d_state, in, z.row[l], false, s.dA[l - 1]);
    }
}

// d_state of a layer turns from the gradient after the block into what of it goes to the state before, and gets that of the
// read, X^T d_seen. A few rows at a time, which stay in the cache.
void pass_state(const TitansBackwardScratch& s, const float* state, int64_t l, int64_t last, const float* X, const float* d_seen, int64_t columns) {
    const TitansSizes& z = s.sizes;
    const TitansBlock& f = s.block;
    const int64_t C = z.block, in = z.width[l - 1], out = z.width[l];
    Vector by_beta = {}, by_kappa = {}, by_h = {}, beta = splat(f.beta[last]), kappa = splat(f.kappa[last]), h = splat(f.h[last]);
    for (int64_t first = 0; first < in; first += 16) {
        const int64_t at = z.offset[l] + first * z.row[l];
        for (int64_t i = 0; i < 16; i++)
            for (int64_t j = 0; j < out; j += W) {
                const float* w = state + at + i * z.row[l] + j;
                float* d = s.d_state + at + i * z.row[l] + j;
                Vector dW = load(d);
                by_beta += dW * load(w);
                store(d, beta * dW);
                if (!z.momentum) continue;
                Vector dS = load(d + out), momentum = load(w + out);
                by_kappa += dW * momentum;
                by_h += dS * momentum;
                store(d + out, kappa * dW + h * dS);
            }
        product_onto(s.d_state + at, 1, 16, columns, C, Turned{X + first, in}, d_seen, columns, s.d_state + at, z.row[l]);
    }
    s.d_beta[last] += sum(by_beta), s.d_kappa[last] += sum(by_kappa), s.d_h[last] += sum(by_h);
}

// d of the read: from dZ_L to dX_0, leaving dA, dD, d_beta, d_kappa, dGamma and d_state.
void leave_read(const memgen_titans_args& a, const TitansBackwardScratch& s, const float* state, int64_t last) {
    const TitansSizes& z = s.sizes;
    const TitansBlock& f = s.block;
    const int64_t C = z.block;
    for (int64_t l = z.layers; l >= 1; l--) {
        const int64_t in = z.width[l - 1], out = z.width[l], columns = a.reads_block_start ? out : z.wide[l];
        const float *X = f.X[l - 1], *seen = f.seen[l];
        float *dZ = s.dZ[l], *d_seen = dZ;
        if (!a.reads_block_start) {
            scale_both(z, l, dZ, f.beta, f.kappa, 1.0f, s.through);
            d_seen = s.through;
            for (int64_t i = 0; i < C; i++) {
                s.d_beta[i] += dot(seen + i * columns, dZ + i * out, out);
                if (z.momentum) s.d_kappa[i] += dot(seen + i * columns + out, dZ + i * out, out);
            }
        }
        product_by_turned(f, C, d_seen, columns, state + z.offset[l], in, z.row[l], false, s.dX);
        pass_state(s, state, l, last, X, d_seen, columns);
        if (!a.reads_block_start) {
            // through -(Gamma R) D
            transpose(f.D[l], out, C, out, f.turned, C);
            product(C, C, out, ByRows{dZ, out}, f.turned, C, f.square, C); // -d(Gamma R)
            for (int64_t i = 0; i < C * C; i += W) {
                Vector dM = -load(f.square + i), gamma = load(f.Gamma + i), r = load(f.R[l] + i);
                store(s.dGamma + i, load(s.dGamma + i) + dM * r);
                store(f.R[l] + i, -gamma * r);
                store(f.square + i, dM * gamma); // dR
            }
            product_onto(s.dD[l], 1, C, out, C, Turned{f.R[l], C}, dZ, out, s.dD[l], out);
            product_onto(s.dA[l - 1], 1, C, in, C, Turned{f.square, C}, X, in, s.dA[l - 1], in);
            product_onto(s.dX, 1, C, in, C, ByRows{f.square, C}, f.A[l - 1], in, s.dX, in);
        }
        for (int64_t i = 0; l > 1 && i < C * in; i += W) store(s.dZ[l - 1] + i, load(s.dX + i) * load(f.read_slope[l - 1] + i));
    }
}

// x = factor x + share y
void add_scaled(float* x, float factor, const float* y, float share, int64_t n) {
    for (int64_t i = 0; i < n; i += W) store(x + i, splat(factor) * load(x + i) + splat(share) * load(y + i));
}

// d of the inner gradients and of the inner forward pass under them.
void leave_inner(const TitansBackwardScratch& s, const float* state, float clip) {
    const TitansSizes& z = s.sizes;
    const TitansBlock& f = s.block;
    const int64_t C = z.block, L = z.layers;
    for (int64_t i = 0; i < C; i++) {
        float d_step = 0.0f;
        for (int64_t l = 1; l <= L; l++) d_step += dot(s.dD[l] + i * z.width[l], f.delta[l] + i * z.width[l], z.width[l]);
        s.d_theta[i] = d_step * f.share[i];
        // share = clip / length, and the gradient of length^2 / 2 is |A|^2 delta with respect to delta, and the other way round
        const bool clipped = f.share[i] < 1.0f;
        const float ratio = clipped ? f.share[i] / clip : 0.0f, d = -d_step * f.theta[i] * f.share[i] * ratio * ratio;
        for (int64_t l = 1; l <= L; l++) {
            add_scaled(s.dD[l] + i * z.width[l], f.step[i], f.delta[l] + i * z.width[l], clipped ? d * f.input[l][i] : 0.0f, z.width[l]); // of delta_l from here on
            if (clipped) add_scaled(s.dA[l - 1] + i * z.width[l - 1], 1.0f, f.A[l - 1] + i * z.width[l - 1], d * f.error[l][i], z.width[l - 1]);
        }
    }
    for (int64_t l = 1; l < L; l++) {
        const int64_t width = z.width[l], above = z.width[l + 1];
        for (int64_t i = 0; i < C * width; i += W) {
            Vector d = load(s.dD[l] + i);
            store(s.dU[l] + i, d * load(f.N[l] + i) * load(f.bend[l] + i));
            store(s.through + i, d * load(f.slope[l] + i)); // of N_l
        }
        product_onto(s.dD[l + 1], 1, C, above, width, ByRows{s.through, width}, state + z.offset[l + 1], z.row[l + 1], s.dD[l + 1], above);
        product_onto(s.d_state + z.offset[l + 1], 1, width, above, C, Turned{s.through, width}, f.delta[l + 1], above, s.d_state + z.offset[l + 1], z.row[l + 1]);
    }
    for (int64_t l = L; l >= 1; l--) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        const float* dU = l == L ? s.dD[L] : s.dU[l];
        product_onto(s.d_state + z.offset[l], 1, in, out, C, Turned{f.A[l - 1], in}, dU, out, s.d_state + z.offset[l], z.row[l]);
        product_by_turned(f, C, dU, out, state + z.offset[l], in, z.row[l], true, s.dA[l - 1]);
        for (int64_t i = 0; l > 1 && i < C * in; i += W) store(s.dU[l - 1] + i, load(s.dU[l - 1] + i) + load(s.dA[l - 1] + i) * load(f.slope[l - 1] + i));
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
    for (int64_t i = 0; to.data && i < x.n; i++) {
        float* row = x.row(to, i);
        for_vectors(width, [&](int64_t j, auto part) { store(row + j, splat(factor) * load(from + i * padded_width + j), part); });
    }
}

void leave_block(const TitansTokens& x, const TitansBackwardScratch& s, const float* state) {
    const TitansSizes& z = s.sizes;
    const int64_t C = z.block, L = z.layers;
    read_gates(x, z, s.block);
    inner_gradients(x, z, s.block, state);
    read_memory(x, z, s.block, state);
    for (float* d : {s.d_theta, s.d_eta, s.d_keep, s.d_beta, s.d_kappa, s.d_h}) fill(d, C, 0.0f);
    fill(s.dGamma, C * C, 0.0f), fill(s.dEta, C * C, 0.0f);
    read_padded(x, x.a.d_o, x.a.dims[L], z.width[L], C, s.dZ[L]);

    leave_carry(s, x.n - 1);
    leave_read(x.a, s, state, x.n - 1);
    write_rows(x, x.a.d_q, s.dX, x.a.dims[0], z.width[0], 1.0f);
    leave_inner(s, state, static_cast<float>(x.a.clip));
    write_rows(x, x.a.d_k, s.dA[0], x.a.dims[0], z.width[0], 1.0f);
    write_rows(x, x.a.d_v, s.dD[L], x.a.dims[L], z.width[L], -1.0f);
    leave_gates(s, x.n);
    write_rows(x, x.a.d_theta, s.d_theta, 1, 1, 1.0f);
    write_rows(x, x.a.d_eta, s.d_eta, 1, 1, 1.0f);
    write_rows(x, x.a.d_alpha, s.d_keep, 1, 1, -1.0f);
}

void run_chain(const memgen_titans_args& a, int64_t h, char* slice) {
    Arena arena{slice};
    TitansBackwardScratch s(arena, a);
    const TitansSizes& z = s.sizes;
    TitansTokens chain{a, h, 0, 0};
    const int64_t blocks = titans_blocks(a);
    auto advance = [&](int64_t block, int64_t from, int64_t to) {
        TitansTokens x = block_of(chain, block);
        read_gates(x, z, s.block);
        inner_gradients(x, z, s.block, s.state(from));
        carry_memory(x, z, s.block, s.state(from), s.state(to));
    };
    auto begin = [&](int64_t stretch) { return titans_stretch(s.slots, stretch); };

    // Slot j holds the state at the beginning of stretch j, and the slots after it those within the stretch.
    int64_t last = 0;
    read_state(chain, z, a.initial_weights, a.initial_momenta, s.state(0));
    for (; begin(last + 1) < blocks; last++)
        for (int64_t i = begin(last); i < begin(last + 1); i++) advance(i, i == begin(last) ? last : last + 1, last + 1);
    read_state(chain, z, a.d_final_weights, a.d_final_momenta, s.d_state);
    for (int64_t end = blocks; last >= 0; end = begin(last), last--) {
        for (int64_t i = begin(last); i + 1 < end; i++) advance(i, last + i - begin(last), last + i - begin(last) + 1);
        for (int64_t i = end - 1; i >= begin(last); i--) leave_block(block_of(chain, i), s, s.state(last + i - begin(last)));
    }
    write_state(chain, z, s.d_state, a.d_initial_weights, a.d_initial_momenta);
}

} // namespace

namespace MEMGEN_ISA {
void titans_backward(const memgen_titans_args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) { run_chain(sequence(a, plan.order[item / a.heads]), item % a.heads, scratch.of(worker)); });
}
} // namespace MEMGEN_ISA

} // namespace memgen
