// A sequence of one token, as decoding has: the state is read where it lies and written where it goes, twice through its
// rows. A pass on strips (strip.h) would copy it in and out around three.
#pragma once
#include "strip.h"

namespace memgen {
namespace {

// What a rule recalls of the state before it writes: of the delta rules by k, after the decay, in the way of v; of the generalised
// one by a, before the decay, to be written to b.
enum class Recall { Nothing, Key, Reader };

// One head; state and next are null where there is none.
struct OneToken {
    const float *q, *k, *v, *state;
    float *o, *next;
    int64_t keys, state_row, next_row;
    float scale, beta, own; // own: k . q
    const float *a, *b;
    float placed; // b . q
};

// A decay of all keys alike.
struct OneDecay {
    float factor;
    MEMGEN_MEMBER float operator[](int64_t) const { return factor; }
};

// Vectors of columns from j on. x by value: for all the compiler knows, a store to the next state could change the original.
template <Recall By, int Vectors, class Decay, class Extent>
MEMGEN_INLINE void advance_columns(const OneToken x, Decay decay, int64_t j, Extent extent) {
    Vector read[Vectors] = {}, seen[Vectors] = {}, read2[Vectors] = {}, seen2[Vectors] = {}, written[Vectors];
    auto add_row = [&](int64_t i, Vector* reads, Vector* sights) {
        const Vector by_query = splat(decay[i] * x.q[i]), by_key = splat(By == Recall::Reader ? x.a[i] : decay[i] * x.k[i]);
#pragma GCC unroll 2
        for (int n = 0; n < Vectors; n++) {
            const Vector s = load(x.state + i * x.state_row + j + n * W, extent);
            reads[n] += by_query * s;
            if constexpr (By != Recall::Nothing) sights[n] += by_key * s;
        }
    };
    if (x.state) { // in two sums: one alone would wait for itself
        int64_t i = 0;
        for (; i + 2 <= x.keys; i += 2) add_row(i, read, seen), add_row(i + 1, read2, seen2);
        if (i < x.keys) add_row(i, read, seen);
    }
#pragma GCC unroll 2
    for (int n = 0; n < Vectors; n++) {
        written[n] = load(x.v + j + n * W, extent);
        if constexpr (By == Recall::Key) written[n] = splat(x.beta) * (written[n] - (seen[n] + seen2[n]));
        Vector o = read[n] + read2[n] + splat(x.own) * written[n];
        if constexpr (By == Recall::Reader) seen[n] += seen2[n], o += splat(x.placed) * seen[n];
        store(x.o + j + n * W, splat(x.scale) * o, extent);
    }
    if (!x.next) return;
    for (int64_t i = 0; i < x.keys; i++) {
        const Vector kept = splat(decay[i]), key = splat(x.k[i]);
#pragma GCC unroll 2
        for (int n = 0; n < Vectors; n++) {
            Vector s = key * written[n];
            if constexpr (By == Recall::Reader) s += splat(x.b[i]) * seen[n];
            if (x.state) s += kept * load(x.state + i * x.state_row + j + n * W, extent);
            store(x.next + i * x.next_row + j + n * W, s, extent);
        }
    }
}

// The token of a share of one sequence. decay_of(h): what the token leaves of every row of head h's state.
template <Recall By, class DecayOf>
void advance_one_token(const Args& a, const Share& share, DecayOf&& decay_of) {
    const int64_t end = share.last * Strip < a.value_dim ? share.last * Strip : a.value_dim;
    for (int64_t h = share.first_head; h < share.last_head; h++) {
        auto row = [&](const memgen_tensor& x) { return floats(x) + h * x.stride[2]; };
        auto state = [&](const memgen_tensor& x) { return x.data ? floats(x) + h * x.stride[1] : nullptr; };
        OneToken x = {row(a.q), row(a.k), row(a.v), state(a.initial_state), row(a.o), state(a.final_state), a.key_dim, a.initial_state.stride[2], a.final_state.stride[2], static_cast<float>(a.scale), 1.0f, 0.0f, nullptr, nullptr, 0.0f};
        x.own = dot(x.k, x.q, x.keys);
        if constexpr (By == Recall::Key) x.beta = *row(a.beta);
        if constexpr (By == Recall::Reader) x.a = row(a.a), x.b = row(a.b), x.placed = dot(x.b, x.q, x.keys);
        const auto decay = decay_of(h);
        int64_t j = share.first * Strip; // strips as they are dealt out: one code for a column whoever takes it, since two may round differently
        for (; j + Strip <= end; j += Strip) advance_columns<By, 2>(x, decay, j, Whole{});
        for (; j + W <= end; j += W) advance_columns<By, 1>(x, decay, j, Whole{});
        if (j < end) advance_columns<By, 1>(x, decay, j, Part{end - j});
    }
}

// The same under one decay of all keys, or none.
template <Recall By>
void advance_one_token(const Args& a, const Share& share) {
    advance_one_token<By>(a, share, [&](int64_t h) {
        return OneDecay{a.log_decay.data ? exponential(splat(floats(a.log_decay)[h * a.log_decay.stride[2]]))[0] : 1.0f};
    });
}

// What the token leaves of each key of head h, written to a row of scratch.
inline const float* decays_by_key(const Args& a, int64_t h, float* row) {
    const float* log_decay = floats(a.log_decay) + h * a.log_decay.stride[2];
    for_vectors(a.key_dim, [&](int64_t i, auto extent) { store(row + i, exponential(load(log_decay + i, extent)), extent); });
    return row;
}

} // namespace
} // namespace memgen
