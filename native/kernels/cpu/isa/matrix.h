// Small matrix products on packed, padded operands: the work of every chunked backward pass.
#pragma once
#include "streaming.h"

namespace memgen {
namespace {

// The left operand, read number by number: element (r, x) of a matrix in memory, or of a turned one.
struct ByRows {
    const float* p;
    int64_t stride;
};
struct Turned {
    const float* p;
    int64_t stride;
};

MEMGEN_INLINE ByRows from_row(ByRows a, int64_t r) { return {a.p + r * a.stride, a.stride}; }
MEMGEN_INLINE Turned from_row(Turned a, int64_t r) { return {a.p + r, a.stride}; }

template <int Rows>
struct RowsCursor {
    const float* row[Rows];

    MEMGEN_MEMBER RowsCursor(ByRows a) {
#pragma GCC unroll 16
        for (int r = 0; r < Rows; r++) row[r] = a.p + r * a.stride;
    }
    MEMGEN_MEMBER float operator[](int r) const { return *row[r]; }
    MEMGEN_MEMBER void advance() {
#pragma GCC unroll 16
        for (int r = 0; r < Rows; r++) row[r]++;
    }
};

struct TurnedCursor {
    const float* p;
    int64_t stride;

    MEMGEN_MEMBER TurnedCursor(Turned a) : p(a.p), stride(a.stride) {}
    MEMGEN_MEMBER float operator[](int r) const { return p[r]; }
    MEMGEN_MEMBER void advance() { p += stride; }
};

template <int Rows> MEMGEN_INLINE RowsCursor<Rows> cursor(ByRows a) { return a; }
template <int Rows> MEMGEN_INLINE TurnedCursor cursor(Turned a) { return a; }

// What a product multiplies: one number a lane.
struct Floats {
    static MEMGEN_MEMBER Vector add_product(Vector sum, Vector a, Vector b) { return sum + a * b; }
};

// sum += A B in one register tile, with a cursor at A's first rows. apart: from one vector of B's rows to the next.
template <class Numbers = Floats, int Rows, int Vectors, class Cursor>
MEMGEN_INLINE void add_products(Vector (&sum)[Rows][Vectors], int64_t depth, Cursor a, const float* b, int64_t b_row, int64_t apart = W) {
    for (int64_t x = 0; x < depth; x++) {
        Vector row[Vectors];
#pragma GCC unroll 4
        for (int n = 0; n < Vectors; n++) row[n] = load(b + n * apart);
#pragma GCC unroll 16
        for (int r = 0; r < Rows; r++) {
            Vector scalar = splat(a[r]);
#pragma GCC unroll 4
            for (int n = 0; n < Vectors; n++) sum[r][n] = Numbers::add_product(sum[r][n], scalar, row[n]);
        }
        a.advance();
        b += b_row;
    }
}

// One register tile of C = gamma * initial + A B; without Initial, C = A B. Past: stored past the caches.
template <int Rows, int Vectors, bool Initial, class Operand, bool Past = false, class Numbers = Floats>
MEMGEN_INLINE void product_tile(int64_t depth, Operand operand, const float* b, int64_t b_row, const float* initial, float gamma, float* c, int64_t c_row) {
    Vector sum[Rows][Vectors], factor = splat(gamma);
    auto a = cursor<Rows>(operand);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++)
#pragma GCC unroll 4
        for (int n = 0; n < Vectors; n++) {
            if constexpr (Initial) sum[r][n] = factor * load(initial + r * c_row + n * W);
            else sum[r][n] = Vector{};
        }
    add_products<Numbers>(sum, depth, a, b, b_row);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++)
#pragma GCC unroll 4
        for (int n = 0; n < Vectors; n++) store(c + r * c_row + n * W, sum[r][n], Whole{}, Past);
}

constexpr int TileRows = W == 16 ? 8 : 4;
constexpr int SingleRows = 8; // as many as have a register each for their address

// What there is to do after every tile of a product.
struct Nothing {
    MEMGEN_MEMBER void operator()() const {}
};

template <bool Initial, class Operand, class Meanwhile>
MEMGEN_INLINE void product_tiles(int64_t rows, int64_t columns, int64_t depth, Operand a, const float* b, int64_t b_row, const float* initial, float gamma, float* c, int64_t c_row, Meanwhile&& meanwhile) {
    int64_t n = 0;
    for (; n + 2 * W <= columns; n += 2 * W)
        for (int64_t m = 0; m < rows; m += TileRows) {
            product_tile<TileRows, 2, Initial>(depth, from_row(a, m), b + n, b_row, initial + m * c_row + n, gamma, c + m * c_row + n, c_row);
            meanwhile();
        }
    for (; n < columns; n += W)
        for (int64_t m = 0; m < rows; m += SingleRows) {
            product_tile<SingleRows, 1, Initial>(depth, from_row(a, m), b + n, b_row, initial + m * c_row + n, gamma, c + m * c_row + n, c_row);
            meanwhile();
        }
}

// C [rows, columns] = A B with A [rows, depth], B [depth, columns]; rows and columns are multiples of 16.
template <class Operand, class Meanwhile = Nothing>
static inline void product(int64_t rows, int64_t columns, int64_t depth, Operand a, const float* b, int64_t b_row, float* c, int64_t c_row, Meanwhile&& meanwhile = {}) {
    product_tiles<false>(rows, columns, depth, a, b, b_row, c, 0.0f, c, c_row, meanwhile);
}

// C = gamma * initial + A B; `initial` has C's rows and may be C.
template <class Operand, class Meanwhile = Nothing>
static inline void product_onto(const float* initial, float gamma, int64_t rows, int64_t columns, int64_t depth, Operand a, const float* b, int64_t b_row, float* c, int64_t c_row, Meanwhile&& meanwhile = {}) {
    product_tiles<true>(rows, columns, depth, a, b, b_row, initial, gamma, c, c_row, meanwhile);
}

} // namespace
} // namespace memgen
