// Linear maps by the tiles of AMX, which multiply bfloat16 numbers sixteen times as fast as vectors multiply floats.
//
// A float is the sum of three such numbers, each what the ones before it leave, rounded to the nearest. Of the nine
// products of two floats six are summed; the other three are below 2^-25 of the whole, less than what rounding a product
// of floats to a float loses. So products in float32 take six of these, and products in bfloat16 one.
#include "amx.h"
#include "bfloat16.h"
#include "linear_tiles.h"

#include <utility>

namespace memgen {
namespace {

typedef memgen_linear_args Args;

// Sixteen pairs as `Parts` vectors, PairWords apart: each the nearest in bfloat16 to what the ones before it leave.
// The last of three holds all that is left, so that nothing is cut off, nor a NaN's mark.
template <int Parts>
MEMGEN_INLINE void split(Vector former, Vector later, float* to) {
    if constexpr (Parts == 1) return store(to, beside(former, later));
    typedef uint32_t Bits __attribute__((vector_size(W * 4)));
    constexpr uint32_t Half = 0x8000, Kept = 0xFFFF0000;
#pragma GCC unroll 3
    for (int part = 0; part < Parts; part++, to += PairWords) {
        Bits low = (Bits)former, high = (Bits)later;
        if (part + 1 < Parts) low += Half, high += Half;
        store(to, (Vector)(low >> 16 | (high & Kept)));
        former -= (Vector)(low & Kept), later -= (Vector)(high & Kept);
    }
}

float* zeros(float* at, int64_t n) {
    __builtin_memset(at, 0, sizeof(float) * static_cast<size_t>(n));
    return at;
}

// n numbers where they lie or, with zeros after them up to `width`, in `room`.
const float* filled(const float* from, int64_t n, int64_t width, float* room) {
    if (n == width) return from;
    if (n > 0) __builtin_memcpy(room, from, sizeof(float) * static_cast<size_t>(n));
    zeros(room + n, width - n);
    return room;
}

// The order along a depth is free where both operands have the same. What a tile takes as a pair are neighbours where rows
// are rounded at once, and of three parts numbers half a step apart, which takes no shuffles along a row.
template <int Parts>
constexpr int64_t Apart = Parts == 1 ? 1 : TileSide;

// Up to 32 rows that lie along the depth, as two tiles for each part of each step: [steps, Parts, 2, tile]. fetch(r, room)
// is where a row lies with the zeros that fill its last step.
template <int Parts, class Fetch>
void pack_along(int64_t rows, int64_t steps, float* room, float* to, Fetch&& fetch) {
    const Vector zero = {};
    for (int64_t r = 0; r < TilePair; r++, to += TileSide) {
        const float* row = r < rows ? fetch(r, room) : nullptr;
        for (int64_t s = 0; s < steps; s++) {
            if (!row) {
                for (int part = 0; part < Parts; part++) store(to + (s * Parts + part) * PairWords, zero);
                continue;
            }
            const Vector first = load(row + s * TileDepth), second = load(row + s * TileDepth + W);
            if constexpr (Apart<Parts> == 1) store(to + s * PairWords, neighbours(first, second));
            else split<Parts>(first, second, to + s * Parts * PairWords);
        }
    }
}

// Rows across the depth, as two tiles for each part of each step of each pair of tiles: [groups, steps, Parts, 2, tile].
// fetch(d, room) is where row d lies with the zeros that fill its last pair.
template <int Parts, class Fetch>
void pack_across(int64_t depth, int64_t steps, int64_t groups, float* room, float* to, Fetch&& fetch) {
    const int64_t width = groups * TilePair;
    auto row = [&](int64_t d, float* at) { return d < depth ? fetch(d, at) : zeros(at, width); };
    for (int64_t s = 0; s < steps; s++, to += Parts * PairWords)
        for (int64_t d = 0; d < TileSide; d++) {
            const int64_t first = s * TileDepth + (Apart<Parts> == 1 ? 2 * d : d);
            const float *former = row(first, room), *later = row(first + Apart<Parts>, room + width);
            float* pair = to + d * TileSide;
            for (int64_t c = 0; c < width; c += TilePair, pair += steps * Parts * PairWords)
                for (int64_t i = 0; i < 2; i++) split<Parts>(load(former + c + i * W), load(later + c + i * W), pair + i * TileWords);
        }
}

// Each tile turned where it lies: what was packed as one operand is one for the other side of a product.
void turn(int64_t tiles, float* at) {
    for (int64_t i = 0; i < tiles; i++, at += TileWords) transpose_block(at, TileSide, at, TileSide);
}

// A square of sums, turned.
void turn_square(const float* from, float* to) {
    for (int64_t r = 0; r < TilePair; r += W)
        for (int64_t c = 0; c < TilePair; c += W) transpose_block(from + r * TilePair + c, TilePair, to + c * TilePair + r, TilePair);
}

template <int Tile>
MEMGEN_INLINE void load_pair(const float* p) {
    tile_load<Tile>(p, TileSide);
    tile_load<Tile + 1>(p + TileWords, TileSide);
}

// Every tile of sums 0 to 3 += its product of tiles 4, 5 and 6, 7.
MEMGEN_INLINE void multiply_pairs() {
    tile_multiply<0, 4, 6>();
    tile_multiply<1, 4, 7>();
    tile_multiply<2, 5, 6>();
    tile_multiply<3, 5, 7>();
}

// C [32, 32] = A B, or added to C. Of three parts those are multiplied whose numbers, 0 to 2, add up to 2 at most, in an
// order in which each step loads few tiles again. meanwhile(step) is called after each.
template <int Parts, class Meanwhile>
void multiply(bool onto, int64_t steps, const float* a, const float* b, float* c, int64_t c_row, Meanwhile&& meanwhile) {
    float* below = c + TileSide * c_row;
    if (onto) {
        tile_load<0>(c, c_row), tile_load<1>(c + TileSide, c_row);
        tile_load<2>(below, c_row), tile_load<3>(below + TileSide, c_row);
    } else tile_zero<0>(), tile_zero<1>(), tile_zero<2>(), tile_zero<3>();
    for (int64_t s = 0; s < steps; s++, a += Parts * PairWords, b += Parts * PairWords) {
        load_pair<4>(a);
        if constexpr (Parts == 3) {
            load_pair<6>(b + 2 * PairWords), multiply_pairs();
            load_pair<6>(b + PairWords), multiply_pairs();
            load_pair<4>(a + PairWords), multiply_pairs();
            load_pair<6>(b), multiply_pairs();
            load_pair<4>(a + 2 * PairWords), multiply_pairs();
            load_pair<4>(a), multiply_pairs();
        } else load_pair<6>(b), multiply_pairs();
        meanwhile(s);
    }
    tile_store<0>(c, c_row), tile_store<1>(c + TileSide, c_row);
    tile_store<2>(below, c_row), tile_store<3>(below + TileSide, c_row);
}

// Matrices side by side, or one below the other.
struct Joined : Sizes {
    memgen_tensor of[MEMGEN_MOST_MAPS] = {};

