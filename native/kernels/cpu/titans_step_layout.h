// Scratch of one token of a Titans memory, per worker. Widths are padded to 16 and tokens to 8; what is padding is zero.
#pragma once
#include "layout.h"

namespace memgen {
namespace {

struct TitansStepScratch {
    int64_t rows;                                // tokens of the block up to this one, padded
    int64_t width[MEMGEN_TITANS_LAYERS + 1];     // padded d_0 .. d_L
    float *weights[MEMGEN_TITANS_LAYERS + 1], *momenta[MEMGEN_TITANS_LAYERS + 1], *target[MEMGEN_TITANS_LAYERS + 1]; // [width_{l-1}, width_l] where the caller's are not padded; l from 1
    float *A[MEMGEN_TITANS_LAYERS + 1];          // [rows, width] inner forward on the keys: A_0 = K, A_l = phi(A_{l-1} W_l)
    float *slope[MEMGEN_TITANS_LAYERS + 1];      // phi' there
    float *delta[MEMGEN_TITANS_LAYERS + 1];      // [rows, width] errors at the outputs of layer l
    float *normal, *factor;                      // with a residual: [rows, width_L] LN of the output, and [width_L] its gamma
    float *X, *Z;                                // [widest] the query on its way through the layers
    float *turned, *turned2;                     // [widest, rows]
    float *step, *gamma, *eta;                   // [block] of each token: its step size, and what its write has become in weights and momentum

    // Whether a layer's state can be read where it lies.
    static bool is_padded(const memgen_titans_step_args& a, int64_t l) { return a.dims[l - 1] % 16 == 0 && a.dims[l] % 16 == 0; }

    TitansStepScratch(Arena& arena, const memgen_titans_step_args& a) {
        rows = padded(a.read + 1, 8);
        int64_t widest = 0;
        for (int64_t l = 0; l <= a.layers; l++) {
            width[l] = padded(a.dims[l], 16);
            if (width[l] > widest) widest = width[l];
            A[l] = arena.floats(rows * width[l]);
            slope[l] = arena.floats(rows * width[l]);
            delta[l] = arena.floats(rows * width[l]);
            const int64_t copied = l > 0 && !is_padded(a, l) ? width[l - 1] * width[l] : 0;
            weights[l] = arena.floats(copied);
            momenta[l] = arena.floats(a.momentum ? copied : 0);
            target[l] = arena.floats(a.decays_to_target ? copied : 0);
        }
        normal = arena.floats(a.residual ? rows * width[a.layers] : 0), factor = arena.floats(a.residual ? width[a.layers] : 0);
        X = arena.floats(widest), Z = arena.floats(widest);
        turned = arena.floats(widest * padded(rows, 16)), turned2 = arena.floats(widest * padded(rows, 16));
        step = arena.floats(padded(a.block, 16)), gamma = arena.floats(padded(a.block, 16)), eta = arena.floats(padded(a.block, 16));
    }
};

} // namespace
} // namespace memgen
