// The gated delta rule, scalar decay and channel decay against the recurrence in double precision and its gradient.
#include "test.h"

namespace {

struct Shape {
    int64_t B, T, H, K, V;
    bool delta, decay, initial;
    int64_t padding = 0;
    bool swapped = false, channel = false;

    std::string text() const {
        char s[128];
        std::snprintf(s, sizeof s, "B%lld T%lld H%lld K%lld V%lld delta%d decay%d initial%d channel%d pad%lld", (long long)B, (long long)T, (long long)H, (long long)K, (long long)V, delta, decay, initial, channel, (long long)padding);
        return s;
    }
};

struct Numbers {
    Values q, k, v, beta, g, s0;          // inputs
    Values o, s;                          // results
    Values d_o, d_s;                      // upstream
    Values dq, dk, dv, d_beta, dg, d_s0;  // gradients
};

// The definition and its reverse, token by token, every state kept.
void reference(const Shape& p, double scale, Numbers& n) {
    const int64_t K = p.K, V = p.V;
    n.o.assign(n.v.size(), 0), n.s.assign(n.s0.size(), 0);
    n.dq.assign(n.q.size(), 0), n.dk.assign(n.k.size(), 0), n.dv.assign(n.v.size(), 0);
    n.d_beta.assign(n.beta.size(), 0), n.dg.assign(n.g.size(), 0), n.d_s0.assign(n.s0.size(), 0);
    for (int64_t b = 0; b < p.B; b++)
        for (int64_t h = 0; h < p.H; h++) {
            const int64_t chain = (b * p.H + h) * K * V;
            std::vector<Values> states{Values(n.s0.begin() + chain, n.s0.begin() + chain + K * V)};
            auto at = [&](int64_t t) { return (b * p.T + t) * p.H + h; };
            auto gate = [&](int64_t t, int64_t i) { return p.channel ? at(t) * K + i : at(t); };
            auto alpha = [&](int64_t t, int64_t i) { return p.decay ? std::exp(n.g[gate(t, i)]) : 1; };
            auto written = [&](int64_t t, const Values& S) {
                Values u(V);
                for (int64_t j = 0; j < V; j++) {
                    double read = 0;
                    for (int64_t i = 0; i < K; i++) read += alpha(t, i) * S[i * V + j] * n.k[at(t) * K + i];
                    u[j] = n.v[at(t) * V + j] - (p.delta ? read : 0);
                }
                return u;
            };
            for (int64_t t = 0; t < p.T; t++) {
                double beta = p.delta ? n.beta[at(t)] : 1;
                Values S = states.back(), u = written(t, S);
                for (int64_t i = 0; i < K; i++)
                    for (int64_t j = 0; j < V; j++) {
                        S[i * V + j] = alpha(t, i) * S[i * V + j] + n.k[at(t) * K + i] * beta * u[j];
                        n.o[at(t) * V + j] += scale * S[i * V + j] * n.q[at(t) * K + i];
                    }
                states.push_back(S);
            }
            for (int64_t i = 0; i < K * V; i++) n.s[chain + i] = states.back()[i];

            Values dS(n.d_s.begin() + chain, n.d_s.begin() + chain + K * V);
            for (int64_t t = p.T - 1; t >= 0; t--) {
                double beta = p.delta ? n.beta[at(t)] : 1;
                const Values &S = states[t + 1], &before = states[t];
                Values u = written(t, before), dw(V, 0.0);
                for (int64_t i = 0; i < K; i++)
                    for (int64_t j = 0; j < V; j++) {
                        double d = n.d_o[at(t) * V + j];
                        n.dq[at(t) * K + i] += scale * S[i * V + j] * d;
                        dS[i * V + j] += scale * n.q[at(t) * K + i] * d;
                    }
                for (int64_t i = 0; i < K; i++)
                    for (int64_t j = 0; j < V; j++) {
                        dw[j] += dS[i * V + j] * n.k[at(t) * K + i];
                        n.dk[at(t) * K + i] += dS[i * V + j] * beta * u[j];
                    }
                for (int64_t j = 0; j < V; j++) {
                    if (p.delta) n.d_beta[at(t)] += dw[j] * u[j];
                    n.dv[at(t) * V + j] = beta * dw[j];
                }
                for (int64_t i = 0; i < K; i++)
                    for (int64_t j = 0; j < V; j++) {
                        if (p.delta) {
                            n.dk[at(t) * K + i] -= alpha(t, i) * before[i * V + j] * beta * dw[j];
                            dS[i * V + j] -= n.k[at(t) * K + i] * beta * dw[j];
                        }
                        dS[i * V + j] *= alpha(t, i);
                        if (p.decay) n.dg[gate(t, i)] += dS[i * V + j] * before[i * V + j];
                    }
            }
            for (int64_t i = 0; i < K * V; i++) n.d_s0[chain + i] = dS[i];
        }
}

Numbers draw(const Shape& p, uint32_t seed) {
    Numbers n;
    const int64_t rows = p.B * p.T * p.H;
    n.q = noise(rows * p.K, -1, 1, seed);
    n.k = noise(rows * p.K, -1, 1, seed + 1);
    for (int64_t r = 0; r < rows; r++) {
        double square = 0;
        for (int64_t i = 0; i < p.K; i++) square += n.k[r * p.K + i] * n.k[r * p.K + i];
        for (int64_t i = 0; i < p.K; i++) n.k[r * p.K + i] = (float)(n.k[r * p.K + i] / std::sqrt(square));
    }
    n.v = noise(rows * p.V, -1, 1, seed + 2);
    n.beta = noise(p.delta ? rows : 0, 0, 1, seed + 3);
    n.g = noise(p.decay ? rows * (p.channel ? p.K : 1) : 0, -0.3, 0, seed + 4);
    n.s0 = p.initial ? noise(p.B * p.H * p.K * p.V, -1, 1, seed + 5) : Values(p.B * p.H * p.K * p.V, 0.0);
    n.d_o = noise(rows * p.V, -1, 1, seed + 6);
    n.d_s = noise(p.B * p.H * p.K * p.V, -1, 1, seed + 7);
    return n;
}

struct Call {
    Field q, k, v, beta, g, s0, o, s, d_o, d_s, dq, dk, dv, d_beta, dg, d_s0;
    memgen_gated_delta_rule_args args{};
    std::vector<float> checkpoints;
    Shape shape;

