// The register tiles of a Titans memory, whose products have more than one matrix in a row, and what is asked of memory meanwhile.
#pragma once
#include "chunk.h"
#include "titans_layout.h"

namespace memgen {
namespace {

// Tokens of one head of a call with one row.
struct TitansTokens {
    const memgen_titans_args& a;
    int64_t h, t, n; // n of them from t on

    float* row(const memgen_tensor& x, int64_t i) const { return at(x, t + i, h); }
    float* head_row(const memgen_tensor& x) const { return floats(x) + h * x.stride[1]; } // of [B, H, d_L]
    float* state_row(const memgen_tensor& x, int64_t i) const { return at(x, h, i); } // of [B, H, d_{l-1}, d_l]
};

// Rows of the block that comes next, asked for a few lines after every tile of this one's products: they are strided, which the
// hardware does not foresee. Never many lines at once: see Soon.
struct TitansAhead {
    static constexpr int64_t Lines = 8;
    const float* rows[8];
    int64_t row[8], width[8], tokens = 0, count = 0; // of `count` tensors
    int64_t n = 0, i = 0, j = 0;                     // what is asked for next: of row i of tensor n what begins with column j

    TitansAhead(const TitansTokens& x, std::initializer_list<const memgen_tensor*> inputs, std::initializer_list<const memgen_tensor*> outputs) {
        if (x.n == 0) return;
        tokens = x.n;
        for (int64_t end = 0; end < 2; end++)
            for (const memgen_tensor* of : end ? outputs : inputs)
                if (of->data) rows[count] = x.row(*of, 0), row[count] = of->stride[1], width[count++] = x.a.dims[end ? x.a.layers : 0];
    }

    MEMGEN_MEMBER void operator()() {
        for (int64_t line = 0; line < Lines && n < count; line++) {
            __builtin_prefetch(rows[n] + i * row[n] + j, 0, 3);
            if ((j += 16) < width[n]) continue;
            j = 0;
            if (++i == tokens) i = 0, n++;
        }
    }
};

template <int R, int V>
struct Tile {
    static constexpr int Rows = R, Vectors = V;
};

// body(m, n, tile) for every register tile of a matrix, which begins with row m and column n. Both counts are multiples of 16.
// Most: vectors side by side in a tile; with one, what a product reads of a wide state stays in the cache from row to row.
template <int Rows, int Most = 2, class Body>
MEMGEN_INLINE void for_tiles(int64_t rows, int64_t columns, TitansAhead& ahead, Body&& body) {
    int64_t n = 0;
    for (; n + 2 * W <= columns && Most == 2; n += 2 * W)
        for (int64_t m = 0; m < rows; m += Rows) body(m, n, Tile<Rows, Most>{}), ahead();
    for (; n < columns; n += W)
        for (int64_t m = 0; m < rows; m += Rows) body(m, n, Tile<Rows, 1>{}), ahead();
}

template <int Rows, int Vectors>
MEMGEN_INLINE void store_tile(const Vector (&sum)[Rows][Vectors], float* c, int64_t c_row) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; v++) store(c + r * c_row + v * W, sum[r][v]);
}

// C = initial(r, v) + A B in one register tile, where v counts vectors.
template <class Tile, class Operand, class Initial>
MEMGEN_INLINE void tile_from(Tile, int64_t depth, Operand a, const float* b, int64_t b_row, float* c, int64_t c_row, Initial&& initial) {
    Vector sum[Tile::Rows][Tile::Vectors];
#pragma GCC unroll 16
    for (int r = 0; r < Tile::Rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < Tile::Vectors; v++) sum[r][v] = initial(r, v);
    add_products(sum, depth, cursor<Tile::Rows>(a), b, b_row);
    store_tile(sum, c, c_row);
}

// C = initial(row, column) + A B
template <class Operand, class Initial>
MEMGEN_INLINE void product_from(int64_t rows, int64_t columns, int64_t depth, Operand a, const float* b, int64_t b_row, float* c, int64_t c_row, TitansAhead& ahead, Initial&& initial) {
    for_tiles<TileRows>(rows, columns, ahead, [&](int64_t m, int64_t n, auto tile) {
        tile_from(tile, depth, from_row(a, m), b + n, b_row, c + m * c_row + n, c_row, [&](int r, int v) { return initial(m + r, n + v * W); });
    });
}

// X M in one register tile for both of a layer's matrices, weights first: row r by column n + v W of each goes to each(r, v, sums).
// Parts: 2 with momentum, which stands `out` columns after the weights.
template <int Parts, class Tile, class Each>
MEMGEN_INLINE void times_state(Tile, int64_t in, int64_t out, ByRows x, const float* state, int64_t row, Each&& each) {
#pragma GCC unroll 4
    for (int v = 0; v < Tile::Vectors; v++) {
        Vector sum[Tile::Rows][Parts] = {};
        add_products(sum, in, cursor<Tile::Rows>(x), state + v * W, row, out);
#pragma GCC unroll 16
        for (int r = 0; r < Tile::Rows; r++) each(r, v, sum[r]);
    }
}

// M X^T likewise, X^T [out, ..]: the tile's first half of rows is of the weights, the other of the momentum.
template <int Parts, class Tile, class Each>
MEMGEN_INLINE void state_times(Tile, int64_t out, const float* state, int64_t row, const float* turned, int64_t turned_row, Each&& each) {
    Vector sum[Parts * Tile::Rows][Tile::Vectors] = {};
    RowsCursor<Parts * Tile::Rows> rows(ByRows{state, row});
#pragma GCC unroll 16
    for (int r = Tile::Rows; r < Parts * Tile::Rows; r++) rows.row[r] = rows.row[r - Tile::Rows] + out;
    add_products(sum, out, rows, turned, turned_row);
#pragma GCC unroll 16
    for (int r = 0; r < Tile::Rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < Tile::Vectors; v++) {
            Vector parts[Parts];
#pragma GCC unroll 2
            for (int p = 0; p < Parts; p++) parts[p] = sum[p * Tile::Rows + r][v];
            each(r, v, parts);
        }
}

constexpr int HalfRows = TileRows / 2; // of a tile that both matrices share

} // namespace
} // namespace memgen
