// How the row-wise operators, the convolution and the optimizer are cut into items. The cut depends on
// shapes alone, and sums over items are taken in their order: the same bits for any number of threads.
#pragma once
#include "front/limits.h"
#include "sequences.h"

namespace memgen {
namespace {

constexpr int64_t MostConvTokens = 128;
constexpr int64_t OptimizerChunk = 16384; // elements of one item

// Tokens of one item: what it keeps of them stays in the second-level cache.
inline int64_t conv_tokens(const memgen_causal_conv_args& a) {
    int64_t tokens = 65536 / (a.channels + 1);
    return tokens < 16 ? 16 : tokens > MostConvTokens ? MostConvTokens : tokens;
}

// Items of one sequence by its tokens: one at least, which sees to the states.
struct ConvItemsOf {
    int64_t block;

    explicit ConvItemsOf(const memgen_causal_conv_args& a) : block(conv_tokens(a)) {}
    int64_t operator()(int64_t tokens) const { return tokens > 0 ? (tokens + block - 1) / block : 1; }
};

struct ConvScratch {
    float *weights, *zero, *partials; // [W, C], [C], [items, W + 1, C], C padded to 16

    ConvScratch(Arena& arena, const memgen_causal_conv_args& a, bool backward) {
        int64_t c = padded(a.channels, 16);
        weights = arena.floats(a.width * c);
        zero = arena.floats(c);
        partials = arena.floats(backward ? over_sequences(a, ConvItemsOf(a)) * (a.width + 1) * c : 0);
    }
};

inline int64_t conv_slice_floats(const memgen_causal_conv_args& a) { return (conv_tokens(a) + a.width) * padded(a.channels, 16); }

// Rows of one item, and items: at most 64 partial sums where weights have a gradient.
inline int64_t rows_per_item(int64_t rows) {
    int64_t n = (rows + 63) / 64;
    return n < 16 ? 16 : n;
}
inline int64_t row_items(int64_t rows) { return (rows + rows_per_item(rows) - 1) / rows_per_item(rows); }

// first[i]: chunks before tensor i.
inline int64_t count_chunks(int64_t count, const int64_t* sizes, int64_t* first) {
    int64_t chunks = 0;
    for (int64_t i = 0; i < count; i++) {
        if (first) first[i] = chunks;
        chunks += (sizes[i] + OptimizerChunk - 1) / OptimizerChunk;
    }
    if (first) first[count] = chunks;
    return chunks;
}

} // namespace
} // namespace memgen
