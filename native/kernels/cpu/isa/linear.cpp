// Linear maps of the same rows, forward and backward: register tiles over operands packed into panels.
//
// A packed panel [depth, 2W] stays in the first-level cache while the rows of a block pass by it. Every
// number is the sum over its depth in one order, whoever computes it.
#include "linear_layout.h"
#include "kernels.h"
#include "matrix.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_linear_args Args;

constexpr int64_t Columns = 2 * W; // of a panel
static_assert(FewRows >= TileRows && PanelColumns % Columns == 0);

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

// The index-th piece of `size` rows among the rows of all weights: which map, and its first row there.
struct Piece {
    int64_t map = 0, first, width;

    Piece(const Args& a, int64_t index, int64_t size) {
        while (index >= parts(a.out_features[map], size)) index -= parts(a.out_features[map++], size);
        first = index * size;
        width = smaller(size, a.out_features[map] - first);
    }
};

int64_t count_pieces(const Args& a, int64_t size) {
    int64_t sum = 0;
    for (int64_t i = 0; i < a.count; i++) sum += parts(a.out_features[i], size);
    return sum;
}

// Columns of [rows, width] as a panel; those that do not exist are zero.
void pack(const float* from, int64_t row, int64_t rows, int64_t width, float* to) {
    for (int64_t r = 0; r < rows; r++, from += row, to += Columns) {
        if (width == Columns) store(to, load(from)), store(to + W, load(from + W));
        else
            for (int64_t c = 0; c < Columns; c++) to[c] = c < width ? from[c] : 0.0f;
    }
}

// One product of a sum: rows of the left operand, and a panel.
struct Term {
    ByRows a;
    int64_t depth;
    const float* panel;
};

// The rows from r on in one register tile of a sum of products. Past: stored past the caches.
template <bool Past>
MEMGEN_INLINE void sum_tile(const Term* terms, int64_t count, int64_t r, float* c, int64_t c_row) {
    Vector sum[TileRows][2] = {};
    for (int64_t t = 0; t < count; t++) add_products(sum, terms[t].depth, cursor<TileRows>(from_row(terms[t].a, r)), terms[t].panel, Columns);
#pragma GCC unroll 8
    for (int i = 0; i < TileRows; i++)
        for (int n = 0; n < 2; n++) store(c + i * c_row + n * W, sum[i][n], Whole{}, Past);
}

// C [rows, width] = sum of the terms; at least TileRows rows, at most Columns columns.
void sum_of_products(int64_t rows, const Term* terms, int64_t count, float* c, int64_t c_row, int64_t width, bool past) {
    alignas(64) float edge[TileRows * Columns];
    for (int64_t m = 0; m < rows; m += TileRows) {
        int64_t r = smaller(m, rows - TileRows); // the last tile covers some rows once more
        if (width == Columns) {
            (past ? sum_tile<true> : sum_tile<false>)(terms, count, r, c + r * c_row, c_row);
            continue;
        }
        sum_tile<false>(terms, count, r, edge, Columns);
        for (int64_t i = 0; i < TileRows; i++) __builtin_memcpy(c + (r + i) * c_row, edge + i * Columns, sizeof(float) * static_cast<size_t>(width));
    }
}

// body(first, rows) for blocks of rows, none of which has fewer than TileRows
template <class Body>
void for_row_blocks(int64_t rows, int workers, Body&& body) {
    const int64_t blocks = rows < RowBlock ? 1 : rows / RowBlock;
    for_items(blocks, workers, [&](int64_t block, int) {
        int64_t first = block * RowBlock;
        body(first, block + 1 < blocks ? RowBlock : rows - first);
    });
}

void forward(const Args& a, const LinearScratch& s, int workers) {
    const int64_t I = a.in_features, panel = I * Columns, panels = count_pieces(a, Columns);
    for_items(panels, workers, [&](int64_t index, int) {
        Piece p(a, index, Columns);
        float* to = s.weights + index * panel;
        if (p.width < Columns && I > 0) __builtin_memset(to, 0, sizeof(float) * static_cast<size_t>(panel));
        transpose(floats(a.weights[p.map]) + p.first * a.weights[p.map].stride[0], a.weights[p.map].stride[0], p.width, I, to, Columns);
    });
    for_row_blocks(a.rows, workers, [&](int64_t first, int64_t rows) {
        Term term = {{floats(a.x) + first * a.x.stride[0], a.x.stride[0]}, I, s.weights};
        for (int64_t i = 0; i < a.count; i++)
            for (int64_t o = 0; o < a.out_features[i]; o += Columns, term.panel += panel)
                sum_of_products(rows, &term, 1, floats(a.y[i]) + first * a.y[i].stride[0] + o, a.y[i].stride[0], smaller(Columns, a.out_features[i] - o),
                                streamed(a.y[i], a.rows * a.out_features[i]));
        finish_streaming();
    });
}

