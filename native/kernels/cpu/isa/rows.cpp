// Operators on rows: RMSNorm with its gate, unit length, SwiGLU, softplus, rotary positions, cross entropy.
#include "fused_layout.h"
#include "kernels.h"
#include "powers.h"
#include "streaming.h"
#include "threads.h"

namespace memgen {
namespace {

float* row(const memgen_tensor& x, int64_t r) { return x.data ? floats(x) + r * x.stride[0] : nullptr; }

// body(first, last, item, worker) for every item's rows
template <class Body>
void for_rows(int64_t rows, const Scratch& scratch, Body&& body) {
    int64_t step = rows_per_item(rows);
    for_items(row_items(rows), scratch.workers, [&](int64_t item, int) {
        int64_t first = item * step, last = first + step < rows ? first + step : rows;
        body(first, last, item);
        finish_streaming();
    });
}

// body(r, sums) for every row, and what it adds to sums in `total`: [features], null where it is not wanted. Items' sums lie in scratch.
template <class Body>
void sum_rows(int64_t rows, int64_t features, const Scratch& scratch, float* total, Body&& body) {
    const int64_t width = padded(features, 16), items = row_items(rows);
    float* partials = total ? reinterpret_cast<float*>(scratch.shared) : nullptr;
    for_rows(rows, scratch, [&](int64_t first, int64_t last, int64_t item) {
        float* partial = partials ? partials + item * width : nullptr;
        for (int64_t i = 0; partial && i < width; i++) partial[i] = 0.0f;
        for (int64_t r = first; r < last; r++) body(r, partial);
    });
    for (int64_t i = 0; total && i < features; i++) {
        float sum = 0.0f;
        for (int64_t item = 0; item < items; item++) sum += partials[item * width + i];
        total[i] = sum;
    }
}

float inverse_length(const float* x, int64_t n, double factor, double epsilon) {
    return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(dot(x, x, n)) * factor + epsilon));
}

struct Silu {
    Vector value, slope;
};

MEMGEN_INLINE Silu silu(Vector x) {
    Vector s = sigmoid(x), value = x * s;
    return {value, s * (splat(1.0f) + x * (splat(1.0f) - s))};
}

void rms_norm_row_backward(const memgen_rms_norm_args& a, int64_t r, float* d_weight) {
    const int64_t N = a.features;
    const float *x = row(a.x, r), *gate = row(a.gate, r), *dy = row(a.d_y, r), *weight = floats(a.weight);
    float *dx = row(a.d_x, r), *d_gate = row(a.d_gate, r);
    float inverse = inverse_length(x, N, 1.0 / static_cast<double>(N), a.epsilon);
    Vector total = {}, scale = splat(inverse);
    const bool past = streamed(a.d_x, a.rows * N), gate_past = streamed(a.d_gate, a.rows * N);
    // d is the gradient of x * inverse
    auto each = [&](auto&& body) {
        for_vectors(N, [&](int64_t i, auto extent) {
            Vector w = weight ? load(weight + i, extent) : splat(1.0f), unit = load(x + i, extent) * scale, d = load(dy + i, extent);
            Silu g = gate ? silu(load(gate + i, extent)) : Silu{splat(1.0f), {}};
            body(i, extent, w, unit, d, g);
        });
    };
    each([&](int64_t, auto, Vector w, Vector unit, Vector d, const Silu& g) { total += w * unit * d * g.value; });
    Vector mean = splat(sum(total) / static_cast<float>(N));
    each([&](int64_t i, auto extent, Vector w, Vector unit, Vector d, const Silu& g) {
        if (d_weight) store(d_weight + i, load(d_weight + i) + unit * d * g.value);
        if (d_gate) store(d_gate + i, w * unit * d * g.slope, extent, gate_past);
        if (dx) store(dx + i, scale * (w * d * g.value - unit * mean), extent, past);
    });
}

// Heads of every row by its angles, `direction` 1, or back, -1.
void turn(const memgen_rotary_args& a, const memgen_tensor& from, const memgen_tensor& to, float direction, const Scratch& scratch) {
    const int64_t half = a.features / 2;
    const bool past = half % W == 0 && streamed(to, a.rows * a.heads * a.features);
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            const float *x = row(from, r), *cosines = row(a.cosines, r % a.places), *sines = row(a.sines, r % a.places);
            float* y = row(to, r);
            for (int64_t h = 0; h < a.heads; h++, x += a.features, y += a.features)
                for_vectors(half, [&](int64_t i, auto extent) {
                    const Vector c = load(cosines + i, extent), s = splat(direction) * load(sines + i, extent), u = load(x + i, extent), v = load(x + half + i, extent);
                    store(y + i, u * c - v * s, extent, past);
                    store(y + half + i, u * s + v * c, extent, past);
                });
        }
    });
}

} // namespace

