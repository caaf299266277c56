// Diagonal recurrences: the linear scan and the selective scan (Mamba-1). Lanes are channels, tokens run
// one after the other, rows are read in memory order.
#include "kernels.h"
#include "powers.h"
#include "scan_layout.h"
#include "threads.h"
#include <type_traits>

namespace memgen {
namespace {

constexpr int64_t LinearGroup = 256; // channels of one item of the linear scan, at most

// Row t of the one sequence that x holds: its axes are [1, T, ..].
float* at(const memgen_tensor& x, int64_t t) { return x.data ? floats(x) + t * x.stride[1] : nullptr; }

// body(sequence, first channel, channels): groups small enough that every worker has some
template <class Body>
void for_channels(const memgen_linear_scan_args& a, const Scratch& scratch, Body&& body) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    int64_t group = LinearGroup;
    while (group > W && sequence_count(a) * ((a.channels + group - 1) / group) < 4 * scratch.workers) group /= 2;
    int64_t groups = (a.channels + group - 1) / group;
    for_items(sequence_count(a) * groups, scratch.workers, [&](int64_t item, int) {
        int64_t c = item % groups * group;
        body(sequence(a, plan.order[item / groups]), c, a.channels - c < group ? a.channels - c : group);
    });
}

void read(const float* from, int64_t n, float* to) {
    for (int64_t i = 0; i < n; i++) to[i] = from ? from[i] : 0.0f;
}

typedef memgen_selective_scan_args Selective;

// [channels, N] with row stride `row` turned into [vectors, N, W], zero beyond the channels
void turn_in(const float* from, int64_t row, int64_t channels, int64_t N, float* to) {
    for (int64_t v = 0; v * W < channels; v++)
        for (int64_t n = 0; n < N; n++)
            for (int64_t i = 0; i < W; i++) to[(v * N + n) * W + i] = from && v * W + i < channels ? from[(v * W + i) * row + n] : 0.0f;
}

// A for powers of two: e^(delta A) = 2^(delta A log2 e)
void turn_rates(const Selective& a, int64_t c0, int64_t channels, float* to) {
    turn_in(floats(a.A) + c0 * a.A.stride[0], a.A.stride[0], channels, a.state_dim, to);
    for (int64_t i = 0; i < padded(channels, W) * a.state_dim; i += W) store(to + i, load(to + i) * splat(static_cast<float>(Log2E)));
}

void turn_out(const float* from, int64_t channels, int64_t N, float* to, int64_t row) {
    for (int64_t c = 0; c < channels; c++)
        for (int64_t n = 0; n < N; n++) to[c * row + n] = from[(c / W * N + n) * W + c % W];
}

// Checkpoints of one sequence: [groups, checkpoints, vectors of a group, N, W]
float* checkpoint(const Selective& a, int64_t group, int64_t index) {
    return static_cast<float*>(a.checkpoints) + (group * scan_checkpoints(a) + index) * ScanGroup * a.state_dim;
}

struct Token {
    const float *u, *delta, *B, *C;
    float *y, *d_u, *d_delta;
    const float* d_y;

