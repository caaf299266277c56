// Scratch of attention: one tile of queries, their lanes side by side, and one tile of keys.
#pragma once
#include "layout.h"

namespace memgen {
namespace {

constexpr int64_t KeyTile = 64;
constexpr int64_t MostLanes = 32;     // queries of one head that one tile takes
constexpr int64_t MostTileHeads = 4;  // heads that share a tile of keys
constexpr int64_t MostColumns = 64;   // lanes of all heads
constexpr int64_t LargestHead = 1024;

inline int64_t heads_per_key(const memgen_segment_attention_args& a) { return a.key_heads > 0 ? a.heads / a.key_heads : 0; }
inline int64_t tile_heads(const memgen_segment_attention_args& a) { return heads_per_key(a) < MostTileHeads ? heads_per_key(a) : MostTileHeads; }
inline int64_t tile_lanes(const memgen_segment_attention_args& a) { return heads_per_key(a) > 1 ? 16 : MostLanes; }

// A tile of keys that do not lie as a product takes them, and what all passes need.
struct AttentionTiles {
    int64_t key_width, value_width;
    float *keys, *values;                 // [KeyTile, width]
    float *queries, *prefix_queries;      // [K, columns], scaled for scores in powers of two
    float *scores;                        // [KeyTile, columns]

    AttentionTiles(Arena& arena, const memgen_segment_attention_args& a)
        : key_width(padded(a.key_dim, 16)), value_width(padded(a.value_dim, 16)), keys(arena.floats(KeyTile * key_width)), values(arena.floats(KeyTile * value_width)),
          queries(arena.floats(key_width * MostColumns)), prefix_queries(a.prefix_q.data ? arena.floats(key_width * MostColumns) : nullptr),
          scores(arena.floats(KeyTile * MostColumns)) {}
};

struct AttentionForwardScratch : AttentionTiles {
    float *outputs;            // [columns, V]
    float *top, *sum, *shrink; // [columns]: largest score, sum of weights, what a larger one leaves of both

    AttentionForwardScratch(Arena& arena, const memgen_segment_attention_args& a)
        : AttentionTiles(arena, a), outputs(arena.floats(MostColumns * value_width)), top(arena.floats(MostColumns)), sum(arena.floats(MostColumns)), shrink(arena.floats(MostColumns)) {}
};

struct AttentionBackwardScratch : AttentionTiles {
    float *rows, *prefix_rows;  // [columns, K], queries times scale
    float *d_rows, *d_prefix;   // [columns, K], gradients of both without it
    float *d_outputs, *turned;  // [columns, V] and [V, columns]
    float *logs, *inner;        // [columns]: log2 of the sum, <d_o, o>
    float *d_scores;            // [KeyTile, columns]
    float *tile;                // [KeyTile, widest], a product before it is added

    AttentionBackwardScratch(Arena& arena, const memgen_segment_attention_args& a)
        : AttentionTiles(arena, a), rows(arena.floats(MostColumns * key_width)), prefix_rows(a.prefix_q.data ? arena.floats(MostColumns * key_width) : rows),
          d_rows(arena.floats(MostColumns * key_width)), d_prefix(a.prefix_q.data ? arena.floats(MostColumns * key_width) : d_rows),
          d_outputs(arena.floats(MostColumns * value_width)), turned(arena.floats(value_width * MostColumns)), logs(arena.floats(MostColumns)), inner(arena.floats(MostColumns)),
          d_scores(arena.floats(KeyTile * MostColumns)), tile(arena.floats(KeyTile * (key_width > value_width ? key_width : value_width))) {}
};

} // namespace
} // namespace memgen
