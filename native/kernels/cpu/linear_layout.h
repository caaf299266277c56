// Scratch of the linear maps: operands packed into panels of 32 columns.
#pragma once
#include "layout.h"

namespace memgen {
namespace {

constexpr int64_t PanelColumns = 32;
constexpr int64_t RowBlock = 128;     // most rows of x that one worker takes through all panels
constexpr int64_t DepthBlock = 256;   // rows of x that a gradient of weights takes together
constexpr int64_t LargestGroup = 264; // rows of gradients of weights that one worker takes
constexpr int64_t LargestTile = 8;    // of them in registers
constexpr int64_t FewRows = 8;        // below this weights are read as they lie

// Products by the tiles of AMX take a depth of 32 at a time of 32 rows and 32 columns, a pair of tiles of each.
constexpr int64_t TileDepth = 32;
constexpr int64_t TilePair = 32;
constexpr int64_t PairWords = TilePair * TileDepth / 2; // two numbers of bfloat16 have the room of a float
constexpr int64_t MostParts = 3;                        // such numbers that a float is split into
constexpr int64_t Square = TilePair * TilePair;         // of sums
constexpr int64_t MostHeights = 8;                      // squares of them, one below the other, that one worker takes
constexpr int64_t MostSquares = 256;                    // and in all, within MostHeights: 1 MiB, of a cache of 2 MiB
constexpr int64_t MostPanelWords = 5 << 16;             // of panels, 1.25 MiB of the same

inline int64_t outputs(const memgen_linear_args& a) {
    int64_t sum = 0;
    for (int64_t i = 0; i < a.count; i++) sum += a.out_features[i];
    return sum;
}

// Pairs of neighbours along a depth of n, as products in bfloat16 take them; each has the room of a float.
inline int64_t pairs(int64_t n) { return (n + 1) / 2; }

inline int64_t pairs_of_outputs(const memgen_linear_args& a) {
    int64_t sum = 0;
    for (int64_t i = 0; i < a.count; i++) sum += pairs(a.out_features[i]);
    return sum;
}

// 32 rows or columns along a depth of n as tiles, in floats.
inline int64_t tile_words(int64_t n) { return padded(n, TileDepth) / TileDepth * MostParts * PairWords; }

// Forward: W_i^T, panel after panel of every map. d_x: [sum O, I]. In bfloat16 half of it is used, in tiles what they take:
// sizes do not depend on the instruction set, so the largest is there.
struct LinearScratch {
    float* weights = nullptr;

    LinearScratch(Arena& arena, const memgen_linear_args& a, bool backward) {
        if (a.rows < FewRows) return;
        int64_t columns = 0;
        for (int64_t i = 0; i < a.count; i++) columns += padded(a.out_features[i], PanelColumns);
        const int64_t I = a.in_features, O = outputs(a), panels = backward ? O * padded(I, PanelColumns) : columns * I;
        weights = arena.floats(larger(panels, padded(backward ? I : O, TilePair) / TilePair * tile_words(backward ? O : I)));
    }
};

// What a worker has to itself. Backward: sums of gradients of weights, a panel of x, and tiles of d_y that are of several
// maps or end the last. In bfloat16: a block of rows of the left operand, or of a weight's; backward the sums with a panel
// and columns of d_y in pairs, where that is more. In tiles: a block of rows; backward squares of sums, and what a block
// of tokens has of the operands; beside either some rows of numbers as they were.
inline int64_t linear_slice_floats(const memgen_linear_args& a, bool backward) {
    if (a.rows < FewRows) return 0;
    const int64_t depth = backward ? outputs(a) : a.in_features, sums = LargestGroup * padded(a.in_features, PanelColumns);
    const int64_t squares = smaller((MostSquares + MostHeights) * Square, padded(outputs(a), TilePair) * padded(a.in_features, TilePair));
    int64_t most = larger(padded(depth, TileDepth), 2 * TilePair) + RowBlock / TilePair * tile_words(depth);
    if (!backward) return larger(most, RowBlock * pairs(a.in_features));
    for (int64_t each : {RowBlock * pairs_of_outputs(a), sums + DepthBlock * PanelColumns + (MEMGEN_MOST_MAPS + 1) * DepthBlock * LargestTile,
                         sums + pairs(DepthBlock) * (PanelColumns + LargestGroup), squares + 2 * MostHeights * TilePair + (MostHeights + 1) * tile_words(DepthBlock)})
        most = larger(most, each);
    return most;
}

} // namespace
} // namespace memgen