    Token(const Selective& a, int64_t t, int64_t c)
        : u(at(a.u, t) + c), delta(at(a.delta, t) + c), B(at(a.B, t)), C(at(a.C, t)), y(a.y.data ? at(a.y, t) + c : nullptr), d_u(a.d_u.data ? at(a.d_u, t) + c : nullptr),
          d_delta(a.d_delta.data ? at(a.d_delta, t) + c : nullptr), d_y(a.d_y.data ? at(a.d_y, t) + c : nullptr) {}
};

// body(n, block): a few states at a time, the last ones one by one
template <int64_t Block, class Body>
MEMGEN_INLINE void for_states(int64_t count, Body&& body) {
    int64_t n = 0;
    for (; n + Block <= count; n += Block) body(n, std::integral_constant<int64_t, Block>{});
    for (; n < count; n++) body(n, std::integral_constant<int64_t, 1>{});
}

// States n to n + M of one vector of channels through the tokens of a segment. delta, input, y: [tokens, W] of that vector.
template <int64_t M>
void read_states(const Selective& a, int64_t t0, int64_t tokens, int64_t n, const float* delta, const float* input, const float* own_rates, float* state, float* y) {
    Vector rates[M], h[M];
#pragma GCC unroll 16
    for (int64_t i = 0; i < M; i++) rates[i] = load(own_rates + i * W), h[i] = load(state + i * W);
    for (int64_t t = 0; t < tokens; t++) {
        const float *B = at(a.B, t0 + t) + n, *C = at(a.C, t0 + t) + n;
        Vector step = load(delta + t * W), in = load(input + t * W), sum = load(y + t * W);
#pragma GCC unroll 16
        for (int64_t i = 0; i < M; i++) {
            h[i] = power_of_two(step * rates[i]) * h[i] + in * splat(B[i]);
            sum += h[i] * splat(C[i]);
        }
        store(y + t * W, sum);
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < M; i++) store(state + i * W, h[i]);
}

void selective_forward(const Selective& a, int64_t group, char* slice) {
    Arena arena{slice};
    ScanForwardScratch s(arena, a);
    const int64_t c0 = group * ScanGroup, channels = a.channels - c0 < ScanGroup ? a.channels - c0 : ScanGroup, N = a.state_dim, segment = scan_segment(a);
    turn_rates(a, c0, channels, s.rates);
    turn_in(a.initial_state.data ? floats(a.initial_state) + c0 * a.initial_state.stride[1] : nullptr, a.initial_state.stride[1], channels, N, s.state);
    for (int64_t t0 = 0; t0 < a.tokens; t0 += segment) {
        const int64_t tokens = a.tokens - t0 < segment ? a.tokens - t0 : segment;
        if (a.checkpoints && t0 > 0) read(s.state, padded(channels, W) * N, checkpoint(a, group, t0 / segment - 1));
        for (int64_t t = 0; t < tokens; t++) {
            Token x(a, t0 + t, c0);
            for_vectors(channels, [&](int64_t c, auto extent) {
                Vector delta = load(x.delta + c, extent), u = load(x.u + c, extent);
                const int64_t own = c * segment + t * W;
                store(s.delta + own, delta), store(s.input + own, delta * u);
                store(s.y + own, a.D.data ? load(floats(a.D) + c0 + c, extent) * u : Vector{});
            });
        }
        for (int64_t c = 0; c < channels; c += W)
            for_states<2 * StateBlock>(N, [&](int64_t n, auto block) {
                const int64_t rows = c * segment, own = c * N + n * W;
                read_states<block>(a, t0, tokens, n, s.delta + rows, s.input + rows, s.rates + own, s.state + own, s.y + rows);
            });
        for (int64_t t = 0; t < tokens; t++) {
            Token x(a, t0 + t, c0);
            for_vectors(channels, [&](int64_t c, auto extent) { store(x.y + c, load(s.y + c * segment + t * W), extent); });
        }
    }
    if (a.final_state.data) turn_out(s.state, channels, N, floats(a.final_state) + c0 * a.final_state.stride[1], a.final_state.stride[1]);
}

// States n to n + M of one vector of channels in one segment: forward again, then back through them.
template <int64_t M>
void selective_states(const Selective& a, const ScanBackwardScratch& s, int64_t t0, int64_t tokens, int64_t c, int64_t n) {
    const int64_t own = c * a.state_dim + n * W, row = c * scan_segment(a), sums = n * scan_segment(a) * W;
    Vector rates[M], h[M], carry[M], d_rates[M];
#pragma GCC unroll 4
    for (int64_t i = 0; i < M; i++) {
        rates[i] = load(s.rates + own + i * W);
        carry[i] = load(s.carry + own + i * W);
        d_rates[i] = load(s.d_rates + own + i * W);
        h[i] = load(s.start + (n + i) * W);
    }
    for (int64_t t = 0; t < tokens; t++) {
        const float* B = at(a.B, t0 + t) + n;
        float *decays = s.decays + t * M * W, *before = s.states + t * M * W;
        Vector delta = load(s.delta + row + t * W), input = load(s.input + row + t * W);
#pragma GCC unroll 4
        for (int64_t i = 0; i < M; i++) {
            Vector decay = power_of_two(delta * rates[i]);
            store(decays + i * W, decay);
            store(before + i * W, h[i]);
            h[i] = decay * h[i] + input * splat(B[i]);
        }
    }
    for (int64_t t = tokens - 1; t >= 0; t--) {
        const float *B = at(a.B, t0 + t) + n, *C = at(a.C, t0 + t) + n, *before = s.states + t * M * W, *decays = s.decays + t * M * W;
        float *d_b = s.d_b + sums + t * M * W, *d_c = s.d_c + sums + t * M * W;
        Vector delta = load(s.delta + row + t * W), input = load(s.input + row + t * W), dy = load(s.d_y + row + t * W);
        Vector by_input = load(s.by_input + row + t * W), by_decay = load(s.by_decay + row + t * W);
#pragma GCC unroll 4
        for (int64_t i = 0; i < M; i++) {
            Vector decay = load(decays + i * W), earlier = load(before + i * W);
            Vector g = carry[i] + dy * splat(C[i]);
            store(d_c + i * W, load(d_c + i * W) + dy * h[i]);
            store(d_b + i * W, load(d_b + i * W) + g * input);
            carry[i] = decay * g;
            Vector through = carry[i] * earlier;
            d_rates[i] += through * delta;
            by_input += g * splat(B[i]);
            by_decay += through * rates[i];
            h[i] = earlier;
        }
        store(s.by_input + row + t * W, by_input);
        store(s.by_decay + row + t * W, by_decay);
    }
#pragma GCC unroll 4
    for (int64_t i = 0; i < M; i++) {
        store(s.carry + own + i * W, carry[i]);
        store(s.d_rates + own + i * W, d_rates[i]);
    }
}

// The number of a sequence, where its tokens begin among all, and how many there are in all.
struct Place {
    int64_t n, start, tokens;
};

void selective_backward(const Selective& a, const ScanSharedScratch& shared, const Place& place, int64_t group, char* slice) {
    Arena arena{slice};
    ScanBackwardScratch s(arena, a);
    const int64_t c0 = group * ScanGroup, channels = a.channels - c0 < ScanGroup ? a.channels - c0 : ScanGroup, N = a.state_dim, T = a.tokens, segment = scan_segment(a);
    turn_rates(a, c0, channels, s.rates);
    turn_in(a.d_final_state.data ? floats(a.d_final_state) + c0 * a.d_final_state.stride[1] : nullptr, a.d_final_state.stride[1], channels, N, s.carry);
    turn_in(nullptr, 0, channels, N, s.d_rates);
    Vector d_skip[ScanGroup / W] = {};
    for (int64_t index = scan_checkpoints(a); index >= 0 && T > 0; index--) {
        int64_t t0 = index * segment, end = t0 + segment < T ? t0 + segment : T;
        for (int64_t i = 0; i < segment * N * W; i += W) store(s.d_b + i, Vector{}), store(s.d_c + i, Vector{});
        for (int64_t t = t0; t < end; t++) {
            Token x(a, t, c0);
            for_vectors(channels, [&](int64_t c, auto extent) {
                const int64_t own = c * segment + (t - t0) * W;
                Vector delta = load(x.delta + c, extent);
                store(s.delta + own, delta), store(s.input + own, delta * load(x.u + c, extent)), store(s.d_y + own, x.d_y ? load(x.d_y + c, extent) : Vector{});
                store(s.by_input + own, Vector{}), store(s.by_decay + own, Vector{});
            });
        }
        for (int64_t c = 0; c < channels; c += W) {
            if (index > 0) read(checkpoint(a, group, index - 1) + c * N, N * W, s.start);
            else turn_in(a.initial_state.data ? floats(a.initial_state) + (c0 + c) * a.initial_state.stride[1] : nullptr, a.initial_state.stride[1], channels - c < W ? channels - c : W, N, s.start);
            for_states<StateBlock>(N, [&](int64_t n, auto block) { selective_states<block>(a, s, t0, end - t0, c, n); });
        }
        for (int64_t t = end - 1; t >= t0; t--) {
            Token x(a, t, c0);
            for_vectors(channels, [&](int64_t c, auto extent) {
                const int64_t own = c * segment + (t - t0) * W;
                Vector u = load(x.u + c, extent), dy = load(s.d_y + own), by_input = load(s.by_input + own);
                d_skip[c / W] += dy * u;
                if (x.d_u) store(x.d_u + c, load(s.delta + own) * by_input + (a.D.data ? load(floats(a.D) + c0 + c, extent) * dy : Vector{}), extent);
                if (x.d_delta) store(x.d_delta + c, u * by_input + splat(static_cast<float>(1 / Log2E)) * load(s.by_decay + own), extent);
            });
        }
        const int64_t first = (group * place.tokens + place.start + t0) * N;
        for_states<StateBlock>(N, [&](int64_t n, auto block) {
            for (int64_t t = 0; t < end - t0; t++)
                for (int64_t i = 0; i < block; i++) {
                    const int64_t to = first + t * N + n + i, from = (n * segment + t * block + i) * W;
                    shared.d_b[to] = sum(load(s.d_b + from));
                    shared.d_c[to] = sum(load(s.d_c + from));
                }
        });
    }
    if (a.d_initial_state.data) turn_out(s.carry, channels, N, floats(a.d_initial_state) + c0 * a.d_initial_state.stride[1], a.d_initial_state.stride[1]);
    turn_out(s.d_rates, channels, N, shared.d_rates + (place.n * a.channels + c0) * N, N);
    for_vectors(channels, [&](int64_t c, auto extent) { store(shared.d_skip + place.n * a.channels + c0 + c, d_skip[c / W], extent); });
}

// d_B or d_C of a sequence: the sum over channel groups, in their order
void add_groups(const Selective& a, const Place& place, const float* partials, const memgen_tensor& out) {
    for (int64_t t = 0; out.data && t < a.tokens; t++)
        for (int64_t n = 0; n < a.state_dim; n++) {
            float sum = 0.0f;
            for (int64_t g = 0; g < scan_groups(a); g++) sum += partials[(g * place.tokens + place.start + t) * a.state_dim + n];
            at(out, t)[n] = sum;
        }
}

// Sequence n with its part of the checkpoints.
Selective part(const Selective& a, const SequencePlan& plan, int64_t n) {
    Selective s = sequence(a, n);
    if (s.checkpoints) s.checkpoints = static_cast<float*>(s.checkpoints) + plan.before[n] * scan_groups(a) * ScanGroup * a.state_dim;
    return s;
}

} // namespace

