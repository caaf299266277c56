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
template <int Parts>
void leave_carry(const TitansBackwardScratch& s, const TitansWrites& f, int64_t last, TitansAhead& ahead) {
    const TitansSizes& z = s.sizes;
    const int64_t C = z.block;
    const float *g = f.Gamma + last * C, *m = f.Eta + last * C;
    float* sums[] = {s.last_dGamma, s.last_dEta};
    for (int64_t l = 1; l <= z.layers; l++) {
        const int64_t in = z.width[l - 1], out = z.width[l], row = z.row[l];
        const float* d_state = s.d_state + z.offset[l];
        fill(s.dots, Parts * C * W, 0.0f);
        for_tiles<TileRows, 1>(C, out, ahead, [&](int64_t first, int64_t n, auto tile) {
            times_state<Parts>(tile, in, out, ByRows{f.A[l - 1] + first * in, in}, d_state + n, row, [&](int i, int v, const Vector(&through)[Parts]) {
                const int64_t t = first + i, at = t * out + n + v * W;
                Vector D = load(f.D[l] + at), d = splat(g[t]) * through[0];
                if constexpr (Parts == 2) d += splat(m[t]) * through[1];
                store(s.dD[l] + at, -d);
                for (int p = 0; p < Parts; p++) {
                    float* sum = s.dots + (p * C + t) * W;
                    store(sum, load(sum) + through[p] * D);
                }
            });
        });
        for (int p = 0; p < Parts; p++)
            for (int64_t t = 0; t < C; t++) sums[p][t] -= sum(load(s.dots + (p * C + t) * W));
        transpose(f.D[l], out, C, out, s.turned_D[l], C);
        for_tiles<HalfRows>(in, C, ahead, [&](int64_t first, int64_t n, auto tile) {
            state_times<Parts>(tile, out, d_state + first * row, row, s.turned_D[l] + n, C, [&](int i, int v, const Vector(&through)[Parts]) {
                Vector d = load(g + n + v * W) * through[0];
                if constexpr (Parts == 2) d += load(m + n + v * W) * through[1];
                store(s.turned_dA[l - 1] + (first + i) * C + n + v * W, -d);
            });
        });
    }
}

// d_state of a layer turns from the gradient after the block into what of it goes to the state before, and gets that of the
// read, X^T dZ; what of both goes to the target is added to d_target.
void pass_state(const memgen_titans_args& a, const TitansBackwardScratch& s, const TitansWrites& f, const float* state, int64_t l, int64_t last, TitansAhead& ahead) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block, in = z.width[l - 1], out = z.width[l], row = z.row[l];
    const Turned X = {r.X[l - 1], in};
    const float *w = state + z.offset[l], *m = w + out, *target = r.target[l];
    float *dW = s.d_state + z.offset[l], *dS = dW + out, *d_target = s.d_target[l];
    Vector by_beta = {}, by_kappa = {}, by_h = {}, beta = splat(f.beta[last]), kappa = splat(f.kappa[last]), h = splat(f.h[last]), gone = splat(f.gone[last]);
    for_panels(target ? out : 0, [&](int64_t n, int64_t columns) { // before the weights, like the momentum
        scale_rows(s.dZ[l] + n, out, f.gone, 1.0f, C, columns, r.scaled, columns);
        product_from(in, columns, a.reads_block_start ? 0 : C, X, r.scaled, columns, d_target + n, z.target_row(l), ahead, [&](int64_t i, int64_t j) {
            const int64_t at = i * z.target_row(l) + n + j;
            Vector d_weights = load(dW + i * row + n + j);
            by_beta -= d_weights * load(target + at);
            return load(d_target + at) + gone * d_weights;
        });
    });
    for_panels(z.momentum ? out : 0, [&](int64_t n, int64_t columns) { // before the weights: it takes theirs as it was
        scale_rows(s.dZ[l] + n, out, f.kappa, 1.0f, C, columns, r.scaled, columns);
        product_from(in, columns, a.reads_block_start ? 0 : C, X, r.scaled, columns, dS + n, row, ahead, [&](int64_t i, int64_t j) {
            const int64_t at = i * row + n + j;
            Vector d_weights = load(dW + at), d_momentum = load(dS + at), momentum = load(m + at);
            by_kappa += d_weights * momentum;
            by_h += d_momentum * momentum;
            return kappa * d_weights + h * d_momentum;
        });
    });
    for_panels(out, [&](int64_t n, int64_t columns) {
        const bool start = a.reads_block_start;
        if (!start) scale_rows(s.dZ[l] + n, out, f.beta, 1.0f, C, columns, r.scaled, columns);
        product_from(in, columns, C, X, start ? s.dZ[l] + n : r.scaled, start ? out : columns, dW + n, row, ahead, [&](int64_t i, int64_t j) {
            const int64_t at = i * row + n + j;
            Vector d_weights = load(dW + at);
            by_beta += d_weights * load(w + at);
            return beta * d_weights;
        });
    });
    s.d_beta[last] += sum(by_beta), s.d_kappa[last] += sum(by_kappa), s.d_h[last] += sum(by_h);
}

