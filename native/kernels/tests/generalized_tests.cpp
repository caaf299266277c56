// The generalised delta rule of RWKV-7, against the recurrence in double precision and its gradient.
#include "delta_oracle.h"

namespace {

Shape generalized(Shape p) {
    p.delta = false, p.decay = p.channel = p.generalized = true;
    return p;
}

TEST(generalized_oracle_has_the_gradient_of_its_definition) {
    const Shape p = generalized(Shape{2, 4, 2, 3, 2, false, true, true});
    Numbers n = draw(p, 70);
    auto loss = [&] {
        reference(p, 0.5, n);
        return inner(n.o, n.d_o) + inner(n.s, n.d_s);
    };
    loss();
    const Numbers exact = n;
    for (auto [input, gradient] : {std::pair(&Numbers::q, &Numbers::dq), {&Numbers::k, &Numbers::dk}, {&Numbers::v, &Numbers::dv}, {&Numbers::g, &Numbers::dg}, {&Numbers::a, &Numbers::da}, {&Numbers::b, &Numbers::db}, {&Numbers::s0, &Numbers::d_s0}})
        EXPECT_CLOSE("gradient", p.text(), numeric_gradient(n.*input, loss), exact.*gradient, 1e-8);
}

TEST(generalized_shapes) {
    for (bool initial : {true, false})
        for (Shape p : {Shape{2, 37, 3, 16, 16}, Shape{1, 64, 2, 32, 32}, Shape{1, 131, 1, 7, 19}, Shape{2, 33, 2, 24, 40}, Shape{1, 2, 1, 1, 1}, Shape{1, 1, 2, 3, 5}, Shape{3, 1, 2, 20, 150}, Shape{1, 0, 1, 4, 4}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 200, 1, 66, 33}, Shape{1, 300, 1, 96, 96}, Shape{2, 41, 3, 21, 35}}) {
            p.initial = initial;
            p.padding = p.K == 21 ? 3 : 0, p.swapped = p.K == 21;
            compare(generalized(p), draw(generalized(p), 71), 0.5);
        }
}

TEST(generalized_extreme_decays) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -1.0, -3.0, -5.0, -8.0, -12.0, -25.0, -50.0, -1e4, -infinity}) { // backward halves its groups at -5.2, -10.4, -20.8 and -41.6
        const Shape p = generalized(Shape{1, 90, 2, 20, 20, false, true, true});
        Numbers all = draw(p, 72);
        for (double& b : all.b) b *= std::fmin(1, -strong); // nothing grows where little decays
        Numbers some = all, channels = all, different = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < different.g.size(); i++) different.g[i] = strong * (0.01 + i * 37 % 100 / 100.0);
        for (size_t i = 0; i < some.g.size(); i += 131) some.g[i] = strong;
        for (size_t i = 0; i < channels.g.size(); i += 20) channels.g[i] = strong;
        compare(p, all, 1.0);
        compare(p, some, 1.0);
        compare(p, channels, 1.0);
        compare(p, different, 1.0);
    }
}

// Each token recalls by one of three keys and takes all of it away, or turns it over.
TEST(generalized_repeated_keys_at_full_rate) {
    for (double rate : {0.0, 1.0, 2.0}) {
        const Shape p = generalized(Shape{1, 150, 1, 24, 24, false, true, true});
        Numbers n = draw(p, 73);
        for (double& g : n.g) g *= 0.01;
        for (int64_t t = 0; t < p.T; t++)
            for (int64_t i = 0; i < p.K; i++) {
                n.a[t * p.K + i] = n.a[t % 3 * p.K + i];
                n.b[t * p.K + i] = -rate * n.a[t * p.K + i] * std::exp(n.g[t * p.K + i]);
            }
        compare(p, n, 1.0);
    }
}

