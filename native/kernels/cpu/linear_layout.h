// Scratch of the linear maps: operands packed into panels of 32 columns.
#pragma once
#include "layout.h"

namespace memgen {
namespace {

constexpr int64_t PanelColumns = 32;
constexpr int64_t RowBlock = 128;   // rows of x that one worker takes through all panels
constexpr int64_t DepthBlock = 256; // rows of x that a gradient of weights takes together
constexpr int64_t LargestGroup = 256; // rows of a weight's gradient that one worker takes
constexpr int64_t FewRows = 8;      // below this weights are read as they lie

inline int64_t outputs(const memgen_linear_args& a) {
    int64_t sum = 0;
    for (int64_t i = 0; i < a.count; i++) sum += a.out_features[i];
    return sum;
}

// Forward: W_i^T, panel after panel of every map. d_x: [sum O, I].
struct LinearScratch {
    float* weights = nullptr;

    LinearScratch(Arena& arena, const memgen_linear_args& a, bool backward) {
        if (a.rows < FewRows) return;
        int64_t columns = 0;
        for (int64_t i = 0; i < a.count; i++) columns += padded(a.out_features[i], PanelColumns);
        weights = arena.floats(backward ? outputs(a) * padded(a.in_features, PanelColumns) : columns * a.in_features);
    }
};

// A worker's part of a gradient of weights: sums of a group of rows, and a block of x and of d_y.
inline int64_t linear_slice_floats(const memgen_linear_args& a) {
    return (LargestGroup + DepthBlock) * padded(a.in_features, PanelColumns) + LargestGroup * DepthBlock;
}

} // namespace
} // namespace memgen