// d of X_{l-1} through the state, turned, as far as the weights after each token's write are what it started with, and d_beta
// and d_kappa; r.turned: dZ_l turned.
template <int Parts>
void leave_entering(const TitansBackwardScratch& s, const TitansWrites& f, const float* state, int64_t l, TitansAhead& ahead) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block, in = z.width[l - 1], out = z.width[l];
    float* d_coefficients[] = {s.d_beta, s.d_kappa};
    transpose(r.X[l - 1], in, C, in, r.turned2, C);
    for_tiles<HalfRows>(in, C, ahead, [&](int64_t first, int64_t n, auto tile) {
        Vector sums[Parts][tile.Vectors] = {};
        state_times<Parts>(tile, out, state + z.offset[l] + first * z.row[l], z.row[l], r.turned + n, C, [&](int i, int v, const Vector(&through)[Parts]) {
            const int64_t t = n + v * W, at = (first + i) * C + t;
            Vector x = load(r.turned2 + at), d = load(f.beta + t) * through[0];
            if constexpr (Parts == 2) d += load(f.kappa + t) * through[1];
            store(s.turned_dX + at, d);
#pragma GCC unroll 2
            for (int p = 0; p < Parts; p++) sums[p][v] += x * through[p];
        });
        if (const float* target = r.target[l])
            state_times<1>(tile, out, target + first * z.target_row(l), z.target_row(l), r.turned + n, C, [&](int i, int v, const Vector(&through)[1]) {
                const int64_t t = n + v * W, at = (first + i) * C + t;
                store(s.turned_dX + at, load(s.turned_dX + at) + load(f.gone + t) * through[0]);
                sums[0][v] -= load(r.turned2 + at) * through[0];
            });
        for (int p = 0; p < Parts; p++)
            for (int v = 0; v < tile.Vectors; v++) store(d_coefficients[p] + n + v * W, load(d_coefficients[p] + n + v * W) + sums[p][v]);
    });
}

// d of the read of what the block itself wrote, -M D with M = Gamma R: to D and A, and to X in s.dX.
void leave_written(const TitansBackwardScratch& s, const TitansWrites& f, int64_t l, TitansAhead& ahead) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block, in = z.width[l - 1], out = z.width[l];
    for (int64_t i = 0; i < C; i += 16) {
        const int64_t writes = i + 16; // that these reads see
        product(16, writes, out, ByRows{s.dZ[l] + i * out, out}, s.turned_D[l], C, r.square + i * C, C, ahead); // -dM
        for (int64_t row = i * C; row < i * C + 16 * C; row += C)
            for (int64_t j = row; j < row + writes; j += W) {
                Vector dM = -load(r.square + j), gamma = load(f.Gamma + j), related = load(r.R[l] + j);
                store(s.dGamma + j, l < z.layers ? load(s.dGamma + j) + dM * related : dM * related);
                store(r.R[l] + j, -gamma * related);
                store(r.square + j, dM * gamma); // dR
            }
        product_onto(s.dX + i * in, 1, 16, in, writes, ByRows{r.square + i * C, C}, f.A[l - 1], in, s.dX + i * in, in, ahead);
    }
    for (int64_t i = 0; i < C; i += 16) {
        const int64_t at = i * C + i, reads = C - i; // the first that sees these writes is read i
        product_onto(s.dD[l] + i * out, 1, 16, out, reads, Turned{r.R[l] + at, C}, s.dZ[l] + i * out, out, s.dD[l] + i * out, out, ahead);
        product(16, in, reads, Turned{r.square + at, C}, r.X[l - 1] + i * in, in, s.dA[l - 1] + i * in, in, ahead);
    }
}

