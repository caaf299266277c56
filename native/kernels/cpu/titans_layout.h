// Scratch of the Titans memory, per worker. Widths and the block are padded to 16; what is padding is zero.
#pragma once
#include "layout.h"

namespace memgen {
namespace {

constexpr int64_t MostLayers = MEMGEN_TITANS_LAYERS;

struct TitansSizes {
    int64_t layers, block;          // block: padded
    int64_t width[MostLayers + 1];  // padded d_0 .. d_L
    int64_t row[MostLayers + 1];    // row of layer l's matrices (l from 1): a line longer than its width
    int64_t offset[MostLayers + 2]; // of layer l's matrix among the weights; [L + 1]: floats of all

    explicit TitansSizes(const memgen_titans_args& a) {
        layers = a.layers;
        block = padded(a.block < a.tokens || a.tokens == 0 ? a.block : a.tokens, 16);
        int64_t total = 0;
        for (int64_t l = 0; l <= layers; l++) {
            width[l] = padded(a.dims[l], 16);
            row[l] = width[l] + 16;
            offset[l] = total;
            if (l > 0) total += width[l - 1] * row[l];
        }
        offset[layers + 1] = total;
    }

    int64_t weights() const { return offset[layers + 1]; }
};

inline int64_t titans_blocks(const memgen_titans_args& a) { return (a.tokens + a.block - 1) / a.block; }

// Blocks between two checkpoints: as many as there are checkpoints.
inline int64_t titans_interval(const memgen_titans_args& a) {
    int64_t blocks = titans_blocks(a), n = 1;
    while (n * n < blocks) n++;
    return n;
}

inline int64_t titans_checkpoints(const memgen_titans_args& a) { return a.tokens > 0 ? (titans_blocks(a) - 1) / titans_interval(a) : 0; }

// Elements of one checkpoint: weights and momenta of every layer, unpadded.
inline int64_t titans_state_elements(const memgen_titans_args& a) {
    int64_t n = 0;
    for (int64_t l = 1; l <= a.layers; l++) n += 2 * a.dims[l - 1] * a.dims[l];
    return n;
}

// What a block of tokens computes; matrices are [block, width] unless said. Names follow the layer:
// index l from 1 to L, inputs at 0.
struct TitansBlock {
    float *A[MostLayers + 1], *U[MostLayers + 1];     // inner forward on the keys: A_0 = K, U_l = A_{l-1} W_l, A_l = silu(U_l)
    float *N[MostLayers + 1], *delta[MostLayers + 1]; // inner backward: before and after silu'(U_l)
    float* D[MostLayers + 1];                         // theta delta
    float *X[MostLayers + 1], *Z[MostLayers + 1];     // read: X_0 = Q, Z_l, X_l = silu(Z_l)
    float *theta, *eta, *keep, *beta, *kappa, *h;     // [block]
    float *Gamma, *Eta;                               // [block, block] coefficients of the block's gradients
    float *scaled, *turned, *turned2, *square;        // scratch: [block, widest], [widest, block] twice, [block, block]

    TitansBlock(Arena& arena, const TitansSizes& s) {
        int64_t widest = 0;
        for (int64_t l = 0; l <= s.layers; l++) {
            if (s.width[l] > widest) widest = s.width[l];
            for (float** p : {&A[l], &U[l], &N[l], &delta[l], &D[l], &X[l], &Z[l]}) *p = arena.floats(s.block * s.width[l]);
        }
        for (float** p : {&theta, &eta, &keep, &beta, &kappa, &h}) *p = arena.floats(s.block);
        Gamma = arena.floats(s.block * s.block);
        Eta = arena.floats(s.block * s.block);
        scaled = arena.floats(s.block * widest);
        turned = arena.floats(s.block * widest);
        turned2 = arena.floats(s.block * widest);
        square = arena.floats(s.block * s.block);
    }
};

struct TitansForwardScratch {
    TitansSizes sizes;
    float *W, *S;
    TitansBlock block;

    TitansForwardScratch(Arena& arena, const memgen_titans_args& a) : sizes(a), W(arena.floats(sizes.weights())), S(arena.floats(sizes.weights())), block(arena, sizes) {}
};

// Gradients carry the name of what they belong to after d.
struct TitansBackwardScratch {
    TitansSizes sizes;
    float *states, *dW, *dS; // [interval, 2, weights]
    TitansBlock block;
    float *dA[MostLayers + 1], *dU[MostLayers + 1], *dD[MostLayers + 1], *dZ[MostLayers + 1];
    float *dX, *through, *other; // [block, widest]
    float *d_theta, *d_eta, *d_keep, *d_beta, *d_kappa, *d_h; // [block]
    float *dGamma, *dEta, *R;    // [block, block]

    float* W(int64_t i) const { return states + 2 * i * sizes.weights(); }
    float* S(int64_t i) const { return W(i) + sizes.weights(); }

    TitansBackwardScratch(Arena& arena, const memgen_titans_args& a)
        : sizes(a), states(arena.floats(2 * titans_interval(a) * sizes.weights())), dW(arena.floats(sizes.weights())), dS(arena.floats(sizes.weights())), block(arena, sizes) {
        int64_t widest = 0, b = sizes.block;
        for (int64_t l = 0; l <= sizes.layers; l++) {
            if (sizes.width[l] > widest) widest = sizes.width[l];
            for (float** p : {&dA[l], &dU[l], &dD[l], &dZ[l]}) *p = arena.floats(b * sizes.width[l]);
        }
        for (float** p : {&dX, &through, &other}) *p = arena.floats(b * widest);
        for (float** p : {&d_theta, &d_eta, &d_keep, &d_beta, &d_kappa, &d_h}) *p = arena.floats(b);
        for (float** p : {&dGamma, &dEta, &R}) *p = arena.floats(b * b);
    }
};

} // namespace
} // namespace memgen
