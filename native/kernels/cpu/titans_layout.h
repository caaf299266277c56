// Scratch of the Titans memory, per worker. Widths and the block are padded to 16; what is padding is zero.
#pragma once
#include "sequences.h"

namespace memgen {
namespace {

constexpr int64_t MostLayers = MEMGEN_TITANS_LAYERS;

// A layer's state is one matrix [d_{l-1}, wide]: its weights, then in the same rows its momentum, where there is any.
struct TitansSizes {
    int64_t layers, block;          // block: padded
    bool momentum, target;          // target: whether forgetting leads to one
    bool residual;                  // whether f(x) = x + gamma LN(p(x)), p being the layers
    int64_t outputs;                // d_L
    int64_t width[MostLayers + 1];  // padded d_0 .. d_L
    int64_t wide[MostLayers + 1];   // columns of layer l's state (l from 1)
    int64_t row[MostLayers + 1];    // its row: a line longer than its columns
    int64_t offset[MostLayers + 2]; // of layer l's state among the floats of all; [L + 1]: floats of all

    explicit TitansSizes(const memgen_titans_args& a) {
        layers = a.layers;
        momentum = a.momentum != 0, target = a.decays_to_target != 0, residual = a.residual != 0;
        outputs = a.dims[layers];
        block = padded(a.block < a.tokens || a.tokens == 0 ? a.block : a.tokens, 16);
        int64_t total = 0;
        for (int64_t l = 0; l <= layers; l++) {
            width[l] = padded(a.dims[l], 16);
            wide[l] = width[l] * (momentum ? 2 : 1);
            row[l] = wide[l] + 16;
            offset[l] = total;
            if (l > 0) total += width[l - 1] * row[l];
        }
        offset[layers + 1] = total;
    }

    int64_t state() const { return offset[layers + 1]; }

    int64_t target_row(int64_t l) const { return width[l] + 16; } // as of a state without momentum

    int64_t widest() const {
        int64_t most = 0;
        for (int64_t l = 0; l <= layers; l++) most = width[l] > most ? width[l] : most;
        return most;
    }
};

inline int64_t titans_blocks(const memgen_titans_args& a) { return (a.tokens + a.block - 1) / a.block; }

// Blocks from one checkpoint to the next: together they take a quarter of the bytes of q, k, v and o.
inline int64_t titans_interval(const memgen_titans_args& a) {
    int64_t elements = 0, row = a.block * (a.dims[0] + a.dims[a.layers]);
    for (int64_t l = 1; l <= a.layers; l++) elements += (a.momentum ? 2 : 1) * a.dims[l - 1] * a.dims[l];
    return (2 * elements + row - 1) / row;
}

// Blocks whose states and writes the backward pass holds at once.
inline int64_t titans_slots(const memgen_titans_args& a) {
    const int64_t blocks = titans_blocks(a), interval = titans_interval(a);
    return blocks < interval ? (blocks > 0 ? blocks : 1) : interval;
}

// Checkpoints of one head by the tokens of its sequence.
struct TitansCheckpoints {
    int64_t interval; // tokens

    explicit TitansCheckpoints(const memgen_titans_args& a) : interval(titans_interval(a) * a.block) {}
    int64_t operator()(int64_t tokens) const { return checkpoint_count(tokens, interval); }
};

// Sequence n with its part of the checkpoints.
inline memgen_titans_args sequence(const memgen_titans_args& a, const SequencePlan& plan, int64_t n) {
    memgen_titans_args s = sequence(a, n);
    if (s.checkpoints) s.checkpoints = static_cast<float*>(s.checkpoints) + plan.before[n] * a.heads * TitansSizes(a).state();
    skip_rows(s.gamma, n), skip_rows(s.d_gamma, n);
    return s;
}

// The state, as it is padded, that a head enters stretch `index` with; that of stretch 0 is the initial one.
inline float* titans_checkpoint(const memgen_titans_args& a, const TitansSizes& z, int64_t h, int64_t count, int64_t index) { return static_cast<float*>(a.checkpoints) + (h * count + index - 1) * z.state(); }

// The gradients that a block of tokens writes, at the weights it started with, and the coefficients they are written with: what the
// backward pass keeps of every block of a stretch. Matrices are [block, width] unless said. Names follow the layer: index l from 1
// to L, inputs at 0.
struct TitansWrites {
    float* A[MostLayers];                                 // inner forward on the keys: A_0 = K, A_l = phi(U_l) with U_l = A_{l-1} W_l
    float *slope[MostLayers], *bend[MostLayers];          // phi'(U_l), phi''(U_l)
    float *N[MostLayers], *delta[MostLayers + 1];         // inner backward: before and after phi'(U_l)
    float* D[MostLayers + 1];                             // step delta
    float *input[MostLayers + 1], *error[MostLayers + 1]; // [block] |A_{l-1}|^2 and |delta_l|^2: factors of the gradient's squared length, where there is a clip
    float *normal, *scale, *missed;                       // with a residual: LN(p), [block] what it multiplied by, and f(k) - v
    float *theta, *share, *step;                          // [block] min(1, clip / |gradient|), and theta times that
    float *eta, *keep, *beta, *kappa, *h, *gone;          // [block] gone: 1 - beta
    float *Gamma, *Eta;                                   // [block, block] coefficients of the block's gradients

