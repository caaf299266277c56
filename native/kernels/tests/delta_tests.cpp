// The gated delta rule and scalar decay against the recurrence in double precision and its gradient.
#include "delta_oracle.h"

namespace {

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

// A sequence of one token is not run on strips.
TEST(delta_one_token) {
    for (bool delta : {true, false})
        for (bool decay : {true, false})
            for (bool initial : {true, false})
                for (Shape p : {Shape{3, 1, 4, 64, 64}, Shape{2, 1, 3, 20, 17}, Shape{1, 1, 2, 7, 150}, Shape{1, 1, 1, 0, 5}, Shape{1, 1, 1, 5, 0}}) {
                    p.delta = delta, p.decay = decay, p.initial = initial;
                    compare(p, draw(p, 41), 0.5);
                    p.padding = 5, p.swapped = true;
                    compare(p, draw(p, 42), 0.5);
                }
    // The state's columns are dealt out to the threads.
    Shape wide{1, 1, 1, 512, 1100, true, true, true};
    Call c(wide, draw(wide, 43), 1.0);
    EXPECT_SAME_BITS([&] { c.run(); }, {&c.o, &c.s});
}

TEST(delta_one_token_in_place_or_without_a_state_after_it) {
    Shape p{2, 1, 3, 20, 37, true, true, true};
    Numbers n = draw(p, 44);
    reference(p, 1.0, n);
    Call place(p, n, 1.0), none(p, n, 1.0);
    place.args.final_state = place.args.initial_state;
    none.args.final_state.data = nullptr;
    place.run(), none.run();
    EXPECT_CLOSE("final_state", "in place", place.s0.values(), n.s, ForwardLimit);
    EXPECT_CLOSE("o", "in place", place.o.values(), n.o, ForwardLimit);
    EXPECT_CLOSE("o", "no final state", none.o.values(), n.o, ForwardLimit);
}

TEST(delta_strides_and_padding) {
    for (bool delta : {true, false})
        for (bool swapped : {true, false}) compare(Shape{2, 41, 3, 21, 35, delta, true, true, 5, swapped}, draw(Shape{2, 41, 3, 21, 35, delta, true, true}, 12), 1.0);
}

// Without decay backward is three passes of its own, two of them from the end.
TEST(linear_attention_backward) {
    for (bool swapped : {true, false}) compare(Shape{2, 141, 3, 21, 35, false, false, true, 5, swapped}, draw(Shape{2, 141, 3, 21, 35, false, false, true}, 31), 0.3);
    Shape p{2, 70, 2, 9, 40, false, false, true};
    Numbers n = draw(p, 32), silent = n;
    std::fill(silent.d_o.begin(), silent.d_o.end(), 0.0);
    reference(p, 0.3, n), reference(p, 0.3, silent);
    Call whole(p, n, 0.3), without(p, n, 0.3), state(p, n, 0.3);
    EXPECT_SAME_BITS([&] { whole.run(); }, {&whole.dq, &whole.dk, &whole.dv, &whole.d_s0});
    without.args.d_o.data = nullptr;
    without.run();
    EXPECT_CLOSE("d_q", "no d_o", without.dq.values(), silent.dq, GradientLimit);
    EXPECT_CLOSE("d_k", "no d_o", without.dk.values(), silent.dk, GradientLimit);
    EXPECT_CLOSE("d_v", "no d_o", without.dv.values(), silent.dv, GradientLimit);
    // The state's gradient alone, in the place of the one that comes in
    state.args.d_q.data = state.args.d_k.data = state.args.d_v.data = nullptr;
    state.args.d_initial_state = state.args.d_final_state;
    state.run();
    EXPECT_CLOSE("d_initial_state", "in place", state.d_s.values(), n.d_s0, GradientLimit);
    EXPECT(state.dq.padding_untouched() && state.dv.padding_untouched());
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
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, forward([](auto& a) { a.dtype = MEMGEN_BFLOAT16; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, forward([](auto& a) { a.state_dtype = MEMGEN_BFLOAT16; }));
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
