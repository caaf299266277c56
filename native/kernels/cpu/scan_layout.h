// Scratch of the scans. Lanes are channels; a group of channels is one item's.
#pragma once
#include "sequences.h"

namespace memgen {
namespace {

constexpr int64_t WidestVector = 16;
constexpr int64_t ScanGroup = 128; // channels of one item of the selective scan

// Tokens between two checkpoints: what backward keeps of them stays in the second-level cache.
inline int64_t scan_segment(const memgen_selective_scan_args& a) {
    int64_t tokens = 1024 / (a.state_dim + 1) / 16 * 16;
    return tokens < 16 ? 16 : tokens > 64 ? 64 : tokens;
}

inline int64_t scan_checkpoints(const memgen_selective_scan_args& a) { return checkpoint_count(a.tokens, scan_segment(a)); }
inline int64_t scan_groups(const memgen_selective_scan_args& a) { return (a.channels + ScanGroup - 1) / ScanGroup; }

struct ScanForwardScratch {
    float *state, *rates; // [ScanGroup / W, N, W]: x and A, lanes innermost

    ScanForwardScratch(Arena& arena, const memgen_selective_scan_args& a) {
        state = arena.floats(a.state_dim * ScanGroup);
        rates = arena.floats(a.state_dim * ScanGroup);
    }
};

struct ScanBackwardScratch {
    float *rates, *carry, *d_rates; // [ScanGroup / W, N, W]: A, gradient of the state, gradient of A
    float *states, *decays;         // [segment + 1, N, W], [segment, N, W]
    float *d_b, *d_c;               // [segment, N, W] sums over the group, lane by lane
    float *delta, *input, *d_y;     // [segment, W]: of one vector of channels
    float *by_input, *by_decay;     // [segment, W]: its sums over the states

    ScanBackwardScratch(Arena& arena, const memgen_selective_scan_args& a) {
        int64_t tokens = scan_segment(a), n = a.state_dim;
        rates = arena.floats(n * ScanGroup);
        carry = arena.floats(n * ScanGroup);
        d_rates = arena.floats(n * ScanGroup);
        states = arena.floats((tokens + 1) * n * WidestVector);
        decays = arena.floats(tokens * n * WidestVector);
        d_b = arena.floats(tokens * n * WidestVector);
        d_c = arena.floats(tokens * n * WidestVector);
        for (float** row : {&delta, &input, &d_y, &by_input, &by_decay}) *row = arena.floats(tokens * WidestVector);
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