    Call(const Shape& p, const Numbers& n, double scale) : shape(p) {
        std::vector<int64_t> keys{p.B, p.T, p.H, p.K}, values{p.B, p.T, p.H, p.V}, gates{p.B, p.T, p.H}, state{p.B, p.H, p.K, p.V};
        auto make = [&](const std::vector<int64_t>& dims) { return Field(dims, dims.size() == 4 ? p.padding : 0, p.swapped && dims != state); };
        q = make(keys), k = make(keys), v = make(values), o = make(values), d_o = make(values), dq = make(keys), dk = make(keys), dv = make(values);
        s = make(state), d_s = make(state), d_s0 = make(state);
        q.set(n.q), k.set(n.k), v.set(n.v), d_o.set(n.d_o), d_s.set(n.d_s);
        if (p.delta) beta = make(gates), beta.set(n.beta), d_beta = make(gates);
        if (p.decay) g = make(p.channel ? keys : gates), g.set(n.g), dg = make(p.channel ? keys : gates);
        if (p.initial) s0 = make(state), s0.set(n.s0);
        args.struct_size = sizeof args;
        args.batch = p.B, args.tokens = p.T, args.heads = p.H, args.key_dim = p.K, args.value_dim = p.V, args.scale = scale;
        args.q = q.tensor, args.k = k.tensor, args.v = v.tensor, args.beta = beta.tensor, args.log_decay = g.tensor, args.initial_state = s0.tensor;
        args.o = o.tensor, args.final_state = s.tensor;
        args.d_o = d_o.tensor, args.d_final_state = d_s.tensor;
        args.d_q = dq.tensor, args.d_k = dk.tensor, args.d_v = dv.tensor, args.d_beta = d_beta.tensor, args.d_log_decay = dg.tensor, args.d_initial_state = d_s0.tensor;
        checkpoints.assign(memgen_gated_delta_rule_checkpoint_size(&args) / sizeof(float) + 16, NAN);
        args.checkpoints = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(checkpoints.data()) + 63) / 64 * 64);
    }

    void run() {
        auto size = shape.channel ? memgen_channel_decay_workspace_size : shape.delta ? memgen_gated_delta_rule_workspace_size : memgen_scalar_decay_workspace_size;
        auto forward = shape.channel ? memgen_channel_decay_forward : shape.delta ? memgen_gated_delta_rule_forward : memgen_scalar_decay_forward;
        auto backward = shape.channel ? memgen_channel_decay_backward : shape.delta ? memgen_gated_delta_rule_backward : memgen_scalar_decay_backward;
        Scratch first(size(&args, 0)), second(size(&args, 1));
        EXPECT_STATUS(MEMGEN_OK, forward(&args, first.data, first.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, backward(&args, second.data, second.size, nullptr));
    }

    std::vector<Field*> results() { return {&o, &s, &dq, &dk, &dv, &d_beta, &dg, &d_s0}; }
};

