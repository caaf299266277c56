// Scratch of the scans. Lanes are channels; a group of channels is one item's.
#pragma once
#include "sequences.h"

namespace memgen {
namespace {

constexpr int64_t WidestVector = 16;
constexpr int64_t ScanGroup = 128; // channels of one item of the selective scan
constexpr int64_t StateBlock = 4;  // states whose rates, carries and sums stay in registers

// Tokens between two checkpoints: what backward keeps of them stays in the second-level cache.
inline int64_t scan_segment(const memgen_selective_scan_args& a) {
    int64_t tokens = 1024 / (a.state_dim + 1) / 16 * 16;
    return tokens < 16 ? 16 : tokens > 64 ? 64 : tokens;
}

inline int64_t scan_checkpoints(const memgen_selective_scan_args& a) { return checkpoint_count(a.tokens, scan_segment(a)); }
inline int64_t scan_groups(const memgen_selective_scan_args& a) { return (a.channels + ScanGroup - 1) / ScanGroup; }

struct ScanForwardScratch {
    float *state, *rates;     // [ScanGroup / W, N, W]: x and A, lanes innermost
    float *delta, *input, *y; // [ScanGroup / W, segment, W]

    ScanForwardScratch(Arena& arena, const memgen_selective_scan_args& a) {
        state = arena.floats(a.state_dim * ScanGroup);
        rates = arena.floats(a.state_dim * ScanGroup);
        for (float** row : {&delta, &input, &y}) *row = arena.floats(scan_segment(a) * ScanGroup);
    }
};

struct ScanBackwardScratch {
    float *rates, *carry, *d_rates; // [ScanGroup / W, N, W]: A, gradient of the state, gradient of A
    float* start;                   // [N, W]: of one vector of channels, its states before the segment
    float *states, *decays;         // [segment, StateBlock, W]: of some of them, before each token and what it leaves of them
    float *d_b, *d_c;               // [N / StateBlock, segment, StateBlock, W] sums over the group, lane by lane
    float *delta, *input, *d_y;     // [ScanGroup / W, segment, W]
    float *by_input, *by_decay;     // likewise: sums over the states

    ScanBackwardScratch(Arena& arena, const memgen_selective_scan_args& a) {
        int64_t tokens = scan_segment(a), n = a.state_dim;
        rates = arena.floats(n * ScanGroup);
        carry = arena.floats(n * ScanGroup);
        d_rates = arena.floats(n * ScanGroup);
        start = arena.floats(n * WidestVector);
        for (float** block : {&states, &decays}) *block = arena.floats(tokens * StateBlock * WidestVector);
        d_b = arena.floats(tokens * n * WidestVector);
        d_c = arena.floats(tokens * n * WidestVector);
        for (float** row : {&delta, &input, &d_y, &by_input, &by_decay}) *row = arena.floats(tokens * ScanGroup);
    }
};

// Partial sums: of d_B and d_C over channel groups, of d_A and d_D over sequences.
struct ScanSharedScratch {
    float *d_b, *d_c, *d_rates, *d_skip; // [groups, B, T, N] twice, [sequences, C, N], [sequences, C]

    ScanSharedScratch(Arena& arena, const memgen_selective_scan_args& a) {
        d_b = arena.floats(scan_groups(a) * a.batch * a.tokens * a.state_dim);
        d_c = arena.floats(scan_groups(a) * a.batch * a.tokens * a.state_dim);
        d_rates = arena.floats(sequence_count(a) * a.channels * a.state_dim);
        d_skip = arena.floats(sequence_count(a) * a.channels);
    }
};

} // namespace
} // namespace memgen