void input_gradient(const Args& a, const LinearScratch& s, int workers) {
    const int64_t I = a.in_features, depth = outputs(a), panels = parts(I, Columns);
    for_items(panels, workers, [&](int64_t p, int) {
        float* to = s.weights + p * depth * Columns;
        for (int64_t i = 0; i < a.count; to += a.out_features[i++] * Columns)
            pack(floats(a.weights[i]) + p * Columns, a.weights[i].stride[0], a.out_features[i], smaller(Columns, I - p * Columns), to);
    });
    for_row_blocks(a.rows, workers, [&](int64_t first, int64_t rows) {
        for (int64_t p = 0; p < panels; p++) {
            Term terms[MEMGEN_MOST_MAPS];
            int64_t count = 0;
            const float* from = s.weights + p * depth * Columns;
            for (int64_t i = 0; i < a.count; from += a.out_features[i++] * Columns)
                if (a.d_y[i].data) terms[count++] = {{floats(a.d_y[i]) + first * a.d_y[i].stride[0], a.d_y[i].stride[0]}, a.out_features[i], from};
            sum_of_products(rows, terms, count, floats(a.d_x) + first * a.d_x.stride[0] + p * Columns, a.d_x.stride[0], smaller(Columns, I - p * Columns),
                            streamed(a.d_x, a.rows * I));
        }
        finish_streaming();
    });
}

// The rows of all gradients of weights that are wanted, one behind the other.
struct GradientRows {
    int64_t maps[MEMGEN_MOST_MAPS], before[MEMGEN_MOST_MAPS + 1] = {}, count = 0;

    explicit GradientRows(const Args& a) {
        for (int64_t i = 0; i < a.count; i++) {
            if (!a.d_weights[i].data || !a.d_y[i].data) continue;
            maps[count] = i;
            before[count + 1] = before[count] + a.out_features[i];
            count++;
        }
    }

    int64_t total() const { return before[count]; }

    // Which of the maps a row is of.
    int64_t owner(int64_t row) const {
        int64_t n = 0;
        while (row >= before[n + 1]) n++;
        return n;
    }

    // The column of d_y that goes with a row, from the first token on.
    Turned upstream(const Args& a, int64_t row) const {
        const int64_t n = owner(row);
        return {floats(a.d_y[maps[n]]) + row - before[n], a.d_y[maps[n]].stride[0]};
    }
};

// Some rows of all gradients, and of these some panels of columns.
struct GradientPart {
    int64_t row, rows, panel, panels;
};

// Summed over blocks of tokens. A panel of x is packed when its turn comes, and the next one asked for meanwhile; d_y is
// read as it lies, except in the tiles that are of several maps or end the last one.
void weight_gradient(const Args& a, const GradientRows& all, const GradientPart& part, float* slice) {
    const int64_t I = a.in_features, x_row = a.x.stride[0], sum_row = part.panels * Columns, tiles = parts(part.rows, TileRows);
    float *sums = slice, *panel = sums + LargestGroup * padded(I, PanelColumns), *turned = panel + DepthBlock * PanelColumns;
    Turned operands[LargestGroup / TileRows];
    for (int64_t m = 0; m < a.rows; m += DepthBlock) {
        const int64_t depth = smaller(DepthBlock, a.rows - m);
        float* next_turned = turned;
        for (int64_t t = 0; t < tiles; t++) {
            const int64_t row = part.row + t * TileRows;
            Turned& operand = operands[t] = all.upstream(a, row);
            operand.p += m * operand.stride;
            if (row + TileRows <= all.before[all.owner(row) + 1]) continue;
            for (int64_t i = 0; i < TileRows; i++) {
                const bool exists = row + i < all.total();
                const Turned from = all.upstream(a, exists ? row + i : row);
                for (int64_t d = 0; d < depth; d++) next_turned[d * TileRows + i] = exists ? from.p[(m + d) * from.stride] : 0.0f;
            }
            operand = {next_turned, TileRows};
            next_turned += DepthBlock * TileRows;
        }
        for (int64_t p = 0; p < part.panels; p++) {
            const int64_t column = (part.panel + p) * Columns;
            const float* x = floats(a.x) + m * x_row;
            pack(x + column, x_row, depth, smaller(Columns, I - column), panel);
            const float* next = p + 1 < part.panels ? x + column + Columns : m + DepthBlock < a.rows ? x + DepthBlock * x_row + part.panel * Columns : x;
            for (int64_t t = 0; t < tiles; t++) {
                for (int64_t d = depth * t / tiles; d < depth * (t + 1) / tiles; d++)
                    for (int64_t c = 0; c < Columns; c += 16) __builtin_prefetch(next + d * x_row + c, 0, 2);
                float* c = sums + t * TileRows * sum_row + p * Columns;
                (m == 0 ? product_tile<TileRows, 2, false, Turned> : product_tile<TileRows, 2, true, Turned>)(depth, operands[t], panel, Columns, c, 1.0f, c, sum_row);
            }
        }
    }
    const int64_t first = part.panel * Columns, columns = smaller(sum_row, I - first);
    for (int64_t r = 0; r < part.rows; r++) {
        const int64_t n = all.owner(part.row + r);
        const memgen_tensor& out = a.d_weights[all.maps[n]];
        __builtin_memcpy(floats(out) + (part.row + r - all.before[n]) * out.stride[0] + first, sums + r * sum_row, sizeof(float) * static_cast<size_t>(columns));
    }
}

