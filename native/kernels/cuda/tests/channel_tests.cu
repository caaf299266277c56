// Channel decay, the channel delta rule and the generalised one on the emulator against the recurrence in double precision.
#include "matrix_test.h"

namespace {

using memgen::Recurrence;

// Of those of K that there are kernels for.
template <class T>
bool is_served(Recurrence rule, int64_t K) { return K <= memgen::largest_keys(rule, sizeof(T) == 4); }

template <class T>
void compare(const Shape& p, const Numbers& n, double scale, const Layout& layout = {}) {
    compare_on_device<T>(launches(p).forward, launches(p).backward, p, n, scale, layout);
}

template <class T>
void shapes(Recurrence rule) {
    for (Shape p : {Shape{1, 0, 2, 32, 32}, Shape{1, 1, 2, 32, 32}, Shape{1, 31, 2, 32, 32}, Shape{1, 32, 2, 32, 32}, Shape{1, 33, 2, 32, 32}, Shape{1, 101, 2, 32, 32}, Shape{2, 37, 1, 40, 24},
                    Shape{1, 70, 1, 128, 80}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 300, 1, 20, 36}, Shape{1, 35, 1, 256, 40}}) {
        if (!is_served<T>(rule, p.K)) continue;
        p.initial = p.K != 40, p.padding = p.K == 40 ? 8 : p.K == 20 ? 3 : 0;
        compare<T>(with_rule(p, rule), draw(with_rule(p, rule), 31), 0.5);
    }
}

// Heads without padding: tensors that are read and written by whole rows.
template <class T>
void whole_heads(Recurrence rule) {
    for (int64_t K : {32, 64, 128, 256})
        for (int64_t V : {32, 64, 128, 256}) {
            if (!is_served<T>(rule, K)) continue;
            const Shape p = with_rule(Shape{1, 42, 1, K, V, false, true, true}, rule);
            compare<T>(p, draw(p, 36), 0.1);
        }
}

// Strengths up to 2, and the same key again and again. In bfloat16 not both at once, nor where hardly anything is forgotten: there
// rounding adds up from token to token, to twice what it is in the gated delta rule, whose keys enter products unrounded.
template <class T>
void strong_writes() {
    const Shape p = with_rule(Shape{1, 150, 2, 16, 20, false, true, true}, Recurrence::ChannelDelta);
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

// Each token recalls by one of three keys and takes a part, all or twice of it away.
template <class T>
void strong_recall() {
    const Shape p = with_rule(Shape{1, 150, 2, 16, 20, false, true, true}, Recurrence::Generalized);
    for (double rate : {0.5, 1.0, 2.0}) {
        if (rate == 2 && sizeof(T) == 2) continue; // reflections, which forget nothing: rounding adds up
        Numbers n = draw(p, 37);
        const int64_t token = p.H * p.K;
        for (size_t i = 0; i < n.a.size(); i++) n.a[i] = n.a[i % static_cast<size_t>(3 * token)];
        for (size_t i = 0; i < n.a.size(); i++) n.b[i] = -rate * n.a[i] * std::exp(n.g[i]);
        compare<T>(p, n, 0.5);
    }
}

// What is no number in one sequence, or in one value column, is nowhere else.
template <class T>
void not_a_number(Recurrence rule) {
    Shape p = with_rule(Shape{3, 45, 2, 20, 24, false, true, true}, rule);
    Numbers n = draw(p, 39);
    round_inputs<T>(n);
    DeviceCall<T> clean(p, n, 0.5, {});
    clean.run(launches(p).forward, launches(p).backward);
    const int64_t sequence = p.T * p.H;
    for (Values* x : {&n.q, &n.k, &n.v, &n.beta, &n.g, &n.a, &n.b, &n.d_o}) {
        if (x->empty()) continue;
        const int64_t width = static_cast<int64_t>(x->size()) / (p.B * sequence);
        Values kept = *x;
        (*x)[static_cast<size_t>((sequence + 7 * p.H) * width + width / 2)] = NAN; // of the second sequence and first head
        DeviceCall<T> c(p, n, 0.5, {});
        c.run(launches(p).forward, launches(p).backward);
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
        same_elsewhere(c.da.values(), clean.da.values(), of_tokens(p.K)), same_elsewhere(c.db.values(), clean.db.values(), of_tokens(p.K));
        same_elsewhere(c.d_beta.values(), clean.d_beta.values(), of_tokens(1)), same_elsewhere(c.d_s0.values(), clean.d_s0.values(), of_states);
        EXPECT(found);
        *x = kept;
    }
    n.v[static_cast<size_t>(sequence * p.V + 3)] = NAN; // column 3 of the second sequence and first head, from its first token on
    DeviceCall<T> c(p, n, 0.5, {});
    c.run(launches(p).forward, launches(p).backward);
    const Values o = c.o.values(), expected = clean.o.values(), state = c.s.values(), expected_state = clean.s.values();
    for (size_t i = 0; i < o.size(); i++) {
        if (i / p.V / sequence != 1 || i / p.V % p.H || i % p.V != 3) EXPECT(o[i] == expected[i]);
        else EXPECT(std::isnan(o[i]));
    }
    for (size_t i = 0; i < state.size(); i++) EXPECT(state[i] == expected_state[i] || (static_cast<int64_t>(i) / (p.K * p.V) == p.H && i % p.V == 3));
}

template <class T>
void segments(Recurrence rule) {
    Layout layout{{140, 0, 0, 61, 130}, {60, 40, 0, 65, 7}};
    Shape p = with_rule(Shape{5, 210, 2, 24, 40, false, true, true}, rule);
    Numbers n = draw(p, 33); // states of five sequences; of the tokens the first row's are used
    p.B = 1;
    const int64_t rows = p.T * p.H;
    n.q.resize(rows * p.K), n.k.resize(rows * p.K), n.v.resize(rows * p.V), n.d_o.resize(rows * p.V), n.g.resize(rows * p.K);
    if (p.delta) n.beta.resize(rows);
    if (p.generalized) n.a.resize(rows * p.K), n.b.resize(rows * p.K);
    compare<T>(p, n, 1.0, layout);
}

template <class T>
void extreme_gates(Recurrence rule) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -3.0, -50.0, -1e4, -infinity}) {
        Shape p = with_rule(Shape{1, 70, 2, 20, 20, false, true, true}, rule);
        Numbers all = draw(p, 34);
        for (double& b : all.b) b *= std::fmin(1, -strong); // nothing grows where little decays
        Numbers some = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 7) some.g[i] = strong;
        compare<T>(p, all, 1.0);
        compare<T>(p, some, 1.0);
    }
}