// d of the read: from dZ_L to dX_0, leaving dA, dD, d_beta, d_kappa, dGamma and d_state.
void leave_read(const memgen_titans_args& a, const TitansBackwardScratch& s, const TitansWrites& f, const float* state, int64_t last, TitansAhead& ahead) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block;
    for (int64_t l = z.layers; l >= 1; l--) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        transpose(s.dZ[l], out, C, out, r.turned, C);
        if (a.reads_block_start) product(in, C, out, ByRows{state + z.offset[l], z.row[l]}, r.turned, C, s.turned_dX, C, ahead);
        else (z.momentum ? leave_entering<2> : leave_entering<1>)(s, f, state, l, ahead);
        transpose(s.turned_dX, C, in, C, s.dX, in);
        if (a.reads_block_start) fill(s.dA[l - 1], C * in, 0.0f);
        else leave_written(s, f, l, ahead);
        pass_state(a, s, f, state, l, last, ahead);
        for (int64_t i = 0; l > 1 && i < C * in; i += W) store(s.dZ[l - 1] + i, load(s.dX + i) * load(r.slope[l - 1] + i));
    }
}

// x = factor x + share y
void add_scaled(float* x, float factor, const float* y, float share, int64_t n) {
    for (int64_t i = 0; i < n; i += W) store(x + i, splat(factor) * load(x + i) + splat(share) * load(y + i));
}

// d of the inner gradients and of the inner forward pass under them.
void leave_inner(const TitansBackwardScratch& s, const TitansWrites& f, const float* state, float clip, TitansAhead& ahead) {
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
        product_onto(s.dD[l + 1], 1, C, above, width, ByRows{s.through, width}, state + z.offset[l + 1], z.row[l + 1], s.dD[l + 1], above, ahead);
        product_onto(s.d_state + z.offset[l + 1], 1, width, above, C, Turned{s.through, width}, f.delta[l + 1], above, s.d_state + z.offset[l + 1], z.row[l + 1], ahead);
    }
    if (z.residual) {
        const int64_t width = z.width[L];
        for (int64_t i = 0; i < C; i++) leave_residual_error(r.gamma, f.normal + i * width, f.scale[i], f.missed + i * width, f.delta[L] + i * width, s.dD[L] + i * width, s.through + i * width, s.d_gamma, z.outputs, width);
        add(s.dA[0], s.through, C * width);
    }
    for (int64_t l = L; l >= 1; l--) {
        const int64_t in = z.width[l - 1], out = z.width[l];
        const float* dU = l == L ? s.dD[L] : s.dU[l];
        product_onto(s.d_state + z.offset[l], 1, in, out, C, Turned{f.A[l - 1], in}, dU, out, s.d_state + z.offset[l], z.row[l], ahead);
        transpose(dU, out, C, out, r.turned, C);
        product_onto(s.turned_dA[l - 1], 1, in, C, out, ByRows{state + z.offset[l], z.row[l]}, r.turned, C, s.turned_dA[l - 1], C, ahead);
        transpose(s.turned_dA[l - 1], C, in, C, r.turned, in);
        add(s.dA[l - 1], r.turned, C * in);
        for (int64_t i = 0; l > 1 && i < C * in; i += W) store(s.dU[l - 1] + i, load(s.dU[l - 1] + i) + load(s.dA[l - 1] + i) * load(f.slope[l - 1] + i));
    }
}

// d of the recurrences of the coefficients, last token first: of row t of Gamma and Eta in last_dGamma and last_dEta.
void leave_gates(const TitansBackwardScratch& s, const TitansWrites& f, int64_t n) {
    const int64_t C = s.sizes.block;
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

// dZ_L and d_gamma of x + gamma LN(Z_L), whose own d stands in s.through.
void leave_residual_read(const TitansTokens& x, const TitansBackwardScratch& s, const TitansWrites& f, const float* state, TitansAhead& ahead) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t width = z.width[z.layers];
    read_last(x, z, f, r, state, ahead);
    for (int64_t i = 0; i < z.block; i++) {
        const float *d_o = s.through + i * width, *normal = r.X[z.layers] + i * width;
        float* dZ = s.dZ[z.layers] + i * width;
        for (int64_t j = 0; j < width; j += W) {
            store(s.d_gamma + j, load(s.d_gamma + j) + load(d_o + j) * load(normal + j));
            store(dZ + j, load(r.gamma + j) * load(d_o + j));
        }
        through_norm(normal, r.scale[i], dZ, dZ, z.outputs, width);
    }
}

