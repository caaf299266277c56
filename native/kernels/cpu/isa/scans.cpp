// Diagonal recurrences: the linear scan and the selective scan (Mamba-1). Lanes are channels, tokens run
// one after the other, rows are read in memory order.
#include "kernels.h"
#include "scan_layout.h"
#include "threads.h"
#include "vector.h"

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

// e^x for a decay: what is below e^-87 stays there, which no state notices; above e^88 likewise.
MEMGEN_INLINE Vector decay_of(Vector x) {
    const Vector shift = splat(12582912.0f);
    x = maximum(minimum(x, splat(88.0f)), splat(-87.0f));
    Vector rounded = x * splat(1.44269504f) + shift;
    VectorInt exponent = reinterpret_cast<VectorInt>(rounded) << 23;
    Vector n = rounded - shift, f = x - n * splat(0.693359375f);
    f = f + n * splat(2.12194440e-4f);
    Vector p = splat(1.98756915e-4f);
    p = p * f + splat(1.39819995e-3f);
    p = p * f + splat(8.33345205e-3f);
    p = p * f + splat(4.16657962e-2f);
    p = p * f + splat(1.66666655e-1f);
    p = p * f + splat(5.00000000e-1f);
    p = p * f * f + f + splat(1.0f);
    return reinterpret_cast<Vector>(reinterpret_cast<VectorInt>(p) + exponent);
}

typedef memgen_selective_scan_args Selective;

