// Scratch of the memories whose state is a matrix, per worker.
#pragma once
#include "sequences.h"

namespace memgen {
namespace {

constexpr int64_t Block = 64;      // tokens a forward strip takes before the next strip follows
constexpr int64_t WidestStrip = 32;
constexpr int64_t GroupBytes = 512 * 1024; // states that stay in the second-level cache together

// Checkpoints of one head by the tokens of its sequence.
struct CheckpointsOf {
    int64_t interval;

    template <class Args>
    explicit CheckpointsOf(const Args& a) : interval(checkpoint_interval(a.key_dim, a.value_dim)) {}
    int64_t operator()(int64_t tokens) const { return checkpoint_count(tokens, interval); }
};

// Sequence n with its part of the checkpoints.
template <class Args>
Args sequence(const Args& a, const SequencePlan& plan, int64_t n) {
    Args s = sequence(a, n);
    if (s.checkpoints) s.checkpoints = static_cast<float*>(s.checkpoints) + plan.before[n] * a.heads * a.key_dim * a.value_dim;
    return s;
}

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

// A row that stands for tokens whose values are all zero.
inline memgen_tensor zero_row(Arena& arena, int64_t width) {
    memgen_tensor x{};
    x.data = arena.floats(width + WidestStrip);
    for (int64_t i = 0; arena.base && i < width; i++) floats(x)[i] = 0.0f;
    x.stride[3] = 1;
    return x;
}

// Linear attention without decay: with a row beside the state of every head, and with the sum of its keys, where there is one.
struct SumScratch : DeltaForwardScratch {
    float *row = nullptr, *normalizers = nullptr;

    float* normalizer(const memgen_gated_delta_rule_args& a, int64_t head) const { return normalizers + head * padded(a.key_dim, 16); }

    SumScratch(Arena& arena, const memgen_gated_delta_rule_args& a, bool has_row, bool normalized = false) : DeltaForwardScratch(arena, a) {
        if (has_row) row = arena.floats(largest_head_group(a) * padded(a.value_dim, WidestStrip));
        if (normalized) normalizers = arena.floats(largest_head_group(a) * padded(a.key_dim, 16));
    }
};

// A worker's part of linear attention's backward pass: forward passes with keys and values of either width.
inline size_t linear_backward_slice(memgen_gated_delta_rule_args a) {
    Arena keys{nullptr}, values{nullptr};
    SumScratch straight(keys, a, true);
    int64_t key_dim = a.key_dim;
    a.key_dim = a.value_dim, a.value_dim = key_dim;
    SumScratch turned(values, a, true);
    return keys.used > values.used ? keys.used : values.used;
}

// Normalised, forward: the sums of the keys, [N, H, K]. Not yet where they go: a worker of other strips may still have to read there.
struct NormalizerScratch {
    float* sums;

    NormalizerScratch(Arena& arena, const memgen_linear_attention_normalized_args& a) : sums(arena.floats(sequence_count(a) * a.heads * a.key_dim)) {}
};

// And backward: of every token scale times the gradient of what o is divided by, [B, T, H].
struct DivisorScratch {
    float* gradients;

    DivisorScratch(Arena& arena, const memgen_linear_attention_normalized_args& a) : gradients(arena.floats(a.batch * a.tokens * a.heads)) {}
};

// Keys and queries of a block in units of the decays since the start of their group, and the decay that
// each group leaves to be applied.
struct ChannelForwardScratch : DeltaForwardScratch {
    float *keys, *queries, *left;

    ChannelForwardScratch(Arena& arena, const memgen_gated_delta_rule_args& a) : DeltaForwardScratch(arena, a) {
        keys = arena.floats((Block + 4) * a.key_dim);
        queries = arena.floats((Block + 4) * a.key_dim);
        left = arena.floats((Block / 2 + 1) * a.key_dim);
    }
};

// Of channel decay's memory read along its other axis, which is that of turned arguments: S^T, whose values are what a channel writes.
struct ChannelScoresScratch : DeltaForwardScratch {
    float* decays;

