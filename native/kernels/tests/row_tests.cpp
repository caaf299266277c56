// RMSNorm, unit length, SwiGLU, softplus, rotary positions and cross entropy against their definitions in double precision.
#include <random>

#include "test.h"

namespace {

double silu(double x) { return x / (1 + std::exp(-x)); }

double log_of_sum(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }

struct Rows {
    int64_t R, N;
    Values x, w, g, d;

    Rows(int64_t R, int64_t N, uint32_t seed) : R(R), N(N), x(noise(R * N, -2, 2, seed)), w(noise(N, -1, 1, seed + 1)), g(noise(R * N, -3, 3, seed + 2)), d(noise(R * N, -1, 1, seed + 3)) {}

    std::string text() const { return "R" + std::to_string(R) + " N" + std::to_string(N); }

    Values norm(bool weight, bool gate, double epsilon, bool unit) const {
        Values y(R * N);
        for (int64_t r = 0; r < R; r++) {
            double square = 0;
            for (int64_t i = 0; i < N; i++) square += x[r * N + i] * x[r * N + i];
            for (int64_t i = 0; i < N; i++) y[r * N + i] = x[r * N + i] / std::sqrt((unit ? square : square / N) + epsilon) * (weight ? w[i] : 1) * (gate ? silu(g[r * N + i]) : 1);
        }
        return y;
    }

    Values swiglu() const {
        Values y(R * N);
        for (size_t i = 0; i < y.size(); i++) y[i] = silu(g[i]) * x[i];
        return y;
    }