    void add(const memgen_tensor& x, int64_t size) {
        of[count] = x;
        Sizes::add(size);
    }

    // One below the other: row i of all.
    float* row(int64_t i) const {
        const int64_t n = owner(i);
        return floats(of[n]) + (i - before[n]) * of[n].stride[0];
    }

    // Side by side: asks for a pair of tiles' columns of these rows.
    void ask(int64_t row, int64_t rows, int64_t first) const {
        const int64_t n = owner(first), stride = of[n].stride[0];
        const float* at = floats(of[n]) + row * stride + first - before[n];
        for (; rows > 0; rows--, at += stride)
            for (int64_t c = 0; c < TilePair; c += TileSide) __builtin_prefetch(at + c, 0, 2);
    }

    // Side by side: columns first to first + width of a row as runs, body(run, where among them, how many).
    template <class Body>
    void for_runs(int64_t row, int64_t first, int64_t width, Body&& body) const {
        int64_t n = width > 0 ? owner(first) : 0;
        for (int64_t done = 0; done < width && n < count; n++) {
            const int64_t start = first + done - before[n], run = smaller(width - done, before[n + 1] - first - done);
            if (run > 0) body(floats(of[n]) + row * of[n].stride[0] + start, done, run);
            done += run;
        }
    }

    // These columns where they lie or, where they are of several or do not fill `width`, in `room`.
    const float* columns(int64_t row, int64_t first, int64_t count, int64_t width, float* room) const {
        if (count > 0)
            if (const int64_t n = owner(first); first + count <= before[n + 1]) return filled(floats(of[n]) + row * of[n].stride[0] + first - before[n], count, width, room);
        for_runs(row, first, count, [&](const float* from, int64_t at, int64_t run) { __builtin_memcpy(room + at, from, sizeof(float) * static_cast<size_t>(run)); });
        zeros(room + count, width - count);
        return room;
    }
};

// How many steps of all panels all rows meet before the next ones, so that these stay in a second-level cache and sums wait
// in the result; all at once where they would be few.
template <int Parts>
int64_t steps_together(int64_t steps, int64_t panels) {
    constexpr int64_t Fewest = 12, most = MostPanelWords / (Parts * PairWords);
    return panels * Fewest <= most ? parts(steps, larger(parts(steps * panels, most), 1)) : steps;
}

// out = left rows times panels, where out is matrices side by side and fetch(r, d, count, width, room) is what row r of the
// left operand has from column d on, with the zeros that fill its last step: what forward (x and W^T) and d_x (d_y and W)
// have in common.
template <int Parts, class Fetch>
void rows_by_panels(const Args& a, const Scratch& scratch, int64_t depth, const float* panels, const Joined& out, Fetch&& fetch) {
    const int64_t all = parts(depth, TileDepth), together = steps_together<Parts>(all, parts(out.total(), TilePair));
    int64_t begin = 0;
    do { // once without any depth too: the result is zero then
        const int64_t steps = smaller(together, all - begin), group = steps * Parts * PairWords, d = begin * TileDepth;
        for_row_blocks(a.rows, scratch.workers, [&](int64_t first, int64_t rows, int worker) {
            alignas(64) float edge[Square];
            float *room = reinterpret_cast<float*>(scratch.of(worker)), *left = room + steps * TileDepth;
            const int64_t groups = parts(rows, TilePair);
            for (int64_t g = 0; g < groups; g++)
                pack_along<Parts>(smaller(TilePair, rows - g * TilePair), steps, room, left + g * group,
                                  [&](int64_t r, float* to) { return fetch(first + g * TilePair + r, d, smaller(depth - d, steps * TileDepth), steps * TileDepth, to); });
            TileMode mode;
            for (int64_t c = 0; c < out.total(); c += TilePair) {
                const int64_t width = smaller(TilePair, out.total() - c), n = out.owner(c);
                const memgen_tensor& y = out.of[n];
                const bool past = steps == all && streamed(y, a.rows * (out.before[n + 1] - out.before[n])) && (c - out.before[n]) % W == 0, whole = c + TilePair <= out.before[n + 1];
                for (int64_t g = 0; g < groups; g++) {
                    const int64_t r = first + g * TilePair, height = smaller(TilePair, rows - g * TilePair);
                    const bool direct = whole && height == TilePair && !past;
                    float* tile = direct ? floats(y) + r * y.stride[0] + c - out.before[n] : edge;
                    auto for_edge = [&](auto&& body) {
                        for (int64_t i = 0; !direct && i < height; i++)
                            out.for_runs(r + i, c, width, [&](float* there, int64_t at, int64_t count) { body(there, edge + i * TilePair + at, sizeof(float) * static_cast<size_t>(count)); });
                    };
                    if (begin > 0) for_edge([](const float* there, float* here, size_t bytes) { __builtin_memcpy(here, there, bytes); });
                    multiply<Parts>(begin > 0, steps, left + g * group, panels + (c / TilePair * all + begin) * Parts * PairWords, tile, direct ? y.stride[0] : TilePair, [](int64_t) {});
                    if (!whole || !past) for_edge([](float* there, const float* here, size_t bytes) { __builtin_memcpy(there, here, bytes); });
                    else
                        for (int64_t i = 0; i < height; i++)
                            for (int64_t j = 0; j < TilePair; j += W) store(floats(y) + (r + i) * y.stride[0] + c - out.before[n] + j, load(edge + i * TilePair + j), Whole{}, past);
                }
            }
            finish_streaming();
        });
    } while ((begin += together) < all);
}

template <int Parts>
void forward(const Args& a, const Scratch& scratch, float* panels) {
    const int64_t I = a.in_features, steps = parts(I, TileDepth);
    Joined weights, y;
    for (int64_t i = 0; i < a.count; i++) weights.add(a.weights[i], a.out_features[i]), y.add(a.y[i], a.out_features[i]);
    for_items(parts(y.total(), TilePair), scratch.workers, [&](int64_t p, int worker) {
        float* to = panels + p * steps * Parts * PairWords;
        pack_along<Parts>(smaller(TilePair, y.total() - p * TilePair), steps, reinterpret_cast<float*>(scratch.of(worker)), to,
                          [&](int64_t r, float* room) { return filled(weights.row(p * TilePair + r), I, steps * TileDepth, room); });
        turn(steps * Parts * 2, to);
    });
    rows_by_panels<Parts>(a, scratch, I, panels, y, [&](int64_t r, int64_t d, int64_t count, int64_t width, float* room) { return filled(floats(a.x) + r * a.x.stride[0] + d, count, width, room); });
}

template <int Parts>
void input_gradient(const Args& a, const Scratch& scratch, float* panels) {
    const int64_t I = a.in_features;
    Joined weights, d_y, d_x;
    d_x.add(a.d_x, I);
    for (int64_t i = 0; i < a.count; i++)
        if (a.d_y[i].data) weights.add(a.weights[i], a.out_features[i]), d_y.add(a.d_y[i], a.out_features[i]);
    const int64_t depth = d_y.total(), steps = parts(depth, TileDepth);
    for_items(parts(I, TilePair), scratch.workers, [&](int64_t p, int worker) {
        pack_across<Parts>(depth, steps, 1, reinterpret_cast<float*>(scratch.of(worker)), panels + p * steps * Parts * PairWords,
                           [&](int64_t d, float* room) { return filled(weights.row(d) + p * TilePair, smaller(TilePair, I - p * TilePair), TilePair, room); });
    });
    rows_by_panels<Parts>(a, scratch, depth, panels, d_x, [&](int64_t r, int64_t d, int64_t count, int64_t width, float* room) { return d_y.columns(r, d, count, width, room); });
}

// d_W = d_y^T x, or its transpose: the left operand, which is turned and kept for all panels of the right one, is the
// narrower of both. Summed over blocks of tokens; a panel is packed when its turn comes, and the next one asked for meanwhile.
template <int Parts>
void weight_gradient(const Args& a, const Scratch& scratch) {
    const GradientRows all(a);
    Joined x, d_y, d_w;
    x.add(a.x, a.in_features);
    for (int64_t i = 0; i < all.count; i++) d_y.add(a.d_y[all.maps[i]], a.out_features[all.maps[i]]), d_w.add(a.d_weights[all.maps[i]], a.out_features[all.maps[i]]);
    const bool transposed = x.total() < d_y.total();
    const Joined &left = transposed ? x : d_y, &right = transposed ? d_y : x;
    const int64_t heights = parts(left.total(), TilePair), widths = parts(right.total(), TilePair), workers = scratch.workers;
    if (heights == 0) return;
    // As many squares to a part as a cache holds, or fewer along its longer side where that deals evenly.
    int64_t rows = parts(heights, MostHeights), columns = parts(widths * parts(heights, rows), MostSquares);
    while (rows * columns % workers != 0 && rows * columns < smaller(4 * workers, heights * widths)) ++(heights * columns > widths * rows ? rows : columns);
    for_items(rows * columns, scratch.workers, [&](int64_t index, int worker) {
        const int64_t row = index / columns, column = index % columns, top = heights * row / rows, height = heights * (row + 1) / rows - top;
        const int64_t first = widths * column / columns, width = widths * (column + 1) / columns - first;
        float *sums = reinterpret_cast<float*>(scratch.of(worker)), *room = sums + height * width * Square, *panel = room + 2 * height * TilePair, *turned = panel + tile_words(DepthBlock);
        auto pack = [&](const Joined& from, int64_t m, int64_t depth, int64_t pair, int64_t count, float* to) {
            const int64_t begin = pair * TilePair, end = begin + count * TilePair, some = smaller(end, from.total()) - begin, n = from.owner(begin), stride = from.of[n].stride[0];
            const float* where = end <= from.before[n + 1] ? floats(from.of[n]) + m * stride + begin - from.before[n] : nullptr;
            pack_across<Parts>(depth, parts(depth, TileDepth), count, room, to, [&](int64_t d, float* at) { return where ? where + d * stride : from.columns(m + d, begin, some, end - begin, at); });
        };
        TileMode mode;
        for (int64_t m = 0; m < a.rows; m += DepthBlock) {
            const int64_t depth = smaller(DepthBlock, a.rows - m), steps = parts(depth, TileDepth), group = steps * Parts * PairWords;
            pack(left, m, depth, top, height, turned);
            turn(height * steps * Parts * 2, turned);
            for (int64_t p = 0; p < width; p++) {
                pack(right, m, depth, first + p, 1, panel);
                const int64_t from = p + 1 < width ? m : m + DepthBlock, next = first + (p + 1) % width, asked = larger(0, smaller(DepthBlock, a.rows - from));
                for (int64_t g = 0; g < height; g++)
                    multiply<Parts>(m > 0, steps, turned + g * group, panel, sums + (p * height + g) * Square, TilePair, [&](int64_t s) {
                        const int64_t begin = asked * (g * steps + s) / (height * steps), end = asked * (g * steps + s + 1) / (height * steps);
                        right.ask(from + begin, end - begin, next * TilePair);
                    });
            }
        }
        for (int64_t i = 0; i < height * width; i++) {
            alignas(64) float other[Square];
            const float* square = sums + i * Square;
            int64_t r = (top + i % height) * TilePair, c = (first + i / height) * TilePair;
            if (transposed) turn_square(square, other), square = other, std::swap(r, c);
            for (int64_t n = 0; n < smaller(TilePair, d_w.total() - r); n++) __builtin_memcpy(d_w.row(r + n) + c, square + n * TilePair, sizeof(float) * static_cast<size_t>(smaller(TilePair, a.in_features - c)));
        }
    });
}

} // namespace

namespace MEMGEN_ISA {

void linear_forward_amx(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    (a.products == MEMGEN_FLOAT32 ? forward<3> : forward<1>)(a, scratch, LinearScratch(arena, a, false).weights);
}

void linear_backward_amx(const Args& a, const Scratch& scratch) {
    const bool exact = a.products == MEMGEN_FLOAT32;
    Arena arena{scratch.shared};
    if (a.d_x.data) (exact ? input_gradient<3> : input_gradient<1>)(a, scratch, LinearScratch(arena, a, true).weights);
    (exact ? weight_gradient<3> : weight_gradient<1>)(a, scratch);
}

} // namespace MEMGEN_ISA
} // namespace memgen
