// The triangular systems of a delta rule's chunk, A strictly lower [16, 16]: sixteen rows of a vector of columns in registers.
#pragma once
#include "chunk.h"

namespace memgen {
namespace {

// V' = (I + A)^{-1} diag(beta) R, column by column. beta: null for ones.
inline void solve_forward(const float* A, const float* beta, const float* residual, int64_t vp, float* written) {
    for (int64_t n = 0; n < vp; n += W) {
        Vector rows[C];
#pragma GCC unroll 16
        for (int i = 0; i < C; i++) {
            Vector x = load(residual + i * vp + n);
            if (beta) x *= splat(beta[i]);
#pragma GCC unroll 16
            for (int j = 0; j < i; j++) x -= splat(A[i * C + j]) * rows[j];
            rows[i] = x;
            store(written + i * vp + n, x);
        }
    }
}

// X = (I + A)^{-T} D, in place.
inline void solve_backward(const float* A, int64_t vp, float* d) {
    for (int64_t n = 0; n < vp; n += W) {
        Vector rows[C];
#pragma GCC unroll 16
        for (int i = C - 1; i >= 0; i--) {
            Vector x = load(d + i * vp + n);
#pragma GCC unroll 16
            for (int j = C - 1; j > i; j--) x -= splat(A[j * C + i]) * rows[j];
            rows[i] = x;
            store(d + i * vp + n, x);
        }
    }
}

} // namespace
} // namespace memgen
