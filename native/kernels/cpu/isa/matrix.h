// Small matrix products on packed, padded operands: the work of every chunked backward pass.
#pragma once
#include "vector.h"

namespace memgen {
namespace {

// One register tile of C = gamma * initial + A B. A is read as scalars at a[row * a_row + x * a_column],
// B and C as vectors along their rows.
template <int Rows, int Vectors>
MEMGEN_INLINE void product_tile(int64_t depth, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t b_row,
                                const float* initial, int64_t initial_row, float gamma, float* c, int64_t c_row) {
    Vector sum[Rows][Vectors];
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++)
#pragma GCC unroll 4
        for (int n = 0; n < Vectors; n++)
            sum[r][n] = initial ? splat(gamma) * load(initial + r * initial_row + n * W) : Vector{};
    for (int64_t x = 0; x < depth; x++) {
        Vector row[Vectors];
#pragma GCC unroll 4
        for (int n = 0; n < Vectors; n++) row[n] = load(b + x * b_row + n * W);
#pragma GCC unroll 16
        for (int r = 0; r < Rows; r++) {
            Vector scalar = splat(a[r * a_row + x * a_column]);
#pragma GCC unroll 4
            for (int n = 0; n < Vectors; n++) sum[r][n] += scalar * row[n];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++)
#pragma GCC unroll 4
        for (int n = 0; n < Vectors; n++) store(c + r * c_row + n * W, sum[r][n]);
}

constexpr int PairRows = W == 16 ? 8 : 4;
constexpr int SingleRows = W == 16 ? 16 : 8;

// C [rows, columns] = gamma * initial + A B with A [rows, depth], B [depth, columns]; rows and columns
// are multiples of 16. `initial` may be null (zero), and may be C itself.
static inline void product(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t a_row, int64_t a_column,
                           const float* b, int64_t b_row, const float* initial, int64_t initial_row, float gamma, float* c, int64_t c_row) {
    int64_t n = 0;
    for (; n + 2 * W <= columns; n += 2 * W)
        for (int64_t m = 0; m < rows; m += PairRows)
            product_tile<PairRows, 2>(depth, a + m * a_row, a_row, a_column, b + n, b_row,
                                      initial ? initial + m * initial_row + n : nullptr, initial_row, gamma, c + m * c_row + n, c_row);
    for (; n < columns; n += W)
        for (int64_t m = 0; m < rows; m += SingleRows)
            product_tile<SingleRows, 1>(depth, a + m * a_row, a_row, a_column, b + n, b_row,
                                        initial ? initial + m * initial_row + n : nullptr, initial_row, gamma, c + m * c_row + n, c_row);
}

} // namespace
} // namespace memgen
