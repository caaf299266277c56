// Depthwise causal convolution with SiLU. Channels are lanes; a token's row is read in memory order.
#include "fused_layout.h"
#include "kernels.h"
#include "powers.h"
#include "streaming.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_causal_conv_args Args;

void turn_weights(const Args& a, const ConvScratch& s) {
    int64_t c = padded(a.channels, 16);
    for (int64_t i = 0; i < c; i++) s.zero[i] = 0.0f;
    for (int64_t j = 0; j < a.width; j++)
        for (int64_t i = 0; i < c; i++) s.weights[j * c + i] = i < a.channels ? floats(a.weight)[i * a.weight.stride[0] + j] : 0.0f;
}

// The input row of time t, which may lie before the sequence.
const float* input(const Args& a, const ConvScratch& s, int64_t t) {
    if (t >= 0) return floats(a.x) + t * a.x.stride[1];
    return a.initial_state.data ? floats(a.initial_state) + (t + a.width - 1) * a.initial_state.stride[1] : s.zero;
}

// Input rows of times first .. first + count - 1.
struct Inputs {
    const float* rows[MostConvTokens + 2 * LargestConvWidth];

    Inputs(const Args& a, const ConvScratch& s, int64_t first, int64_t count) {
        for (int64_t i = 0; i < count; i++) rows[i] = input(a, s, first + i);
    }
};

// Fixed is the width where it is known when compiling, else 0.
template <int Fixed, class Extent>
MEMGEN_INLINE Vector convolve(const Args& a, const ConvScratch& s, const float* const* rows, int64_t c, Extent extent) {
    const int64_t row = padded(a.channels, 16), width = Fixed ? Fixed : a.width;
    Vector sum = a.bias.data ? load(floats(a.bias) + c, extent) : Vector{};
#pragma GCC unroll 4
    for (int64_t j = 0; j < width; j++) sum += load(s.weights + j * row + c) * load(rows[j] + c, extent);
    return sum;
}

template <int Fixed>
void forward_item(const Args& a, const ConvScratch& s, int64_t t0, bool past) {
    const int64_t end = t0 + conv_tokens(a) < a.tokens ? t0 + conv_tokens(a) : a.tokens, W1 = a.width - 1;
    Inputs inputs(a, s, t0 - W1, end - t0 + W1);
    for (int64_t t = t0; t < end; t++) {
        float* y = floats(a.y) + t * a.y.stride[1];
        for_vectors(a.channels, [&](int64_t c, auto extent) {
            Vector z = convolve<Fixed>(a, s, inputs.rows + t - t0, c, extent);
            store(y + c, z * sigmoid(z), extent, past);
        });
    }
    for (int64_t i = 0; a.final_state.data && end == a.tokens && i < W1; i++) {
        const float* from = input(a, s, end - W1 + i);
        for (int64_t c = 0; c < a.channels; c++) floats(a.final_state)[i * a.final_state.stride[1] + c] = from[c];
    }
}

