// Tiles of attention: queries side by side in lanes, keys one after the other, so that the softmax of many
// queries is one loop over keys without sums across lanes, and keys and values are read as they lie.
#pragma once
#include "attention_layout.h"
#include "kernels.h"
#include "matrix.h"
#include "powers.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_segment_attention_args AttentionArgs;

constexpr float NothingSeen = -__builtin_inff();

// Queries t .. t + n of heads head .. head + heads, which share a key head; every head has `lanes` columns.
struct QueryTile {
    int64_t b, key_head, head, heads, t, n, lanes;

    int64_t columns() const { return heads * lanes; }
    float* row(const memgen_tensor& x, int64_t h, int64_t i) const { return floats(x) + b * x.stride[0] + (t + i) * x.stride[1] + (head + h) * x.stride[2]; }
    int64_t log_index(const AttentionArgs& a, int64_t h, int64_t i) const { return (b * a.tokens + t + i) * a.heads + head + h; }
};

// How the queries of a call are cut: by row, key head, group of its query heads, and time.
struct QueryTiles {
    int64_t groups, steps;
    const AttentionArgs& a;

    explicit QueryTiles(const AttentionArgs& a) : groups(tile_heads(a) ? (heads_per_key(a) + tile_heads(a) - 1) / tile_heads(a) : 0), steps((a.tokens + tile_lanes(a) - 1) / tile_lanes(a)), a(a) {}

    int64_t per_key_head() const { return groups * steps; }
    int64_t count() const { return a.batch * a.key_heads * per_key_head(); }
    QueryTile operator[](int64_t i) const {
        const int64_t step = i % steps, group = i / steps % groups, g = i / per_key_head() % a.key_heads, b = i / per_key_head() / a.key_heads;
        const int64_t repeat = heads_per_key(a), first = group * tile_heads(a), lanes = tile_lanes(a), t = step * lanes;
        const int64_t heads = repeat - first < tile_heads(a) ? repeat - first : tile_heads(a), n = a.tokens - t < lanes ? a.tokens - t : lanes;
        return {b, g, g * repeat + first, heads, t, n, lanes};
    }
};

enum Kind { Prefix, Slots, Fading, Window, Kinds };

// Keys of one kind, of one row and key head.
struct KeyRows {
    const float *k, *v;
    float *d_k, *d_v; // null: not wanted
    int64_t count, k_row, v_row, d_k_row, d_v_row;
    const uint8_t* present; // [count] nullable
    bool own_queries;
};

inline KeyRows key_rows(const AttentionArgs& a, Kind kind, int64_t b, int64_t g) {
    const memgen_tensor *k = nullptr, *v = nullptr, *d_k = nullptr, *d_v = nullptr;
    KeyRows rows{};
    switch (kind) {
    case Prefix: rows.count = a.prefix, k = &a.prefix_k, v = &a.prefix_v, d_k = &a.d_prefix_k, d_v = &a.d_prefix_v, rows.own_queries = a.prefix_q.data; break;
    case Slots:
        rows.count = a.chunks * a.slots, k = &a.slot_k, v = &a.slot_v, d_k = &a.d_slot_k, d_v = &a.d_slot_v;
        rows.present = a.present ? a.present + b * rows.count : nullptr;
        break;
    case Fading: rows.count = a.fading_count > 0 ? a.fading_past + a.tokens : 0, k = &a.fading_k, v = &a.fading_v, d_k = &a.d_fading_k, d_v = &a.d_fading_v; break;
    default: rows.count = a.blocked || a.window > 0 ? a.keys_per_token * (a.past + a.tokens) : 0, k = &a.k, v = &a.v, d_k = &a.d_k, d_v = &a.d_v; break;
    }
    auto first = [&](const memgen_tensor& x) { return x.data ? floats(x) + b * x.stride[0] + g * x.stride[2] : nullptr; };
    rows.k = first(*k), rows.v = first(*v), rows.d_k = first(*d_k), rows.d_v = first(*d_v);
    rows.k_row = k->stride[1], rows.v_row = v->stride[1], rows.d_k_row = d_k->stride[1], rows.d_v_row = d_v->stride[1];
    return rows;
}

// Which keys each query of a tile sees: a run, or every `stride`-th of one, counted from `first`.
struct Band {
    int64_t first, end;                        // all that any query sees
    int32_t lowest, highest;                   // what all queries see, counted from first
    int32_t low[MostLanes], high[MostLanes];   // what a query sees; lanes without a query see all
    int32_t phase[MostLanes];
    int64_t stride;

    // Keys from x to x + n, counted from first.
    bool whole(int64_t x, int64_t n) const { return lowest <= x && highest >= x + n - 1 && stride == 1; }
};