    Values softplus(bool bias) const {
        Values y(R * N);
        for (int64_t i = 0; i < R * N; i++) y[i] = log_of_sum(x[i] + (bias ? w[i % N] : 0));
        return y;
    }
};

const Rows shapes[] = {{5, 19, 1}, {33, 16, 2}, {1, 1, 3}, {0, 4, 4}, {4, 0, 5}, {3, 64, 6}, {40, 7, 7}};

TEST(rms_norm) {
    for (Rows p : shapes)
        for (bool weight : {true, false})
            for (bool gate : {true, false}) {
                Field x({p.R, p.N}, 3), w, g, y({p.R, p.N}, 1), dy({p.R, p.N}, 2), dx({p.R, p.N}, 5), dw, dg;
                x.set(p.x), dy.set(p.d);
                if (weight) w = Field({p.N}), w.set(p.w), dw = Field({p.N});
                if (gate) g = Field({p.R, p.N}, 4), g.set(p.g), dg = Field({p.R, p.N}, 4);
                memgen_rms_norm_args a{};
                a.struct_size = sizeof a, a.rows = p.R, a.features = p.N, a.epsilon = 1e-3;
                a.x = x.tensor, a.weight = w.tensor, a.gate = g.tensor, a.y = y.tensor, a.d_y = dy.tensor, a.d_x = dx.tensor, a.d_weight = dw.tensor, a.d_gate = dg.tensor;
                Scratch scratch(memgen_rms_norm_workspace_size(&a, 1));
                EXPECT_STATUS(MEMGEN_OK, memgen_rms_norm_forward(&a, nullptr, 0, nullptr));
                EXPECT_STATUS(MEMGEN_OK, memgen_rms_norm_backward(&a, scratch.data, scratch.size, nullptr));
                auto loss = [&] { return inner(p.norm(weight, gate, 1e-3, false), p.d); };
                EXPECT_CLOSE("y", p.text(), y.values(), p.norm(weight, gate, 1e-3, false), ForwardLimit);
                EXPECT_CLOSE("d_x", p.text(), dx.values(), numeric_gradient(p.x, loss), GradientLimit);
                if (weight) EXPECT_CLOSE("d_weight", p.text(), dw.values(), numeric_gradient(p.w, loss), GradientLimit);
                if (gate) EXPECT_CLOSE("d_gate", p.text(), dg.values(), numeric_gradient(p.g, loss), GradientLimit);
                EXPECT(y.padding_untouched() && dx.padding_untouched());
            }
}

TEST(rms_norm_same_bits_for_any_number_of_threads) {
    Rows p(500, 24, 8);
    Field x({p.R, p.N}), w({p.N}), dy({p.R, p.N}), dx({p.R, p.N}), dw({p.N});
    x.set(p.x), w.set(p.w), dy.set(p.d);
    memgen_rms_norm_args a{};
    a.struct_size = sizeof a, a.rows = p.R, a.features = p.N, a.epsilon = 1e-6, a.x = x.tensor, a.weight = w.tensor, a.d_y = dy.tensor, a.d_x = dx.tensor, a.d_weight = dw.tensor;
    Scratch scratch(memgen_rms_norm_workspace_size(&a, 1));
    EXPECT_SAME_BITS([&] { EXPECT_STATUS(MEMGEN_OK, memgen_rms_norm_backward(&a, scratch.data, scratch.size, nullptr)); }, {&dx, &dw});
}

TEST(unit_length) {
    for (Rows p : shapes) {
        Field x({p.R, p.N}, 3), y({p.R, p.N}, 1), dy({p.R, p.N}, 2), dx({p.R, p.N}, 5);
        x.set(p.x), dy.set(p.d);
        memgen_unit_length_args a{};
        a.struct_size = sizeof a, a.rows = p.R, a.features = p.N, a.epsilon = 1e-6;
        a.x = x.tensor, a.y = y.tensor, a.d_y = dy.tensor, a.d_x = dx.tensor;
        EXPECT_STATUS(MEMGEN_OK, memgen_unit_length_forward(&a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_unit_length_backward(&a, nullptr, 0, nullptr));
        EXPECT_CLOSE("y", p.text(), y.values(), p.norm(false, false, 1e-6, true), ForwardLimit);
        EXPECT_CLOSE("d_x", p.text(), dx.values(), numeric_gradient(p.x, [&] { return inner(p.norm(false, false, 1e-6, true), p.d); }), GradientLimit);
        EXPECT(y.padding_untouched() && dx.padding_untouched());
    }
}

TEST(swiglu) {
    for (Rows p : shapes) {
        Field g({p.R, p.N}, 3), u({p.R, p.N}, 2), y({p.R, p.N}, 1), dy({p.R, p.N}, 2), dg({p.R, p.N}, 5), du({p.R, p.N}, 1);
        g.set(p.g), u.set(p.x), dy.set(p.d);
        memgen_swiglu_args a{};
        a.struct_size = sizeof a, a.rows = p.R, a.features = p.N;
        a.gate = g.tensor, a.up = u.tensor, a.y = y.tensor, a.d_y = dy.tensor, a.d_gate = dg.tensor, a.d_up = du.tensor;
        EXPECT_STATUS(MEMGEN_OK, memgen_swiglu_forward(&a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_swiglu_backward(&a, nullptr, 0, nullptr));
        auto loss = [&] { return inner(p.swiglu(), p.d); };
        EXPECT_CLOSE("y", p.text(), y.values(), p.swiglu(), ForwardLimit);
        EXPECT_CLOSE("d_gate", p.text(), dg.values(), numeric_gradient(p.g, loss), GradientLimit);
        EXPECT_CLOSE("d_up", p.text(), du.values(), numeric_gradient(p.x, loss), GradientLimit);
        EXPECT(y.padding_untouched() && dg.padding_untouched() && du.padding_untouched());
    }
}

TEST(silu_is_rounded_alone) {
    const int64_t N = 8192;
    Values gates(N);
    for (int64_t i = 0; i < N; i++) gates[i] = -86 + 172.0 * (i + 0.5) / N;
    Field g({1, N}), u({1, N}), y({1, N});
    g.set(gates), u.set(Values(N, 1.0));
    memgen_swiglu_args a{};
    a.struct_size = sizeof a, a.rows = 1, a.features = N, a.gate = g.tensor, a.up = u.tensor, a.y = y.tensor;
    EXPECT_STATUS(MEMGEN_OK, memgen_swiglu_forward(&a, nullptr, 0, nullptr));
    for (int64_t i = 0; i < N; i++) {
        double x = g.at(i), expected = x / (1 + std::exp(-x));
        EXPECT(std::fabs(y.at(i) - expected) <= 4e-7 * std::fabs(expected));
    }
}

TEST(silu_of_extreme_numbers) {
    const double infinity = std::numeric_limits<double>::infinity();
    Values gates{-infinity, -1e30, -1e4, -104, -90, -87, 0, 88, 89, 90, 1e4, 1e30, infinity, -0.5};
    Field g({1, 14}), u({1, 14}), y({1, 14});
    g.set(gates), u.set(Values(14, 1.0));
    memgen_swiglu_args a{};
    a.struct_size = sizeof a, a.rows = 1, a.features = 14, a.gate = g.tensor, a.up = u.tensor, a.y = y.tensor;
    EXPECT_STATUS(MEMGEN_OK, memgen_swiglu_forward(&a, nullptr, 0, nullptr));
    for (int64_t i = 1; i < 14; i++) { // -inf * 0 is NaN in the definition too
        double expected = gates[i] * (gates[i] > 0 ? 1 / (1 + std::exp(-gates[i])) : std::exp(gates[i]) / (1 + std::exp(gates[i])));
        EXPECT(y.at(i) == (float)expected || std::fabs(y.at(i) - expected) <= 2e-6 * std::fabs(expected) + 1e-35);
    }
}

TEST(softplus) {
    for (Rows p : shapes)
        for (bool bias : {true, false}) {
            Field x({p.R, p.N}, 3), b, y({p.R, p.N}, 1), dy({p.R, p.N}, 2), dx({p.R, p.N}, 5), db;
            x.set(p.x), dy.set(p.d);
            if (bias) b = Field({p.N}), b.set(p.w), db = Field({p.N});
            memgen_softplus_args a{};
            a.struct_size = sizeof a, a.rows = p.R, a.features = p.N, a.x = x.tensor, a.bias = b.tensor, a.y = y.tensor, a.d_y = dy.tensor, a.d_x = dx.tensor, a.d_bias = db.tensor;
            Scratch scratch(memgen_softplus_workspace_size(&a, 1));
            EXPECT_STATUS(MEMGEN_OK, memgen_softplus_forward(&a, nullptr, 0, nullptr));
            EXPECT_STATUS(MEMGEN_OK, memgen_softplus_backward(&a, scratch.data, scratch.size, nullptr));
            auto loss = [&] { return inner(p.softplus(bias), p.d); };
            EXPECT_CLOSE("y", p.text(), y.values(), p.softplus(bias), ForwardLimit);
            EXPECT_CLOSE("d_x", p.text(), dx.values(), numeric_gradient(p.x, loss), GradientLimit);
            if (bias) EXPECT_CLOSE("d_bias", p.text(), db.values(), numeric_gradient(p.w, loss), GradientLimit);
            EXPECT(y.padding_untouched() && dx.padding_untouched());
        }
}

TEST(softplus_same_bits_for_any_number_of_threads) {
    Rows p(500, 24, 9);
    Field x({p.R, p.N}), b({p.N}), dy({p.R, p.N}), dx({p.R, p.N}), db({p.N});
    x.set(p.x), b.set(p.w), dy.set(p.d);
    memgen_softplus_args a{};
    a.struct_size = sizeof a, a.rows = p.R, a.features = p.N, a.x = x.tensor, a.bias = b.tensor, a.d_y = dy.tensor, a.d_x = dx.tensor, a.d_bias = db.tensor;
    Scratch scratch(memgen_softplus_workspace_size(&a, 1));
    EXPECT_SAME_BITS([&] { EXPECT_STATUS(MEMGEN_OK, memgen_softplus_backward(&a, scratch.data, scratch.size, nullptr)); }, {&dx, &db});
}

// Small steps as exact as large ones, and the slope too.
TEST(softplus_is_rounded_alone) {
    const int64_t N = 8192;
    const double infinity = std::numeric_limits<double>::infinity();
    Values steps(N);
    for (int64_t i = 0; i < N; i++) steps[i] = -86 + 120.0 * (i + 0.5) / N;
    steps[0] = -infinity, steps[1] = infinity, steps[2] = 0, steps[3] = 1e30, steps[4] = -1e30;
    Field x({1, N}), y({1, N}), dy({1, N}), dx({1, N});
    x.set(steps), dy.set(Values(N, 1.0));
    memgen_softplus_args a{};
    a.struct_size = sizeof a, a.rows = 1, a.features = N, a.x = x.tensor, a.y = y.tensor, a.d_y = dy.tensor, a.d_x = dx.tensor;
    Scratch scratch(memgen_softplus_workspace_size(&a, 1));
    EXPECT_STATUS(MEMGEN_OK, memgen_softplus_forward(&a, nullptr, 0, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_softplus_backward(&a, scratch.data, scratch.size, nullptr));
    EXPECT(y.at(0) == 0 && y.at(1) == infinity && y.at(4) == 0 && dx.at(0) == 0 && dx.at(1) == 1);
    for (int64_t i = 2; i < N; i++) {
        double z = x.at(i), slope = z < 0 ? std::exp(z) / (1 + std::exp(z)) : 1 / (1 + std::exp(-z));
        EXPECT(std::fabs(y.at(i) - log_of_sum(z)) <= 4e-7 * log_of_sum(z));
        EXPECT(std::fabs(dx.at(i) - slope) <= 4e-7 * slope);
    }
}

// Angles of 1e6 and beyond too, whose sines and cosines are the caller's; rows of several sequences share them or have their own.
TEST(rotary) {
    struct Case {
        int64_t R, H, D, P;
    };
    for (Case c : {Case{6, 2, 8, 3}, Case{5, 3, 34, 5}, Case{7, 1, 64, 2}, Case{1, 4, 2, 1}, Case{3, 2, 96, 3}, Case{0, 2, 4, 0}, Case{4, 0, 4, 2}, Case{4, 2, 0, 2}, Case{90, 2, 6, 30}}) {
        const int64_t half = c.D / 2, N = c.H * c.D;
        Values angles = noise(c.P * half, -2e6, 2e6, 1), values = noise(c.R * N, -2, 2, 2), upstream = noise(c.R * N, -1, 1, 3), cos(angles), sin(angles);
        for (size_t i = 0; i < angles.size(); i++) cos[i] = std::cos(angles[i]), sin[i] = std::sin(angles[i]);
        auto turned = [&](const Values& from, double direction) {
            Values to(from);
            for (int64_t r = 0; r < c.R; r++)
                for (int64_t h = 0; h < c.H; h++)
                    for (int64_t i = 0; i < half; i++) {
                        const double angle = direction * angles[r % c.P * half + i];
                        const int64_t at = r * N + h * c.D + i;
                        to[at] = from[at] * std::cos(angle) - from[at + half] * std::sin(angle);
                        to[at + half] = from[at] * std::sin(angle) + from[at + half] * std::cos(angle);
                    }
            return to;
        };
        Field cosines({c.P, half}, 2), sines({c.P, half}, 1), x({c.R, N}, 3), y({c.R, N}, 1), dy({c.R, N}, 2), dx({c.R, N}, 5);
        cosines.set(cos), sines.set(sin), x.set(values), dy.set(upstream);
        memgen_rotary_args a{};
        a.struct_size = sizeof a, a.rows = c.R, a.heads = c.H, a.features = c.D, a.places = c.P;
        a.cosines = cosines.tensor, a.sines = sines.tensor, a.x = x.tensor, a.y = y.tensor, a.d_y = dy.tensor, a.d_x = dx.tensor;
        EXPECT_STATUS(MEMGEN_OK, memgen_rotary_forward(&a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_rotary_backward(&a, nullptr, 0, nullptr));
        const std::string at = "R" + std::to_string(c.R) + " H" + std::to_string(c.H) + " D" + std::to_string(c.D) + " P" + std::to_string(c.P);
        EXPECT_CLOSE("y", at, y.values(), turned(values, 1), 4e-7);
        EXPECT_CLOSE("d_x", at, dx.values(), turned(upstream, -1), 4e-7);
        EXPECT(y.padding_untouched() && dx.padding_untouched());
        const Values apart = y.values();
        a.y = a.x;
        EXPECT_STATUS(MEMGEN_OK, memgen_rotary_forward(&a, nullptr, 0, nullptr));
        EXPECT(x.values() == apart);
    }
}

struct Entropy {
    int64_t R, N;
    Values logits;
    std::vector<int64_t> targets;

    Entropy(int64_t R, int64_t N, double range, uint32_t seed) : R(R), N(N), logits(noise(R * N, -range, range, seed)) {
        std::mt19937 engine(seed);
        for (int64_t r = 0; r < R; r++) targets.push_back(r % 3 == 1 ? -100 : static_cast<int64_t>(engine() % static_cast<uint32_t>(N)));
    }

    Values losses() const {
        Values out(R);
        for (int64_t r = 0; r < R; r++) {
            double most = -1e300, sum = 0;
            for (int64_t i = 0; i < N; i++) most = std::fmax(most, logits[r * N + i]);
            for (int64_t i = 0; i < N; i++) sum += std::exp(logits[r * N + i] - most);
            out[r] = targets[r] < 0 ? 0 : most + std::log(sum) - logits[r * N + targets[r]];
        }
        return out;
    }

    Values gradient(const Values& upstream) const {
        Values out(R * N);
        for (int64_t r = 0; r < R; r++) {
            if (targets[r] < 0) continue;
            double log_sum = losses()[r] + logits[r * N + targets[r]];
            for (int64_t i = 0; i < N; i++) out[r * N + i] = upstream[r] * (std::exp(logits[r * N + i] - log_sum) - (i == targets[r]));
        }
        return out;
    }
};

TEST(cross_entropy) {
    for (Entropy p : {Entropy(5, 19, 3, 1), Entropy(20, 1, 3, 2), Entropy(7, 64, 80, 3), Entropy(3, 1000, 5, 4), Entropy(0, 5, 1, 5), Entropy(4, 3, 1000, 6)}) {
        std::string at = "R" + std::to_string(p.R) + " N" + std::to_string(p.N);
        Field x({p.R, p.N}, 3), loss({p.R, 1}, 1), dx({p.R, p.N}, 2), dl({p.R, 1}, 2);
        Values upstream = noise(p.R, -1, 1, 9);
        x.set(p.logits), dl.set(upstream);
        memgen_cross_entropy_args a{};
        a.struct_size = sizeof a, a.rows = p.R, a.classes = p.N, a.ignored_target = -100, a.gradient_scale = 0.25;
        a.logits = x.tensor, a.targets = p.targets.data(), a.losses = loss.tensor, a.d_losses = dl.tensor, a.d_logits = dx.tensor;
        EXPECT_STATUS(MEMGEN_OK, memgen_cross_entropy_forward(&a, nullptr, 0, nullptr));
        EXPECT_CLOSE("losses", at, loss.values(), p.losses(), ForwardLimit);
        EXPECT_CLOSE("d_logits with the loss", at, dx.values(), p.gradient(Values(p.R, 0.25)), GradientLimit);
        EXPECT_STATUS(MEMGEN_OK, memgen_cross_entropy_backward(&a, nullptr, 0, nullptr));
        EXPECT_CLOSE("d_logits", at, dx.values(), p.gradient(upstream), GradientLimit);
        EXPECT(dx.padding_untouched());
        a.d_logits.data = nullptr;
        Values before = loss.values();
        EXPECT_STATUS(MEMGEN_OK, memgen_cross_entropy_forward(&a, nullptr, 0, nullptr));
        EXPECT(before == loss.values());
        a.d_logits = a.logits;
        EXPECT_STATUS(MEMGEN_OK, memgen_cross_entropy_forward(&a, nullptr, 0, nullptr));
        EXPECT_CLOSE("d_logits in place", at, x.values(), p.gradient(Values(p.R, 0.25)), GradientLimit);
    }
}

TEST(cross_entropy_target_that_is_no_class) {
    Entropy p(3, 10, 2, 7);
    p.targets = {2, 10, 3};
    Field x({3, 10}), loss({3, 1}), dx({3, 10});
    x.set(p.logits);
    memgen_cross_entropy_args a{};
    a.struct_size = sizeof a, a.rows = 3, a.classes = 10, a.ignored_target = -100, a.gradient_scale = 1, a.logits = x.tensor, a.targets = p.targets.data(), a.losses = loss.tensor, a.d_logits = dx.tensor;
    EXPECT_STATUS(MEMGEN_OK, memgen_cross_entropy_forward(&a, nullptr, 0, nullptr));
    EXPECT(std::isnan(loss.at(1)) && std::isnan(dx.at(15)) && !std::isnan(loss.at(0)) && !std::isnan(dx.at(25)));
}

TEST(rows_refuse_bad_arguments) {
    Field x({2, 4}), y({2, 4});
    memgen_swiglu_args a{};
    a.struct_size = sizeof a, a.rows = 2, a.features = 4, a.gate = x.tensor, a.up = x.tensor, a.y = y.tensor;
    a.up.stride[1] = 2;
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, memgen_swiglu_forward(&a, nullptr, 0, nullptr));
    a.up.data = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_swiglu_forward(&a, nullptr, 0, nullptr));
    a.rows = -1;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_swiglu_forward(&a, nullptr, 0, nullptr));
    memgen_softplus_args p{};
    p.struct_size = sizeof p, p.rows = 2, p.features = 4, p.x = x.tensor, p.y = y.tensor, p.dtype = MEMGEN_BFLOAT16;
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, memgen_softplus_forward(&p, nullptr, 0, nullptr));
    memgen_rotary_args t{};
    t.struct_size = sizeof t, t.rows = 2, t.heads = 1, t.features = 4, t.places = 2, t.cosines = x.tensor, t.sines = x.tensor, t.x = x.tensor, t.y = y.tensor;
    EXPECT_STATUS(MEMGEN_OK, memgen_rotary_forward(&t, nullptr, 0, nullptr));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_rotary_backward(&t, nullptr, 0, nullptr)); // no d_y
    t.features = 3;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_rotary_forward(&t, nullptr, 0, nullptr));
    t.features = 4, t.places = 0;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_rotary_forward(&t, nullptr, 0, nullptr));
    t.places = 2, t.heads = t.features = int64_t{1} << 40, t.rows = 0;
    EXPECT(memgen_rotary_workspace_size(&t, 0) == -1);
    memgen_cross_entropy_args e{};
    e.struct_size = sizeof e, e.rows = 2, e.classes = 4, e.logits = x.tensor, e.losses = y.tensor;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_cross_entropy_forward(&e, nullptr, 0, nullptr));
    e.classes = 0;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_cross_entropy_forward(&e, nullptr, 0, nullptr));
}

} // namespace