template <class T>
void same_bits(Recurrence rule) {
    Shape p = with_rule(Shape{1, 70, 1, 40, 150, false, true, true}, rule);
    Numbers n = draw(p, 35);
    DeviceCall<T> c(p, n, 1.0, {});
    Values results;
    auto call = [&] {
        c.run(launches(p).forward, launches(p).backward);
        results = c.results();
    };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
}

// Channel decay's memory read along its other axis by what is d_o elsewhere: what is read is dQ there.
template <class T>
struct ScoresCall : DeviceCall<T> {
    ScoresCall(const Shape& p, const Numbers& n, double scale, const Layout& layout = {}, int64_t multiprocessors = 0) : DeviceCall<T>(p, n, scale, layout, multiprocessors) {
        this->p.q = this->d_o.view(), this->p.o = this->dq.view();
        this->p.d_q = this->p.d_o = {}; // nobody's
        this->workspace.assign(static_cast<size_t>(memgen::channel_scores_workspace_floats(this->p) + 3) / 4, Aligned16{{NAN, NAN, NAN, NAN}});
        this->p.workspace = this->workspace.empty() ? nullptr : this->workspace[0].x;
    }
    Values run() {
        EXPECT(memgen::launch_channel_scores(this->p, nullptr) == cudaSuccess);
        return this->dq.values();
    }
};

template <class T>
void compare_scores(const Shape& p, Numbers n, double scale, const Layout& layout = {}, int64_t multiprocessors = 0) {
    round_inputs<T>(n);
    sequence_reference(p, scale, layout, n);
    ScoresCall<T> c(p, n, scale, layout, multiprocessors);
    Values found = c.run();
    const std::string at = (sizeof(T) == 4 ? "float " : "bfloat16 ") + p.text();
    drop_unwritten(found, n.dq);
    EXPECT_RMS("o", at, found, n.dq, Limits<T>::Forward);
    EXPECT_RMS("final_state", at, c.s.values(), n.s, Limits<T>::Forward);
    EXPECT(c.dq.padding_untouched() && c.s.padding_untouched());
}

