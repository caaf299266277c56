// The rules with a decay for every key channel, against the recurrence in double precision and its gradient; and the scores.
#include "delta_oracle.h"

namespace {

enum class Rule { Decay, Delta, Generalized };

constexpr Rule Rules[] = {Rule::Decay, Rule::Delta, Rule::Generalized};

Shape with_channels(Shape p, Rule rule) {
    p.delta = rule == Rule::Delta, p.generalized = rule == Rule::Generalized, p.decay = p.channel = true;
    return p;
}

TEST(channel_shapes) {
    for (Rule rule : Rules)
        for (bool initial : {true, false})
            for (Shape p : {Shape{2, 37, 3, 16, 16}, Shape{1, 64, 2, 32, 32}, Shape{1, 131, 1, 7, 19}, Shape{2, 33, 2, 24, 40}, Shape{1, 2, 1, 1, 1}, Shape{1, 1, 2, 3, 5}, Shape{3, 1, 2, 20, 150}, Shape{1, 0, 1, 4, 4}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 200, 1, 66, 33}, Shape{1, 300, 1, 96, 96}, Shape{2, 41, 3, 21, 35}}) {
                p.initial = initial;
                p.padding = p.K == 21 ? 3 : 0, p.swapped = p.K == 21;
                compare(with_channels(p, rule), draw(with_channels(p, rule), 31), 0.5);
            }
}

TEST(channel_extreme_decays) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (Rule rule : Rules)
        for (double strong : {0.0, -1e-8, -1.0, -3.0, -5.0, -8.0, -12.0, -25.0, -50.0, -1e4, -infinity}) { // backward halves its groups at -5.2, -10.4, -20.8 and -41.6
            Shape p = with_channels(Shape{1, 90, 2, 20, 20, false, true, true}, rule);
            Numbers all = draw(p, 32);
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

TEST(channel_delta_repeated_keys_and_full_write_strength) {
    for (double strength : {0.0, 1.0, 2.0}) {
        Shape p = with_channels(Shape{1, 150, 1, 24, 24, false, true, true}, Rule::Delta);
        Numbers n = draw(p, 35);
        for (double& g : n.g) g *= 0.01;
        for (int64_t t = 0; t < p.T; t++)
            for (int64_t i = 0; i < p.K; i++) n.k[t * p.K + i] = n.k[(t % 3 == 0 ? 0 : t) * p.K + i];
        for (double& b : n.beta) b = strength;
        compare(p, n, 1.0);
    }
}

TEST(channel_delta_with_equal_channels_is_the_gated_delta_rule) {
    Shape heads{2, 70, 2, 20, 17, true, true, true}, channels = with_channels(heads, Rule::Delta);
    Numbers one = draw(heads, 36), each = draw(channels, 36);
    for (size_t i = 0; i < each.g.size(); i++) each.g[i] = one.g[i / 20];
    Call a(heads, one, 1.0), b(channels, each, 1.0);
    a.run(), b.run();
    EXPECT_CLOSE("o", "equal channels", b.o.values(), a.o.values(), ForwardLimit);
    EXPECT_CLOSE("final_state", "equal channels", b.s.values(), a.s.values(), ForwardLimit);
    EXPECT_CLOSE("d_k", "equal channels", b.dk.values(), a.dk.values(), GradientLimit);
    EXPECT_CLOSE("d_beta", "equal channels", b.d_beta.values(), a.d_beta.values(), GradientLimit);
}

TEST(channel_in_place_or_without_a_state_after_it) {
    for (Rule rule : {Rule::Delta, Rule::Generalized})
        for (int64_t T : {1, 21}) {
            Shape p = with_channels(Shape{2, T, 3, 20, 37, false, true, true}, rule);
            Numbers n = draw(p, 37);
            reference(p, 1.0, n);
            Call place(p, n, 1.0), none(p, n, 1.0);
            place.args.final_state = place.args.initial_state;
            none.args.final_state.data = nullptr;
            const Call::Functions call = place.functions();
            Scratch scratch(call.size(&place.args, 0));
            EXPECT_STATUS(MEMGEN_OK, call.forward(&place.args, scratch.data, scratch.size, nullptr));
            EXPECT_STATUS(MEMGEN_OK, call.forward(&none.args, scratch.data, scratch.size, nullptr));
            EXPECT_CLOSE("final_state", "in place", place.s0.values(), n.s, ForwardLimit);
            EXPECT_CLOSE("o", "in place", place.o.values(), n.o, ForwardLimit);
            EXPECT_CLOSE("o", "no final state", none.o.values(), n.o, ForwardLimit);
        }
}

TEST(channel_delta_refuses_bad_arguments) {
    Shape p = with_channels(Shape{2, 100, 2, 8, 8, false, true, true}, Rule::Delta);
    Call c(p, draw(p, 38), 1.0);
    Scratch scratch(memgen_channel_delta_rule_workspace_size(&c.args, 1));
    auto forward = [&](auto change) {
        memgen_channel_delta_rule_args a = c.args;
        change(a);
        return memgen_channel_delta_rule_forward(&a, scratch.data, scratch.size, nullptr);
    };
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.beta.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.log_decay.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, forward([](auto& a) { a.log_decay.stride[3] = 2; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, forward([](auto& a) { a.dtype = MEMGEN_BFLOAT16; }));
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_channel_delta_rule_forward(&c.args, scratch.data, 64, nullptr));
    memgen_channel_delta_rule_args a = c.args;
    a.checkpoints = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_channel_delta_rule_backward(&a, scratch.data, scratch.size, nullptr));
}

