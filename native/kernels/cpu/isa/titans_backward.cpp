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
void leave_carry(const TitansBackwardScratch& s, const TitansWrites& f, int64_t last) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block;
    const float *g = f.Gamma + last * C, *m = f.Eta + last * C;
    for (int64_t l = 1; l <= z.layers; l++) {
        const int64_t in = z.width[l - 1], out = z.width[l], wide = z.wide[l];
        const float* d_state = s.d_state + z.offset[l];
        product(C, wide, in, ByRows{f.A[l - 1], in}, d_state, z.row[l], s.through, wide);
        for (int64_t i = 0; i < C; i++) {
            const float *through = s.through + i * wide, *D = f.D[l] + i * out;
            s.last_dGamma[i] -= dot(through, D, out);
            if (z.momentum) s.last_dEta[i] -= dot(through + out, D, out);
            for (int64_t j = 0; j < out; j += W) {
                Vector d = splat(g[i]) * load(through + j);
                if (z.momentum) d += splat(m[i]) * load(through + out + j);
                store(s.dD[l] + i * out + j, -d);
            }
        }
        transpose(f.D[l], out, C, out, r.turned, C);
        for (int64_t part = 0; part < wide / out; part++)
            for (int64_t j = 0; j < out; j++)
                for (int64_t i = 0; i < C; i += W) store(r.scaled + (part * out + j) * C + i, -load((part == 0 ? g : m) + i) * load(r.turned + j * C + i));
        product(in, C, wide, ByRows{d_state, z.row[l]}, r.scaled, C, s.turned_dA[l - 1], C);
    }
}

// d_state of a layer turns from the gradient after the block into what of it goes to the state before, and gets that of the
// read, X^T d_seen. A few rows at a time, which stay in the cache.
void pass_state(const TitansBackwardScratch& s, const TitansWrites& f, const float* state, int64_t l, int64_t last, const float* d_seen, int64_t columns) {
    const TitansSizes& z = s.sizes;
    const int64_t C = z.block, in = z.width[l - 1], out = z.width[l];
    const float* X = s.read.X[l - 1];
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

// d of X_{l-1} through the state, turned, as far as the weights after each token's write are what it started with, and d_beta
// and d_kappa; r.turned: dZ_l turned.
void leave_entering(const TitansBackwardScratch& s, const TitansWrites& f, const float* state, int64_t l) {
    const TitansSizes& z = s.sizes;
    const int64_t C = z.block, in = z.width[l - 1], out = z.width[l];
    const float *X = s.read.turned_X[l - 1], *dS = s.turned_dS;
    if (z.momentum) product(in, C, out, ByRows{state + z.offset[l] + out, z.row[l]}, s.read.turned, C, s.turned_dS, C);
    for (int64_t i = 0; i < C; i += W) {
        Vector d_beta = {}, d_kappa = {}, beta = load(f.beta + i), kappa = load(f.kappa + i);
        for (int64_t j = i; j < in * C; j += C) {
            Vector x = load(X + j), d = load(s.turned_dX + j), entering = beta * d;
            d_beta += x * d;
            if (z.momentum) {
                Vector m = load(dS + j);
                d_kappa += x * m;
                entering += kappa * m;
            }
            store(s.turned_dX + j, entering);
        }
        store(s.d_beta + i, load(s.d_beta + i) + d_beta), store(s.d_kappa + i, load(s.d_kappa + i) + d_kappa);
    }
}

// d of the read of what the block itself wrote, -M D with M = Gamma R: to D and A, and to X in s.dX. r.turned: dZ_l turned.
void leave_written(const TitansBackwardScratch& s, const TitansWrites& f, int64_t l) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block, in = z.width[l - 1], out = z.width[l];
    for (int64_t i = 0; i < C; i += 16) {
        const int64_t at = i * C + i, reads = C - i; // the first that these writes can reach is read i
        product(16, reads, out, ByRows{f.D[l] + i * out, out}, r.turned + i, C, r.square + at, C); // -dM turned
        for (int64_t j = at; j < at + 16 * C; j += C)
            for (int64_t t = 0; t < reads; t += W) {
                Vector dM = -load(r.square + j + t), gamma = load(r.turned_Gamma + j + t), related = load(r.R[l] + j + t);
                store(s.turned_dGamma + j + t, l < z.layers ? load(s.turned_dGamma + j + t) + dM * related : dM * related);
                store(r.R[l] + j + t, -gamma * related);
                store(r.square + j + t, dM * gamma); // dR
            }
        product_onto(s.dD[l] + i * out, 1, 16, out, reads, ByRows{r.R[l] + at, C}, s.dZ[l] + i * out, out, s.dD[l] + i * out, out);
        product(16, in, reads, ByRows{r.square + at, C}, r.X[l - 1] + i * in, in, s.dA[l - 1] + i * in, in);
    }
    for (int64_t i = 0; i < C; i += 16) product_onto(s.dX + i * in, 1, 16, in, i + 16, Turned{r.square + i, C}, f.A[l - 1], in, s.dX + i * in, in);
}