// With a = -(e^g k) and b = beta k it writes beta v where the channel delta rule writes v.
TEST(generalized_is_the_channel_delta_rule_where_it_recalls_by_its_key) {
    Shape delta{2, 70, 2, 20, 17, true, true, true}, rule = generalized(delta);
    delta.channel = true;
    Numbers one = draw(delta, 74), other = draw(rule, 74);
    other.g = one.g, other.k = one.k;
    for (size_t i = 0; i < other.a.size(); i++) other.a[i] = -std::exp(one.g[i]) * one.k[i], other.b[i] = one.beta[i / 20] * one.k[i];
    for (size_t i = 0; i < other.v.size(); i++) other.v[i] = one.beta[i / 17] * one.v[i];
    Call a(delta, one, 1.0), b(rule, other, 1.0);
    a.run(), b.run();
    EXPECT_CLOSE("o", "the same rule", b.o.values(), a.o.values(), ForwardLimit);
    EXPECT_CLOSE("final_state", "the same rule", b.s.values(), a.s.values(), ForwardLimit);
    EXPECT_CLOSE("d_q", "the same rule", b.dq.values(), a.dq.values(), GradientLimit);
    EXPECT_CLOSE("d_initial_state", "the same rule", b.d_s0.values(), a.d_s0.values(), GradientLimit);
}

TEST(generalized_in_place_or_without_a_state_after_it) {
    for (int64_t T : {1, 21}) {
        const Shape p = generalized(Shape{2, T, 3, 20, 37, false, true, true});
        Numbers n = draw(p, 75);
        reference(p, 1.0, n);
        Call place(p, n, 1.0), none(p, n, 1.0);
        place.args.final_state = place.args.initial_state;
        none.args.final_state.data = nullptr;
        Scratch scratch(memgen_generalized_delta_rule_workspace_size(&place.args, 0));
        EXPECT_STATUS(MEMGEN_OK, memgen_generalized_delta_rule_forward(&place.args, scratch.data, scratch.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_generalized_delta_rule_forward(&none.args, scratch.data, scratch.size, nullptr));
        EXPECT_CLOSE("final_state", "in place", place.s0.values(), n.s, ForwardLimit);
        EXPECT_CLOSE("o", "in place", place.o.values(), n.o, ForwardLimit);
        EXPECT_CLOSE("o", "no final state", none.o.values(), n.o, ForwardLimit);
    }
}

TEST(generalized_gradients_that_are_not_wanted) {
    const Shape p = generalized(Shape{1, 150, 2, 20, 37, false, true, true});
    Numbers n = draw(p, 76);
    std::fill(n.d_o.begin(), n.d_o.end(), 0.0);
    Call all(p, n, 1.0);
    all.run();
    for (memgen_tensor memgen_generalized_delta_rule_args::*kept : {&memgen_generalized_delta_rule_args::d_a, &memgen_generalized_delta_rule_args::d_v}) {
        Call one(p, n, 1.0);
        memgen_generalized_delta_rule_args& a = one.args;
        const memgen_tensor wanted = a.*kept;
        a.d_o.data = a.d_q.data = a.d_k.data = a.d_v.data = a.d_log_decay.data = a.d_a.data = a.d_b.data = a.d_initial_state.data = nullptr;
        a.*kept = wanted;
        one.run();
        EXPECT(same_bits(kept == &memgen_generalized_delta_rule_args::d_a ? one.da : one.dv, kept == &memgen_generalized_delta_rule_args::d_a ? all.da : all.dv));
        EXPECT(one.dq.untouched(0) && one.db.untouched(0) && one.d_s0.untouched(0));
    }
}

TEST(generalized_refuses_bad_arguments) {
    const Shape p = generalized(Shape{2, 100, 2, 8, 8, false, true, true});
    Call c(p, draw(p, 77), 1.0);
    Scratch scratch(memgen_generalized_delta_rule_workspace_size(&c.args, 1));
    auto forward = [&](auto change) {
        memgen_generalized_delta_rule_args a = c.args;
        change(a);
        return memgen_generalized_delta_rule_forward(&a, scratch.data, scratch.size, nullptr);
    };
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.a.data = nullptr; }));
    EXPECT(std::strstr(memgen_last_error(), "a is null") != nullptr);
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.b.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.log_decay.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.beta = a.q; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, forward([](auto& a) { a.b.stride[3] = 2; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, forward([](auto& a) { a.dtype = MEMGEN_BFLOAT16; }));
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_generalized_delta_rule_forward(&c.args, scratch.data, 64, nullptr));
    memgen_generalized_delta_rule_args a = c.args;
    a.checkpoints = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_generalized_delta_rule_backward(&a, scratch.data, scratch.size, nullptr));
    a = c.args, a.d_b.stride[3] = 2;
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, memgen_generalized_delta_rule_backward(&a, scratch.data, scratch.size, nullptr));
    a = c.args, a.beta.data = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_channel_decay_forward(&a, scratch.data, scratch.size, nullptr));
    EXPECT(std::strstr(memgen_last_error(), "not the generalised delta rule") != nullptr);
}

