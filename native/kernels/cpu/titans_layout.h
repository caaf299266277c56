// Scratch of the Titans memory, per worker. Widths and the block are padded to 16; what is padding is zero.
#pragma once
#include "layout.h"

namespace memgen {
namespace {

constexpr int64_t MostLayers = MEMGEN_TITANS_LAYERS;

// A layer's state is one matrix [d_{l-1}, wide]: its weights, then in the same rows its momentum, where there is any.
struct TitansSizes {
    int64_t layers, block;          // block: padded
    bool momentum;
    int64_t width[MostLayers + 1];  // padded d_0 .. d_L
    int64_t wide[MostLayers + 1];   // columns of layer l's state (l from 1)
    int64_t row[MostLayers + 1];    // its row: a line longer than its columns
    int64_t offset[MostLayers + 2]; // of layer l's state among the floats of all; [L + 1]: floats of all

    explicit TitansSizes(const memgen_titans_args& a) {
        layers = a.layers;
        momentum = a.momentum != 0;
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
};

inline int64_t titans_blocks(const memgen_titans_args& a) { return (a.tokens + a.block - 1) / a.block; }

// First block of a stretch. The backward pass holds `slots` states at once; the states at the beginnings of the stretches
// come from one pass over all blocks, then those within each from a second one. Every beginning that is held makes the
// later stretches a block shorter: m slots serve m + (m - 1) + .. + 1 blocks.
inline int64_t titans_stretch(int64_t slots, int64_t index) { return index * slots - index * (index - 1) / 2; }

// As few slots as that takes; as many as there are blocks where those are no more than half of the chain's q, k, v and o.
inline int64_t titans_slots(const memgen_titans_args& a) {
    int64_t blocks = titans_blocks(a), slots = 1, elements = 0;
    for (int64_t l = 1; l <= a.layers; l++) elements += 2 * a.dims[l - 1] * a.dims[l];
    if (blocks * elements <= a.tokens * (a.dims[0] + a.dims[a.layers])) return blocks > 0 ? blocks : 1;
    while (titans_stretch(slots, slots) < blocks) slots++;
    return slots;
}

// What a block of tokens computes; matrices are [block, width] unless said. Names follow the layer:
// index l from 1 to L, inputs at 0.
struct TitansBlock {
    float* A[MostLayers + 1];                             // inner forward on the keys: A_0 = K, A_l = phi(U_l) with U_l = A_{l-1} W_l
    float *slope[MostLayers + 1], *bend[MostLayers + 1];  // phi'(U_l), phi''(U_l)
    float *N[MostLayers + 1], *delta[MostLayers + 1];     // inner backward: before and after phi'(U_l)
    float* D[MostLayers + 1];                             // step delta
    float *X[MostLayers + 1], *read_slope[MostLayers + 1]; // read: X_0 = Q, X_l = phi(Z_l) and phi'(Z_l), but X_L = Z_L
    float *seen[MostLayers + 1], *R[MostLayers + 1];      // [block, wide] X_{l-1} times the layer's state, [block, block] X_{l-1} A_{l-1}^T
    float *input[MostLayers + 1], *error[MostLayers + 1]; // [block] |A_{l-1}|^2 and |delta_l|^2: factors of the gradient's squared length, where there is a clip
    float *theta, *share, *step;                          // [block] min(1, clip / |gradient|), and theta times that
    float *eta, *keep, *beta, *kappa, *h;                 // [block]
    float *Gamma, *Eta;                                   // [block, block] coefficients of the block's gradients
    float *scaled, *turned, *turned2, *square;            // scratch: [block, widest], [widest, block] twice, [block, block]

    TitansBlock(Arena& arena, const TitansSizes& s) {
        int64_t widest = 0;
        for (int64_t l = 0; l <= s.layers; l++) {
            if (s.wide[l] > widest) widest = s.wide[l];
            for (float** p : {&A[l], &slope[l], &bend[l], &N[l], &delta[l], &D[l], &X[l], &read_slope[l]}) *p = arena.floats(s.block * s.width[l]);
            seen[l] = arena.floats(s.block * s.wide[l]), R[l] = arena.floats(s.block * s.block);
            input[l] = arena.floats(s.block), error[l] = arena.floats(s.block);
        }
        for (float** p : {&theta, &share, &step, &eta, &keep, &beta, &kappa, &h}) *p = arena.floats(s.block);
        for (float** p : {&Gamma, &Eta, &square}) *p = arena.floats(s.block * s.block);
        for (float** p : {&scaled, &turned, &turned2}) *p = arena.floats(s.block * widest);
    }
};

struct TitansForwardScratch {
    TitansSizes sizes;
    float* state;
    TitansBlock block;

    TitansForwardScratch(Arena& arena, const memgen_titans_args& a) : sizes(a), state(arena.floats(sizes.state())), block(arena, sizes) {}
};

// Gradients carry the name of what they belong to after d.
struct TitansBackwardScratch {
    TitansSizes sizes;
    int64_t slots;
    float *states, *d_state; // [slots, state], [state]
    TitansBlock block;
    float *dA[MostLayers + 1], *dU[MostLayers + 1], *dD[MostLayers + 1], *dZ[MostLayers + 1];
    float *dX, *through; // [block, widest]
    float *d_theta, *d_eta, *d_keep, *d_beta, *d_kappa, *d_h; // [block]
    float *dGamma, *dEta;        // [block, block]

    float* state(int64_t slot) const { return states + slot * sizes.state(); }

    TitansBackwardScratch(Arena& arena, const memgen_titans_args& a)
        : sizes(a), slots(titans_slots(a)), states(arena.floats(slots * sizes.state())), d_state(arena.floats(sizes.state())), block(arena, sizes) {
        int64_t widest = 0, b = sizes.block;
        for (int64_t l = 0; l <= sizes.layers; l++) {
            if (sizes.wide[l] > widest) widest = sizes.wide[l];
            for (float** p : {&dA[l], &dU[l], &dD[l], &dZ[l]}) *p = arena.floats(b * sizes.width[l]);
        }
        for (float** p : {&dX, &through}) *p = arena.floats(b * widest);
        for (float** p : {&d_theta, &d_eta, &d_keep, &d_beta, &d_kappa, &d_h}) *p = arena.floats(b);
        for (float** p : {&dGamma, &dEta}) *p = arena.floats(b * b);
    }
};

} // namespace
} // namespace memgen
