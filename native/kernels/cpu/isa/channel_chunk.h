// What the backward passes share whose decays are by channel: chunks of 16 tokens and the groups of tokens in them.
//
// A chunk is one group of tokens while decays allow it: E_i is the decay from the group's middle to token i, one over it for those
// before, and has to stay in float's range. Where it does not, the groups are of 8, 4, 2 tokens or of one. What is then left are
// the pairs with a token in either half of a group of 16, 8, .. tokens: of these the later one is weighed with the decay since the
// second half began, the earlier one with the decay until then, and neither leaves the range. Each such level takes the products
// that are of pairs once more. a: the decay from the chunk's start to the middle of a token's group; z: from there to its end.
#pragma once
#include "chunk.h"
#include "delta_layout.h"
#include "kernels.h"
#include "powers.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_channel_decay_args Args;
constexpr float SmallestDecay = 1.0f / 1152921504606846976.0f; // 2^-60: the product of two 1 / E stays in float's range

struct ChannelPast : Past {
    bool decay, a, b;

    explicit ChannelPast(const Args& x) : Past(x), decay(past_caches(x, x.d_log_decay, x.key_dim)), a(past_caches(x, x.d_a, x.key_dim)), b(past_caches(x, x.d_b, x.key_dim)) {}
};

struct Tokens {
    const Args& a;
    const ChannelPast& past;
    int64_t h, t, n; // n of them from t on
    int64_t segment; // tokens of the segment before, where that comes next

    float* row(const memgen_tensor& x, int64_t i) const { return at(x, t + i, h); }
};

// s.since: E for groups of `span` tokens, and s.first, a of the first group; whether E stays in range.
template <class S>
MEMGEN_INLINE bool from_middles(const S& s, int64_t span) {
    VectorInt strong = {};
    for (int64_t j = 0; j < s.kp; j += W) {
        auto decay = [&](int64_t i) { return load(s.chunk_decays + i * s.kp + j); };
        for (int64_t begin = 0; begin < C; begin += span) {
            const int64_t middle = begin + (span - 1) / 2;
            Vector before = splat(1.0f), after = before;
            store(s.since + middle * s.kp + j, after);
            for (int64_t i = middle; i > begin; i--) store(s.since + (i - 1) * s.kp + j, splat(1.0f) / (before *= decay(i)));
            for (int64_t i = middle + 1; i < begin + span; i++) store(s.since + i * s.kp + j, after *= decay(i));
            if (begin == 0) store(s.first + j, before * decay(0));
            strong |= ~(minimum(before, after) >= splat(SmallestDecay)) | ~(before == before) | ~(after == after);
        }
    }
    return !any(strong);
}

// s.since: of groups of `span` tokens, the decays since the second half began, and of the first half until then.
template <class S>
void from_halves(const S& s, int64_t span) {
    for (int64_t j = 0; j < s.kp; j += W)
        for (int64_t begin = 0; begin < C; begin += span) {
            const int64_t half = begin + span / 2;
            Vector until = splat(1.0f), since = until;
            for (int64_t i = half - 1; i >= begin; i--) store(s.since + i * s.kp + j, until), until *= load(s.chunk_decays + i * s.kp + j);
            for (int64_t i = half; i < begin + span; i++) store(s.since + i * s.kp + j, since *= load(s.chunk_decays + i * s.kp + j));
        }
}

// What decides how the chunk is taken: chunk_decays = e^log_decay, decaysT = E turned, and a and z. The result: how often groups
// were halved until E stayed in range.
template <class S>
int64_t read_decays(const Tokens& x, const S& s) {
    const int64_t K = x.a.key_dim;
    for (int64_t i = 0; i < C; i++)
        for (int64_t j = K; j < s.kp; j++) s.chunk_decays[i * s.kp + j] = 1.0f;
    for (int64_t i = 0; i < C; i++)
        for_vectors(K, [&](int64_t j, auto extent) {
            store(s.chunk_decays + i * s.kp + j, i < x.n ? exponential(load(x.row(x.a.log_decay, i) + j, extent)) : splat(1.0f), extent);
        });
    int64_t halved = 0;
    while (!from_middles(s, C >> halved)) halved++; // of one token it is one
    transpose(s.since, s.kp, C, s.kp, s.decaysT, C);
    if (halved == 0) return 0;
    for (int64_t j = 0; j < s.kp; j += W) {
        Vector since = splat(1.0f), until = since;
        for (int64_t i = 0; i < C; i++) store(s.y + i * s.kp + j, (since *= load(s.chunk_decays + i * s.kp + j)) / load(s.since + i * s.kp + j));
        for (int64_t i = C - 1; i >= 0; i--) store(s.z + i * s.kp + j, until * load(s.since + i * s.kp + j)), until *= load(s.chunk_decays + i * s.kp + j);
    }
    transpose(s.y, s.kp, C, s.kp, s.firstT, C);
    transpose(s.z, s.kp, C, s.kp, s.endT, C);
    return halved;
}

