// What the forward passes on strips share. A strip is 2W value columns of a state, S [K, 2W]; columns
// never mix, so it runs through a block of tokens alone and stays in the first-level cache meanwhile.
#pragma once
#include "dealing.h"
#include "delta_layout.h"
#include "kernels.h"
#include "powers.h"
#include "streaming.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_gated_delta_rule_args Args;

constexpr int64_t Strip = 2 * W;

// What this worker takes next, asked for a token at a time, so that memory works meanwhile: the strip's columns of
// v and o, and its part of the rows of q and k. Never many lines at once: a core waits for no more than a dozen or so,
// and whatever else it then has to fetch stands behind them.
struct Ahead {
    const float *v, *o, *q, *k;
    int64_t v_row, o_row, q_row, k_row, keys, tokens;
    const float *a, *b, *log_decay; // of the generalised delta rule
    int64_t a_row, b_row, log_decay_row;

    MEMGEN_MEMBER void request(int64_t t) const {
        if (t >= tokens) return;
        for (int64_t i = 0; i < Strip; i += 16) {
            __builtin_prefetch(v + t * v_row + i, 0, 2);
            if (o) __builtin_prefetch(o + t * o_row + i, 1, 2);
        }
        for (int64_t i = 0; i < keys; i += 16) {
            __builtin_prefetch(q + t * q_row + i, 0, 2);
            __builtin_prefetch(k + t * k_row + i, 0, 2);
            if (!a) continue;
            __builtin_prefetch(a + t * a_row + i, 0, 2);
            __builtin_prefetch(b + t * b_row + i, 0, 2);
            __builtin_prefetch(log_decay + t * log_decay_row + i, 0, 2);
        }
    }
};

constexpr int Group = W == 16 ? 4 : 2; // tokens that a sweep without delta takes: as many as registers hold

// What the rows of a strip are multiplied by on the way.
struct Kept {
    MEMGEN_MEMBER Vector row(int64_t, Vector s) const { return s; }
    MEMGEN_MEMBER Vector token(int, int, Vector s) const { return s; }
};
struct Times {
    Vector factor;
    MEMGEN_MEMBER Vector row(int64_t, Vector s) const { return factor * s; }
};
struct TimesByKey {
    const float* factor;
    MEMGEN_MEMBER Vector row(int64_t i, Vector s) const { return splat(factor[i]) * s; }
};

// What its columns are multiplied by before each token of a sweep.
struct TimesByToken {
    const Vector (*factor)[2];
    MEMGEN_MEMBER Vector token(int g, int n, Vector s) const { return factor[g][n] * s; }
};