void compare(const Shape& p, Numbers n, double scale) {
    reference(p, scale, n);
    Call c(p, n, scale);
    c.run();
    std::string at = p.text();
    EXPECT_CLOSE("o", at, c.o.values(), n.o, ForwardLimit);
    EXPECT_CLOSE("final_state", at, c.s.values(), n.s, ForwardLimit);
    EXPECT_CLOSE("d_q", at, c.dq.values(), n.dq, GradientLimit);
    EXPECT_CLOSE("d_k", at, c.dk.values(), n.dk, GradientLimit);
    EXPECT_CLOSE("d_v", at, c.dv.values(), n.dv, GradientLimit);
    if (p.delta) EXPECT_CLOSE("d_beta", at, c.d_beta.values(), n.d_beta, GradientLimit);
    if (p.decay) EXPECT_CLOSE("d_log_decay", at, c.dg.values(), n.dg, GradientLimit);
    EXPECT_CLOSE("d_initial_state", at, c.d_s0.values(), n.d_s0, GradientLimit);
    for (Field* f : c.results())
        if (f->tensor.data) EXPECT(f->padding_untouched());
}

TEST(delta_reference_gradient_is_the_numeric_one) {
    Shape p{1, 5, 2, 3, 2, true, true, true};
    Numbers n = draw(p, 1);
    reference(p, 0.7, n);
    auto loss = [&](const Numbers& x) {
        Numbers y = x;
        reference(p, 0.7, y);
        double sum = 0;
        for (size_t i = 0; i < y.o.size(); i++) sum += y.o[i] * y.d_o[i];
        for (size_t i = 0; i < y.s.size(); i++) sum += y.s[i] * y.d_s[i];
        return sum;
    };
    struct { Values Numbers::*input; Values Numbers::*gradient; } pairs[] = {{&Numbers::q, &Numbers::dq}, {&Numbers::k, &Numbers::dk}, {&Numbers::v, &Numbers::dv}, {&Numbers::beta, &Numbers::d_beta}, {&Numbers::g, &Numbers::dg}, {&Numbers::s0, &Numbers::d_s0}};
    for (auto& pair : pairs)
        for (size_t i = 0; i < (n.*pair.input).size(); i++) {
            Numbers up = n, down = n;
            (up.*pair.input)[i] += 1e-6;
            (down.*pair.input)[i] -= 1e-6;
            double numeric = (loss(up) - loss(down)) / 2e-6;
            EXPECT(std::fabs(numeric - (n.*pair.gradient)[i]) < 1e-7);
        }
}

TEST(delta_shapes) {
    for (bool delta : {true, false})
        for (bool decay : {true, false})
            for (bool initial : {true, false})
                for (Shape p : {Shape{2, 37, 3, 16, 16}, Shape{1, 64, 2, 32, 32}, Shape{1, 131, 1, 7, 19}, Shape{2, 33, 2, 24, 40}, Shape{1, 2, 1, 1, 1}, Shape{1, 1, 2, 3, 5}, Shape{1, 0, 1, 4, 4}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 200, 1, 66, 33}}) {
                    p.delta = delta, p.decay = decay, p.initial = initial;
                    compare(p, draw(p, 11), 0.5);
                }
}

Shape with_channels(Shape p) {
    p.delta = false, p.decay = p.channel = true;
    return p;
}