// Lengths around a chunk, one value tile and several, all heads, whole rows and padded ones; the longest cut into spans.
template <class T>
void scores_of_shapes() {
    for (Shape p : {Shape{1, 0, 2, 32, 32}, Shape{1, 1, 2, 32, 32}, Shape{1, 31, 2, 32, 32}, Shape{1, 32, 2, 64, 64}, Shape{1, 33, 2, 32, 128}, Shape{2, 37, 1, 40, 24}, Shape{1, 70, 1, 128, 128}, Shape{1, 70, 1, 128, 150}, Shape{0, 5, 2, 4, 4},
                    Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 35, 1, 256, 40}, Shape{1, 35, 1, 256, 256}, Shape{1, 700, 1, 20, 36}, Shape{1, 700, 1, 20, 150}}) {
        if (!is_served<T>(Recurrence::Channel, p.K)) continue;
        p = with_rule(p, Recurrence::Channel), p.initial = p.K != 40, p.padding = p.K == 40 ? 8 : p.K == 20 ? 3 : 0;
        compare_scores<T>(p, draw(p, 31), 0.5, {}, p.T == 700 ? 12 : 0);
    }
}

template <class T>
void scores_of_segments() {
    Layout layout{{140, 0, 0, 61, 130}, {60, 40, 0, 65, 7}};
    for (int64_t V : {40, 150}) {
        Shape p = with_rule(Shape{5, 210, 2, 24, V, false, true, true}, Recurrence::Channel);
        Numbers n = draw(p, 33);
        p.B = 1;
        const int64_t rows = p.T * p.H;
        n.q.resize(rows * p.K), n.k.resize(rows * p.K), n.v.resize(rows * p.V), n.d_o.resize(rows * p.V), n.g.resize(rows * p.K);
        compare_scores<T>(p, n, 1.0, layout);
    }
}

template <class T>
void scores_of_extreme_gates() {
    for (double strong : {0.0, -1e-8, -3.0, -50.0, -1e4, -std::numeric_limits<double>::infinity()}) {
        const Shape p = with_rule(Shape{1, 70, 2, 20, 20, false, true, true}, Recurrence::Channel);
        for (size_t step : {1, 7}) {
            Numbers n = draw(p, 34);
            for (size_t i = 0; i < n.g.size(); i += step) n.g[i] = strong;
            compare_scores<T>(p, n, 1.0);
        }
    }
}

// Later tokens change no bit of what is read before them.
template <class T>
void scores_are_causal() {
    for (int64_t V : {40, 150}) {
        const Shape p = with_rule(Shape{1, 70, 2, 40, V, false, true, true}, Recurrence::Channel);
        const Numbers n = draw(p, 40), others = draw(p, 41);
        const Values before = ScoresCall<T>(p, n, 1.0).run();
        for (int64_t first : {1, 3, 8, 16, 31, 32, 45, 69}) {
            Numbers later = n;
            auto change = [&](Values& x, const Values& other) { std::copy(other.begin() + static_cast<int64_t>(x.size()) / p.T * first, other.end(), x.begin() + static_cast<int64_t>(x.size()) / p.T * first); };
            change(later.k, others.k), change(later.v, others.v), change(later.d_o, others.d_o), change(later.g, others.g);
            const Values after = ScoresCall<T>(p, later, 1.0).run();
            const size_t same = static_cast<size_t>(first * p.H * p.K);
            for (size_t i = 0; i < same; i++) EXPECT(before[i] == after[i]);
            EXPECT(!std::equal(before.begin() + static_cast<int64_t>(same), before.end(), after.begin() + static_cast<int64_t>(same)));
        }
    }
}

template <class T>
void scores_same_bits() {
    for (int64_t V : {40, 150}) {
        const Shape p = with_rule(Shape{1, 70, 1, 40, V, false, true, true}, Recurrence::Channel);
        ScoresCall<T> c(p, draw(p, 35), 1.0);
        Values results;
        auto call = [&] {
            results = c.run();
            for (double each : c.s.values()) results.push_back(each);
        };
        EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
    }
}

} // namespace