TEST(channel_extra_memory_is_bounded) {
    int32_t before = memgen_get_threads();
    memgen_set_threads(2);
    for (Rule rule : {Rule::Delta, Rule::Generalized})
        for (Shape p : {Shape{1, 8192, 4, 128, 128}, Shape{2, 2048, 4, 64, 64}, Shape{8, 256, 4, 64, 64}}) {
            const Call::Functions call = Call::functions_of(with_channels(p, rule));
            memgen_gated_delta_rule_args a{};
            a.struct_size = sizeof a;
            a.batch = p.B, a.tokens = p.T, a.heads = p.H, a.key_dim = p.K, a.value_dim = p.V;
            int64_t tensors = p.B * p.T * p.H * (2 * p.K + 2 * p.V) * 4;
            EXPECT((call.checkpoints(&a) + std::max(call.size(&a, 0), call.size(&a, 1))) * 2 <= tensors);
        }
    memgen_set_threads(before);
}

TEST(channel_causality) {
    for (Rule rule : Rules) {
        Shape p = with_channels(Shape{1, 60, 1, 16, 16, false, true, true}, rule);
        Numbers n = draw(p, 39), changed = n;
        std::vector<Values*> later = {&changed.k, &changed.v};
        if (rule == Rule::Generalized) later.insert(later.end(), {&changed.a, &changed.b, &changed.g});
        for (int64_t i = 0; i < 16; i++)
            for (Values* x : later) (*x)[31 * 16 + i] = NAN;
        Call a(p, n, 1.0), b(p, changed, 1.0);
        a.run(), b.run();
        for (int64_t i = 0; i < 31 * 16; i++) EXPECT(!std::memcmp(&a.o.at(i), &b.o.at(i), sizeof(float)));
    }
}

TEST(channel_same_bits_for_any_number_of_threads) {
    for (Rule rule : Rules)
        for (int64_t heads : {1, 3}) {
            Shape p = with_channels(Shape{2, 150, heads, 40, 70, false, true, true}, rule);
            Numbers n = draw(p, 33);
            for (size_t i = 0; i < n.g.size(); i += 997) n.g[i] = -100;
            Call c(p, n, 1.0);
            std::vector<Field*> results = {&c.o, &c.s, &c.dq, &c.dk, &c.dv, &c.dg, &c.d_s0};
            if (rule == Rule::Delta) results.push_back(&c.d_beta);
            if (rule == Rule::Generalized) results.insert(results.end(), {&c.da, &c.db});
            EXPECT_SAME_BITS([&] { c.run(); }, results);
        }
}

TEST(channel_nan_stays_in_its_row) {
    for (Rule rule : Rules)
        for (int poison = 0; poison < 8; poison++) {
            Shape p = with_channels(Shape{3, 50, 2, 16, 24, false, true, true}, rule);
            Numbers n = draw(p, 34), clean = n;
            Values* inputs[] = {&n.q, &n.k, &n.v, &n.g, &n.s0, &n.beta, &n.a, &n.b};
            Values& x = *inputs[poison];
            if (x.empty()) continue;
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

// The same memory read along its other axis, S_t (scale q_t). That is the gradient of channel decay's queries where the gradients of
// its outputs are q_t, so its oracle is this one's, too.
Shape with_slots(Shape p) {
    p.decay = p.channel = true;
    return p;
}

// The call beside one of channel decay, whose tensors it works on.
struct Scores {
    Call call;
    memgen_channel_scores_args args;

    Scores(const Shape& p, const Numbers& n) : call(p, n, 0.5), args(call.args) { args.q = call.d_o.tensor, args.o = call.dq.tensor; }

    memgen_status status() {
        Scratch scratch(memgen_channel_scores_workspace_size(&args, 0));
        return memgen_channel_scores_forward(&args, scratch.data, scratch.size, nullptr);
    }
    void run() { EXPECT_STATUS(MEMGEN_OK, status()); }
};

void compare_scores(const Shape& p, Numbers n) {
    reference(p, 0.5, n);
    Scores scores(p, n);
    scores.run();
    EXPECT_CLOSE("o", p.text(), scores.call.dq.values(), n.dq, ForwardLimit);
    EXPECT_CLOSE("final_state", p.text(), scores.call.s.values(), n.s, ForwardLimit);
    EXPECT(scores.call.dq.padding_untouched() && scores.call.s.padding_untouched());
}

TEST(scores_shapes) {
    for (bool initial : {true, false})
        for (Shape p : {Shape{2, 37, 3, 16, 16}, Shape{1, 64, 2, 32, 32}, Shape{1, 131, 1, 7, 19}, Shape{2, 33, 2, 24, 40}, Shape{1, 2, 1, 1, 1}, Shape{1, 1, 2, 3, 5}, Shape{3, 1, 2, 150, 20}, Shape{1, 0, 1, 4, 4}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 200, 1, 33, 66}, Shape{1, 300, 1, 96, 96}, Shape{2, 41, 3, 21, 35}}) {
            p.initial = initial;
            p.padding = p.K == 21 ? 3 : 0, p.swapped = p.K == 21;
            compare_scores(with_slots(p), draw(with_slots(p), 51));
        }
}

TEST(scores_extreme_decays) {
    Shape p = with_slots(Shape{1, 90, 2, 20, 20, false, true, true});
    for (double strong : {0.0, -1e-8, -3.0, -50.0, -1e4, -std::numeric_limits<double>::infinity()}) {
        Numbers all = draw(p, 52), some = all, channels = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 131) some.g[i] = strong;
        for (size_t i = 0; i < channels.g.size(); i += 20) channels.g[i] = strong;
        for (const Numbers& n : {all, some, channels}) compare_scores(p, n);
    }
}