inline Band band(const AttentionArgs& a, Kind kind, const QueryTile& tile) {
    const int64_t read = a.read ? a.read[tile.b] : 0, known = a.lengths ? a.lengths[tile.b] : INT64_MAX;
    int64_t low[MostLanes], high[MostLanes];
    Band band;
    band.stride = kind == Fading ? a.fading_stride : 1;
    for (int64_t i = 0; i < tile.n; i++) {
        const int64_t t = tile.t + i, chunk = a.chunk > 0 ? (read + t) / a.chunk : 0;
        const int64_t first = a.blocked ? (chunk - 1) * a.chunk - read : t - smaller(a.window, int64_t(1) << 40) + 1;
        switch (kind) {
        case Prefix: low[i] = 0, high[i] = a.prefix - 1; break;
        case Slots: low[i] = chunk * a.slots, high[i] = low[i] + a.slots - 1; break;
        case Fading: {
            const int64_t last = a.fading_offset >= 0 ? t - a.fading_offset : first - 1, begin = -smaller(a.fading_past, known);
            const int64_t count = smaller(a.fading_count, larger(0, last - begin) / a.fading_stride + 1);
            low[i] = larger(last - (count - 1) * a.fading_stride, begin) + a.fading_past, high[i] = last + a.fading_past;
            break;
        }
        default: low[i] = a.keys_per_token * (larger(first, -smaller(a.past, known)) + a.past), high[i] = a.keys_per_token * (t + a.past + 1) - 1; break;
        }
    }
    band.first = INT64_MAX, band.end = 0; // of no keys: a loop from one to the other does nothing
    for (int64_t i = 0; i < tile.n; i++)
        if (low[i] <= high[i]) band.first = smaller(band.first, low[i]), band.end = larger(band.end, high[i] + 1);
    band.lowest = INT32_MIN, band.highest = INT32_MAX;
    for (int64_t i = 0; i < tile.lanes; i++) {
        const bool query = i < tile.n, some = query && low[i] <= high[i];
        band.low[i] = some ? static_cast<int32_t>(low[i] - band.first) : query ? 1 : INT32_MIN;
        band.high[i] = some ? static_cast<int32_t>(high[i] - band.first) : query ? 0 : INT32_MAX;
        band.phase[i] = some ? static_cast<int32_t>((high[i] - band.first) % band.stride) : 0;
        if (band.low[i] > band.lowest) band.lowest = band.low[i];
        if (band.high[i] < band.highest) band.highest = band.high[i];
    }
    return band;
}

// scores = -inf where a query does not see a key: keys x .. x + n of the band, rows n .. n16 of none.
inline void hide(const Band& band, const uint8_t* present, const QueryTile& tile, int64_t x, int64_t n, float* scores) {
    const int64_t columns = tile.columns(), rows = padded(n, 16);
    const Vector hidden = splat(NothingSeen);
    for (int64_t r = 0; r < rows; r++) {
        float* row = scores + r * columns;
        if (r >= n || (present && !present[band.first + x + r])) {
            for (int64_t c = 0; c < columns; c += W) store(row + c, hidden);
            continue;
        }
        const VectorInt key = static_cast<int32_t>(x + r) - VectorInt{}, phase = static_cast<int32_t>((x + r) % band.stride) - VectorInt{};
        for (int64_t i = 0; i < tile.lanes; i += W) {
            VectorInt low, high, own;
            __builtin_memcpy(&low, band.low + i, sizeof low);
            __builtin_memcpy(&high, band.high + i, sizeof high);
            __builtin_memcpy(&own, band.phase + i, sizeof own);
            VectorInt seen = (low <= key) & (high >= key);
            if (band.stride > 1) seen &= own == phase;
            for (int64_t h = 0; h < tile.heads; h++) {
                float* at = row + h * tile.lanes + i;
                store(at, seen ? load(at) : hidden);
            }
        }
    }
}

// Rows as a product takes them: where they lie, or copied, with zeros behind their last number and row.
struct Rows {
    const float* p;
    int64_t stride;
};

inline Rows dense(const float* x, int64_t stride, int64_t n, int64_t width, int64_t padded_width, float* copy) {
    if (n % 16 == 0 && width == padded_width) return {x, stride};
    for (int64_t r = 0; r < padded(n, 16); r++)
        for_vectors(padded_width, [&](int64_t i, auto) {
            const int64_t left = r < n ? width - i : 0;
            store(copy + r * padded_width + i, left >= W ? load(x + r * stride + i) : left > 0 ? load_part(x + r * stride + i, left) : Vector{});
        });
    return {copy, padded_width};
}

// to [width, columns] = factor * the tile's rows, turned; zeros in lanes without a query.
inline void pack_turned(const QueryTile& tile, const memgen_tensor& x, int64_t width, float factor, float* to) {
    const int64_t columns = tile.columns();
    for (int64_t h = 0; h < tile.heads; h++) {
        float* head = to + h * tile.lanes;
        transpose(tile.row(x, h, 0), x.stride[1], tile.n, width, head, columns);
        for (int64_t c = 0; c < width; c++)
            for (int64_t i = tile.n; i < tile.lanes; i++) head[c * columns + i] = 0.0f;
    }
    for (int64_t i = 0; i < width * columns; i += W) store(to + i, splat(factor) * load(to + i));
}

// to [columns, padded width] = factor * the tile's rows; zeros where there are none.
inline void pack_rows(const QueryTile& tile, const memgen_tensor& x, int64_t width, int64_t padded_width, float factor, float* to) {
    for (int64_t h = 0; h < tile.heads; h++)
        for (int64_t i = 0; i < tile.lanes; i++) {
            float* out = to + (h * tile.lanes + i) * padded_width;
            const float* in = i < tile.n ? tile.row(x, h, i) : nullptr;
            for_vectors(padded_width, [&](int64_t c, auto) {
                const int64_t left = in ? width - c : 0;
                store(out + c, left >= W ? splat(factor) * load(in + c) : left > 0 ? splat(factor) * load_part(in + c, left) : Vector{});
            });
        }
}

// scores [n16, columns] of keys x .. x + n of a band, in powers of two.
inline void score(const AttentionArgs& a, const KeyRows& keys, const Band& band, const QueryTile& tile, int64_t x, int64_t n, const Rows& k, const float* queries, float* scores) {
    product(padded(n, 16), tile.columns(), a.key_dim, ByRows{k.p, k.stride}, queries, tile.columns(), scores, tile.columns());
    if (n % 16 != 0 || keys.present || !band.whole(x, n)) hide(band, keys.present, tile, x, n, scores);
}

} // namespace
} // namespace memgen