TEST(channel_shapes) {
    for (bool initial : {true, false})
        for (Shape p : {Shape{2, 37, 3, 16, 16}, Shape{1, 64, 2, 32, 32}, Shape{1, 131, 1, 7, 19}, Shape{2, 33, 2, 24, 40}, Shape{1, 2, 1, 1, 1}, Shape{1, 1, 2, 3, 5}, Shape{1, 0, 1, 4, 4}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 200, 1, 66, 33}, Shape{1, 300, 1, 96, 96}, Shape{2, 41, 3, 21, 35}}) {
            p.initial = initial;
            p.padding = p.K == 21 ? 3 : 0, p.swapped = p.K == 21;
            compare(with_channels(p), draw(with_channels(p), 31), 0.5);
        }
}

TEST(channel_extreme_decays) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -1.0, -3.0, -12.0, -50.0, -1e4, -infinity}) {
        Shape p = with_channels(Shape{1, 90, 2, 20, 20, false, true, true});
        Numbers all = draw(p, 32), some = all, channels = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 131) some.g[i] = strong;
        for (size_t i = 0; i < channels.g.size(); i += 20) channels.g[i] = strong;
        compare(p, all, 1.0);
        compare(p, some, 1.0);
        compare(p, channels, 1.0);
    }
}

TEST(channel_same_bits_for_any_number_of_threads) {
    for (int64_t heads : {1, 3}) {
        Shape p = with_channels(Shape{2, 150, heads, 40, 70, false, true, true});
        Numbers n = draw(p, 33);
        for (size_t i = 0; i < n.g.size(); i += 997) n.g[i] = -100;
        Call c(p, n, 1.0);
        EXPECT_SAME_BITS([&] { c.run(); }, {&c.o, &c.s, &c.dq, &c.dk, &c.dv, &c.dg, &c.d_s0});
    }
}

TEST(channel_nan_stays_in_its_row) {
    Shape p = with_channels(Shape{3, 50, 2, 16, 24, false, true, true});
    for (int poison = 0; poison < 5; poison++) {
        Numbers n = draw(p, 34), clean = n;
        Values* inputs[] = {&n.q, &n.k, &n.v, &n.g, &n.s0};
        Values& x = *inputs[poison];
        x[x.size() / 3 + 5] = NAN;
        Call bad(p, n, 1.0), good(p, clean, 1.0);
        bad.run(), good.run();
        for (size_t f = 0; f < good.results().size(); f++) {
            Field &g = *good.results()[f], &b = *bad.results()[f];
            int64_t row = g.size() / 3;
            for (int64_t i = 0; i < g.size(); i++)
                if (i / row != 1) EXPECT(!std::memcmp(&g.at(i), &b.at(i), sizeof(float)));
        }
    }
}

TEST(delta_strides_and_padding) {
    for (bool delta : {true, false})
        for (bool swapped : {true, false}) compare(Shape{2, 41, 3, 21, 35, delta, true, true, 5, swapped}, draw(Shape{2, 41, 3, 21, 35, delta, true, true}, 12), 1.0);
}

TEST(delta_long_sequences) {
    compare(Shape{1, 700, 1, 64, 64, true, true, true}, draw(Shape{1, 700, 1, 64, 64, true, true, true}, 13), 0.125);
    compare(Shape{1, 300, 1, 128, 128, true, true, false}, draw(Shape{1, 300, 1, 128, 128, true, true, false}, 14), 0.09);
    compare(Shape{1, 700, 1, 64, 64, false, true, true}, draw(Shape{1, 700, 1, 64, 64, false, true, true}, 15), 0.125);
}

TEST(delta_extreme_decays) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (bool delta : {true, false})
        for (double strong : {0.0, -1e-8, -3.0, -50.0, -1e4, -infinity}) {
            Shape p{1, 90, 2, 20, 20, delta, true, true};
            Numbers all = draw(p, 16), some = all;
            for (double& g : all.g) g = strong;
            for (size_t i = 0; i < some.g.size(); i += 7) some.g[i] = strong;
            compare(p, all, 1.0);
            compare(p, some, 1.0);
        }
}

