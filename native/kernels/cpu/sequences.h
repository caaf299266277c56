// The sequences of a call: its rows, or the segments that it names. A kernel takes one as if it were a
// call of its own with one row, so its results cannot depend on what stands beside it.
// No templates of the standard library here: the linker would keep the copy of any one build for all.
#pragma once
#include "front/check.h"
#include "layout.h"

namespace memgen {
namespace {

template <class Args>
int64_t sequence_tokens(const Args& a, int64_t n) { return a.segments.lengths ? a.segments.lengths[n] : a.tokens; }

// Where its tokens begin on the axis of all B T tokens.
template <class Args>
int64_t sequence_start(const Args& a, int64_t n) { return !a.segments.lengths ? n * a.tokens : a.segments.lengths[n] > 0 ? a.segments.starts[n] : 0; }

// Sum over the sequences of what each takes by its tokens.
template <class Args, class Size>
int64_t over_sequences(const Args& a, Size&& size) {
    if (!a.segments.lengths) return a.batch * size(a.tokens);
    int64_t sum = 0;
    for (int64_t n = 0; n < a.segments.count; n++) sum += size(a.segments.lengths[n]);
    return sum;
}

// Which tensors of an operator have axes [B, T, ..], and which [N, ..].
template <class Args>
struct Axes;

template <>
struct Axes<memgen_gated_delta_rule_args> {
    typedef memgen_gated_delta_rule_args A;
    static constexpr memgen_tensor A::*tokens[] = {&A::q, &A::k, &A::v, &A::beta, &A::log_decay, &A::a, &A::b, &A::o, &A::d_o, &A::d_q, &A::d_k, &A::d_v, &A::d_beta, &A::d_log_decay, &A::d_a, &A::d_b};
    static constexpr memgen_tensor A::*states[] = {&A::initial_state, &A::final_state, &A::d_final_state, &A::d_initial_state};
};

template <>
struct Axes<memgen_linear_attention_normalized_args> {
    typedef memgen_linear_attention_normalized_args A;
    static constexpr memgen_tensor A::*tokens[] = {&A::q, &A::k, &A::v, &A::o, &A::d_o, &A::d_q, &A::d_k, &A::d_v};
    static constexpr memgen_tensor A::*states[] = {&A::initial_state, &A::initial_normalizer, &A::final_state, &A::final_normalizer,
                                                  &A::d_final_state, &A::d_final_normalizer, &A::d_initial_state, &A::d_initial_normalizer};
};

template <>
struct Axes<memgen_linear_scan_args> {
    typedef memgen_linear_scan_args A;
    static constexpr memgen_tensor A::*tokens[] = {&A::a, &A::b, &A::h, &A::d_h, &A::d_a, &A::d_b};
    static constexpr memgen_tensor A::*states[] = {&A::initial_state, &A::final_state, &A::d_final_state, &A::d_initial_state};
};

template <>
struct Axes<memgen_selective_scan_args> {
    typedef memgen_selective_scan_args A;
    static constexpr memgen_tensor A::*tokens[] = {&A::u, &A::delta, &A::B, &A::C, &A::y, &A::d_y, &A::d_u, &A::d_delta, &A::d_B, &A::d_C};
    static constexpr memgen_tensor A::*states[] = {&A::initial_state, &A::final_state, &A::d_final_state, &A::d_initial_state};
};

template <>
struct Axes<memgen_causal_conv_args> {
    typedef memgen_causal_conv_args A;
    static constexpr memgen_tensor A::*tokens[] = {&A::x, &A::y, &A::d_y, &A::d_x};
    static constexpr memgen_tensor A::*states[] = {&A::initial_state, &A::final_state, &A::d_final_state, &A::d_initial_state};
};

template <>
struct Axes<memgen_titans_args> {
    typedef memgen_titans_args A;
    static constexpr memgen_tensor A::*tokens[] = {&A::q, &A::k, &A::v, &A::theta, &A::eta, &A::alpha, &A::o, &A::d_o, &A::d_q, &A::d_k, &A::d_v, &A::d_theta, &A::d_eta, &A::d_alpha};
    static constexpr memgen_tensor (A::*states[])[MEMGEN_TITANS_LAYERS] = {&A::initial_weights, &A::initial_momenta, &A::final_weights, &A::final_momenta,
                                                                          &A::d_final_weights, &A::d_final_momenta, &A::d_initial_weights, &A::d_initial_momenta, &A::target, &A::d_target};
};

inline void skip_rows(memgen_tensor& x, int64_t n) {
    if (x.data) x.data = floats(x) + n * x.stride[0];
}
template <int Layers>
void skip_rows(memgen_tensor (&x)[Layers], int64_t n) {
    for (memgen_tensor& each : x) skip_rows(each, n);
}

// Sequence n as a call of its own. What is not a memgen_tensor still points to where that of all begins.
template <class Args>
Args sequence(const Args& a, int64_t n) {
    Args s = a;
    s.batch = 1;
    s.tokens = sequence_tokens(a, n);
    s.segments = {};
    const int64_t start = sequence_start(a, n), row = a.segments.lengths ? (a.tokens > 0 ? start / a.tokens : 0) : n, token = start - row * a.tokens;
    for (auto field : Axes<Args>::tokens)
        if (memgen_tensor& x = s.*field; x.data) x.data = floats(x) + row * x.stride[0] + token * x.stride[1];
    for (auto field : Axes<Args>::states) skip_rows(s.*field, n);
    return s;
}

// The order in which sequences are dealt out, longest first so that no worker is left alone with a long one,
// and for each what those before it take of something that all share. The front door writes it to where the
// shared scratch begins.
struct SequencePlan {
    int64_t *order, *before; // [N], [N + 1]

    SequencePlan(Arena& arena, int64_t count) : order(arena.integers(count)), before(arena.integers(count + 1)) {}

    // The sequence to which item i belongs where each takes as many items as its size.
    int64_t owner(int64_t i, int64_t count) const {
        int64_t first = 0, last = count; // before[first] <= i < before[last]
        while (last - first > 1) {
            int64_t middle = (first + last) / 2;
            (before[middle] <= i ? first : last) = middle;
        }
        return first;
    }
};

} // namespace
} // namespace memgen
