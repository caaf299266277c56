// Linear maps of the same rows, forward and backward: register tiles over operands packed into panels.
#include "linear_tiles.h"

namespace memgen {
namespace {

typedef memgen_linear_args Args;

// Columns of [rows, width] as a panel; those that do not exist are zero.
void pack(const float* from, int64_t row, int64_t rows, int64_t width, float* to) {
    for (int64_t r = 0; r < rows; r++, from += row, to += Columns) {
        if (width == Columns) store(to, load(from)), store(to + W, load(from + W));
        else
            for (int64_t c = 0; c < Columns; c++) to[c] = c < width ? from[c] : 0.0f;
    }
}

void forward(const Args& a, const LinearScratch& s, int workers) {
    const int64_t I = a.in_features, panel = I * Columns, panels = count_pieces(a, Columns);
    for_items(panels, workers, [&](int64_t index, int) {
        Piece p(a, index, Columns);
        float* to = s.weights + index * panel;
        if (p.width < Columns && I > 0) __builtin_memset(to, 0, sizeof(float) * static_cast<size_t>(panel));
        transpose(floats(a.weights[p.map]) + p.first * a.weights[p.map].stride[0], a.weights[p.map].stride[0], p.width, I, to, Columns);
    });
    for_row_blocks(a.rows, workers, [&](int64_t first, int64_t rows, int) {
        Term term = {{floats(a.x) + first * a.x.stride[0], a.x.stride[0]}, I, s.weights};
        for (int64_t i = 0; i < a.count; i++)
            for (int64_t o = 0; o < a.out_features[i]; o += Columns, term.panel += panel)
                sum_of_products<Floats>(rows, &term, 1, floats(a.y[i]) + first * a.y[i].stride[0] + o, a.y[i].stride[0], smaller(Columns, a.out_features[i] - o),
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
    for_row_blocks(a.rows, workers, [&](int64_t first, int64_t rows, int) {
        for (int64_t p = 0; p < panels; p++) {
            Term terms[MEMGEN_MOST_MAPS];
            int64_t count = 0;
            const float* from = s.weights + p * depth * Columns;
            for (int64_t i = 0; i < a.count; from += a.out_features[i++] * Columns)
                if (a.d_y[i].data) terms[count++] = {{floats(a.d_y[i]) + first * a.d_y[i].stride[0], a.d_y[i].stride[0]}, a.out_features[i], from};
            sum_of_products<Floats>(rows, terms, count, floats(a.d_x) + first * a.d_x.stride[0] + p * Columns, a.d_x.stride[0], smaller(Columns, I - p * Columns),
                            streamed(a.d_x, a.rows * I));
        }
        finish_streaming();
    });
}

// Summed over blocks of tokens. A panel of x is packed when its turn comes, and the next one asked for meanwhile; d_y is
// read as it lies, except in the tiles that are of several maps or end the last one.
void weight_gradient(const Args& a, const GradientRows& all, const GradientPart& part, float* slice) {
    const int64_t I = a.in_features, x_row = a.x.stride[0], sum_row = part.columns(), tiles = part.tiles();
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
    part.hand_out(a, all, sums);
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

// Whether operands are rounded; only builds with W of 16 can.
bool in_bfloat16(const Args& a) { return a.products == MEMGEN_BFLOAT16 && memgen_multiplies_bfloat16(); }

// Floats are split into three for every call, weights too, which fewer rows do not make up for.
bool in_tiles(const Args& a) {
    constexpr int64_t FewForFloats = 64;
    return multiplies_in_tiles() && (a.products == MEMGEN_BFLOAT16 || a.rows >= FewForFloats);
}

} // namespace

namespace MEMGEN_ISA {

void linear_forward(const Args& a, const Scratch& scratch) {
    if (a.rows < FewRows) return forward_few(a, scratch.workers);
    if constexpr (W == 16) {
        if (in_tiles(a)) return linear_forward_amx(a, scratch);
        if (in_bfloat16(a)) return linear_forward_bfloat16(a, scratch);
    }
    Arena arena{scratch.shared};
    forward(a, LinearScratch(arena, a, false), scratch.workers);
}

void linear_backward(const Args& a, const Scratch& scratch) {
    bool upstream = false;
    for (int64_t i = 0; i < a.count; i++) {
        if (a.d_y[i].data) upstream = true;
        else if (a.d_weights[i].data) clear(a.d_weights[i], a.out_features[i], a.in_features);
    }
    if (!upstream) {
        if (a.d_x.data) clear(a.d_x, a.rows, a.in_features);
        return;
    }
    if (a.rows < FewRows) return backward_few(a);
    if constexpr (W == 16) {
        if (in_tiles(a)) return linear_backward_amx(a, scratch);
        if (in_bfloat16(a)) return linear_backward_bfloat16(a, scratch);
    }
    Arena arena{scratch.shared};
    const GradientRows all(a);
    if (a.d_x.data) input_gradient(a, LinearScratch(arena, a, true), scratch.workers);
    for_gradient_parts(a, all, scratch, [&](const GradientPart& part, float* slice) { weight_gradient(a, all, part, slice); });
}

} // namespace MEMGEN_ISA
} // namespace memgen
