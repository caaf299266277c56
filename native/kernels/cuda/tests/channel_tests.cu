// Channel decay and the channel delta rule on the emulator against the recurrence in double precision.
#include "matrix_test.h"

namespace {

Shape channel(Shape p, bool delta) {
    p.delta = delta, p.decay = p.channel = true;
    return p;
}

LaunchMatrixMemory forward_of(const Shape& p) { return p.delta ? memgen::launch_channel_delta_rule_forward : memgen::launch_channel_decay_forward; }
LaunchMatrixMemory backward_of(const Shape& p) { return p.delta ? memgen::launch_channel_delta_rule_backward : memgen::launch_channel_decay_backward; }

template <class T>
void compare(const Shape& p, const Numbers& n, double scale, const Layout& layout = {}) {
    compare_on_device<T>(forward_of(p), backward_of(p), p, n, scale, layout);
}

template <class T>
void shapes(bool delta) {
    for (Shape p : {Shape{1, 0, 2, 32, 32}, Shape{1, 1, 2, 32, 32}, Shape{1, 31, 2, 32, 32}, Shape{1, 32, 2, 32, 32}, Shape{1, 33, 2, 32, 32}, Shape{1, 101, 2, 32, 32}, Shape{2, 37, 1, 40, 24},
                    Shape{1, 70, 1, 128, 80}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 300, 1, 20, 36}, Shape{1, 35, 1, 256, 40}}) {
        if (p.K == 256 && sizeof(T) == 4) continue; // backward has no kernel for it
        p.initial = p.K != 40, p.padding = p.K == 40 ? 8 : p.K == 20 ? 3 : 0;
        compare<T>(channel(p, delta), draw(channel(p, delta), 31), 0.5);
    }
}

// Heads without padding: tensors that are read and written by whole rows.
template <class T>
void whole_heads() {
    for (int64_t K : {32, 64, 128, 256})
        for (int64_t V : {32, 64, 128, 256}) {
            if (K == 256 && sizeof(T) == 4) continue;
            const Shape p = channel(Shape{1, 42, 1, K, V, false, true, true}, true);
            compare<T>(p, draw(p, 36), 0.1);
        }
}

// Strengths up to 2, and the same key again and again. In bfloat16 not both at once, nor where hardly anything is forgotten: there
// rounding adds up from token to token, to twice what it is in the gated delta rule, whose keys enter products unrounded.
template <class T>
void strong_writes() {
    const Shape p = channel(Shape{1, 150, 2, 16, 20, false, true, true}, true);
    for (bool repeated : {false, true})
        for (bool forgets : {true, false}) {
            if (!forgets && (repeated || sizeof(T) == 2)) continue;
            Numbers n = draw(p, 37);
            for (double& beta : n.beta) beta = !forgets ? 2 : repeated && sizeof(T) == 2 ? beta : 2 * beta;
            for (double& g : n.g) g *= forgets ? 1 : 0.01;
            for (size_t i = p.H * p.K; repeated && i < n.k.size(); i++) n.k[i] = n.k[i % (p.H * p.K)];
            compare<T>(p, n, 0.5);
        }
}

// What is no number in one sequence, or in one value column, is nowhere else.
template <class T>
void not_a_number() {
    Shape p = channel(Shape{3, 45, 2, 20, 24, false, true, true}, true);
    Numbers n = draw(p, 39);
    round_inputs<T>(n);
    DeviceCall<T> clean(p, n, 0.5, {});
    clean.run(forward_of(p), backward_of(p));
    const int64_t sequence = p.T * p.H;
    for (Values* x : {&n.q, &n.k, &n.v, &n.beta, &n.g, &n.d_o}) {
        const int64_t width = static_cast<int64_t>(x->size()) / (p.B * sequence);
        Values kept = *x;
        (*x)[static_cast<size_t>((sequence + 7 * p.H) * width + width / 2)] = NAN; // of the second sequence and first head
        DeviceCall<T> c(p, n, 0.5, {});
        c.run(forward_of(p), backward_of(p));
        bool found = false;
        auto same_elsewhere = [&](const Values& actual, const Values& expected, auto head_of) {
            for (size_t i = 0; i < actual.size(); i++) {
                const int64_t head = head_of(static_cast<int64_t>(i));
                if (head == p.H) found |= std::isnan(actual[i]);
                else EXPECT(actual[i] == expected[i]);
            }
        };
        auto of_tokens = [&](int64_t columns) { return [=](int64_t i) { return i / columns / sequence * p.H + i / columns % p.H; }; };
        auto of_states = [&](int64_t i) { return i / (p.K * p.V); };
        same_elsewhere(c.o.values(), clean.o.values(), of_tokens(p.V)), same_elsewhere(c.s.values(), clean.s.values(), of_states);
        same_elsewhere(c.dq.values(), clean.dq.values(), of_tokens(p.K)), same_elsewhere(c.dk.values(), clean.dk.values(), of_tokens(p.K));
        same_elsewhere(c.dv.values(), clean.dv.values(), of_tokens(p.V)), same_elsewhere(c.dg.values(), clean.dg.values(), of_tokens(p.K));
        same_elsewhere(c.d_beta.values(), clean.d_beta.values(), of_tokens(1)), same_elsewhere(c.d_s0.values(), clean.d_s0.values(), of_states);
        EXPECT(found);
        *x = kept;
    }
    n.v[static_cast<size_t>(sequence * p.V + 3)] = NAN; // column 3 of the second sequence and first head, from its first token on
    DeviceCall<T> c(p, n, 0.5, {});
    c.run(forward_of(p), backward_of(p));
    const Values o = c.o.values(), expected = clean.o.values(), state = c.s.values(), expected_state = clean.s.values();
    for (size_t i = 0; i < o.size(); i++) {
        if (i / p.V / sequence != 1 || i / p.V % p.H || i % p.V != 3) EXPECT(o[i] == expected[i]);
        else EXPECT(std::isnan(o[i]));
    }
    for (size_t i = 0; i < state.size(); i++) EXPECT(state[i] == expected_state[i] || (static_cast<int64_t>(i) / (p.K * p.V) == p.H && i % p.V == 3));
}