// d of the read: from dZ_L to dX_0, leaving dA, dD, d_beta, d_kappa, dGamma and d_state.
void leave_read(const memgen_titans_args& a, const TitansBackwardScratch& s, const TitansWrites& f, const float* state, int64_t last) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block;
    for (int64_t l = z.layers; l >= 1; l--) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        transpose(s.dZ[l], out, C, out, r.turned, C);
        product(in, C, out, ByRows{state + z.offset[l], z.row[l]}, r.turned, C, s.turned_dX, C);
        if (!a.reads_block_start) leave_entering(s, f, state, l);
        transpose(s.turned_dX, C, in, C, s.dX, in);
        if (a.reads_block_start) {
            fill(s.dA[l - 1], C * in, 0.0f);
            pass_state(s, f, state, l, last, s.dZ[l], out);
        } else {
            leave_written(s, f, l);
            scale_both(z, l, s.dZ[l], f.beta, f.kappa, 1.0f, s.through);
            pass_state(s, f, state, l, last, s.through, z.wide[l]);
        }
        for (int64_t i = 0; l > 1 && i < C * in; i += W) store(s.dZ[l - 1] + i, load(s.dX + i) * load(r.slope[l - 1] + i));
    }
}

// x = factor x + share y
void add_scaled(float* x, float factor, const float* y, float share, int64_t n) {
    for (int64_t i = 0; i < n; i += W) store(x + i, splat(factor) * load(x + i) + splat(share) * load(y + i));
}

// d of the inner gradients and of the inner forward pass under them.
void leave_inner(const TitansBackwardScratch& s, const TitansWrites& f, const float* state, float clip) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
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
        transpose(dU, out, C, out, r.turned, C);
        product_onto(s.turned_dA[l - 1], 1, in, C, out, ByRows{state + z.offset[l], z.row[l]}, r.turned, C, s.turned_dA[l - 1], C);
        transpose(s.turned_dA[l - 1], C, in, C, r.scaled, in);
        add(s.dA[l - 1], r.scaled, C * in);
        for (int64_t i = 0; l > 1 && i < C * in; i += W) store(s.dU[l - 1] + i, load(s.dU[l - 1] + i) + load(s.dA[l - 1] + i) * load(f.slope[l - 1] + i));
    }
}

// d of the recurrences of the coefficients, last token first: of row t of Gamma and Eta in last_dGamma and last_dEta.
void leave_gates(const TitansBackwardScratch& s, const TitansWrites& f, int64_t n) {
    const int64_t C = s.sizes.block;
    transpose(s.turned_dGamma, C, C, C, s.dGamma, C);
    for (int64_t t = n - 1; t >= 0; t--) {
        float beta = t > 0 ? f.beta[t - 1] : 1.0f, kappa = t > 0 ? f.kappa[t - 1] : 0.0f, h = t > 0 ? f.h[t - 1] : 1.0f;
        s.d_h[t] += s.d_kappa[t];
        s.d_keep[t] = s.d_beta[t] * beta + s.d_kappa[t] * kappa;
        s.d_eta[t] = s.d_h[t] * h;
        if (t == 0) break;
        s.d_beta[t - 1] += f.keep[t] * s.d_beta[t];
        s.d_kappa[t - 1] += f.keep[t] * s.d_kappa[t];
        s.d_h[t - 1] += f.eta[t] * s.d_h[t];
        Vector d_keep = {}, d_eta = {}, keep = splat(f.keep[t]), eta = splat(f.eta[t]);
        for (int64_t i = 0; i < t; i += W) { // what stands right of the diagonal meets zeros
            Vector dG = load(s.last_dGamma + i) + load(s.dGamma + t * C + i), dH = load(s.last_dEta + i) + dG;
            d_keep += dG * load(f.Gamma + (t - 1) * C + i);
            d_eta += dH * load(f.Eta + (t - 1) * C + i);
            store(s.last_dGamma + i, keep * dG);
            store(s.last_dEta + i, eta * dH);
        }
        s.d_keep[t] += sum(d_keep), s.d_eta[t] += sum(d_eta);
    }
}