    TitansWrites(Arena& arena, const TitansSizes& s) {
        for (int64_t l = 0; l <= s.layers; l++) {
            if (l < s.layers) A[l] = arena.floats(s.block * s.width[l]);
            if (l == 0) continue;
            for (float** p : {&delta[l], &D[l]}) *p = arena.floats(s.block * s.width[l]);
            for (float** p : {&input[l], &error[l]}) *p = arena.floats(s.block);
            if (l == s.layers) break;
            for (float** p : {&slope[l], &bend[l], &N[l]}) *p = arena.floats(s.block * s.width[l]);
        }
        for (float** p : {&normal, &missed}) *p = arena.floats(s.residual ? s.block * s.width[s.layers] : 0);
        scale = arena.floats(s.residual ? s.block : 0);
        for (float** p : {&theta, &share, &step, &eta, &keep, &beta, &kappa, &h, &gone}) *p = arena.floats(s.block);
        for (float** p : {&Gamma, &Eta}) *p = arena.floats(s.block * s.block);
    }
};

// A matrix like layer l's target; null where there is none.
inline float* titans_target(Arena& arena, const TitansSizes& s, int64_t l) { return l > 0 && s.target ? arena.floats(s.width[l - 1] * s.target_row(l)) : nullptr; }

// The read of a block, and scratch. What is turned has the block's tokens as its columns.
struct TitansRead {
    float *X[MostLayers + 1], *slope[MostLayers + 1]; // X_0 = Q, X_l = phi(Z_l) and phi'(Z_l), but X_L = Z_L, and with a residual LN(Z_L)
    float *gamma, *scale;                             // with a residual: gamma, and [block] what LN(Z_L) was multiplied by
    float* target[MostLayers + 1];                    // [width_{l-1}, target_row(l)] what forgetting leads to; null: zero
    float* R[MostLayers + 1];                         // [block, block] X_{l-1} A_{l-1}^T: what reads (rows) take from writes (columns)
    float* square;                                    // [block, block]
    float *turned, *turned2;                          // scratch of [block, widest]
    float* scaled;                                    // the columns of a register tile, scaled in two ways

    TitansRead(Arena& arena, const TitansSizes& s) {
        for (int64_t l = 0; l <= s.layers; l++) {
            for (float** p : {&X[l], &slope[l]}) *p = arena.floats(s.block * s.width[l]);
            R[l] = arena.floats(s.block * s.block);
            target[l] = titans_target(arena, s, l);
        }
        gamma = arena.floats(s.residual ? s.width[s.layers] : 0), scale = arena.floats(s.residual ? s.block : 0);
        square = arena.floats(s.block * s.block);
        for (float** p : {&turned, &turned2}) *p = arena.floats(s.block * s.widest());
        scaled = arena.floats(2 * s.block * 32);
    }
};

struct TitansForwardScratch {
    TitansSizes sizes;
    float* state;
    TitansWrites writes;
    TitansRead read;

    TitansForwardScratch(Arena& arena, const memgen_titans_args& a) : sizes(a), state(arena.floats(sizes.state())), writes(arena, sizes), read(arena, sizes) {}
};

// Gradients carry the name of what they belong to after d.
struct TitansBackwardScratch {
    TitansSizes sizes;
    float* d_state;
    TitansRead read;
    float* d_target[MostLayers + 1];
    float* d_gamma;
    float *dA[MostLayers], *turned_dA[MostLayers]; // in two parts, to be added
    float *dU[MostLayers], *dD[MostLayers + 1], *dZ[MostLayers + 1];
    float* turned_D[MostLayers + 1];
    float *dX, *turned_dX, *through;                          // [block, widest] through: of N_l; with a residual first of o, and last of f(k)
    float *d_theta, *d_eta, *d_keep, *d_beta, *d_kappa, *d_h; // [block]
    float *last_dGamma, *last_dEta;                           // [block] of the last token, and of one after the other before it
    float* dots;                                              // [2, block] sums of products, in a vector each
    float* dGamma;                                            // [block, block] of the reads
    char* kept;                                               // of every block of a stretch: its state and what it writes
    size_t kept_bytes;

    float* state(int64_t slot) const { return reinterpret_cast<float*>(kept + static_cast<size_t>(slot) * kept_bytes); }

    TitansWrites writes(int64_t slot) const {
        Arena arena{kept + static_cast<size_t>(slot) * kept_bytes};
        arena.floats(sizes.state());
        return {arena, sizes};
    }

    TitansBackwardScratch(Arena& arena, const memgen_titans_args& a) : sizes(a), d_state(arena.floats(sizes.state())), read(arena, sizes) {
        const int64_t b = sizes.block;
        for (int64_t l = 0; l <= sizes.layers; l++) {
            for (float** p : {&dD[l], &dZ[l], &turned_D[l]}) *p = arena.floats(b * sizes.width[l]);
            for (float** p : {&dA[l], &turned_dA[l], &dU[l]})
                if (l < sizes.layers) *p = arena.floats(b * sizes.width[l]);
            d_target[l] = titans_target(arena, sizes, l);
        }
        d_gamma = arena.floats(sizes.residual ? sizes.width[sizes.layers] : 0);
        for (float** p : {&dX, &turned_dX, &through}) *p = arena.floats(b * sizes.widest());
        for (float** p : {&d_theta, &d_eta, &d_keep, &d_beta, &d_kappa, &d_h, &last_dGamma, &last_dEta}) *p = arena.floats(b);
        dots = arena.floats(2 * b * 16);
        dGamma = arena.floats(b * b);
        Arena one{nullptr};
        one.floats(sizes.state());
        TitansWrites(one, sizes);
        kept_bytes = one.used;
        kept = reinterpret_cast<char*>(arena.floats(titans_slots(a) * static_cast<int64_t>(kept_bytes / sizeof(float))));
    }
};

} // namespace
} // namespace memgen