TEST(delta_reset_forgets_the_past_entirely) {
    Shape p{1, 40, 1, 16, 16, true, true, false};
    Numbers n = draw(p, 17);
    n.g[20] = -std::numeric_limits<double>::infinity();
    Shape tail{1, 20, 1, 16, 16, true, true, false};
    Numbers m = draw(tail, 17);
    auto from = [](const Values& x, int64_t row) { return Values(x.begin() + 20 * row, x.end()); };
    m.q = from(n.q, 16), m.k = from(n.k, 16), m.v = from(n.v, 16), m.beta = from(n.beta, 1), m.g = from(n.g, 1);
    Call whole(p, n, 1.0), rest(tail, m, 1.0);
    whole.run(), rest.run();
    EXPECT_CLOSE("o", "after the reset", from(whole.o.values(), 16), rest.o.values(), 1e-6);
    EXPECT_CLOSE("final_state", "after the reset", whole.s.values(), rest.s.values(), 1e-6);
}

TEST(delta_repeated_keys_and_full_write_strength) {
    for (double strength : {0.0, 1.0, 2.0}) {
        Shape p{1, 150, 1, 24, 24, true, false, true};
        Numbers n = draw(p, 18);
        for (int64_t t = 0; t < p.T; t++)
            for (int64_t i = 0; i < p.K; i++) n.k[t * p.K + i] = n.k[(t % 3 == 0 ? 0 : t) * p.K + i];
        for (double& b : n.beta) b = strength;
        compare(p, n, 1.0);
    }
}

TEST(delta_first_decay_of_an_empty_state_has_no_gradient) {
    for (bool delta : {true, false}) {
        Shape p{1, 30, 2, 16, 16, delta, true, false};
        Call c(p, draw(p, 19), 1.0);
        c.run();
        EXPECT(c.dg.at(0) == 0.0f && c.dg.at(1) == 0.0f);
    }
}

TEST(delta_same_bits_for_any_number_of_threads_and_runs) {
    for (bool delta : {true, false})
        for (int64_t heads : {1, 3, 8}) {
            Shape p{1, 150, heads, 40, 100, delta, true, true};
            Numbers n = draw(p, 20);
            int32_t before = memgen_get_threads();
            Call first(p, n, 1.0);
            memgen_set_threads(1);
            first.run();
            for (int threads : {2, 3, 5, 1}) {
                Call again(p, n, 1.0);
                memgen_set_threads(threads);
                again.run();
                for (size_t i = 0; i < first.results().size(); i++) EXPECT(same_bits(*first.results()[i], *again.results()[i]));
            }
            memgen_set_threads(before);
        }
}

TEST(delta_nan_stays_in_its_row) {
    for (bool delta : {true, false})
        for (int poison = 0; poison < 5; poison++) {
            Shape p{3, 50, 2, 16, 24, delta, true, true};
            Numbers n = draw(p, 21), clean = n;
            Values* inputs[] = {&n.q, &n.k, &n.v, &n.g, &n.s0};
            Values& x = *inputs[poison];
            x[x.size() / 3 + 5] = NAN; // batch row 1
            Call bad(p, n, 1.0), good(p, clean, 1.0);
            bad.run(), good.run();
            bool spoiled = false;
            for (size_t f = 0; f < good.results().size(); f++) {
                Field &g = *good.results()[f], &b = *bad.results()[f];
                if (!g.tensor.data) continue;
                int64_t row = g.size() / 3;
                for (int64_t i = 0; i < g.size(); i++) {
                    if (i / row != 1) EXPECT(!std::memcmp(&g.at(i), &b.at(i), sizeof(float)));
                    else spoiled |= std::isnan(b.at(i));
                }
            }
            EXPECT(spoiled);
        }
}

TEST(delta_causality) {
    Shape p{1, 60, 1, 16, 16, true, true, true};
    Numbers n = draw(p, 22), changed = n;
    for (int64_t i = 0; i < 16; i++) changed.k[31 * 16 + i] = changed.v[31 * 16 + i] = NAN;
    Call a(p, n, 1.0), b(p, changed, 1.0);
    a.run(), b.run();
    for (int64_t i = 0; i < 31 * 16; i++) EXPECT(!std::memcmp(&a.o.at(i), &b.o.at(i), sizeof(float)));
}

