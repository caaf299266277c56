// The generalised delta rule of RWKV-7, beside what channel_tests.cpp asks of all rules with a decay for every key channel.
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

} // namespace
