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

// Forward: W_i^T, panel after panel of every map. d_x: [sum O, I]. In bfloat16 half of it is used.
struct LinearScratch {
    float* weights = nullptr;

    LinearScratch(Arena& arena, const memgen_linear_args& a, bool backward) {
        if (a.rows < FewRows) return;
        int64_t columns = 0;
        for (int64_t i = 0; i < a.count; i++) columns += padded(a.out_features[i], PanelColumns);
        weights = arena.floats(backward ? outputs(a) * padded(a.in_features, PanelColumns) : columns * a.in_features);
    }
};

// What a worker has to itself. Backward: sums of gradients of weights, a panel of x, and tiles of d_y that are of several
// maps or end the last. In bfloat16: a block of rows of the left operand, or of a weight's; backward the sums with a panel
// and columns of d_y in pairs, where that is more.
inline int64_t linear_slice_floats(const memgen_linear_args& a, bool backward) {
    if (a.rows < FewRows) return 0;
    const int64_t sums = LargestGroup * padded(a.in_features, PanelColumns);
    if (a.products == MEMGEN_FLOAT32) return backward ? sums + DepthBlock * PanelColumns + (MEMGEN_MOST_MAPS + 1) * DepthBlock * LargestTile : 0;
    if (!backward) return RowBlock * pairs(a.in_features);
    const int64_t block = RowBlock * pairs_of_outputs(a), gradients = sums + pairs(DepthBlock) * (PanelColumns + LargestGroup);
    return block > gradients ? block : gradients;
}

} // namespace
} // namespace memgen