// Of channel d a and z of the tokens from i on, and the decay of the whole chunk.
template <class S>
MEMGEN_INLINE Vector first_of(const S& s, int64_t halved, int64_t d, int i) { return halved ? load(s.firstT + d * C + i) : splat(s.first[d]); }
template <class S>
MEMGEN_INLINE Vector end_of(const S& s, int64_t halved, int64_t d, int i) { return halved ? load(s.endT + d * C + i) : splat(s.decaysT[d * C + C - 1]); }
template <class S>
MEMGEN_INLINE float whole_of(const S& s, int64_t halved, int64_t d) { return (halved ? s.firstT[d * C + C - 1] : s.first[d]) * s.decaysT[d * C + C - 1]; }

// to = from in the pairs of a level, j not after i; the other numbers of [i, j] stay. row: of both.
MEMGEN_INLINE void choose_pairs(const float* from, int64_t row, int64_t level, int64_t halved, float* to) {
    const int32_t high = static_cast<int32_t>(C >> level), low = level < halved ? high / 2 : 0; // of i ^ j
    VectorInt lane;
    for (int n = 0; n < W; n++) lane[n] = n;
    for (int32_t i = 0; i < C; i++)
        for (int32_t m = 0; m < C; m += W) {
            const VectorInt j = lane + m, apart = j ^ i;
            store(to + i * row + m, (j <= i) & (apart >= low) & (apart < high) ? load(from + i * row + m) : load(to + i * row + m));
        }
}

template <class S>
void scale_rows(const S& s, const float* from, float* to, const float* factor) {
    for (int64_t i = 0; i < s.kp; i++)
        for (int64_t j = 0; j < s.vp; j += W) store(to + i * s.state_row + j, splat(factor[i]) * load(from + i * s.state_row + j));
}

// A gradient's rows out of turned ones: those of the tokens but the first `skipped`.
template <class S>
void write_turned(const Tokens& x, const S& s, const float* from, int64_t from_row, const memgen_tensor& to, bool past, int64_t skipped = 0) {
    if (!to.data) return;
    transpose(from, from_row, s.kp, C, s.y, s.kp);
    write_rows(s.y, s.kp, x.n - skipped, x.a.key_dim, x.row(to, skipped), to.stride[1], past);
}

// Gradients of the log decays. s.weighted: turned, of every token what its numbers say about the decay between the chunk's start
// and it; s.d_state: of the state before the chunk, as far as it goes through the decay of the first token.
template <class S>
void write_decays(const Tokens& x, const S& s, const float* state) {
    if (!x.a.d_log_decay.data) return;
    for (int64_t d = 0; d < s.kp; d++) s.first[d] = dot(state + d * s.state_row, s.d_state + d * s.state_row, s.vp);
    transpose(s.weighted, C, s.kp, C, s.y, s.kp);
    for (int64_t i = 0; i < x.n; i++)
        for_vectors(x.a.key_dim, [&](int64_t d, auto extent) {
            Vector gradient = load(s.first + d);
            store(x.row(x.a.d_log_decay, i) + d, gradient, extent, x.past.decay);
            store(s.first + d, gradient - load(s.y + i * s.kp + d));
        });
}

// One head. enter(tokens, s, c, next) leaves the state after chunk c, where one follows, for leave(tokens, s, c), which is called
// for the chunks of a segment in reverse; last: whether the last of them is entered, too.
template <class S, class Enter, class Leave>
void run_chain(const Args& a, int64_t h, char* slice, bool last, Enter&& enter, Leave&& leave) {
    Arena arena{slice};
    const S s(arena, a);
    const ChannelPast past(a);
    const int64_t K = a.key_dim, V = a.value_dim, T = a.tokens, interval = checkpoint_interval(K, V), saved = checkpoint_count(T, interval);
    auto state_of = [&](const memgen_tensor& x) { return x.data ? floats(x) + h * x.stride[1] : nullptr; };

    copy_state_in(state_of(a.d_final_state), a.d_final_state.stride[2], K, V, s.d_state, s.kp, s.state_row);
    for (int64_t segment = saved; segment >= 0 && T > 0; segment--) {
        int64_t start = segment * interval, end = start + interval < T ? start + interval : T, chunks = padded(end - start, C) / C;
        if (segment > 0) copy_state_in(static_cast<const float*>(a.checkpoints) + (h * saved + segment - 1) * K * V, V, K, V, s.states, s.kp, s.state_row);
        else copy_state_in(state_of(a.initial_state), a.initial_state.stride[2], K, V, s.states, s.kp, s.state_row);
        auto tokens = [&](int64_t c) {
            int64_t t = start + c * C;
            return Tokens{a, past, h, t, end - t < C ? end - t : C, c == 0 && segment > 0 ? interval : 0};
        };
        for (int64_t c = 0; c < (last ? chunks : chunks - 1); c++) enter(tokens(c), s, c, c + 1 < chunks);
        for (int64_t c = chunks - 1; c >= 0; c--) leave(tokens(c), s, c);
    }
    finish_streaming();
    if (a.d_initial_state.data) copy_state_out(s.d_state, s.state_row, K, V, state_of(a.d_initial_state), a.d_initial_state.stride[2]);
}

// chain(sequence, head, slice)
template <class Chain>
void for_chains(const Args& a, const Scratch& scratch, Chain&& chain) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) { chain(sequence(a, plan, plan.order[item / a.heads]), item % a.heads, scratch.of(worker)); });
}

} // namespace
} // namespace memgen