TEST(channel_scores_shapes_float) { scores_of_shapes<float>(); }
TEST(channel_scores_shapes_bfloat16) { scores_of_shapes<memgen::bfloat16>(); }
TEST(channel_scores_segments) { scores_of_segments<float>(), scores_of_segments<memgen::bfloat16>(); }
TEST(channel_scores_extreme_gates) { scores_of_extreme_gates<float>(), scores_of_extreme_gates<memgen::bfloat16>(); }
TEST(channel_scores_are_causal) { scores_are_causal<float>(), scores_are_causal<memgen::bfloat16>(); }
TEST(channel_scores_same_bits_in_all_orders) { scores_same_bits<float>(), scores_same_bits<memgen::bfloat16>(); }
TEST(channel_decay_shapes_float) { shapes<float>(Recurrence::Channel); }
TEST(channel_decay_shapes_bfloat16) { shapes<memgen::bfloat16>(Recurrence::Channel); }
TEST(channel_decay_segments) { segments<float>(Recurrence::Channel), segments<memgen::bfloat16>(Recurrence::Channel); }
TEST(channel_decay_extreme_gates) { extreme_gates<float>(Recurrence::Channel), extreme_gates<memgen::bfloat16>(Recurrence::Channel); }
TEST(channel_decay_same_bits_in_all_orders) { same_bits<float>(Recurrence::Channel), same_bits<memgen::bfloat16>(Recurrence::Channel); }
TEST(channel_delta_shapes_float) { shapes<float>(Recurrence::ChannelDelta); }
TEST(channel_delta_shapes_bfloat16) { shapes<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_whole_heads_float) { whole_heads<float>(Recurrence::ChannelDelta); }
TEST(channel_delta_whole_heads_bfloat16) { whole_heads<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_strong_writes) { strong_writes<float>(), strong_writes<memgen::bfloat16>(); }
TEST(channel_delta_keeps_what_is_no_number_apart) { not_a_number<float>(Recurrence::ChannelDelta), not_a_number<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_segments) { segments<float>(Recurrence::ChannelDelta), segments<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_extreme_gates) { extreme_gates<float>(Recurrence::ChannelDelta), extreme_gates<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_same_bits_in_all_orders) { same_bits<float>(Recurrence::ChannelDelta), same_bits<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(generalized_delta_shapes_float) { shapes<float>(Recurrence::Generalized); }
TEST(generalized_delta_shapes_bfloat16) { shapes<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_whole_heads_float) { whole_heads<float>(Recurrence::Generalized); }
TEST(generalized_delta_whole_heads_bfloat16) { whole_heads<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_strong_recall) { strong_recall<float>(), strong_recall<memgen::bfloat16>(); }
TEST(generalized_delta_keeps_what_is_no_number_apart) { not_a_number<float>(Recurrence::Generalized), not_a_number<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_segments) { segments<float>(Recurrence::Generalized), segments<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_extreme_gates) { extreme_gates<float>(Recurrence::Generalized), extreme_gates<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_same_bits_in_all_orders) { same_bits<float>(Recurrence::Generalized), same_bits<memgen::bfloat16>(Recurrence::Generalized); }

TEST(channel_scores_say_what_they_do_not_take) {
    memgen_channel_scores_args a{};
    a.struct_size = sizeof a, a.batch = a.tokens = a.heads = a.key_dim = a.value_dim = 1;
    EXPECT(memgen_channel_scores_workspace_size(&a, 0) == 0);
    a.state_dtype = MEMGEN_BFLOAT16;
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, memgen_channel_scores_forward(&a, nullptr, 0, nullptr));
    a.key_dim = 129;
    EXPECT(memgen_channel_scores_workspace_size(&a, 0) == -1);
    EXPECT(std::strstr(memgen_last_error(), "key_dim is 129, this kernel goes up to 128") != nullptr);
}

TEST(channels_say_how_large_keys_may_be) {
    memgen_channel_decay_args a{};
    a.struct_size = sizeof a, a.batch = a.tokens = a.heads = a.value_dim = 1;
    struct {
        Recurrence rule;
        decltype(&memgen_channel_decay_workspace_size) workspace_size;
        const char* refusal;
    } rules[] = {{Recurrence::Channel, memgen_channel_decay_workspace_size, "key_dim is 129, this kernel goes up to 128"},
                 {Recurrence::ChannelDelta, memgen_channel_delta_rule_workspace_size, "key_dim is 129, this kernel goes up to 128"},
                 {Recurrence::Generalized, memgen_generalized_delta_rule_workspace_size, "key_dim is 65, this kernel goes up to 64"}};
    for (auto& each : rules) {
        const int64_t largest = memgen::largest_keys(each.rule, true);
        a.dtype = MEMGEN_FLOAT32, a.key_dim = largest + 1;
        EXPECT(each.workspace_size(&a, 1) == -1);
        EXPECT(std::strstr(memgen_last_error(), each.refusal) != nullptr);
        a.dtype = MEMGEN_BFLOAT16, a.key_dim = 2 * largest;
        EXPECT(each.workspace_size(&a, 1) > 0);
        const Shape p = with_rule(Shape{1, 3, 1, largest + 1, 1}, each.rule);
        DeviceCall<float> c(p, draw(p, 38), 1.0, {});
        EXPECT(launches(p).forward(c.p, nullptr) == cudaErrorInvalidValue);
        EXPECT(launches(p).backward(c.p, nullptr) == cudaErrorInvalidValue);
    }
}