TEST(scores_in_place_or_without_a_state_after_it) {
    for (int64_t T : {1, 21}) {
        Shape p = with_slots(Shape{2, T, 3, 37, 20, false, true, true});
        Numbers n = draw(p, 53);
        reference(p, 0.5, n);
        Scores place(p, n), none(p, n);
        place.args.final_state = place.args.initial_state;
        none.args.final_state.data = nullptr;
        place.run(), none.run();
        EXPECT_CLOSE("final_state", "in place", place.call.s0.values(), n.s, ForwardLimit);
        EXPECT_CLOSE("o", "in place", place.call.dq.values(), n.dq, ForwardLimit);
        EXPECT_CLOSE("o", "no final state", none.call.dq.values(), n.dq, ForwardLimit);
    }
}

TEST(scores_causality) {
    Shape p = with_slots(Shape{1, 60, 1, 16, 16, false, true, true});
    Numbers n = draw(p, 54), changed = n;
    for (Values* x : {&changed.k, &changed.v, &changed.g, &changed.d_o})
        for (int64_t i = 31 * 16; i < 60 * 16; i++) (*x)[i] = NAN;
    Scores a(p, n), b(p, changed);
    a.run(), b.run();
    for (int64_t i = 0; i < 31 * 16; i++) EXPECT(!std::memcmp(&a.call.dq.at(i), &b.call.dq.at(i), sizeof(float)));
}

TEST(scores_same_bits_for_any_number_of_threads) {
    for (int64_t heads : {1, 3}) {
        Shape p = with_slots(Shape{2, 150, heads, 70, 40, false, true, true});
        Scores scores(p, draw(p, 55));
        EXPECT_SAME_BITS([&] { scores.run(); }, {&scores.call.dq, &scores.call.s});
    }
}

TEST(scores_nan_stays_in_its_row) {
    Shape p = with_slots(Shape{3, 50, 2, 24, 16, false, true, true});
    for (int poison = 0; poison < 5; poison++) {
        Numbers n = draw(p, 56), clean = n;
        Values* inputs[] = {&n.k, &n.v, &n.g, &n.s0, &n.d_o};
        (*inputs[poison])[inputs[poison]->size() / 3 + 5] = NAN;
        Scores bad(p, n), good(p, clean);
        bad.run(), good.run();
        for (Field Call::*field : {&Call::dq, &Call::s}) {
            Field &g = good.call.*field, &b = bad.call.*field;
            for (int64_t i = 0; i < g.size(); i++)
                if (i / (g.size() / 3) != 1) EXPECT(!std::memcmp(&g.at(i), &b.at(i), sizeof(float)));
        }
    }
}

TEST(scores_refuse_bad_arguments) {
    Shape p = with_slots(Shape{2, 100, 2, 8, 8, false, true, true});
    const Numbers n = draw(p, 57);
    auto status = [&](auto change) {
        Scores scores(p, n);
        change(scores.args);
        return scores.status();
    };
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, status([](auto& a) { a.log_decay.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, status([](auto& a) { a.beta = a.log_decay; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, status([](auto& a) { a.o.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, status([](auto& a) { a.q.stride[3] = 2; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, status([](auto& a) { a.dtype = MEMGEN_BFLOAT16; }));
    Scores scores(p, n);
    Scratch little(64);
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_channel_scores_forward(&scores.args, little.data, little.size, nullptr));
}

} // namespace