    ChannelScoresScratch(Arena& arena, const memgen_gated_delta_rule_args& a) : DeltaForwardScratch(arena, a) { decays = arena.floats(Block * WidestStrip); }
};

inline memgen_gated_delta_rule_args turned(memgen_gated_delta_rule_args a) {
    const memgen_tensor keys = a.k;
    a.k = a.v, a.v = keys;
    a.checkpoints = nullptr;
    const int64_t key_dim = a.key_dim;
    a.key_dim = a.value_dim, a.value_dim = key_dim;
    return a;
}

// And keys as the first tokens of pairs write them.
struct ChannelDeltaForwardScratch : ChannelForwardScratch {
    float* written;

    ChannelDeltaForwardScratch(Arena& arena, const memgen_gated_delta_rule_args& a) : ChannelForwardScratch(arena, a) { written = arena.floats((Block / 2 + 1) * a.key_dim); }
};

// Of the generalised delta rule: queries of a block as they read the state before their pair; and of each pair what its second
// token recalls by there, what the first wrote, as the second leaves it, and the decay of both.
struct GeneralizedForwardScratch : DeltaForwardScratch {
    float *queries, *readers, *keys, *places, *left;

    GeneralizedForwardScratch(Arena& arena, const memgen_gated_delta_rule_args& a) : DeltaForwardScratch(arena, a) {
        queries = arena.floats((Block + 2) * a.key_dim);
        readers = arena.floats((Block / 2 + 1) * a.key_dim);
        keys = arena.floats((Block / 2 + 1) * a.key_dim);
        places = arena.floats((Block / 2 + 1) * a.key_dim);
        left = arena.floats((Block / 2 + 1) * a.key_dim);
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

// What is kept of a chunk of the delta rule with channel decay until it is walked back.
struct ChannelDeltaChunk {
    float *written;  // [16, Vp] V', the values that the chunk writes
    float *residual; // [16, Vp] beta's factor: v - decayed S^T k
    float *solve;    // [16, 16] strictly lower A
    float *keys;     // [16, 16] A without beta
    float *beta;     // [16]
};

// Where decays are by channel: states at the starts of the chunks of a segment, and what the decays of a chunk make of its operands.
struct ChannelChunkScratch {
    int64_t kp, vp, state_row, chunks;
    float *states, *d_state, *chunk_decays, *since, *decaysT, *first, *firstT, *endT, *levelT, *weighted;

    float* state(int64_t c) const { return states + c * kp * state_row; }

    ChannelChunkScratch(Arena& arena, const memgen_gated_delta_rule_args& a) {
        kp = padded(a.key_dim, 16);
        vp = padded(a.value_dim, 16);
        state_row = vp + 16;
        int64_t interval = checkpoint_interval(a.key_dim, a.value_dim);
        chunks = padded(a.tokens < interval ? a.tokens : interval, Chunk) / Chunk;
        states = arena.floats(chunks * kp * state_row);
        d_state = arena.floats(kp * state_row);
        chunk_decays = arena.floats(16 * kp); // [16, Kp] e^log_decay
        since = arena.floats(16 * kp);        // [16, Kp] E, or the factors of a level
        decaysT = arena.floats(kp * 16);      // E, turned
        first = arena.floats(kp);             // decay from the chunk's start to the middle of its first group
        firstT = arena.floats(kp * 16);       // the same of every token's group, and from there to the chunk's end
        endT = arena.floats(kp * 16);
        levelT = arena.floats(kp * 16);       // the factors of a level, turned
        weighted = arena.floats(kp * 16 + 1); // and what is shifted past the end
    }
};

// Backward of channel decay and of the channel delta rule.
template <bool Delta>
struct ChannelBackwardScratch : ChannelChunkScratch {
    float *values, *keysT, *queriesT, *untilT, *rows, *columns, *valuesT, *z, *y, *dqT, *dkT, *small;
    float *readersT = nullptr, *d_readersT = nullptr; // of the delta rule

    ChannelDeltaChunk at(int64_t c) const {
        if (!Delta) return {};
        float* p = kept + c * (2 * 16 * vp + 2 * 256 + 16);
        return {p, p + 16 * vp, p + 32 * vp, p + 32 * vp + 256, p + 32 * vp + 512};
    }

    ChannelBackwardScratch(Arena& arena, const memgen_gated_delta_rule_args& a) : ChannelChunkScratch(arena, a) {
        values = arena.floats(16 * vp);
        keysT = arena.floats(kp * 16);        // k / e^b
        queriesT = arena.floats(kp * 16);     // scale q e^b
        untilT = arena.floats(kp * 16);       // k e^(b_end - b)
        rows = arena.floats((Delta ? 32 : 16) * vp);    // dO, over X
        columns = arena.floats(vp * (Delta ? 32 : 16)); // the same turned
        valuesT = arena.floats(vp * 16);
        z = arena.floats(kp * (Delta ? 32 : 16)); // S [dO^T | X^T], then what goes into dS
        y = arena.floats(kp * 16);
        dqT = arena.floats(kp * 16);
        dkT = arena.floats(kp * 16);
        small = arena.floats((Delta ? 5 : 3) * 256);
        if (!Delta) return;
        readersT = arena.floats(kp * 16);     // k e^b
        d_readersT = arena.floats(kp * 16);
        kept = arena.floats(chunks * (2 * 16 * vp + 2 * 256 + 16));
    }

private:
    float* kept = nullptr;
};

// What is kept of a chunk of the generalised delta rule until it is walked back.
struct GeneralizedChunk {
    float *recalled; // [16, Vp] R
    float *late;     // [17, 32] of P with K, and with B, a row lower: as the tokens recall
    float *solve;    // [16, 16] the second of them with the other sign
};

// Backward of the generalised delta rule: two kinds of readers, P and Q, of writers, K and B, and of what is written, V and R, side
// by side or over each other.
struct GeneralizedBackwardScratch : ChannelChunkScratch {
    float *readersT, *writersT, *untilT, *values, *valuesT, *d_values, *X, *d_o, *columns, *z, *y, *d_readersT, *d_writersT, *pairs, *all, *chosen, *chosenT, *d_first;

    GeneralizedChunk at(int64_t c) const {
        float* p = kept + c * (16 * vp + 17 * 32 + 256);
        return {p, p + 16 * vp, p + 16 * vp + 17 * 32};
    }

    GeneralizedBackwardScratch(Arena& arena, const memgen_gated_delta_rule_args& a) : ChannelChunkScratch(arena, a) {
        readersT = arena.floats(kp * 32);
        writersT = arena.floats(kp * 32);
        untilT = arena.floats(kp * 32);
        values = arena.floats(16 * vp);
        valuesT = arena.floats(vp * 32);
        d_values = arena.floats(49 * vp); // dV, X, a row of zeros, dO: from its second row on X is that of P
        X = d_values + 16 * vp;
        d_o = d_values + 33 * vp;
        columns = arena.floats(vp * 32);
        z = arena.floats(kp * 32);     // S [X^T | dO^T], then what goes into dS
        y = arena.floats(kp * 32);     // dS [V^T | R^T]
        d_readersT = arena.floats(kp * 32);
        d_writersT = arena.floats(kp * 32);
        pairs = arena.floats(16 * 32); // of Q with K, and with B
        all = arena.floats(32 * 32);
        chosen = arena.floats(32 * 32);
        chosenT = arena.floats(32 * 32);
        d_first = arena.floats(kp);    // of the chunk's first p
        kept = arena.floats(chunks * (16 * vp + 17 * 32 + 256));
    }

private:
    float* kept;
};

} // namespace
} // namespace memgen