// For the tokens from t on: S <- factor S, then S <- decay S + k v^T and the read S^T q of one after the other.
template <class Factor, class Decay = Kept>
MEMGEN_INLINE void sweep(const Ahead& ahead, int64_t t, int64_t K, float* s, Factor factor, const float* const* keys, const float* const* queries, const Vector (*values)[2], Vector (*reads)[2], Decay decay = {}) {
    const float *k[Group], *q[Group]; // for all the compiler knows, a store to S could change the originals
    for (int g = 0; g < Group; g++) k[g] = keys[g], q[g] = queries[g];
    Vector sum[Group][2] = {};
    int64_t i = 0;
    for (int64_t part = 0; part < Group; part++) {
        ahead.request(t + part);
        for (const int64_t end = K * (part + 1) / Group; i < end; i++, s += Strip) {
            Vector s0 = factor.row(i, load(s)), s1 = factor.row(i, load(s + W));
#pragma GCC unroll 4
            for (int g = 0; g < Group; g++) {
                Vector w = splat(k[g][i]);
                s0 = decay.token(g, 0, s0) + w * values[g][0];
                s1 = decay.token(g, 1, s1) + w * values[g][1];
                w = splat(q[g][i]);
                sum[g][0] += w * s0;
                sum[g][1] += w * s1;
            }
            store(s, s0);
            store(s + W, s1);
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < Group; g++) reads[g][0] = sum[g][0], reads[g][1] = sum[g][1];
}

inline void exponentials(float* x, int64_t n) {
    int64_t i = 0;
    for (; i + W <= n; i += W) store(x + i, exponential(load(x + i)));
    if (i < n) store_part(x + i, exponential(load_part(x + i, n - i)), n - i);
}

inline void copy_strip_in(const float* from, int64_t row, int64_t rows, int64_t width, float* to) {
    for (int64_t i = 0; i < rows; i++) {
        if (width == Strip) store(to + i * Strip, load(from + i * row)), store(to + i * Strip + W, load(from + i * row + W));
        else
            for (int64_t j = 0; j < Strip; j++) to[i * Strip + j] = j < width ? from[i * row + j] : 0.0f;
    }
}

inline void copy_strip_out(const float* from, int64_t rows, int64_t width, float* to, int64_t row, bool past = false) {
    for (int64_t i = 0; i < rows; i++) {
        if (width == Strip) store(to + i * row, load(from + i * Strip), Whole{}, past), store(to + i * row + W, load(from + i * Strip + W), Whole{}, past);
        else
            for (int64_t j = 0; j < width; j++) to[i * row + j] = from[i * Strip + j];
    }
}

// The same of a matrix that lies turned: column j of the strip is row j there.
inline void copy_strip_turned_in(const float* from, int64_t row, int64_t rows, int64_t width, float* to) {
    for (int64_t i = 0; width < Strip && i < rows; i++)
        for (int64_t j = width; j < Strip; j++) to[i * Strip + j] = 0.0f;
    transpose(from, row, width, rows, to, Strip);
}

// What one worker takes at a time: some heads of one sequence, some strips of each.
struct Share {
    int64_t first_head, last_head, first, last;
};

struct StripView {
    int64_t h, s, width;
    float* state;
};

template <class Function>
MEMGEN_INLINE void for_strips(const Args& a, const Share& share, const DeltaForwardScratch& scratch, int64_t h, Function&& function) {
    for (int64_t s = share.first; s < share.last; s++) {
        int64_t left = a.value_dim - s * Strip;
        float* states = scratch.state + (h - share.first_head) * a.key_dim * padded(a.value_dim, WidestStrip);
        function(StripView{h, s, left < Strip ? left : Strip, states + s * a.key_dim * Strip});
    }
}

// One block of one head: every strip of it by way of buffers, since a miss on v or o inside a recurrence
// would hold up every store after it. recurrence(ahead, strip) works from scratch.values to
// scratch.outputs, [Block, 2W] each. Checkpoints are written where they are due.
template <class Recurrence>
void advance_strips(const Args& a, const Share& share, const DeltaForwardScratch& scratch, int64_t h, int64_t t0, Recurrence&& recurrence) {
    const int64_t K = a.key_dim, V = a.value_dim, T = a.tokens, interval = checkpoint_interval(K, V);
    const int64_t tokens = T - t0 < Block ? T - t0 : Block, next = t0 + tokens;
    const float* v = floats(a.v) + t0 * a.v.stride[1] + h * a.v.stride[2];
    const bool past = a.o.data && streamed(a.o, T * a.heads * V, 3);
    float* o = a.o.data ? floats(a.o) + t0 * a.o.stride[1] + h * a.o.stride[2] : nullptr;
    bool checkpoint = a.checkpoints && next < T && next % interval == 0;
    float* saved = checkpoint ? static_cast<float*>(a.checkpoints) + (h * checkpoint_count(T, interval) + next / interval - 1) * K * V : nullptr;
    const int64_t h2 = h + 1 < share.last_head ? h + 1 : share.first_head, t2 = h + 1 < share.last_head ? t0 : next;
    for_strips(a, share, scratch, h, [&](const StripView& strip) {
        const int64_t keys = padded((K + share.last - share.first - 1) / (share.last - share.first), 16);
        const int64_t column = strip.s * Strip, key = (strip.s - share.first) * keys;
        auto next_rows = [&](const memgen_tensor& x, int64_t i) { return floats(x) + t2 * x.stride[1] + h2 * x.stride[2] + i; };
        Ahead ahead = {next_rows(a.v, column), a.o.data && !past ? next_rows(a.o, column) : nullptr, next_rows(a.q, key), next_rows(a.k, key),
                       a.v.stride[1], a.o.stride[1], a.q.stride[1], a.k.stride[1], key + keys < K ? keys : K - key, T - t2 < Block ? T - t2 : Block, nullptr, nullptr, nullptr, 0, 0, 0};
        if (a.a.data) {
            ahead.a = next_rows(a.a, key), ahead.b = next_rows(a.b, key), ahead.log_decay = next_rows(a.log_decay, key);
            ahead.a_row = a.a.stride[1], ahead.b_row = a.b.stride[1], ahead.log_decay_row = a.log_decay.stride[1];
        }
        copy_strip_in(v + column, a.v.stride[1], tokens, strip.width, scratch.values);
        recurrence(ahead, strip);
        if (o) copy_strip_out(scratch.outputs, tokens, strip.width, o + column, a.o.stride[1], past);
        if (saved) copy_strip_out(strip.state, K, strip.width, saved + column, V);
    });
}

// All tokens of a share of one sequence: advance(h, t0) takes one head through one block. turned: states are [V, K] in memory.
template <class Advance>
void run_share(const Args& a, const Share& share, const DeltaForwardScratch& scratch, Advance&& advance, bool turned = false) {
    const int64_t K = a.key_dim;
    for (int64_t i = 0; i < K + WidestStrip; i++) scratch.zero[i] = 0.0f;
    for (int64_t h = share.first_head; h < share.last_head; h++)
        for_strips(a, share, scratch, h, [&](const StripView& strip) {
            if (a.initial_state.data && turned)
                copy_strip_turned_in(floats(a.initial_state) + h * a.initial_state.stride[1] + strip.s * Strip * a.initial_state.stride[2], a.initial_state.stride[2], K, strip.width, strip.state);
            else if (a.initial_state.data)
                copy_strip_in(floats(a.initial_state) + h * a.initial_state.stride[1] + strip.s * Strip, a.initial_state.stride[2], K, strip.width, strip.state);
            else
                for (int64_t i = 0; i < 2 * K; i++) store(strip.state + i * W, Vector{});
        });
    for (int64_t t0 = 0; t0 < a.tokens; t0 += Block)
        for (int64_t h = share.first_head; h < share.last_head; h++) advance(h, t0);
    finish_streaming();
    if (!a.final_state.data) return;
    for (int64_t h = share.first_head; h < share.last_head; h++)
        for_strips(a, share, scratch, h, [&](const StripView& strip) {
            if (turned) transpose(strip.state, Strip, K, strip.width, floats(a.final_state) + h * a.final_state.stride[1] + strip.s * Strip * a.final_state.stride[2], a.final_state.stride[2]);
            else copy_strip_out(strip.state, K, strip.width, floats(a.final_state) + h * a.final_state.stride[1] + strip.s * Strip, a.final_state.stride[2]);
        });
}

// Sequences of one length count as they are; of different ones as few as the longest would go into all tokens,
// since its items are what the others are waited for with. Where waking a thread takes longer than the work, as in
// decoding, the caller does it alone.
// run(sequence, share, slice)
template <class Call, class Run>
void run_strips(const Call& a, const Scratch& scratch, Run&& run) {
    constexpr int64_t WorthAThread = 1 << 19; // state elements touched: some 20 microseconds
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    const int64_t count = sequence_count(a), tokens = over_sequences(a, [](int64_t n) { return n; }), longest = count > 0 ? sequence_tokens(a, plan.order[0]) : 0;
    const int64_t equal = longest > 0 ? (tokens + longest - 1) / longest : count;
    const int64_t workers = tokens * a.heads * a.key_dim * a.value_dim < WorthAThread ? 1 : scratch.workers, strips = (a.value_dim + Strip - 1) / Strip;
    const Dealing deal_out = deal(a.heads, largest_head_group(a), equal, strips, workers);
    const int64_t group = deal_out.group, groups = deal_out.groups(a.heads), parts = deal_out.parts;
    for_items(count * groups * parts, static_cast<int>(workers), [&](int64_t item, int worker) {
        int64_t part = item % parts, g = item / parts % groups, last = (g + 1) * group;
        Share share = {g * group, last < a.heads ? last : a.heads, strips * part / parts, strips * (part + 1) / parts};
        run(sequence(a, plan, plan.order[item / parts / groups]), share, scratch.of(worker));
    });
}

} // namespace
} // namespace memgen
