// What both kinds of linear maps share: panels and tiles, rows and gradients dealt to workers.
//
// A packed panel [depth, 2W] stays in the first-level cache while the rows of a block pass by it. Every
// number is the sum over its depth in one order, whoever computes it.
#pragma once
#include "linear_layout.h"
#include "kernels.h"
#include "matrix.h"
#include "threads.h"

namespace memgen {
namespace {

constexpr int64_t Columns = 2 * W; // of a panel
static_assert(FewRows >= TileRows && PanelColumns % Columns == 0 && RowBlock >= 2 * FewRows);

inline int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

// The index-th piece of `size` rows among the rows of all weights: which map, and its first row there.
struct Piece {
    int64_t map = 0, first, width;

    Piece(const memgen_linear_args& a, int64_t index, int64_t size) {
        while (index >= parts(a.out_features[map], size)) index -= parts(a.out_features[map++], size);
        first = index * size;
        width = smaller(size, a.out_features[map] - first);
    }
};

inline int64_t count_pieces(const memgen_linear_args& a, int64_t size) {
    int64_t sum = 0;
    for (int64_t i = 0; i < a.count; i++) sum += parts(a.out_features[i], size);
    return sum;
}

// One product of a sum: rows of the left operand, and a panel.
struct Term {
    ByRows a;
    int64_t depth;
    const float* panel;
};

// The rows from r on in one register tile of a sum of products. Past: stored past the caches.
template <class Numbers, bool Past>
MEMGEN_INLINE void sum_tile(const Term* terms, int64_t count, int64_t r, float* c, int64_t c_row) {
    Vector sum[TileRows][2] = {};
    for (int64_t t = 0; t < count; t++) add_products<Numbers>(sum, terms[t].depth, cursor<TileRows>(from_row(terms[t].a, r)), terms[t].panel, Columns);
#pragma GCC unroll 8
    for (int i = 0; i < TileRows; i++)
        for (int n = 0; n < 2; n++) store(c + i * c_row + n * W, sum[i][n], Whole{}, Past);
}

// C [rows, width] = sum of the terms; at least TileRows rows, at most Columns columns.
template <class Numbers>
void sum_of_products(int64_t rows, const Term* terms, int64_t count, float* c, int64_t c_row, int64_t width, bool past) {
    alignas(64) float edge[TileRows * Columns];
    for (int64_t m = 0; m < rows; m += TileRows) {
        int64_t r = smaller(m, rows - TileRows); // the last tile covers some rows once more
        if (width == Columns) {
            (past ? sum_tile<Numbers, true> : sum_tile<Numbers, false>)(terms, count, r, c + r * c_row, c_row);
            continue;
        }
        sum_tile<Numbers, false>(terms, count, r, edge, Columns);
        for (int64_t i = 0; i < TileRows; i++) __builtin_memcpy(c + (r + i) * c_row, edge + i * Columns, sizeof(float) * static_cast<size_t>(width));
    }
}

// body(first, rows, worker) for blocks of TileRows to RowBlock rows
template <class Body>
void for_row_blocks(int64_t rows, int workers, Body&& body) {
    const int64_t blocks = parts(rows, RowBlock);
    for_items(blocks, workers, [&](int64_t block, int worker) {
        const int64_t first = rows * block / blocks;
        body(first, rows * (block + 1) / blocks - first, worker);
    });
}

// Sizes one behind the other.
struct Sizes {
    int64_t before[MEMGEN_MOST_MAPS + 1] = {}, count = 0;

    void add(int64_t size) {
        before[count + 1] = before[count] + size;
        count++;
    }
    int64_t total() const { return before[count]; }

    // Whose the i-th is, i < total().
    int64_t owner(int64_t i) const {
        int64_t n = 0;
        while (i >= before[n + 1]) n++;
        return n;
    }
};

// The rows of all gradients of weights that are wanted, one behind the other.
struct GradientRows : Sizes {
    int64_t maps[MEMGEN_MOST_MAPS];

    explicit GradientRows(const memgen_linear_args& a) {
        for (int64_t i = 0; i < a.count; i++) {
            if (!a.d_weights[i].data || !a.d_y[i].data) continue;
            maps[count] = i;
            add(a.out_features[i]);
        }
    }

    // The column of d_y that goes with a row, from the first token on.
    Turned upstream(const memgen_linear_args& a, int64_t row) const {
        const int64_t n = owner(row);
        return {floats(a.d_y[maps[n]]) + row - before[n], a.d_y[maps[n]].stride[0]};
    }
};

// Some rows of all gradients, and of these some panels of columns.
struct GradientPart {
    int64_t row, rows, panel, panels;

    int64_t tiles() const { return parts(rows, TileRows); }
    int64_t columns() const { return panels * Columns; }

    // From sums [tiles, columns] to where each row belongs.
    void hand_out(const memgen_linear_args& a, const GradientRows& all, const float* sums) const {
        const int64_t first = panel * Columns, width = smaller(columns(), a.in_features - first);
        for (int64_t r = 0; r < rows; r++) {
            const int64_t n = all.owner(row + r);
            const memgen_tensor& out = a.d_weights[all.maps[n]];
            __builtin_memcpy(floats(out) + (row + r - all.before[n]) * out.stride[0] + first, sums + r * columns(), sizeof(float) * static_cast<size_t>(width));
        }
    }
};

// body(part, slice) for all gradients of weights. As many rows to a part as fit, since a panel is packed once for all of
// them; columns are parted too where that deals evenly.
template <class Body>
void for_gradient_parts(const memgen_linear_args& a, const GradientRows& all, const Scratch& scratch, Body&& body) {
    if (all.total() == 0) return;
    const int64_t rows = padded(parts(all.total(), parts(all.total(), LargestGroup)), TileRows), groups = parts(all.total(), rows), panels = parts(a.in_features, Columns);
    int64_t cuts = 1;
    while (cuts < panels && groups * cuts % scratch.workers != 0 && groups * cuts < 4 * scratch.workers) cuts++;
    for_items(groups * cuts, scratch.workers, [&](int64_t index, int worker) {
        const int64_t row = index / cuts * rows, cut = index % cuts, first = panels * cut / cuts;
        body(GradientPart{row, smaller(rows, all.total() - row), first, panels * (cut + 1) / cuts - first}, reinterpret_cast<float*>(scratch.of(worker)));
    });
}

inline void clear(const memgen_tensor& x, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; r++) __builtin_memset(floats(x) + r * x.stride[0], 0, sizeof(float) * static_cast<size_t>(columns));
}

} // namespace

namespace MEMGEN_ISA {

// At least FewRows rows, and some d_y; in the builds with W of 16 alone.
void linear_forward_bfloat16(const memgen_linear_args& a, const Scratch& scratch);
void linear_backward_bfloat16(const memgen_linear_args& a, const Scratch& scratch);
void linear_forward_amx(const memgen_linear_args& a, const Scratch& scratch);
void linear_backward_amx(const memgen_linear_args& a, const Scratch& scratch);

} // namespace MEMGEN_ISA
} // namespace memgen