namespace MEMGEN_ISA {

void linear_scan_forward(const memgen_linear_scan_args& a, const Scratch& scratch) {
    for_channels(a, scratch, [](const memgen_linear_scan_args& a, int64_t c0, int64_t channels) {
        float h[LinearGroup + W];
        read(a.initial_state.data ? floats(a.initial_state) + c0 : nullptr, channels, h);
        for (int64_t t = 0; t < a.tokens; t++) {
            const float *at_a = at(a.a, t) + c0, *at_b = at(a.b, t) + c0;
            float* out = at(a.h, t) + c0;
            for_vectors(channels, [&](int64_t c, auto extent) {
                Vector x = load(at_a + c, extent) * load(h + c) + load(at_b + c, extent);
                store(h + c, x);
                store(out + c, x, extent);
            });
        }
        if (a.final_state.data) read(h, channels, floats(a.final_state) + c0);
    });
}

void linear_scan_backward(const memgen_linear_scan_args& a, const Scratch& scratch) {
    for_channels(a, scratch, [](const memgen_linear_scan_args& a, int64_t c0, int64_t channels) {
        float carry[LinearGroup + W], zero[LinearGroup] = {};
        read(a.d_final_state.data ? floats(a.d_final_state) + c0 : nullptr, channels, carry);
        for (int64_t t = a.tokens - 1; t >= 0; t--) {
            const float *at_a = at(a.a, t) + c0, *dh = a.d_h.data ? at(a.d_h, t) + c0 : zero;
            const float* before = t > 0 ? at(a.h, t - 1) + c0 : a.initial_state.data ? floats(a.initial_state) + c0 : zero;
            float *da = a.d_a.data ? at(a.d_a, t) + c0 : nullptr, *db = a.d_b.data ? at(a.d_b, t) + c0 : nullptr;
            for_vectors(channels, [&](int64_t c, auto extent) {
                Vector g = load(dh + c, extent) + load(carry + c);
                if (da) store(da + c, g * load(before + c, extent), extent);
                if (db) store(db + c, g, extent);
                store(carry + c, load(at_a + c, extent) * g);
            });
        }
        if (a.d_initial_state.data) read(carry, channels, floats(a.d_initial_state) + c0);
    });
}

void selective_scan_forward(const Selective& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    int64_t groups = scan_groups(a);
    for_items(sequence_count(a) * groups, scratch.workers, [&](int64_t item, int worker) { selective_forward(part(a, plan, plan.order[item / groups]), item % groups, scratch.of(worker)); });
}

void selective_scan_backward(const Selective& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    ScanSharedScratch shared(arena, a);
    const int64_t groups = scan_groups(a), count = sequence_count(a);
    auto place = [&](int64_t n) { return Place{n, sequence_start(a, n), a.batch * a.tokens}; };
    for_items(count * groups, scratch.workers, [&](int64_t item, int worker) {
        int64_t n = plan.order[item / groups];
        selective_backward(part(a, plan, n), shared, place(n), item % groups, scratch.of(worker));
    });
    for (int64_t n = 0; n < count; n++) {
        Selective own = sequence(a, n);
        add_groups(own, place(n), shared.d_b, own.d_B);
        add_groups(own, place(n), shared.d_c, own.d_C);
    }
    for (int64_t c = 0; c < a.channels; c++) {
        float skip = 0.0f;
        for (int64_t i = 0; i < count; i++) skip += shared.d_skip[i * a.channels + c];
        if (a.d_D.data) floats(a.d_D)[c] = skip;
        for (int64_t n = 0; a.d_A.data && n < a.state_dim; n++) {
            float sum = 0.0f;
            for (int64_t i = 0; i < count; i++) sum += shared.d_rates[(i * a.channels + c) * a.state_dim + n];
            floats(a.d_A)[c * a.d_A.stride[0] + n] = sum;
        }
    }
}

} // namespace MEMGEN_ISA
} // namespace memgen