namespace MEMGEN_ISA {

void rms_norm_forward(const memgen_rms_norm_args& a, const Scratch& scratch) {
    const bool past = streamed(a.y, a.rows * a.features);
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            const float *x = row(a.x, r), *gate = row(a.gate, r), *weight = floats(a.weight);
            float* y = row(a.y, r);
            Vector scale = splat(inverse_length(x, a.features, 1.0 / static_cast<double>(a.features), a.epsilon));
            for_vectors(a.features, [&](int64_t i, auto extent) {
                Vector v = load(x + i, extent) * scale;
                if (weight) v *= load(weight + i, extent);
                if (gate) v *= silu(load(gate + i, extent)).value;
                store(y + i, v, extent, past);
            });
        }
    });
}

void rms_norm_backward(const memgen_rms_norm_args& a, const Scratch& scratch) {
    sum_rows(a.rows, a.features, scratch, floats(a.d_weight), [&](int64_t r, float* d_weight) { rms_norm_row_backward(a, r, d_weight); });
}

void unit_length_forward(const memgen_unit_length_args& a, const Scratch& scratch) {
    const bool past = streamed(a.y, a.rows * a.features);
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            const float* x = row(a.x, r);
            float* y = row(a.y, r);
            Vector scale = splat(inverse_length(x, a.features, 1.0, a.epsilon));
            for_vectors(a.features, [&](int64_t i, auto extent) { store(y + i, load(x + i, extent) * scale, extent, past); });
        }
    });
}

void unit_length_backward(const memgen_unit_length_args& a, const Scratch& scratch) {
    const bool past = streamed(a.d_x, a.rows * a.features);
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            const float *x = row(a.x, r), *dy = row(a.d_y, r);
            float *dx = row(a.d_x, r), inverse = inverse_length(x, a.features, 1.0, a.epsilon);
            Vector scale = splat(inverse), along = splat(inverse * inverse * dot(x, dy, a.features));
            for_vectors(a.features, [&](int64_t i, auto extent) { store(dx + i, scale * (load(dy + i, extent) - along * load(x + i, extent)), extent, past); });
        }
    });
}

void swiglu_forward(const memgen_swiglu_args& a, const Scratch& scratch) {
    const bool past = streamed(a.y, a.rows * a.features);
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            const float *gate = row(a.gate, r), *up = row(a.up, r);
            float* y = row(a.y, r);
            for_vectors(a.features, [&](int64_t i, auto extent) { store(y + i, silu(load(gate + i, extent)).value * load(up + i, extent), extent, past); });
        }
    });
}

void swiglu_backward(const memgen_swiglu_args& a, const Scratch& scratch) {
    const bool gate_past = streamed(a.d_gate, a.rows * a.features), up_past = streamed(a.d_up, a.rows * a.features);
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            const float *gate = row(a.gate, r), *up = row(a.up, r), *dy = row(a.d_y, r);
            float *d_gate = row(a.d_gate, r), *d_up = row(a.d_up, r);
            for_vectors(a.features, [&](int64_t i, auto extent) {
                Silu g = silu(load(gate + i, extent));
                Vector d = load(dy + i, extent), u = load(up + i, extent);
                if (d_gate) store(d_gate + i, d * u * g.slope, extent, gate_past);
                if (d_up) store(d_up + i, d * g.value, extent, up_past);
            });
        }
    });
}

void softplus_forward(const memgen_softplus_args& a, const Scratch& scratch) {
    const float* bias = floats(a.bias);
    const bool past = streamed(a.y, a.rows * a.features);
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            const float* x = row(a.x, r);
            float* y = row(a.y, r);
            for_vectors(a.features, [&](int64_t i, auto extent) {
                Vector z = load(x + i, extent);
                if (bias) z += load(bias + i, extent);
                store(y + i, softplus(z).value, extent, past);
            });
        }
    });
}