// As many rows to a part as fit, since a panel is packed once for all of them; columns are parted too where that deals evenly.
void weight_gradients(const Args& a, const Scratch& scratch) {
    const GradientRows all(a);
    if (all.total() == 0) return;
    const int64_t rows = padded(parts(all.total(), parts(all.total(), LargestGroup)), TileRows), groups = parts(all.total(), rows), panels = parts(a.in_features, Columns);
    int64_t cuts = 1;
    while (cuts < panels && groups * cuts % scratch.workers != 0 && groups * cuts < 4 * scratch.workers) cuts++;
    for_items(groups * cuts, scratch.workers, [&](int64_t index, int worker) {
        const int64_t row = index / cuts * rows, cut = index % cuts, first = panels * cut / cuts;
        weight_gradient(a, all, {row, smaller(rows, all.total() - row), first, panels * (cut + 1) / cuts - first}, reinterpret_cast<float*>(scratch.of(worker)));
    });
}

// Few rows: weights are read once, as they lie. Every worker takes one run of the outputs, the same at every call: where
// weights are read again and again, as in decoding, a core is twice as fast at those that it read the last time.
void forward_few(const Args& a, int workers) {
    constexpr int64_t Together = 4, Share = 16, WorthAThread = 1 << 17; // weights read: some 10 microseconds
    const int64_t I = a.in_features, shares = count_pieces(a, Share), runs = outputs(a) * I < WorthAThread ? 1 : smaller(workers, shares);
    for_items(runs, workers, [&](int64_t run, int) {
        for (int64_t index = shares * run / runs; index < shares * (run + 1) / runs; index++) {
            Piece share(a, index, Share);
            const memgen_tensor &w = a.weights[share.map], &y = a.y[share.map];
            int64_t o = share.first;
            const int64_t end = share.first + share.width;
            for (; o + Together <= end; o += Together)
                for (int64_t r = 0; r < a.rows; r++) {
                    const float *x = floats(a.x) + r * a.x.stride[0], *row = floats(w) + o * w.stride[0];
                    Vector sums[Together] = {};
                    for_vectors(I, [&](int64_t i, auto extent) {
#pragma GCC unroll 4
                        for (int j = 0; j < Together; j++) sums[j] += load(x + i, extent) * load(row + j * w.stride[0] + i, extent);
                    });
                    for (int j = 0; j < Together; j++) floats(y)[r * y.stride[0] + o + j] = sum(sums[j]);
                }
            for (; o < end; o++)
                for (int64_t r = 0; r < a.rows; r++) floats(y)[r * y.stride[0] + o] = dot(floats(a.x) + r * a.x.stride[0], floats(w) + o * w.stride[0], I);
        }
    });
}

void add_scaled(float* to, float factor, const float* x, int64_t n) {
    for_vectors(n, [&](int64_t i, auto extent) { store(to + i, load(to + i, extent) + splat(factor) * load(x + i, extent), extent); });
}

void clear(const memgen_tensor& x, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; r++) __builtin_memset(floats(x) + r * x.stride[0], 0, sizeof(float) * static_cast<size_t>(columns));
}

void backward_few(const Args& a) {
    const int64_t I = a.in_features;
    if (a.d_x.data) clear(a.d_x, a.rows, I);
    for (int64_t i = 0; i < a.count; i++) {
        if (!a.d_y[i].data) continue;
        if (a.d_weights[i].data) clear(a.d_weights[i], a.out_features[i], I);
        for (int64_t r = 0; r < a.rows; r++)
            for (int64_t o = 0; o < a.out_features[i]; o++) {
                float d = floats(a.d_y[i])[r * a.d_y[i].stride[0] + o];
                if (a.d_x.data) add_scaled(floats(a.d_x) + r * a.d_x.stride[0], d, floats(a.weights[i]) + o * a.weights[i].stride[0], I);
                if (a.d_weights[i].data) add_scaled(floats(a.d_weights[i]) + o * a.d_weights[i].stride[0], d, floats(a.x) + r * a.x.stride[0], I);
            }
    }
}

} // namespace

namespace MEMGEN_ISA {

void linear_forward(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    LinearScratch s(arena, a, false);
    if (a.rows < FewRows) forward_few(a, scratch.workers);
    else forward(a, s, scratch.workers);
}

void linear_backward(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    LinearScratch s(arena, a, true);
    bool upstream = false;
    for (int64_t i = 0; i < a.count; i++) {
        if (a.d_y[i].data) upstream = true;
        else if (a.d_weights[i].data) clear(a.d_weights[i], a.out_features[i], a.in_features);
    }
    if (!upstream) {
        if (a.d_x.data) clear(a.d_x, a.rows, a.in_features);
    } else if (a.rows < FewRows) {
        backward_few(a);
    } else {
        if (a.d_x.data) input_gradient(a, s, scratch.workers);
        weight_gradients(a, scratch);
    }
}

} // namespace MEMGEN_ISA
} // namespace memgen
