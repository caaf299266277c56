// Attention, backward: weights are formed again from the scores and the logs that forward left,
//   p = 2^(score - log),  ds = p (<d_o, v> - <d_o, o>),  d_q = scale sum ds k,  d_k = scale sum ds q,  d_v = sum p d_o.
// One item is a key head of a row: it takes its queries one tile after the other, so that the gradients of
// its keys are added up in one order whoever does it.
#include "attention_tile.h"

namespace memgen {
namespace {

// to [n, width] += from, rows of a packed tile.
inline void add_rows(const float* from, int64_t from_row, int64_t n, int64_t width, float* to, int64_t to_row) {
    for (int64_t r = 0; r < n; r++)
        for_vectors(width, [&](int64_t i, auto extent) { store(to + r * to_row + i, load(to + r * to_row + i, extent) + load(from + r * from_row + i, extent), extent); });
}

inline void clear_rows(float* x, int64_t row, int64_t n, int64_t width) {
    for (int64_t r = 0; x && r < n; r++) __builtin_memset(x + r * row, 0, sizeof(float) * static_cast<size_t>(width));
}

inline void read_tile(const AttentionArgs& a, const QueryTile& tile, const AttentionBackwardScratch& s) {
    const int64_t columns = tile.columns();
    const float factor = static_cast<float>(a.scale * Log2E), scale = static_cast<float>(a.scale);
    pack_turned(tile, a.q, a.key_dim, factor, s.queries);
    pack_rows(tile, a.q, a.key_dim, s.key_width, scale, s.rows);
    if (a.prefix > 0 && a.prefix_q.data) {
        pack_turned(tile, a.prefix_q, a.key_dim, factor, s.prefix_queries);
        pack_rows(tile, a.prefix_q, a.key_dim, s.key_width, scale, s.prefix_rows);
    }
    pack_turned(tile, a.d_o, a.value_dim, 1.0f, s.turned);
    pack_rows(tile, a.d_o, a.value_dim, s.value_width, 1.0f, s.d_outputs);
    for (int64_t i = 0; i < columns; i += W) store(s.logs + i, Vector{}), store(s.inner + i, Vector{});
    for (int64_t h = 0; h < tile.heads; h++)
        for (int64_t i = 0; i < tile.n; i++) {
            s.logs[h * tile.lanes + i] = a.logs[tile.log_index(a, h, i)];
            s.inner[h * tile.lanes + i] = dot(tile.row(a.d_o, h, i), tile.row(a.o, h, i), a.value_dim);
        }
    for (int64_t i = 0; i < columns * s.key_width; i += W) {
        store(s.d_rows + i, Vector{});
        if (s.d_prefix != s.d_rows) store(s.d_prefix + i, Vector{});
    }
}

// scores become weights, and d_scores, which hold <d_o, v>, gradients of scores.
inline void weigh(int64_t n, int64_t columns, const AttentionBackwardScratch& s) {
    for (int64_t c = 0; c < columns; c += W) {
        const Vector log = load(s.logs + c), inner = load(s.inner + c);
        for (int64_t x = 0; x < n; x++) {
            const int64_t i = x * columns + c;
            const Vector p = power_of_two(load(s.scores + i) - log);
            store(s.scores + i, p);
            store(s.d_scores + i, p * (load(s.d_scores + i) - inner));
        }
    }
}

inline void backward_tile(const AttentionArgs& a, const QueryTile& tile, const AttentionBackwardScratch& s) {
    const int64_t columns = tile.columns();
    read_tile(a, tile, s);
    for (int kind = 0; kind < Kinds; kind++) {
        const KeyRows keys = key_rows(a, static_cast<Kind>(kind), tile.b, tile.key_head);
        if (keys.count == 0) continue;
        const Band seen = band(a, static_cast<Kind>(kind), tile);
        float *rows = keys.own_queries ? s.prefix_rows : s.rows, *d_rows = keys.own_queries ? s.d_prefix : s.d_rows;
        for (int64_t x = 0; seen.first + x < seen.end; x += KeyTile) {
            const int64_t key = seen.first + x, n = smaller(KeyTile, seen.end - key), n16 = padded(n, 16);
            const Rows k = dense(keys.k + key * keys.k_row, keys.k_row, n, a.key_dim, s.key_width, s.keys);
            const Rows v = dense(keys.v + key * keys.v_row, keys.v_row, n, a.value_dim, s.value_width, s.values);
            score(a, keys, seen, tile, x, n, k, keys.own_queries ? s.prefix_queries : s.queries, s.scores);
            product(n16, columns, a.value_dim, ByRows{v.p, v.stride}, s.turned, columns, s.d_scores, columns);
            weigh(n16, columns, s);
            product_onto(d_rows, 1.0f, columns, s.key_width, n, Turned{s.d_scores, columns}, k.p, k.stride, d_rows, s.key_width);
            if (keys.d_k) {
                product(n16, s.key_width, columns, ByRows{s.d_scores, columns}, rows, s.key_width, s.tile, s.key_width);
                add_rows(s.tile, s.key_width, n, a.key_dim, keys.d_k + key * keys.d_k_row, keys.d_k_row);
            }
            if (keys.d_v) {
                product(n16, s.value_width, columns, ByRows{s.scores, columns}, s.d_outputs, s.value_width, s.tile, s.value_width);
                add_rows(s.tile, s.value_width, n, a.value_dim, keys.d_v + key * keys.d_v_row, keys.d_v_row);
            }
        }
    }
    const Vector scale = splat(static_cast<float>(a.scale));
    auto write = [&](const memgen_tensor& d, const float* from) {
        for (int64_t h = 0; d.data && h < tile.heads; h++)
            for (int64_t i = 0; i < tile.n; i++) {
                float* out = tile.row(d, h, i);
                const float* row = from + (h * tile.lanes + i) * s.key_width;
                for_vectors(a.key_dim, [&](int64_t c, auto extent) { store(out + c, scale * load(row + c, extent), extent); });
            }
    };
    write(a.d_q, s.d_rows);
    if (a.prefix_q.data) write(a.d_prefix_q, s.d_prefix);
}

} // namespace

namespace MEMGEN_ISA {

void segment_attention_backward(const AttentionArgs& a, const Scratch& scratch) {
    const QueryTiles tiles(a);
    for_items(a.batch * a.key_heads, scratch.workers, [&](int64_t item, int worker) {
        Arena arena{scratch.of(worker)};
        const AttentionBackwardScratch s(arena, a);
        for (int kind = 0; kind < Kinds; kind++) {
            const KeyRows keys = key_rows(a, static_cast<Kind>(kind), item / a.key_heads, item % a.key_heads);
            clear_rows(keys.d_k, keys.d_k_row, keys.count, a.key_dim);
            clear_rows(keys.d_v, keys.d_v_row, keys.count, a.value_dim);
        }
        for (int64_t i = 0; i < tiles.per_key_head(); i++) backward_tile(a, tiles[item * tiles.per_key_head() + i], s);
    });
}

} // namespace MEMGEN_ISA
} // namespace memgen
