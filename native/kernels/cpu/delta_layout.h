// Scratch of the gated delta rule and of scalar decay, per worker.
#pragma once
#include "layout.h"

namespace memgen {
namespace {

constexpr int64_t Block = 64;      // tokens a forward strip takes before the next strip follows
constexpr int64_t WidestStrip = 32;
constexpr int64_t GroupBytes = 512 * 1024; // states that stay in the second-level cache together

// Heads that one worker takes through a block of tokens together: their rows lie side by side in memory.
inline int64_t largest_head_group(const memgen_gated_delta_rule_args& a) {
    int64_t state = a.key_dim * padded(a.value_dim, WidestStrip) * static_cast<int64_t>(sizeof(float));
    int64_t heads = state > 0 ? GroupBytes / state : a.heads;
    return heads < 1 ? 1 : heads > a.heads ? (a.heads < 1 ? 1 : a.heads) : heads;
}

struct DeltaForwardScratch {
    float *state, *zero, *values, *outputs;

    DeltaForwardScratch(Arena& arena, const memgen_gated_delta_rule_args& a) {
        state = arena.floats(largest_head_group(a) * a.key_dim * padded(a.value_dim, WidestStrip));
        zero = arena.floats(a.key_dim + WidestStrip);
        values = arena.floats(Block * WidestStrip);
        outputs = arena.floats(Block * WidestStrip);
    }
};

// Kp and Vp: K and V padded to 16. Rows of states are a line longer, or a power of two would map
// a whole column of a state to the same few cache sets.
struct DeltaChunk {
    float *kT;       // [Kp, 16] keys turned
    float *written;  // [16, Vp] V', the values that the chunk writes
    float *residual; // [16, Vp] beta's factor: v - decayed S^T k
    float *decay;    // [16, 16] product of decays from token j (exclusive) to token i
    float *solve;    // [16, 16] strictly lower A
    float *keys;     // [16, 16] K K^T
    float *gates;    // [4, 16] e^log_decay, beta, decay since the chunk's start, decay to its end
};

struct DeltaBackwardScratch {
    int64_t kp, vp, state_row, chunks;
    float *states, *d_state, *qT, *rows, *columns, *writtenT, *weighted, *z, *y, *dqT, *dkT, *small;

    static int64_t chunk_floats(int64_t kp, int64_t vp) { return kp * 16 + 2 * 16 * vp + 3 * 256 + 64; }

    float* state(int64_t c) const { return states + c * kp * state_row; }

    DeltaChunk at(int64_t c) const {
        float* p = base_ + c * chunk_floats(kp, vp);
        DeltaChunk r;
        r.kT = p;
        r.written = r.kT + kp * 16;
        r.residual = r.written + 16 * vp;
        r.decay = r.residual + 16 * vp;
        r.solve = r.decay + 256;
        r.keys = r.solve + 256;
        r.gates = r.keys + 256;
        return r;
    }

    DeltaBackwardScratch(Arena& arena, const memgen_gated_delta_rule_args& a) {
        kp = padded(a.key_dim, 16);
        vp = padded(a.value_dim, 16);
        state_row = vp + 16;
        int64_t interval = checkpoint_interval(a.key_dim, a.value_dim);
        chunks = padded(a.tokens < interval ? a.tokens : interval, Chunk) / Chunk;
        states = arena.floats(chunks * kp * state_row);
        d_state = arena.floats(kp * state_row);
        base_ = arena.floats(chunks * chunk_floats(kp, vp));
        qT = arena.floats(kp * 16);
        rows = arena.floats(32 * vp);     // dO over X
        columns = arena.floats(vp * 32);  // the same turned
        writtenT = arena.floats(vp * 16);
        weighted = arena.floats(kp * 32);
        z = arena.floats(kp * 32);        // S [dO^T | X^T]
        y = arena.floats(kp * 16);        // dS V'^T
        dqT = arena.floats(kp * 16);
        dkT = arena.floats(kp * 16);
        small = arena.floats(12 * 256);
    }

private:
    float* base_;
};

} // namespace
} // namespace memgen
