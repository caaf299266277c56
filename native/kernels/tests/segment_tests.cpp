// Segments: every sequence has the bits of a call of its own, whatever stands between them and around them.
#include "test.h"

namespace {

enum Kind { Token, State, Parameter }; // axes [B, T, ..], [N, ..], [..]

// A tensor among the arguments, or one of several.
template <class Args>
struct Place {
    typedef memgen_tensor Layers[MEMGEN_TITANS_LAYERS];

    Place(memgen_tensor Args::*one) : one(one) {}
    Place(Layers Args::*many, int layer) : many(many), layer(layer) {}
    memgen_tensor& of(Args& a) const { return one ? a.*one : (a.*many)[layer]; }

    memgen_tensor Args::*one = nullptr;
    Layers Args::*many = nullptr;
    int layer = 0;
};

template <class Args>
struct Entry {
    Place<Args> tensor;
    Kind kind;
    bool input;
    std::vector<int64_t> rest;
    double low = -1, high = 1;
};

template <class Args>
struct Operator {
    const char* name;
    std::vector<Entry<Args>> entries;
    std::function<void(Args&)> sizes; // those that are no batch and no tokens
    int64_t (*workspace)(const Args*, int32_t);
    int64_t (*checkpoints)(const Args*);
    memgen_status (*forward)(const Args*, void*, size_t, void*);
    memgen_status (*backward)(const Args*, void*, size_t, void*);
};

template <class Args>
void keep(Args& a, void* checkpoints, float*) { a.checkpoints = checkpoints; }
void keep(memgen_linear_attention_normalized_args& a, void* checkpoints, float* divisors) { a.checkpoints = checkpoints, a.divisors = divisors; }
void keep(memgen_linear_scan_args&, void*, float*) {}
void keep(memgen_causal_conv_args&, void*, float*) {}
void keep(memgen_titans_args&, void*, float*) {}

struct Segment {
    int64_t start, length;
};

// A call: `values` of every entry that is an input, in its shape.
template <class Args>
struct Call {
    const Operator<Args>& op;
    std::vector<Field> fields;
    std::vector<int64_t> starts, lengths;
    std::vector<float> divisors;
    Args args{};

    Call(const Operator<Args>& op, int64_t B, int64_t T, const std::vector<Segment>* segments, const std::vector<Values>& values, int64_t padding) : op(op), divisors(B * T * 8, NAN) {
        args.struct_size = sizeof args, args.batch = B, args.tokens = T;
        op.sizes(args);
        int64_t N = segments ? static_cast<int64_t>(segments->size()) : B;
        if (segments) {
            for (const Segment& s : *segments) starts.push_back(s.start), lengths.push_back(s.length);
            starts.push_back(-1), lengths.push_back(-1); // never read, but keeps the pointers from being null
            args.segments = {N, starts.data(), lengths.data()};
        }
        for (size_t i = 0; i < op.entries.size(); i++) {
            const Entry<Args>& e = op.entries[i];
            std::vector<int64_t> shape = e.kind == Token ? std::vector<int64_t>{B, T} : e.kind == State ? std::vector<int64_t>{N} : std::vector<int64_t>{};
            shape.insert(shape.end(), e.rest.begin(), e.rest.end());
            fields.emplace_back(shape, padding, padding > 0 && shape.size() == 4 && e.kind == Token);
            if (e.input) fields.back().set(values[i]);
            e.tensor.of(args) = fields.back().tensor;
        }
    }

