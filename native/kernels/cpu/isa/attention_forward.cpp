// Attention, forward: every tile of queries meets its keys of all kinds in one pass, with the largest score
// and the sum of weights so far; what was gathered shrinks when a larger score appears. A call of few
// queries, as in decoding, takes them one by one.
#include "attention_tile.h"

namespace memgen {
namespace {

// Turns scores into weights and adds them up. Columns are independent; order is that of the keys.
inline void weigh(int64_t n, int64_t columns, float* scores, const AttentionForwardScratch& s) {
    for (int64_t c = 0; c < columns; c += W) {
        float* column = scores + c;
        Vector before = load(s.top + c), a = before, b = before;
        for (int64_t x = 0; x < n; x += 2) {
            a = maximum(a, load(column + x * columns));
            b = maximum(b, load(column + (x + 1) * columns));
        }
        const Vector top = maximum(a, b), hidden = splat(NothingSeen), base = top == hidden ? Vector{} : top;
        Vector first = {}, second = {};
        for (int64_t x = 0; x < n; x += 2) {
            Vector p = power_of_two(load(column + x * columns) - base), q = power_of_two(load(column + (x + 1) * columns) - base);
            store(column + x * columns, p), store(column + (x + 1) * columns, q);
            first += p, second += q;
        }
        const Vector shrink = power_of_two(before - base);
        store(s.top + c, top), store(s.shrink + c, shrink);
        store(s.sum + c, load(s.sum + c) * shrink + (first + second));
    }
}

// o and log of one query.
inline void write(const AttentionArgs& a, const QueryTile& tile, int64_t h, int64_t i, const float* outputs, float top, float sum) {
    float* o = tile.row(a.o, h, i);
    const Vector inverse = splat(sum == 0.0f ? 0.0f : 1.0f / sum);
    for_vectors(a.value_dim, [&](int64_t x, auto extent) { store(o + x, inverse * load(outputs + x, extent), extent); });
    if (a.logs) a.logs[tile.log_index(a, h, i)] = sum == 0.0f ? 0.0f : top + __builtin_log2f(sum);
}

inline void forward_tile(const AttentionArgs& a, const QueryTile& tile, const AttentionForwardScratch& s) {
    const int64_t columns = tile.columns();
    const float factor = static_cast<float>(a.scale * Log2E);
    pack_turned(tile, a.q, a.key_dim, factor, s.queries);
    if (a.prefix > 0 && a.prefix_q.data) pack_turned(tile, a.prefix_q, a.key_dim, factor, s.prefix_queries);
    for (int64_t i = 0; i < columns; i += W) store(s.top + i, splat(NothingSeen)), store(s.sum + i, Vector{});
    for (int64_t i = 0; i < columns * s.value_width; i += W) store(s.outputs + i, Vector{});
    for (int kind = 0; kind < Kinds; kind++) {
        const KeyRows keys = key_rows(a, static_cast<Kind>(kind), tile.b, tile.key_head);
        if (keys.count == 0) continue;
        const Band seen = band(a, static_cast<Kind>(kind), tile);
        for (int64_t x = 0; seen.first + x < seen.end; x += KeyTile) {
            const int64_t key = seen.first + x, n = smaller(KeyTile, seen.end - key);
            const Rows k = dense(keys.k + key * keys.k_row, keys.k_row, n, a.key_dim, s.key_width, s.keys);
            const Rows v = dense(keys.v + key * keys.v_row, keys.v_row, n, a.value_dim, s.value_width, s.values);
            score(a, keys, seen, tile, x, n, k, keys.own_queries ? s.prefix_queries : s.queries, s.scores);
            weigh(padded(n, 16), columns, s.scores, s);
            for (int64_t r = 0; r < columns; r++) {
                if (s.shrink[r] == 1.0f) continue;
                const Vector shrink = splat(s.shrink[r]);
                for (int64_t i = r * s.value_width; i < (r + 1) * s.value_width; i += W) store(s.outputs + i, shrink * load(s.outputs + i));
            }
            product_onto(s.outputs, 1.0f, columns, s.value_width, n, Turned{s.scores, columns}, v.p, v.stride, s.outputs, s.value_width);
        }
    }
    for (int64_t h = 0; h < tile.heads; h++)
        for (int64_t i = 0; i < tile.n; i++) {
            const int64_t c = h * tile.lanes + i;
            write(a, tile, h, i, s.outputs + c * s.value_width, s.top[c], s.sum[c]);
        }
}

constexpr int64_t FewQueries = 4; // most of the lanes of a tile would stand empty

// One query: lanes are features, and every score is a sum across them.
inline void forward_query(const AttentionArgs& a, const QueryTile& tile, int64_t h, int64_t i, const Band* bands, const AttentionForwardScratch& s) {
    const float factor = static_cast<float>(a.scale * Log2E);
    float top = NothingSeen, sum = 0.0f;
    for (int64_t c = 0; c < s.value_width; c += W) store(s.outputs + c, Vector{});
    for (int kind = 0; kind < Kinds; kind++) {
        const KeyRows keys = key_rows(a, static_cast<Kind>(kind), tile.b, tile.key_head);
        const Band& seen = bands[kind];
        if (keys.count == 0 || seen.low[i] > seen.high[i]) continue;
        const float* q = tile.row(keys.own_queries ? a.prefix_q : a.q, h, i);
        const int64_t last = seen.first + seen.high[i];
        int64_t key = last - (seen.high[i] - seen.low[i]) / seen.stride * seen.stride, at[KeyTile];
        while (key <= last) {
            int64_t n = 0;
            float largest_score = top;
            for (; n < KeyTile && key <= last; key += seen.stride) {
                if (keys.present && !keys.present[key]) continue;
                const float score = factor * dot(q, keys.k + key * keys.k_row, a.key_dim);
                if (score > largest_score) largest_score = score;
                s.scores[n] = score, at[n++] = key;
            }
            for (int64_t x = n; x < padded(n, W); x++) s.scores[x] = NothingSeen;
            const Vector base = splat(largest_score == NothingSeen ? 0.0f : largest_score);
            Vector weights = {};
            for (int64_t x = 0; x < n; x += W) {
                Vector p = power_of_two(load(s.scores + x) - base);
                store(s.scores + x, p);
                weights += p;
            }
            const float shrink = power_of_two(splat(top) - base)[0];
            top = largest_score, sum = sum * shrink + memgen::sum(weights);
            for (int64_t c = 0; shrink != 1.0f && c < s.value_width; c += W) store(s.outputs + c, splat(shrink) * load(s.outputs + c));
            for (int64_t x = 0; x < n; x++) {
                const float* v = keys.v + at[x] * keys.v_row;
                const Vector p = splat(s.scores[x]);
                for_vectors(a.value_dim, [&](int64_t c, auto extent) { store(s.outputs + c, load(s.outputs + c) + p * load(v + c, extent)); });
            }
        }
    }
    write(a, tile, h, i, s.outputs, top, sum);
}

inline void forward_few(const AttentionArgs& a, const QueryTile& tile, const AttentionForwardScratch& s) {
    Band bands[Kinds];
    for (int kind = 0; kind < Kinds; kind++)
        if (key_rows(a, static_cast<Kind>(kind), tile.b, tile.key_head).count > 0) bands[kind] = band(a, static_cast<Kind>(kind), tile);
    for (int64_t h = 0; h < tile.heads; h++)
        for (int64_t i = 0; i < tile.n; i++) forward_query(a, tile, h, i, bands, s);
}

} // namespace

namespace MEMGEN_ISA {

void segment_attention_forward(const AttentionArgs& a, const Scratch& scratch) {
    const QueryTiles tiles(a);
    if (a.value_dim == 0 && !a.logs) return;
    for_items(tiles.count(), scratch.workers, [&](int64_t item, int worker) {
        Arena arena{scratch.of(worker)};
        const AttentionForwardScratch s(arena, a);
        a.tokens <= FewQueries ? forward_few(a, tiles[item], s) : forward_tile(a, tiles[item], s);
    });
}

} // namespace MEMGEN_ISA
} // namespace memgen