// [channels, N] with row stride `row` turned into [vectors, N, W], zero beyond the channels
void turn_in(const float* from, int64_t row, int64_t channels, int64_t N, float* to) {
    for (int64_t v = 0; v * W < channels; v++)
        for (int64_t n = 0; n < N; n++)
            for (int64_t i = 0; i < W; i++) to[(v * N + n) * W + i] = from && v * W + i < channels ? from[(v * W + i) * row + n] : 0.0f;
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

void selective_forward(const Selective& a, int64_t group, char* slice) {
    Arena arena{slice};
    ScanForwardScratch s(arena, a);
    const int64_t c0 = group * ScanGroup, channels = a.channels - c0 < ScanGroup ? a.channels - c0 : ScanGroup, N = a.state_dim, segment = scan_segment(a);
    turn_in(floats(a.A) + c0 * a.A.stride[0], a.A.stride[0], channels, N, s.rates);
    turn_in(a.initial_state.data ? floats(a.initial_state) + c0 * a.initial_state.stride[1] : nullptr, a.initial_state.stride[1], channels, N, s.state);
    for (int64_t t = 0; t < a.tokens; t++) {
        if (a.checkpoints && t > 0 && t % segment == 0) read(s.state, padded(channels, W) * N, checkpoint(a, group, t / segment - 1));
        Token x(a, t, c0);
        for_vectors(channels, [&](int64_t c, auto extent) {
            Vector delta = load(x.delta + c, extent), u = load(x.u + c, extent), input = delta * u;
            Vector y = a.D.data ? load(floats(a.D) + c0 + c, extent) * u : Vector{};
            float *state = s.state + c * N, *rates = s.rates + c * N;
            for (int64_t n = 0; n < N; n++) {
                Vector h = decay_of(delta * load(rates + n * W)) * load(state + n * W) + input * splat(x.B[n]);
                store(state + n * W, h);
                y += h * splat(x.C[n]);
            }
            store(x.y + c, y, extent);
        });
    }
    if (a.final_state.data) turn_out(s.state, channels, N, floats(a.final_state) + c0 * a.final_state.stride[1], a.final_state.stride[1]);
}

constexpr int64_t StateBlock = 4; // states whose rates, carries and sums stay in registers

// States n to n + M of one vector of channels in one segment: forward again, then back through them.
template <int64_t M>
void selective_states(const Selective& a, const ScanBackwardScratch& s, int64_t t0, int64_t tokens, int64_t c, int64_t n) {
    const int64_t width = a.state_dim * W, own = c * a.state_dim + n * W;
    Vector rates[M], h[M], carry[M], d_rates[M];
    for (int64_t i = 0; i < M; i++) {
        rates[i] = load(s.rates + own + i * W);
        carry[i] = load(s.carry + own + i * W);
        d_rates[i] = load(s.d_rates + own + i * W);
        h[i] = load(s.states + (n + i) * W);
    }
    for (int64_t t = 0; t < tokens; t++) {
        const float* B = at(a.B, t0 + t) + n;
        float *decays = s.decays + t * width + n * W, *after = s.states + (t + 1) * width + n * W;
        Vector delta = load(s.delta + t * W), input = load(s.input + t * W);
        for (int64_t i = 0; i < M; i++) {
            Vector decay = decay_of(delta * rates[i]);
            h[i] = decay * h[i] + input * splat(B[i]);
            store(decays + i * W, decay);
            store(after + i * W, h[i]);
        }
    }
    for (int64_t t = tokens - 1; t >= 0; t--) {
        const float *B = at(a.B, t0 + t) + n, *C = at(a.C, t0 + t) + n, *before = s.states + t * width + n * W, *decays = s.decays + t * width + n * W;
        float *d_b = s.d_b + t * width + n * W, *d_c = s.d_c + t * width + n * W;
        Vector delta = load(s.delta + t * W), input = load(s.input + t * W), dy = load(s.d_y + t * W);
        Vector by_input = load(s.by_input + t * W), by_decay = load(s.by_decay + t * W);
        for (int64_t i = 0; i < M; i++) {
            Vector decay = load(decays + i * W), earlier = load(before + i * W);
            Vector g = carry[i] + dy * splat(C[i]), through = g * (decay * earlier);
            store(d_c + i * W, load(d_c + i * W) + dy * h[i]);
            store(d_b + i * W, load(d_b + i * W) + g * input);
            d_rates[i] += through * delta;
            carry[i] = decay * g;
            by_input += g * splat(B[i]);
            by_decay += through * rates[i];
            h[i] = earlier;
        }
        store(s.by_input + t * W, by_input);
        store(s.by_decay + t * W, by_decay);
    }
    for (int64_t i = 0; i < M; i++) {
        store(s.carry + own + i * W, carry[i]);
        store(s.d_rates + own + i * W, d_rates[i]);
    }
}

// One segment of one vector of channels, a few states at a time.
template <class Extent>
void selective_segment(const Selective& a, const ScanBackwardScratch& s, int64_t t0, int64_t end, int64_t c0, int64_t c, Extent extent, Vector& d_skip) {
    for (int64_t t = t0; t < end; t++) {
        Token x(a, t, c0);
        Vector delta = load(x.delta + c, extent);
        store(s.delta + (t - t0) * W, delta);
        store(s.input + (t - t0) * W, delta * load(x.u + c, extent));
        store(s.d_y + (t - t0) * W, x.d_y ? load(x.d_y + c, extent) : Vector{});
        store(s.by_input + (t - t0) * W, Vector{});
        store(s.by_decay + (t - t0) * W, Vector{});
    }
    int64_t n = 0;
    for (; n + StateBlock <= a.state_dim; n += StateBlock) selective_states<StateBlock>(a, s, t0, end - t0, c, n);
    for (; n < a.state_dim; n++) selective_states<1>(a, s, t0, end - t0, c, n);
    for (int64_t t = end - 1; t >= t0; t--) {
        Token x(a, t, c0);
        Vector delta = load(s.delta + (t - t0) * W), u = load(x.u + c, extent), dy = load(s.d_y + (t - t0) * W), by_input = load(s.by_input + (t - t0) * W);
        d_skip += dy * u;
        if (x.d_u) store(x.d_u + c, delta * by_input + (a.D.data ? load(floats(a.D) + c0 + c, extent) * dy : Vector{}), extent);
        if (x.d_delta) store(x.d_delta + c, u * by_input + load(s.by_decay + (t - t0) * W), extent);
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
    turn_in(floats(a.A) + c0 * a.A.stride[0], a.A.stride[0], channels, N, s.rates);
    turn_in(a.d_final_state.data ? floats(a.d_final_state) + c0 * a.d_final_state.stride[1] : nullptr, a.d_final_state.stride[1], channels, N, s.carry);
    turn_in(nullptr, 0, channels, N, s.d_rates);
    Vector d_skip[ScanGroup / W] = {};
    for (int64_t index = scan_checkpoints(a); index >= 0 && T > 0; index--) {
        int64_t t0 = index * segment, end = t0 + segment < T ? t0 + segment : T;
        for (int64_t i = 0; i < (end - t0) * N * W; i += W) store(s.d_b + i, Vector{}), store(s.d_c + i, Vector{});
        for_vectors(channels, [&](int64_t c, auto extent) {
            if (index > 0) read(checkpoint(a, group, index - 1) + c * N, N * W, s.states);
            else turn_in(a.initial_state.data ? floats(a.initial_state) + (c0 + c) * a.initial_state.stride[1] : nullptr, a.initial_state.stride[1], channels - c < W ? channels - c : W, N, s.states);
            selective_segment(a, s, t0, end, c0, c, extent, d_skip[c / W]);
        });
        int64_t first = (group * place.tokens + place.start + t0) * N;
        for (int64_t i = 0; i < (end - t0) * N; i++) {
            shared.d_b[first + i] = sum(load(s.d_b + i * W));
            shared.d_c[first + i] = sum(load(s.d_c + i * W));
        }
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
