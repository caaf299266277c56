// One token of a Titans memory: the gradients of its block up to it at the weights the block started with, and one read.
#include "kernels.h"
#include "threads.h"
#include "titans_block.h"
#include "titans_step_layout.h"

namespace memgen {
namespace {

typedef memgen_titans_step_args Args;

// One head of one row.
struct Head {
    const Args& a;
    int64_t b, h;

    int64_t tokens() const { return a.read + 1; }
    float* row(const memgen_tensor& x) const { return floats(x) + b * x.stride[0] + h * x.stride[1]; }                              // of [B, H, ..]
    float* token(const memgen_tensor& past, const memgen_tensor& own, int64_t i) const {                                            // of [B, R, H, ..], then of [B, H, ..]
        return i < a.read ? floats(past) + b * past.stride[0] + i * past.stride[1] + h * past.stride[2] : row(own);
    }
};

// A layer's matrix, its columns whole vectors.
struct Matrix {
    const float* p;
    int64_t row;
};

Matrix matrix(const Head& x, int64_t l, const memgen_tensor& from, const TitansStepScratch& s, float* copy) {
    if (TitansStepScratch::is_padded(x.a, l)) return {x.row(from), from.stride[2]};
    copy_state_in(x.row(from), from.stride[2], x.a.dims[l - 1], x.a.dims[l], copy, s.width[l - 1], s.width[l]);
    return {copy, s.width[l]};
}

void read_tokens(const Head& x, const memgen_tensor& past, const memgen_tensor& own, int64_t width, int64_t padded_width, int64_t rows, float* to) {
    fill(to, rows * padded_width, 0.0f);
    for (int64_t i = 0; i < x.tokens(); i++) __builtin_memcpy(to + i * padded_width, x.token(past, own, i), sizeof(float) * static_cast<size_t>(width));
}

// What the block started with has become: beta W + kappa S + (1 - beta) W* in the weights, W* being the target, h S in the momentum.
struct Kept {
    float beta = 1.0f, kappa = 0.0f, h = 1.0f;
};

// gamma and eta of every token, as they are after the last one.
Kept read_gates(const Head& x, const TitansStepScratch& s) {
    Kept kept;
    for (int64_t i = 0; i < x.tokens(); i++) {
        const float keep = x.a.alpha.data ? 1.0f - *x.token(x.a.past_alpha, x.a.alpha, i) : 1.0f, eta = x.a.momentum ? *x.token(x.a.past_eta, x.a.eta, i) : 0.0f;
        kept.h *= eta;
        kept.kappa = keep * kept.kappa + kept.h;
        kept.beta *= keep;
        for (int64_t j = 0; j < i; j++) s.eta[j] *= eta, s.gamma[j] = keep * s.gamma[j] + s.eta[j];
        s.eta[i] = s.gamma[i] = 1.0f;
        s.step[i] = *x.token(x.a.past_theta, x.a.theta, i);
    }
    return kept;
}

// A and delta of every layer, and the steps bounded by clip.
void inner_gradients(const Head& x, const TitansStepScratch& s, const Matrix* weights) {
    const int64_t L = x.a.layers, rows = s.rows, turned_row = padded(rows, 16);
    read_tokens(x, x.a.past_k, x.a.k, x.a.dims[0], s.width[0], rows, s.A[0]);
    read_tokens(x, x.a.past_v, x.a.v, x.a.dims[L], s.width[L], rows, s.delta[L]);
    for (int64_t l = 1; l < L; l++) {
        product(rows, s.width[l], x.a.dims[l - 1], ByRows{s.A[l - 1], s.width[l - 1]}, weights[l].p, weights[l].row, s.A[l], s.width[l]);
        for (int64_t i = 0; i < rows * s.width[l]; i += W) {
            Curve c = x.a.activation == MEMGEN_TITANS_GELU ? gelu_curve(load(s.A[l] + i)) : silu_curve(load(s.A[l] + i));
            store(s.A[l] + i, c.value), store(s.slope[l] + i, c.slope);
        }
    }
    if (x.a.residual) {
        const int64_t width = s.width[L];
        float* missed = s.Z; // nobody asks for it
        product(rows, width, x.a.dims[L - 1], ByRows{s.A[L - 1], s.width[L - 1]}, weights[L].p, weights[L].row, s.normal, width);
        for (int64_t i = 0; i < x.tokens(); i++) residual_error(s.A[0] + i * width, s.factor, s.normal + i * width, missed, s.delta[L] + i * width, x.a.dims[L], width);
    } else product_onto(s.delta[L], -1, rows, s.width[L], x.a.dims[L - 1], ByRows{s.A[L - 1], s.width[L - 1]}, weights[L].p, weights[L].row, s.delta[L], s.width[L]);
    for (int64_t l = L - 1; l >= 1; l--) { // delta_l = delta_{l+1} W_{l+1}^T phi'
        fill(s.turned, s.width[l + 1] * turned_row, 0.0f);
        transpose(s.delta[l + 1], s.width[l + 1], rows, s.width[l + 1], s.turned, turned_row);
        product(s.width[l], turned_row, s.width[l + 1], ByRows{weights[l + 1].p, weights[l + 1].row}, s.turned, turned_row, s.turned2, turned_row);
        transpose(s.turned2, turned_row, s.width[l], rows, s.delta[l], s.width[l]);
        for (int64_t i = 0; i < rows * s.width[l]; i += W) store(s.delta[l] + i, load(s.delta[l] + i) * load(s.slope[l] + i));
    }
    for (int64_t i = 0; x.a.clip > 0 && i < x.tokens(); i++) {
        float square = 0.0f;
        for (int64_t l = 1; l <= L; l++) {
            const float *A = s.A[l - 1] + i * s.width[l - 1], *delta = s.delta[l] + i * s.width[l];
            square += dot(A, A, s.width[l - 1]) * dot(delta, delta, s.width[l]);
        }
        const float length = __builtin_sqrtf(square), clip = static_cast<float>(x.a.clip);
        if (length > clip) s.step[i] *= clip / length;
    }
}

// out += factor M^T x over whole vectors of columns
void add_turned_product(const float* x, int64_t rows, Matrix m, float factor, int64_t columns, float* out) {
    for (int64_t c = 0; c < columns; c += W) {
        Vector first = {}, second = {};
        int64_t r = 0;
        for (; r + 2 <= rows; r += 2) {
            first += splat(x[r]) * load(m.p + r * m.row + c);
            second += splat(x[r + 1]) * load(m.p + (r + 1) * m.row + c);
        }
        if (r < rows) first += splat(x[r]) * load(m.p + r * m.row + c);
        store(out + c, load(out + c) + splat(factor) * (first + second));
    }
}

void read_memory(const Head& x, const TitansStepScratch& s, const Kept& kept, const Matrix* weights, const Matrix* momenta, const Matrix* target) {
    fill(s.X, s.width[0], 0.0f);
    __builtin_memcpy(s.X, x.row(x.a.q), sizeof(float) * static_cast<size_t>(x.a.dims[0]));
    for (int64_t l = 1; l <= x.a.layers; l++) {
        const int64_t in = x.a.dims[l - 1], out = s.width[l];
        fill(s.Z, out, 0.0f);
        add_turned_product(s.X, in, weights[l], x.a.reads_block_start ? 1.0f : kept.beta, out, s.Z);
        if (!x.a.reads_block_start) {
            if (momenta[l].p) add_turned_product(s.X, in, momenta[l], kept.kappa, out, s.Z);
            if (target[l].p) add_turned_product(s.X, in, target[l], 1.0f - kept.beta, out, s.Z);
            for (int64_t i = 0; i < x.tokens(); i++) {
                const Vector factor = splat(-s.gamma[i] * s.step[i] * dot(s.X, s.A[l - 1] + i * s.width[l - 1], s.width[l - 1]));
                for (int64_t c = 0; c < out; c += W) store(s.Z + c, load(s.Z + c) + factor * load(s.delta[l] + i * out + c));
            }
        }
        for (int64_t c = 0; c < out; c += W) {
            Vector z = load(s.Z + c);
            store(s.X + c, l == x.a.layers ? z : x.a.activation == MEMGEN_TITANS_GELU ? gelu_curve(z).value : silu_curve(z).value);
        }
    }
    const int64_t outputs = x.a.dims[x.a.layers];
    const float* q = x.row(x.a.q);
    float* o = x.row(x.a.o);
    if (x.a.residual) normalize(s.X, outputs, s.width[x.a.layers]);
    for_vectors(outputs, [&](int64_t c, auto part) { store(o + c, x.a.residual ? load(q + c, part) + load(s.factor + c) * load(s.X + c) : load(s.X + c), part); });
}

// Factor times a matrix, which may be none.
struct Term {
    Matrix m;
    float factor;
};

// to = the terms - sum_i share_i step_i A_i delta_i^T
void carry(const Head& x, const TitansStepScratch& s, int64_t l, std::initializer_list<Term> terms, const float* share, const memgen_tensor& to) {
    if (!to.data) return;
    for (int64_t r = 0; r < x.a.dims[l - 1]; r++)
        for_vectors(x.a.dims[l], [&](int64_t c, auto extent) {
            Vector sum = {};
            for (const Term& term : terms)
                if (term.m.p) sum += splat(term.factor) * load(term.m.p + r * term.m.row + c);
            for (int64_t i = 0; i < x.tokens(); i++)
                sum -= splat(share[i] * s.step[i] * s.A[l - 1][i * s.width[l - 1] + r]) * load(s.delta[l] + i * s.width[l] + c);
            store(x.row(to) + r * to.stride[2] + c, sum, extent);
        });
}

void run_head(const Head& x, char* slice) {
    Arena arena{slice};
    const TitansStepScratch s(arena, x.a);
    Matrix weights[MEMGEN_TITANS_LAYERS + 1] = {}, momenta[MEMGEN_TITANS_LAYERS + 1] = {}, target[MEMGEN_TITANS_LAYERS + 1] = {};
    for (int64_t l = 1; l <= x.a.layers; l++) {
        weights[l] = matrix(x, l, x.a.weights[l - 1], s, s.weights[l]);
        if (x.a.momentum && x.a.momenta[l - 1].data) momenta[l] = matrix(x, l, x.a.momenta[l - 1], s, s.momenta[l]);
        if (x.a.decays_to_target && x.a.target[l - 1].data) target[l] = matrix(x, l, x.a.target[l - 1], s, s.target[l]);
    }
    if (x.a.residual) {
        fill(s.factor, s.width[x.a.layers], 0.0f);
        __builtin_memcpy(s.factor, x.row(x.a.gamma), sizeof(float) * static_cast<size_t>(x.a.dims[x.a.layers]));
    }
    const Kept kept = read_gates(x, s);
    inner_gradients(x, s, weights);
    read_memory(x, s, kept, weights, momenta, target);
    for (int64_t l = 1; l <= x.a.layers; l++) {
        carry(x, s, l, {{weights[l], kept.beta}, {momenta[l], kept.kappa}, {target[l], 1.0f - kept.beta}}, s.gamma, x.a.final_weights[l - 1]);
        if (x.a.momentum) carry(x, s, l, {{momenta[l], kept.h}}, s.eta, x.a.final_momenta[l - 1]);
    }
}

} // namespace

namespace MEMGEN_ISA {
void titans_step(const memgen_titans_step_args& a, const Scratch& scratch) {
    constexpr int64_t WorthAThread = 1 << 17; // multiplications: some five microseconds
    int64_t weights = 0;
    for (int64_t l = 1; l <= a.layers; l++) weights += a.dims[l - 1] * a.dims[l];
    const int64_t heads = a.batch * a.heads, rows = a.read + 4;
    for_items(heads, heads * rows * weights < WorthAThread ? 1 : scratch.workers, [&](int64_t item, int worker) { run_head({a, item / a.heads, item % a.heads}, scratch.of(worker)); });
}
} // namespace MEMGEN_ISA

} // namespace memgen
