// Linear maps whose operands are rounded to bfloat16. Two such numbers, neighbours along the depth of a product, ride in
// the bits of one float, so that panels, tiles and sums are those of float32 at half the depth; one instruction adds the
// products of both to a sum in float32. A depth that is odd ends with a zero.
#include "bfloat16.h"
#include "linear_tiles.h"

namespace memgen {
namespace {

typedef memgen_linear_args Args;

struct Pairs {
    static MEMGEN_MEMBER Vector add_product(Vector sum, Vector a, Vector b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
};

// Numbers along a row as pairs.
void pack_row(const float* from, int64_t n, float* to) {
    int64_t i = 0;
    for (; i + 2 * W <= n; i += 2 * W, to += W) store(to, neighbours(load(from + i), load(from + i + W)));
    if (i == n) return;
    float rest[2 * W] = {};
    __builtin_memcpy(rest, from + i, sizeof(float) * static_cast<size_t>(n - i));
    store_part(to, neighbours(load(rest), load(rest + W)), pairs(n - i));
}

// Rows [rows, n] as pairs [rows, pairs of n].
void pack_rows(const float* from, int64_t row, int64_t rows, int64_t n, float* to) {
    for (int64_t r = 0; r < rows; r++) pack_row(from + r * row, n, to + r * pairs(n));
}

// [depth, width] as pairs of rows [pairs of depth, to_row].
void pack_depth(const float* from, int64_t row, int64_t depth, int64_t width, float* to, int64_t to_row) {
    for (int64_t d = 0; d < depth; d += 2, from += 2 * row, to += to_row)
        for_vectors(width, [&](int64_t c, auto extent) { store(to + c, beside(load(from + c, extent), d + 1 < depth ? load(from + row + c, extent) : Vector{}), extent); });
}

// The same as a panel, with zeros for the columns that do not exist.
void pack_panel(const float* from, int64_t row, int64_t depth, int64_t width, float* to) {
    if (width < Columns) __builtin_memset(to, 0, sizeof(float) * static_cast<size_t>(pairs(depth) * Columns));
    pack_depth(from, row, depth, width, to, Columns);
}

void forward(const Args& a, const Scratch& scratch, float* weights) {
    const int64_t I = a.in_features, depth = pairs(I), panel = depth * Columns;
    for_items(count_pieces(a, Columns), scratch.workers, [&](int64_t index, int worker) {
        const Piece p(a, index, Columns);
        float *rows = reinterpret_cast<float*>(scratch.of(worker)), *to = weights + index * panel;
        if (p.width < Columns && I > 0) __builtin_memset(to, 0, sizeof(float) * static_cast<size_t>(panel));
        pack_rows(floats(a.weights[p.map]) + p.first * a.weights[p.map].stride[0], a.weights[p.map].stride[0], p.width, I, rows);
        transpose(rows, depth, p.width, depth, to, Columns);
    });
    for_row_blocks(a.rows, scratch.workers, [&](int64_t first, int64_t rows, int worker) {
        float* x = reinterpret_cast<float*>(scratch.of(worker));
        pack_rows(floats(a.x) + first * a.x.stride[0], a.x.stride[0], rows, I, x);
        Term term = {{x, depth}, depth, weights};
        for (int64_t i = 0; i < a.count; i++)
            for (int64_t o = 0; o < a.out_features[i]; o += Columns, term.panel += panel)
                sum_of_products<Pairs>(rows, &term, 1, floats(a.y[i]) + first * a.y[i].stride[0] + o, a.y[i].stride[0], smaller(Columns, a.out_features[i] - o),
                                       streamed(a.y[i], a.rows * a.out_features[i]));
        finish_streaming();
    });
}

void input_gradient(const Args& a, const Scratch& scratch, float* weights) {
    const int64_t I = a.in_features, depth = pairs_of_outputs(a), panels = parts(I, Columns);
    for_items(panels, scratch.workers, [&](int64_t p, int) {
        float* to = weights + p * depth * Columns;
        for (int64_t i = 0; i < a.count; to += pairs(a.out_features[i++]) * Columns)
            pack_panel(floats(a.weights[i]) + p * Columns, a.weights[i].stride[0], a.out_features[i], smaller(Columns, I - p * Columns), to);
    });
    for_row_blocks(a.rows, scratch.workers, [&](int64_t first, int64_t rows, int worker) {
        Term terms[MEMGEN_MOST_MAPS];
        int64_t count = 0;
        const float* from = weights;
        float* upstream = reinterpret_cast<float*>(scratch.of(worker));
        for (int64_t i = 0; i < a.count; from += pairs(a.out_features[i++]) * Columns) {
            if (!a.d_y[i].data) continue;
            const int64_t own = pairs(a.out_features[i]);
            pack_rows(floats(a.d_y[i]) + first * a.d_y[i].stride[0], a.d_y[i].stride[0], rows, a.out_features[i], upstream);
            terms[count++] = {{upstream, own}, own, from};
            upstream += rows * own;
        }
        for (int64_t p = 0; p < panels; p++) {
            sum_of_products<Pairs>(rows, terms, count, floats(a.d_x) + first * a.d_x.stride[0] + p * Columns, a.d_x.stride[0], smaller(Columns, I - p * Columns), streamed(a.d_x, a.rows * I));
            for (int64_t t = 0; t < count; t++) terms[t].panel += depth * Columns;
        }
        finish_streaming();
    });
}

// Columns of d_y, of one map, that a part of the gradients takes.
struct Run {
    const float* p;
    int64_t stride, width;
};

// Summed over blocks of tokens: the part's columns of d_y are packed for all panels of x, and each of these when its turn
// comes; the next block's columns are asked for meanwhile. What lies in a last tile beside its rows is never looked at.
void weight_gradient(const Args& a, const GradientRows& all, const GradientPart& part, float* slice) {
    const int64_t I = a.in_features, x_row = a.x.stride[0], sum_row = part.columns(), tiles = part.tiles();
    float *sums = slice, *panel = sums + LargestGroup * padded(I, PanelColumns), *upstream = panel + pairs(DepthBlock) * PanelColumns;
    Run runs[MEMGEN_MOST_MAPS];
    int64_t count = 0;
    for (int64_t r = 0; r < part.rows; r += runs[count++].width) {
        const Turned from = all.upstream(a, part.row + r);
        runs[count] = {from.p, from.stride, smaller(part.rows - r, all.before[all.owner(part.row + r) + 1] - part.row - r)};
    }
    for (int64_t m = 0; m < a.rows; m += DepthBlock) {
        const int64_t depth = smaller(DepthBlock, a.rows - m), next = m + DepthBlock, asked = next < a.rows ? smaller(DepthBlock, a.rows - next) : 0;
        float* to = upstream;
        for (int64_t i = 0; i < count; to += runs[i++].width) pack_depth(runs[i].p + m * runs[i].stride, runs[i].stride, depth, runs[i].width, to, LargestGroup);
        for (int64_t p = 0; p < part.panels; p++) {
            const int64_t column = (part.panel + p) * Columns;
            pack_panel(floats(a.x) + m * x_row + column, x_row, depth, smaller(Columns, I - column), panel);
            for (int64_t t = 0; t < tiles; t++) {
                const int64_t done = p * tiles + t;
                for (int64_t d = asked * done / (part.panels * tiles); d < asked * (done + 1) / (part.panels * tiles); d++)
                    for (int64_t i = 0; i < count; i++)
                        for (int64_t c = 0; c < runs[i].width; c += 16) __builtin_prefetch(runs[i].p + (next + d) * runs[i].stride + c, 0, 2);
                float* c = sums + t * TileRows * sum_row + p * Columns;
                (m == 0 ? product_tile<TileRows, 2, false, Turned, false, Pairs> : product_tile<TileRows, 2, true, Turned, false, Pairs>)(
                    pairs(depth), {upstream + t * TileRows, LargestGroup}, panel, Columns, c, 1.0f, c, sum_row);
            }
        }
    }
    part.hand_out(a, all, sums);
}

} // namespace

namespace MEMGEN_ISA {

void linear_forward_bfloat16(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    forward(a, scratch, LinearScratch(arena, a, false).weights);
}

void linear_backward_bfloat16(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const GradientRows all(a);
    if (a.d_x.data) input_gradient(a, scratch, LinearScratch(arena, a, true).weights);
    for_gradient_parts(a, all, scratch, [&](const GradientPart& part, float* slice) { weight_gradient(a, all, part, slice); });
}

} // namespace MEMGEN_ISA
} // namespace memgen