    void run() {
        Scratch kept(op.checkpoints ? op.checkpoints(&args) : 0), first(op.workspace(&args, 0)), second(op.workspace(&args, 1));
        keep(args, kept.data, divisors.data());
        EXPECT_STATUS(MEMGEN_OK, op.forward(&args, first.data, first.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, op.backward(&args, second.data, second.size, nullptr));
    }
};

int64_t elements(const std::vector<int64_t>& shape) {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
}

template <class Args>
void check(const Operator<Args>& op, int64_t B, int64_t T, const std::vector<Segment>& segments, int64_t padding) {
    std::vector<bool> counts(B * T);
    for (const Segment& s : segments)
        for (int64_t t = 0; t < s.length; t++) counts[s.start + t] = true;

    std::vector<Values> values;
    for (size_t i = 0; i < op.entries.size(); i++) {
        const Entry<Args>& e = op.entries[i];
        int64_t size = elements(e.rest), first = e.kind == Token ? B * T : e.kind == State ? static_cast<int64_t>(segments.size()) : 1;
        values.push_back(noise(e.input ? first * size : 0, e.low, e.high, static_cast<uint32_t>(100 + i)));
        for (int64_t t = 0; e.input && e.kind == Token && t < B * T; t++)
            for (int64_t j = 0; j < size && !counts[t]; j++) values[i][t * size + j] = NAN;
    }
    Call<Args> together(op, B, T, &segments, values, padding);
    std::vector<Field*> results;
    for (size_t i = 0; i < op.entries.size(); i++)
        if (!op.entries[i].input && op.entries[i].kind != Token) results.push_back(&together.fields[i]);
    EXPECT_SAME_BITS([&] { together.run(); }, results);

    std::vector<Values> sums(op.entries.size());
    for (size_t n = 0; n < segments.size(); n++) {
        auto part = [&](const Entry<Args>& e) {
            int64_t size = elements(e.rest);
            return e.kind == Token ? std::make_pair(segments[n].start * size, segments[n].length * size) : e.kind == State ? std::make_pair(static_cast<int64_t>(n) * size, size) : std::make_pair(int64_t{0}, size);
        };
        std::vector<Values> own;
        for (size_t i = 0; i < op.entries.size(); i++) {
            auto [first, count] = part(op.entries[i]);
            own.emplace_back(op.entries[i].input ? Values(values[i].begin() + first, values[i].begin() + first + count) : Values());
        }
        Call<Args> alone(op, 1, segments[n].length, nullptr, own, padding);
        alone.run();
        for (size_t i = 0; i < op.entries.size(); i++) {
            const Entry<Args>& e = op.entries[i];
            auto [first, count] = part(e);
            if (e.input) continue;
            if (sums[i].empty()) sums[i].resize(elements(e.rest));
            bool same = true;
            for (int64_t j = 0; j < count; j++) {
                float expected = alone.fields[i].at(j), &actual = together.fields[i].at(first + j);
                if (e.kind == Parameter) sums[i][j] += expected;
                else same = same && !std::memcmp(&expected, &actual, sizeof expected);
            }
            if (!same) report_failure(__FILE__, __LINE__, std::string(op.name) + " entry " + std::to_string(i) + ": segment " + std::to_string(n) + " has other bits than alone");
        }
    }
    for (size_t i = 0; i < op.entries.size(); i++) {
        const Entry<Args>& e = op.entries[i];
        if (e.input) continue;
        if (e.kind == Parameter && !segments.empty()) EXPECT_CLOSE("sum over segments", op.name, together.fields[i].values(), sums[i], 1e-5);
        int64_t size = elements(e.rest);
        for (int64_t t = 0; e.kind == Token && t < B * T; t++)
            for (int64_t j = 0; j < size && !counts[t]; j++) EXPECT(together.fields[i].untouched(t * size + j));
        EXPECT(together.fields[i].padding_untouched());
    }
}

template <class Args>
void check_all(const Operator<Args>& op) {
    // Unordered, of very different lengths, with gaps before, between and after them.
    check(op, 2, 180, {{180 + 70, 3}, {0, 0}, {2, 131}, {140, 1}, {180, 64}, {360, 0}, {150, 5}}, 0);
    check(op, 2, 180, {{150, 5}, {2, 131}, {180, 64}}, 3);
    check(op, 1, 40, {{0, 17}, {17, 16}, {33, 7}}, 0);
    check(op, 3, 9, {{18, 9}, {0, 9}, {9, 9}}, 0);
    check(op, 1, 5, {}, 0);
    check(op, 1, 0, {{0, 0}, {0, 0}}, 0);
    check(op, 4, 1, {{0, 1}, {1, 0}, {2, 1}, {3, 0}}, 0);
}

constexpr int64_t H = 3, K = 19, V = 67, C = 37, N = 5;

Operator<memgen_gated_delta_rule_args> matrix(const char* name, bool delta, bool decay, bool channel) {
    typedef memgen_gated_delta_rule_args A;
    std::vector<Entry<A>> entries = {
        {&A::q, Token, true, {H, K}}, {&A::k, Token, true, {H, K}, -0.3, 0.3}, {&A::v, Token, true, {H, V}}, {&A::initial_state, State, true, {H, K, V}},
        {&A::o, Token, false, {H, V}}, {&A::final_state, State, false, {H, K, V}}, {&A::d_o, Token, true, {H, V}}, {&A::d_final_state, State, true, {H, K, V}},
        {&A::d_q, Token, false, {H, K}}, {&A::d_k, Token, false, {H, K}}, {&A::d_v, Token, false, {H, V}}, {&A::d_initial_state, State, false, {H, K, V}}};
    if (delta) entries.push_back({&A::beta, Token, true, {H}, 0, 1}), entries.push_back({&A::d_beta, Token, false, {H}});
    std::vector<int64_t> gate = channel ? std::vector<int64_t>{H, K} : std::vector<int64_t>{H};
    if (decay) entries.push_back({&A::log_decay, Token, true, gate, -0.3, 0}), entries.push_back({&A::d_log_decay, Token, false, gate});
    auto sizes = [](A& a) { a.heads = H, a.key_dim = K, a.value_dim = V, a.scale = 0.5; };
    if (channel) return {name, entries, sizes, memgen_channel_decay_workspace_size, memgen_channel_decay_checkpoint_size, memgen_channel_decay_forward, memgen_channel_decay_backward};
    if (delta) return {name, entries, sizes, memgen_gated_delta_rule_workspace_size, memgen_gated_delta_rule_checkpoint_size, memgen_gated_delta_rule_forward, memgen_gated_delta_rule_backward};
    return {name, entries, sizes, memgen_scalar_decay_workspace_size, memgen_scalar_decay_checkpoint_size, memgen_scalar_decay_forward, memgen_scalar_decay_backward};
}

TEST(segments_of_matrix_memories) {
    check_all(matrix("gated_delta_rule", true, true, false));
    check_all(matrix("delta_rule", true, false, false));
    check_all(matrix("scalar_decay", false, true, false));
    check_all(matrix("linear_attention", false, false, false));
}

TEST(segments_of_channel_decay) { check_all(matrix("channel_decay", false, true, true)); }

TEST(segments_of_normalized_attention) {
    typedef memgen_linear_attention_normalized_args A;
    check_all(Operator<A>{"linear_attention_normalized",
                          {{&A::q, Token, true, {H, K}, 0.1, 1}, {&A::k, Token, true, {H, K}, 0.1, 1}, {&A::v, Token, true, {H, V}}, {&A::initial_state, State, true, {H, K, V}},
                           {&A::initial_normalizer, State, true, {H, K}, 0.1, 1}, {&A::o, Token, false, {H, V}}, {&A::final_state, State, false, {H, K, V}}, {&A::final_normalizer, State, false, {H, K}},
                           {&A::d_o, Token, true, {H, V}}, {&A::d_final_state, State, true, {H, K, V}}, {&A::d_final_normalizer, State, true, {H, K}}, {&A::d_q, Token, false, {H, K}},
                           {&A::d_k, Token, false, {H, K}}, {&A::d_v, Token, false, {H, V}}, {&A::d_initial_state, State, false, {H, K, V}}, {&A::d_initial_normalizer, State, false, {H, K}}},
                          [](A& a) { a.heads = H, a.key_dim = K, a.value_dim = V, a.scale = 0.5, a.epsilon = 0.01; },
                          memgen_linear_attention_normalized_workspace_size, memgen_linear_attention_normalized_checkpoint_size,
                          memgen_linear_attention_normalized_forward, memgen_linear_attention_normalized_backward});
}

TEST(segments_of_linear_scan) {
    typedef memgen_linear_scan_args A;
    check_all(Operator<A>{"linear_scan",
                          {{&A::a, Token, true, {C}, 0, 1}, {&A::b, Token, true, {C}}, {&A::initial_state, State, true, {C}}, {&A::h, Token, false, {C}}, {&A::final_state, State, false, {C}},
                           {&A::d_h, Token, true, {C}}, {&A::d_final_state, State, true, {C}}, {&A::d_a, Token, false, {C}}, {&A::d_b, Token, false, {C}}, {&A::d_initial_state, State, false, {C}}},
                          [](A& a) { a.channels = C; }, memgen_linear_scan_workspace_size, nullptr, memgen_linear_scan_forward, memgen_linear_scan_backward});
}

TEST(segments_of_selective_scan) {
    typedef memgen_selective_scan_args A;
    check_all(Operator<A>{"selective_scan",
                          {{&A::u, Token, true, {C}}, {&A::delta, Token, true, {C}, 0, 0.5}, {&A::A, Parameter, true, {C, N}, -2, -0.1}, {&A::B, Token, true, {N}}, {&A::C, Token, true, {N}},
                           {&A::D, Parameter, true, {C}}, {&A::initial_state, State, true, {C, N}}, {&A::y, Token, false, {C}}, {&A::final_state, State, false, {C, N}}, {&A::d_y, Token, true, {C}},
                           {&A::d_final_state, State, true, {C, N}}, {&A::d_u, Token, false, {C}}, {&A::d_delta, Token, false, {C}}, {&A::d_A, Parameter, false, {C, N}},
                           {&A::d_B, Token, false, {N}}, {&A::d_C, Token, false, {N}}, {&A::d_D, Parameter, false, {C}}, {&A::d_initial_state, State, false, {C, N}}},
                          [](A& a) { a.channels = C, a.state_dim = N; }, memgen_selective_scan_workspace_size, memgen_selective_scan_checkpoint_size,
                          memgen_selective_scan_forward, memgen_selective_scan_backward});
}

TEST(segments_of_causal_conv) {
    typedef memgen_causal_conv_args A;
    for (int64_t W : {1, 4, 7})
        check_all(Operator<A>{"causal_conv",
                              {{&A::x, Token, true, {C}}, {&A::weight, Parameter, true, {C, W}}, {&A::bias, Parameter, true, {C}}, {&A::initial_state, State, true, {W - 1, C}}, {&A::y, Token, false, {C}},
                               {&A::final_state, State, false, {W - 1, C}}, {&A::d_y, Token, true, {C}}, {&A::d_final_state, State, true, {W - 1, C}}, {&A::d_x, Token, false, {C}},
                               {&A::d_weight, Parameter, false, {C, W}}, {&A::d_bias, Parameter, false, {C}}, {&A::d_initial_state, State, false, {W - 1, C}}},
                              [W](A& a) { a.channels = C, a.width = W; }, memgen_causal_conv_workspace_size, nullptr, memgen_causal_conv_forward, memgen_causal_conv_backward});
}

TEST(segments_of_titans) {
    typedef memgen_titans_args A;
    for (std::vector<int64_t> dims : {std::vector<int64_t>{5, 3}, std::vector<int64_t>{5, 7, 3}})
        for (int64_t block : {4, 16}) {
            const int64_t in = dims.front(), out = dims.back(), layers = static_cast<int64_t>(dims.size()) - 1;
            std::vector<Entry<A>> entries = {
                {&A::q, Token, true, {H, in}}, {&A::k, Token, true, {H, in}, -0.3, 0.3}, {&A::v, Token, true, {H, out}}, {&A::theta, Token, true, {H}, 0, 0.05}, {&A::eta, Token, true, {H}, 0, 0.9},
                {&A::alpha, Token, true, {H}, 0, 0.1}, {&A::o, Token, false, {H, out}}, {&A::d_o, Token, true, {H, out}}, {&A::d_q, Token, false, {H, in}}, {&A::d_k, Token, false, {H, in}},
                {&A::d_v, Token, false, {H, out}}, {&A::d_theta, Token, false, {H}}, {&A::d_eta, Token, false, {H}}, {&A::d_alpha, Token, false, {H}}};
            for (int l = 0; l < layers; l++) {
                const std::vector<int64_t> weights = {H, dims[l], dims[l + 1]};
                for (auto states : {&A::initial_weights, &A::initial_momenta, &A::d_final_weights, &A::d_final_momenta}) entries.push_back({{states, l}, State, true, weights, -0.5, 0.5});
                for (auto states : {&A::final_weights, &A::final_momenta, &A::d_initial_weights, &A::d_initial_momenta}) entries.push_back({{states, l}, State, false, weights});
            }
            auto sizes = [dims, block, layers](A& a) {
                a.heads = H, a.layers = layers, a.block = block, a.momentum = 1, a.clip = 1;
                for (size_t i = 0; i < dims.size(); i++) a.dims[i] = dims[i];
            };
            check_all(Operator<A>{"titans", entries, sizes, memgen_titans_workspace_size, nullptr, memgen_titans_forward, memgen_titans_backward});
        }
}

TEST(segments_without_tokens_hand_states_on) {
    int64_t starts[] = {0, 4}, lengths[] = {0, 0};
    std::vector<float> x(8, NAN), first(4), last(4), upstream(4), gradient(4);
    for (int i = 0; i < 4; i++) first[i] = i == 0 ? -0.0f : (float)i, upstream[i] = (float)(4 - i);
    memgen_linear_scan_args a{};
    a.struct_size = sizeof a, a.batch = 1, a.tokens = 4, a.channels = 2, a.segments = {2, starts, lengths};
    a.a = a.b = a.h = {x.data(), {8, 2, 1, 0}};
    a.initial_state = {first.data(), {2, 1}}, a.final_state = {last.data(), {2, 1}}, a.d_final_state = {upstream.data(), {2, 1}}, a.d_initial_state = {gradient.data(), {2, 1}};
    Scratch scratch(memgen_linear_scan_workspace_size(&a, 1));
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_forward(&a, scratch.data, scratch.size, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_backward(&a, scratch.data, scratch.size, nullptr));
    EXPECT(!std::memcmp(first.data(), last.data(), 16) && !std::memcmp(upstream.data(), gradient.data(), 16));
}

TEST(segments_that_do_not_fit_are_refused) {
    int64_t starts[] = {0, 10, 12}, lengths[] = {9, 2, 8};
    std::vector<float> x(40), states(6);
    memgen_linear_scan_args a{};
    a.struct_size = sizeof a, a.batch = 2, a.tokens = 10, a.channels = 2, a.segments = {3, starts, lengths};
    a.a = a.b = {x.data(), {20, 2, 1, 0}}, a.h = a.a, a.final_state = {states.data(), {2, 1}};
    Scratch scratch(memgen_linear_scan_workspace_size(&a, 0));
    auto change = [&](int64_t& what, int64_t value, const char* found) {
        int64_t before = what;
        what = value;
        EXPECT(memgen_linear_scan_workspace_size(&a, 0) == -1);
        EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_linear_scan_forward(&a, scratch.data, scratch.size, nullptr));
        EXPECT(std::strstr(memgen_last_error(), found) != nullptr);
        what = before;
    };
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_forward(&a, scratch.data, scratch.size, nullptr));
    change(lengths[1], -1, "segment 1 has -1 tokens from 10 on");
    change(lengths[0], 11, "segment 0 has 11 tokens from 0 on, expected a run within one of 2 rows of 10");
    change(starts[0], 3, "segment 0 has 9 tokens from 3 on");
    change(starts[2], 13, "segment 2 has 8 tokens from 13 on");
    change(starts[2], -8, "segment 2");
    change(starts[2], int64_t{1} << 62, "segment 2");
    change(a.segments.count, -1, "segments.count is -1");
    a.segments.starts = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_linear_scan_forward(&a, scratch.data, scratch.size, nullptr));
    EXPECT(std::strstr(memgen_last_error(), "segments.starts is null") != nullptr);
}

TEST(segments_take_checkpoints_by_their_lengths) {
    int64_t starts[] = {0, 100, 400}, lengths[] = {64, 300, 65};
    memgen_gated_delta_rule_args a{};
    a.struct_size = sizeof a, a.batch = 1, a.tokens = 500, a.heads = 2, a.key_dim = a.value_dim = 32;
    EXPECT(memgen_gated_delta_rule_checkpoint_size(&a) == 7 * 2 * 32 * 32 * 4);
    a.segments = {3, starts, lengths};
    EXPECT(memgen_gated_delta_rule_checkpoint_size(&a) == (0 + 4 + 1) * 2 * 32 * 32 * 4);
}

} // namespace