TEST(delta_final_state_may_replace_the_initial_one) {
    Shape p{2, 21, 2, 9, 11, true, true, true};
    Numbers n = draw(p, 23);
    Call apart(p, n, 1.0), together(p, n, 1.0);
    apart.run();
    together.args.final_state = together.args.initial_state;
    Scratch scratch(memgen_gated_delta_rule_workspace_size(&together.args, 0));
    EXPECT_STATUS(MEMGEN_OK, memgen_gated_delta_rule_forward(&together.args, scratch.data, scratch.size, nullptr));
    EXPECT(same_bits(apart.s, together.s0));
}

TEST(delta_refuses_bad_arguments) {
    Shape p{2, 100, 2, 8, 8, true, true, true};
    Call c(p, draw(p, 24), 1.0);
    Scratch scratch(memgen_gated_delta_rule_workspace_size(&c.args, 1));
    auto forward = [&](auto change) {
        memgen_gated_delta_rule_args a = c.args;
        change(a);
        return memgen_gated_delta_rule_forward(&a, scratch.data, scratch.size, nullptr);
    };
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_gated_delta_rule_forward(nullptr, scratch.data, scratch.size, nullptr));
    EXPECT_STATUS(MEMGEN_INVALID_STRUCT_SIZE, forward([](auto& a) { a.struct_size--; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, forward([](auto& a) { a.dtype = (memgen_dtype)1; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.tokens = -1; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.k.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.beta.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, forward([](auto& a) { a.v.stride[3] = 2; }));
    EXPECT(std::strstr(memgen_last_error(), "v: the stride of its last axis is 2") != nullptr);
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, forward([](auto& a) { a.key_dim = 5000; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, forward([](auto& a) { a.batch = a.tokens = a.heads = int64_t{1} << 40; }));
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_gated_delta_rule_forward(&c.args, scratch.data, 64, nullptr));
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_gated_delta_rule_forward(&c.args, nullptr, 0, nullptr));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_gated_delta_rule_forward(&c.args, static_cast<char*>(scratch.data) + 8, scratch.size - 8, nullptr));
    memgen_gated_delta_rule_args a = c.args;
    a.checkpoints = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_gated_delta_rule_backward(&a, scratch.data, scratch.size, nullptr));
    a = c.args;
    a.log_decay.data = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_gated_delta_rule_backward(&a, scratch.data, scratch.size, nullptr));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_scalar_decay_forward(&c.args, scratch.data, scratch.size, nullptr));
    a = c.args;
    a.tokens = -3;
    EXPECT(memgen_gated_delta_rule_workspace_size(&a, 0) == -1 && memgen_gated_delta_rule_checkpoint_size(&a) == -1);
}

TEST(delta_smaller_workspace_uses_fewer_threads) {
    Shape p{1, 40, 4, 16, 16, true, true, true};
    Numbers n = draw(p, 25);
    int32_t before = memgen_get_threads();
    memgen_set_threads(4);
    Call many(p, n, 1.0), one(p, n, 1.0);
    many.run();
    Scratch scratch(memgen_gated_delta_rule_workspace_size(&one.args, 0) / 2);
    EXPECT_STATUS(MEMGEN_OK, memgen_gated_delta_rule_forward(&one.args, scratch.data, scratch.size, nullptr));
    EXPECT(same_bits(many.o, one.o));
    memgen_set_threads(before);
}

TEST(delta_extra_memory_is_bounded) {
    for (Shape p : {Shape{1, 8192, 4, 128, 128}, Shape{2, 2048, 4, 64, 64}, Shape{8, 256, 4, 64, 64}}) {
        memgen_gated_delta_rule_args a{};
        a.struct_size = sizeof a;
        a.batch = p.B, a.tokens = p.T, a.heads = p.H, a.key_dim = p.K, a.value_dim = p.V;
        int32_t before = memgen_get_threads();
        memgen_set_threads(2);
        int64_t tensors = p.B * p.T * p.H * (2 * p.K + 2 * p.V) * 4;
        int64_t extra = memgen_gated_delta_rule_checkpoint_size(&a) + std::max(memgen_gated_delta_rule_workspace_size(&a, 0), memgen_gated_delta_rule_workspace_size(&a, 1));
        EXPECT(extra * 2 <= tensors);
        memgen_set_threads(before);
    }
}

} // namespace