void write_rows(const TitansTokens& x, const memgen_tensor& to, const float* from, int64_t width, int64_t padded_width, float factor) {
    for (int64_t i = 0; to.data && i < x.n; i++) {
        float* row = x.row(to, i);
        for_vectors(width, [&](int64_t j, auto part) { store(row + j, splat(factor) * load(from + i * padded_width + j), part); });
    }
}

void leave_block(const TitansTokens& x, const TitansBackwardScratch& s, const TitansWrites& f, const float* state) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block, L = z.layers;
    read_memory(x, z, f, r, L - 1, state);
    if (!x.a.reads_block_start) relate(z, f, r, L);
    for (float* d : {s.d_theta, s.d_eta, s.d_keep, s.d_beta, s.d_kappa, s.d_h, s.last_dGamma, s.last_dEta}) fill(d, C, 0.0f);
    if (x.a.reads_block_start) fill(s.turned_dGamma, C * C, 0.0f);
    read_padded(x, x.a.d_o, x.a.dims[L], z.width[L], C, s.dZ[L]);

    leave_carry(s, f, x.n - 1);
    leave_read(x.a, s, f, state, x.n - 1);
    write_rows(x, x.a.d_q, s.dX, x.a.dims[0], z.width[0], 1.0f);
    leave_inner(s, f, state, static_cast<float>(x.a.clip));
    write_rows(x, x.a.d_k, s.dA[0], x.a.dims[0], z.width[0], 1.0f);
    write_rows(x, x.a.d_v, s.dD[L], x.a.dims[L], z.width[L], -1.0f);
    leave_gates(s, f, x.n);
    write_rows(x, x.a.d_theta, s.d_theta, 1, 1, 1.0f);
    write_rows(x, x.a.d_eta, s.d_eta, 1, 1, 1.0f);
    write_rows(x, x.a.d_alpha, s.d_keep, 1, 1, -1.0f);
}

void run_chain(const memgen_titans_args& a, int64_t h, char* slice) {
    Arena arena{slice};
    TitansBackwardScratch s(arena, a);
    const TitansSizes& z = s.sizes;
    TitansTokens chain{a, h, 0, 0};
    const int64_t blocks = titans_blocks(a), interval = titans_interval(a), checkpoints = TitansCheckpoints(a)(a.tokens);
    read_state(chain, z, a.d_final_weights, a.d_final_momenta, s.d_state);
    for (int64_t stretch = blocks > 0 ? checkpoints : -1, end = blocks; stretch >= 0; stretch--) {
        const int64_t begin = stretch * interval;
        if (stretch > 0) __builtin_memcpy(s.state(0), titans_checkpoint(a, z, h, checkpoints, stretch), sizeof(float) * static_cast<size_t>(z.state()));
        else read_state(chain, z, a.initial_weights, a.initial_momenta, s.state(0));
        for (int64_t i = begin; i < end; i++) {
            TitansTokens x = block_of(chain, i);
            const TitansWrites f = s.writes(i - begin);
            read_gates(x, z, f);
            inner_gradients(x, z, f, s.read, s.state(i - begin));
            if (i + 1 < end) carry_memory(x, z, f, s.read, s.state(i - begin), s.state(i - begin + 1));
        }
        for (int64_t i = end - 1; i >= begin; i--) leave_block(block_of(chain, i), s, s.writes(i - begin), s.state(i - begin));
        end = begin;
    }
    write_state(chain, z, s.d_state, a.d_initial_weights, a.d_initial_momenta);
}

} // namespace

namespace MEMGEN_ISA {
void titans_backward(const memgen_titans_args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) { run_chain(sequence(a, plan, plan.order[item / a.heads]), item % a.heads, scratch.of(worker)); });
}
} // namespace MEMGEN_ISA

} // namespace memgen