// d_z of tokens t0 .. end (a halo of W - 1 after the item's own) in scratch, then everything that follows
// from it, in rows of all channels: memory is then read in its order.
template <int Fixed>
void backward_item(const Args& a, const ConvScratch& s, float* dz, int64_t t0, float* partial, bool past) {
    const int64_t width = Fixed ? Fixed : a.width, W1 = width - 1, row = padded(a.channels, 16), T = a.tokens;
    const int64_t channels = a.channels, own = t0 + conv_tokens(a) < T ? t0 + conv_tokens(a) : T, end = own + W1 < T ? own + W1 : T;
    Inputs inputs(a, s, t0 - W1, end - t0 + W1);
    for (int64_t t = t0; t < end; t++) {
        const float* dy = a.d_y.data ? floats(a.d_y) + t * a.d_y.stride[1] : s.zero;
        for_vectors(channels, [&](int64_t c, auto extent) {
            Vector z = convolve<Fixed>(a, s, inputs.rows + t - t0, c, extent), gate = sigmoid(z);
            store(dz + (t - t0) * row + c, load(dy + c, extent) * gate * (splat(1.0f) + z * (splat(1.0f) - gate)));
        });
    }
    // d_x of time t, for t before the sequence d_initial_state: what every reader of x_t got
    auto input_gradient = [&](int64_t t, float* out, bool past) {
        if (!out) return;
        const float* upstream = a.d_final_state.data && t >= T - W1 ? floats(a.d_final_state) + (t - (T - W1)) * a.d_final_state.stride[1] : s.zero;
        const float* readers = dz + (t - t0) * row;
        if (t >= t0 && t + W1 < end)
            for_vectors(channels, [&](int64_t c, auto extent) {
                Vector sum = load(upstream + c, extent);
#pragma GCC unroll 4
                for (int64_t j = 0; j < width; j++) sum += load(s.weights + (W1 - j) * row + c) * load(readers + j * row + c);
                store(out + c, sum, extent, past);
            });
        else
            for_vectors(channels, [&](int64_t c, auto extent) {
                Vector sum = load(upstream + c, extent);
                for (int64_t j = 0; j < width; j++)
                    if (t + j >= t0 && t + j < end) sum += load(s.weights + (W1 - j) * row + c) * load(readers + j * row + c);
                store(out + c, sum, extent, past);
            });
    };
    if (t0 == 0)
        for (int64_t i = 0; i < W1; i++)
            input_gradient(i - W1, a.d_initial_state.data ? floats(a.d_initial_state) + i * a.d_initial_state.stride[1] : nullptr, false);
    for (int64_t t = t0; t < own; t++) input_gradient(t, a.d_x.data ? floats(a.d_x) + t * a.d_x.stride[1] : nullptr, past);

    if (!a.d_weight.data && !a.d_bias.data) return;
    for_vectors(channels, [&](int64_t c, auto extent) {
        Vector sum[Fixed ? Fixed : LargestConvWidth] = {}, bias = {};
        for (int64_t t = 0; t < own - t0; t++) {
            Vector d = load(dz + t * row + c);
            bias += d;
#pragma GCC unroll 4
            for (int64_t j = 0; j < width; j++) sum[j] += d * load(inputs.rows[t + j] + c, extent);
        }
        for (int64_t j = 0; j < width; j++) store(partial + j * row + c, sum[j]);
        store(partial + width * row + c, bias);
    });
}

// body(sequence, first token, item, worker)
template <class Body>
void for_blocks(const Args& a, const SequencePlan& plan, const Scratch& scratch, Body&& body) {
    const int64_t count = sequence_count(a);
    for_items(plan.before[count], scratch.workers, [&](int64_t item, int worker) {
        int64_t n = plan.owner(item, count);
        body(sequence(a, n), (item - plan.before[n]) * conv_tokens(a), item, worker);
        finish_streaming();
    });
}

} // namespace

namespace MEMGEN_ISA {

void causal_conv_forward(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    ConvScratch s(arena, a, false);
    turn_weights(a, s);
    const bool past = streamed(a.y, a.batch * a.tokens * a.channels, 2);
    for_blocks(a, plan, scratch, [&](const Args& own, int64_t t0, int64_t, int) { (a.width == 4 ? forward_item<4> : forward_item<0>)(own, s, t0, past); });
}

void causal_conv_backward(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    ConvScratch s(arena, a, true);
    turn_weights(a, s);
    const int64_t row = padded(a.channels, 16), items = plan.before[sequence_count(a)], sums = (a.width + 1) * row;
    const bool past = streamed(a.d_x, a.batch * a.tokens * a.channels, 2);
    for_blocks(a, plan, scratch, [&](const Args& own, int64_t t0, int64_t item, int worker) {
        (a.width == 4 ? backward_item<4> : backward_item<0>)(own, s, reinterpret_cast<float*>(scratch.of(worker)), t0, s.partials + item * sums, past);
    });
    if (!a.d_weight.data && !a.d_bias.data) return;
    for (int64_t item = 1; item < items; item++)
        for (int64_t i = 0; i < sums; i += W) store(s.partials + i, load(s.partials + i) + load(s.partials + item * sums + i));
    for (int64_t j = 0; j <= a.width; j++)
        for (int64_t c = 0; c < a.channels; c++) {
            float sum = items > 0 ? s.partials[j * row + c] : 0.0f;
            if (j < a.width && a.d_weight.data) floats(a.d_weight)[c * a.d_weight.stride[0] + j] = sum;
            if (j == a.width && a.d_bias.data) floats(a.d_bias)[c] = sum;
        }
}

} // namespace MEMGEN_ISA
} // namespace memgen