void softplus_backward(const memgen_softplus_args& a, const Scratch& scratch) {
    const float* bias = floats(a.bias);
    const bool past = streamed(a.d_x, a.rows * a.features);
    sum_rows(a.rows, a.features, scratch, floats(a.d_bias), [&](int64_t r, float* d_bias) {
        const float *x = row(a.x, r), *dy = row(a.d_y, r);
        float* dx = row(a.d_x, r);
        for_vectors(a.features, [&](int64_t i, auto extent) {
            Vector z = load(x + i, extent);
            if (bias) z += load(bias + i, extent);
            Vector d = load(dy + i, extent) * softplus(z).slope;
            if (d_bias) store(d_bias + i, load(d_bias + i) + d);
            if (dx) store(dx + i, d, extent, past);
        });
    });
}

void rotary_forward(const memgen_rotary_args& a, const Scratch& scratch) { turn(a, a.x, a.y, 1.0f, scratch); }

void rotary_backward(const memgen_rotary_args& a, const Scratch& scratch) { turn(a, a.d_y, a.d_x, -1.0f, scratch); }

namespace {

// -1: ignored; NaN is due where the target is no class
int64_t target_of(const memgen_cross_entropy_args& a, int64_t r, bool& valid) {
    int64_t target = a.targets[r];
    valid = target == a.ignored_target || (target >= 0 && target < a.classes);
    return target == a.ignored_target ? -1 : target;
}

void fill(float* x, int64_t n, float value) {
    for (int64_t i = 0; x && i < n; i++) x[i] = value;
}

// e^(x - largest) in `out` where there is room for it; returns the sum and the largest.
float exponential_sum(const float* x, int64_t n, float* out, float& largest_value) {
    Vector most = splat(x[0]), total = {};
    for_vectors(n / W * W, [&](int64_t i, auto) { most = maximum(most, load(x + i)); });
    largest_value = largest(most);
    for (int64_t i = n / W * W; i < n; i++)
        if (x[i] > largest_value) largest_value = x[i];
    Vector shift = splat(largest_value);
    int64_t i = 0;
    for (; i + W <= n; i += W) {
        Vector e = exponential(load(x + i) - shift);
        total += e;
        if (out) store(out + i, e);
    }
    float rest = 0.0f;
    if (i < n) {
        float lanes[W];
        Vector e = exponential(load_part(x + i, n - i) - shift);
        store(lanes, e);
        for (int64_t j = 0; j < n - i; j++) rest += lanes[j];
        if (out) store_part(out + i, e, n - i);
    }
    return sum(total) + rest;
}

} // namespace

void cross_entropy_forward(const memgen_cross_entropy_args& a, const Scratch& scratch) {
    const float nan = __builtin_nanf("");
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            bool valid;
            int64_t target = target_of(a, r, valid);
            const float* x = row(a.logits, r);
            float* dx = row(a.d_logits, r);
            float* loss = floats(a.losses) + r * a.losses.stride[0];
            if (!valid || target < 0) {
                *loss = valid ? 0.0f : nan;
                fill(dx, a.classes, *loss);
                continue;
            }
            float most, chosen = x[target], total = exponential_sum(x, a.classes, dx, most);
            *loss = static_cast<float>(static_cast<double>(most) - chosen + __builtin_log(static_cast<double>(total)));
            if (!dx) continue;
            float scale = static_cast<float>(a.gradient_scale);
            Vector factor = splat(scale / total);
            for_vectors(a.classes, [&](int64_t i, auto extent) { store(dx + i, factor * load(dx + i, extent), extent); });
            dx[target] -= scale;
        }
    });
}

void cross_entropy_backward(const memgen_cross_entropy_args& a, const Scratch& scratch) {
    for_rows(a.rows, scratch, [&](int64_t first, int64_t last, int64_t) {
        for (int64_t r = first; r < last; r++) {
            bool valid;
            int64_t target = target_of(a, r, valid);
            float* dx = row(a.d_logits, r);
            if (!valid || target < 0) {
                fill(dx, a.classes, valid ? 0.0f : __builtin_nanf(""));
                continue;
            }
            float most, scale = floats(a.d_losses)[r * a.d_losses.stride[0]], total = exponential_sum(row(a.logits, r), a.classes, dx, most);
            Vector factor = splat(scale / total);
            for_vectors(a.classes, [&](int64_t i, auto extent) { store(dx + i, factor * load(dx + i, extent), extent); });
            dx[target] -= scale;
        }
    });
}

} // namespace MEMGEN_ISA
} // namespace memgen