void leave_block(const TitansTokens& x, const TitansBackwardScratch& s, const TitansWrites& f, const float* state, TitansAhead& ahead) {
    const TitansSizes& z = s.sizes;
    const TitansRead& r = s.read;
    const int64_t C = z.block, L = z.layers;
    read_memory(x, z, f, r, state, ahead);
    read_padded(x, x.a.d_o, x.a.dims[L], z.width[L], C, z.residual ? s.through : s.dZ[L]);
    if (z.residual) leave_residual_read(x, s, f, state, ahead);
    else if (!x.a.reads_block_start) relate(z, f, r, L, ahead);
    for (float* d : {s.d_theta, s.d_eta, s.d_keep, s.d_beta, s.d_kappa, s.d_h, s.last_dGamma, s.last_dEta}) fill(d, C, 0.0f);
    if (x.a.reads_block_start) fill(s.dGamma, C * C, 0.0f);

    (z.momentum ? leave_carry<2> : leave_carry<1>)(s, f, x.n - 1, ahead);
    leave_read(x.a, s, f, state, x.n - 1, ahead);
    if (z.residual) add(s.dX, s.through, C * z.width[0]);
    write_rows(x, x.a.d_q, s.dX, x.a.dims[0], z.width[0], 1.0f);
    leave_inner(s, f, state, static_cast<float>(x.a.clip), ahead);
    write_rows(x, x.a.d_k, s.dA[0], x.a.dims[0], z.width[0], 1.0f);
    write_rows(x, x.a.d_v, z.residual ? s.through : s.dD[L], x.a.dims[L], z.width[L], -1.0f);
    leave_gates(s, f, x.n);
    write_rows(x, x.a.d_theta, s.d_theta, 1, 1, 1.0f);
    write_rows(x, x.a.d_eta, s.d_eta, 1, 1, 1.0f);
    write_rows(x, x.a.d_alpha, s.d_keep, 1, 1, -1.0f);
}

// What the two halves of a stretch read of a block, and the gradients they write.
TitansAhead writes_ahead(const TitansTokens& x) { return {x, {&x.a.k}, {&x.a.v}}; }
TitansAhead reads_ahead(const TitansTokens& x) { return {x, {&x.a.q, &x.a.d_q, &x.a.d_k}, {&x.a.d_o, &x.a.d_v}}; }

void run_chain(const memgen_titans_args& a, int64_t h, char* slice) {
    Arena arena{slice};
    TitansBackwardScratch s(arena, a);
    const TitansSizes& z = s.sizes;
    TitansTokens chain{a, h, 0, 0};
    const int64_t blocks = titans_blocks(a), interval = titans_interval(a), checkpoints = TitansCheckpoints(a)(a.tokens);
    read_state(chain, z, a.d_final_weights, a.d_final_momenta, s.d_state);
    read_constants(chain, z, s.read);
    for (int64_t l = 1; l <= z.layers; l++)
        if (s.d_target[l]) fill(s.d_target[l], z.width[l - 1] * z.target_row(l), 0.0f);
    if (z.residual) fill(s.d_gamma, z.width[z.layers], 0.0f);
    for (int64_t stretch = blocks > 0 ? checkpoints : -1, end = blocks; stretch >= 0; stretch--) {
        const int64_t begin = stretch * interval;
        if (stretch > 0) __builtin_memcpy(s.state(0), titans_checkpoint(a, z, h, checkpoints, stretch), sizeof(float) * static_cast<size_t>(z.state()));
        else read_state(chain, z, a.initial_weights, a.initial_momenta, s.state(0));
        for (int64_t i = begin; i < end; i++) {
            TitansTokens x = block_of(chain, i);
            TitansAhead ahead = i + 1 < end ? writes_ahead(block_of(chain, i + 1)) : reads_ahead(x);
            const TitansWrites f = s.writes(i - begin);
            read_gates(x, z, f);
            inner_gradients(x, z, f, s.read, s.state(i - begin), ahead);
            if (i + 1 < end) carry_memory(x, z, f, s.read, s.state(i - begin), s.state(i - begin + 1), ahead);
        }
        for (int64_t i = end - 1; i >= begin; i--) {
            TitansAhead ahead = i > begin ? reads_ahead(block_of(chain, i - 1)) : writes_ahead(block_of(chain, begin - interval));
            leave_block(block_of(chain, i), s, s.writes(i - begin), s.state(i - begin), ahead);
        }
        end = begin;
    }
    write_state(chain, z, s.d_state, a.d_initial_weights, a.d_initial_momenta);
    for (int64_t l = 1; l <= z.layers; l++)
        if (s.d_target[l]) write_matrix(chain, l, s.d_target[l], z.target_row(l), a.d_target[l - 1]);
    if (z.residual && a.d_gamma.data) __builtin_memcpy(chain.head_row(a.d_gamma), s.d_gamma, sizeof(float) * static_cast<size_t>(z.outputs));
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