TEST(generalized_extra_memory_is_bounded) {
    int32_t before = memgen_get_threads();
    memgen_set_threads(2);
    for (Shape p : {Shape{1, 8192, 4, 128, 128}, Shape{2, 2048, 4, 64, 64}, Shape{8, 256, 4, 64, 64}}) {
        memgen_generalized_delta_rule_args a{};
        a.struct_size = sizeof a;
        a.batch = p.B, a.tokens = p.T, a.heads = p.H, a.key_dim = p.K, a.value_dim = p.V;
        int64_t tensors = p.B * p.T * p.H * (2 * p.K + 2 * p.V) * 4;
        int64_t extra = memgen_generalized_delta_rule_checkpoint_size(&a) + std::max(memgen_generalized_delta_rule_workspace_size(&a, 0), memgen_generalized_delta_rule_workspace_size(&a, 1));
        EXPECT(extra * 2 <= tensors);
    }
    memgen_set_threads(before);
}

TEST(generalized_causality) {
    const Shape p = generalized(Shape{1, 60, 1, 16, 16, false, true, true});
    Numbers n = draw(p, 80), changed = n;
    for (int64_t i = 0; i < 16; i++)
        for (Values* x : {&changed.k, &changed.v, &changed.a, &changed.b, &changed.g}) (*x)[31 * 16 + i] = NAN;
    Call a(p, n, 1.0), b(p, changed, 1.0);
    a.run(), b.run();
    for (int64_t i = 0; i < 31 * 16; i++) EXPECT(!std::memcmp(&a.o.at(i), &b.o.at(i), sizeof(float)));
}

TEST(generalized_same_bits_for_any_number_of_threads) {
    for (int64_t heads : {1, 3}) {
        const Shape p = generalized(Shape{2, 150, heads, 40, 70, false, true, true});
        Numbers n = draw(p, 78);
        for (size_t i = 0; i < n.g.size(); i += 997) n.g[i] = -100;
        Call c(p, n, 1.0);
        EXPECT_SAME_BITS([&] { c.run(); }, {&c.o, &c.s, &c.dq, &c.dk, &c.dv, &c.dg, &c.da, &c.db, &c.d_s0});
    }
}

TEST(generalized_nan_stays_in_its_row) {
    for (int poison = 0; poison < 7; poison++) {
        const Shape p = generalized(Shape{3, 50, 2, 16, 24, false, true, true});
        Numbers n = draw(p, 79), clean = n;
        Values* inputs[] = {&n.q, &n.k, &n.v, &n.g, &n.s0, &n.a, &n.b};
        Values& x = *inputs[poison];
        x[x.size() / 3 + 5] = NAN;
        Call bad(p, n, 1.0), good(p, clean, 1.0);
        bad.run(), good.run();
        for (size_t f = 0; f < good.results().size(); f++) {
            Field &g = *good.results()[f], &b = *bad.results()[f];
            if (!g.tensor.data) continue;
            int64_t row = g.size() / 3;
            for (int64_t i = 0; i < g.size(); i++)
                if (i / row != 1) EXPECT(!std::memcmp(&g.at(i), &b.at(i), sizeof(float)));
        }
    }
}

} // namespace
