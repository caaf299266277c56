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

// C [rows, width] = sum of the terms; at least TileRows rows, at most Columns columns. Past: stored past the caches.
void sum_of_products(int64_t rows, const Term* terms, int64_t count, float* c, int64_t c_row, int64_t width, bool past) {
    alignas(64) float edge[TileRows * Columns];
    const bool whole = width == Columns;
    for (int64_t m = 0; m < rows; m += TileRows) {
        int64_t r = smaller(m, rows - TileRows); // the last tile covers some rows once more
        float* out = whole ? c + r * c_row : edge;
        const int64_t out_row = whole ? c_row : Columns;
        for (int64_t t = 0; t < count; t++) {
            const bool last = past && whole && t + 1 == count;
            auto tile = t == 0 ? (last ? product_tile<TileRows, 2, false, ByRows, true> : product_tile<TileRows, 2, false, ByRows>)
                               : (last ? product_tile<TileRows, 2, true, ByRows, true> : product_tile<TileRows, 2, true, ByRows>);
            tile(terms[t].depth, from_row(terms[t].a, r), terms[t].panel, Columns, out, 1.0f, out, out_row);
        }
        for (int64_t i = 0; !whole && i < TileRows; i++) __builtin_memcpy(c + (r + i) * c_row, edge + i * Columns, sizeof(float) * static_cast<size_t>(width));
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

// Rows of one weight's gradient, summed over blocks of tokens: what a block needs stays in the second-level cache.
void weight_gradient(const Args& a, const Piece& group, float* slice) {
    const int64_t I = a.in_features, panels = parts(I, Columns), sum_row = panels * Columns, tiles = parts(group.width, TileRows);
    const memgen_tensor &dy = a.d_y[group.map], &out = a.d_weights[group.map];
    float *sums = slice, *inputs = sums + LargestGroup * sum_row, *turned = inputs + DepthBlock * sum_row;
    for (int64_t m = 0; m < a.rows; m += DepthBlock) {
        const int64_t depth = smaller(DepthBlock, a.rows - m);
        for (int64_t p = 0; p < panels; p++) pack(floats(a.x) + m * a.x.stride[0] + p * Columns, a.x.stride[0], depth, smaller(Columns, I - p * Columns), inputs + p * depth * Columns);
        for (int64_t t = 0; t < tiles; t++) {
            const int64_t width = smaller(TileRows, group.width - t * TileRows);
            const float* from = floats(dy) + m * dy.stride[0] + group.first + t * TileRows;
            float* to = turned + t * DepthBlock * TileRows;
            for (int64_t d = 0; d < depth; d++) {
                if (width == TileRows) __builtin_memcpy(to + d * TileRows, from + d * dy.stride[0], sizeof(float) * TileRows);
                else
                    for (int64_t i = 0; i < TileRows; i++) to[d * TileRows + i] = i < width ? from[d * dy.stride[0] + i] : 0.0f;
            }
        }
        for (int64_t p = 0; p < panels; p++)
            for (int64_t t = 0; t < tiles; t++) {
                float* c = sums + t * TileRows * sum_row + p * Columns;
                (m == 0 ? product_tile<TileRows, 2, false, Turned> : product_tile<TileRows, 2, true, Turned>)(depth, {turned + t * DepthBlock * TileRows, TileRows}, inputs + p * depth * Columns, Columns, c, 1.0f, c, sum_row);
            }
    }
    for (int64_t r = 0; r < group.width; r++) __builtin_memcpy(floats(out) + (group.first + r) * out.stride[0], sums + r * sum_row, sizeof(float) * static_cast<size_t>(I));
}

void weight_gradients(const Args& a, const Scratch& scratch) {
    const int64_t share = parts(outputs(a), scratch.workers), group_rows = smaller(padded(share + 1, TileRows), LargestGroup);
    for_items(count_pieces(a, group_rows), scratch.workers, [&](int64_t index, int worker) {
        Piece group(a, index, group_rows);
        if (a.d_weights[group.map].data && a.d_y[group.map].data) weight_gradient(a, group, reinterpret_cast<float*>(scratch.of(worker)));
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