template <class T>
void segments(bool delta) {
    Layout layout{{140, 0, 0, 61, 130}, {60, 40, 0, 65, 7}};
    Shape p = channel(Shape{5, 210, 2, 24, 40, false, true, true}, delta);
    Numbers n = draw(p, 33); // states of five sequences; of the tokens the first row's are used
    p.B = 1;
    const int64_t rows = p.T * p.H;
    n.q.resize(rows * p.K), n.k.resize(rows * p.K), n.v.resize(rows * p.V), n.d_o.resize(rows * p.V), n.g.resize(rows * p.K);
    if (delta) n.beta.resize(rows);
    compare<T>(p, n, 1.0, layout);
}

template <class T>
void extreme_gates(bool delta) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -3.0, -50.0, -1e4, -infinity}) {
        Shape p = channel(Shape{1, 70, 2, 20, 20, false, true, true}, delta);
        Numbers all = draw(p, 34), some = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 7) some.g[i] = strong;
        compare<T>(p, all, 1.0);
        compare<T>(p, some, 1.0);
    }
}

template <class T>
void same_bits(bool delta) {
    Shape p = channel(Shape{1, 70, 1, 40, 150, false, true, true}, delta);
    Numbers n = draw(p, 35);
    DeviceCall<T> c(p, n, 1.0, {});
    Values results;
    auto call = [&] {
        c.run(forward_of(p), backward_of(p));
        results = c.results();
    };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
}

} // namespace

TEST(channel_decay_shapes_float) { shapes<float>(false); }
TEST(channel_decay_shapes_bfloat16) { shapes<memgen::bfloat16>(false); }
TEST(channel_decay_segments) { segments<float>(false), segments<memgen::bfloat16>(false); }
TEST(channel_decay_extreme_gates) { extreme_gates<float>(false), extreme_gates<memgen::bfloat16>(false); }
TEST(channel_decay_same_bits_in_all_orders) { same_bits<float>(false), same_bits<memgen::bfloat16>(false); }
TEST(channel_delta_shapes_float) { shapes<float>(true); }
TEST(channel_delta_shapes_bfloat16) { shapes<memgen::bfloat16>(true); }
TEST(channel_delta_whole_heads_float) { whole_heads<float>(); }
TEST(channel_delta_whole_heads_bfloat16) { whole_heads<memgen::bfloat16>(); }
TEST(channel_delta_strong_writes) { strong_writes<float>(), strong_writes<memgen::bfloat16>(); }
TEST(channel_delta_keeps_what_is_no_number_apart) { not_a_number<float>(), not_a_number<memgen::bfloat16>(); }
TEST(channel_delta_segments) { segments<float>(true), segments<memgen::bfloat16>(true); }
TEST(channel_delta_extreme_gates) { extreme_gates<float>(true), extreme_gates<memgen::bfloat16>(true); }
TEST(channel_delta_same_bits_in_all_orders) { same_bits<float>(true), same_bits<memgen::bfloat16>(true); }

TEST(channels_say_how_large_keys_may_be) {
    memgen_channel_decay_args a{};
    a.struct_size = sizeof a, a.batch = a.tokens = a.heads = a.value_dim = 1, a.key_dim = 129;
    for (auto workspace_size : {memgen_channel_decay_workspace_size, memgen_channel_delta_rule_workspace_size}) {
        a.dtype = MEMGEN_FLOAT32, a.key_dim = 129;
        EXPECT(workspace_size(&a, 1) == -1);
        EXPECT(std::strstr(memgen_last_error(), "key_dim is 129, this kernel goes up to 128") != nullptr);
        a.dtype = MEMGEN_BFLOAT16, a.key_dim = 256;
        EXPECT(workspace_size(&a, 1) > 0);
    }
    for (bool delta : {false, true}) {
        Shape p = channel(Shape{1, 3, 1, 129, 1}, delta);
        DeviceCall<float> c(p, draw(p, 38), 1.0, {});
        EXPECT(forward_of(p)(c.p, nullptr) == cudaErrorInvalidValue);
        EXPECT(backward_of(p)(c.p, nullptr) == cudaErrorInvalidValue);
    }
}
