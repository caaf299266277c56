// Segments: every sequence has the bits of a call of its own, whatever stands between them and around them.
#include "segments.h"

namespace {

constexpr int64_t H = 3, K = 19, V = 67;

Operator<memgen_gated_delta_rule_args> matrix(const char* name, bool delta, bool decay, bool channel, bool generalized = false) {
    typedef memgen_gated_delta_rule_args A;
    std::vector<Entry<A>> entries = {
        {&A::q, Token, true, {H, K}}, {&A::k, Token, true, {H, K}, -0.3, 0.3}, {&A::v, Token, true, {H, V}}, {&A::initial_state, State, true, {H, K, V}},
        {&A::o, Token, false, {H, V}}, {&A::final_state, State, false, {H, K, V}}, {&A::d_o, Token, true, {H, V}}, {&A::d_final_state, State, true, {H, K, V}},
        {&A::d_q, Token, false, {H, K}}, {&A::d_k, Token, false, {H, K}}, {&A::d_v, Token, false, {H, V}}, {&A::d_initial_state, State, false, {H, K, V}}};
    if (delta) entries.push_back({&A::beta, Token, true, {H}, 0, 1}), entries.push_back({&A::d_beta, Token, false, {H}});
    std::vector<int64_t> gate = channel ? std::vector<int64_t>{H, K} : std::vector<int64_t>{H};
    if (decay) entries.push_back({&A::log_decay, Token, true, gate, -0.3, 0}), entries.push_back({&A::d_log_decay, Token, false, gate});
    if (generalized)
        for (auto field : {&A::a, &A::b}) entries.push_back({field, Token, true, {H, K}, -0.3, 0.3});
    if (generalized) entries.push_back({&A::d_a, Token, false, {H, K}}), entries.push_back({&A::d_b, Token, false, {H, K}});
    auto sizes = [](A& a) { a.heads = H, a.key_dim = K, a.value_dim = V, a.scale = 0.5; };
    if (generalized) return {name, entries, sizes, memgen_generalized_delta_rule_workspace_size, memgen_generalized_delta_rule_checkpoint_size, memgen_generalized_delta_rule_forward, memgen_generalized_delta_rule_backward};
    if (channel && delta) return {name, entries, sizes, memgen_channel_delta_rule_workspace_size, memgen_channel_delta_rule_checkpoint_size, memgen_channel_delta_rule_forward, memgen_channel_delta_rule_backward};
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

TEST(segments_of_channel_scores) {
    typedef memgen_channel_scores_args A;
    check_all(Operator<A>{"channel_scores",
                          {{&A::q, Token, true, {H, V}}, {&A::k, Token, true, {H, K}, 0, 0.3}, {&A::v, Token, true, {H, V}}, {&A::log_decay, Token, true, {H, K}, -0.3, 0}, {&A::initial_state, State, true, {H, K, V}},
                           {&A::o, Token, false, {H, K}}, {&A::final_state, State, false, {H, K, V}}},
                          [](A& a) { a.heads = H, a.key_dim = K, a.value_dim = V, a.scale = 0.5; }, memgen_channel_scores_workspace_size, nullptr, memgen_channel_scores_forward, nullptr});
}

TEST(segments_of_the_channel_delta_rule) { check_all(matrix("channel_delta_rule", true, true, true)); }

TEST(segments_of_the_generalized_delta_rule) { check_all(matrix("generalized_delta_rule", false, true, true, true)); }

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

TEST(segments_of_titans) {
    typedef memgen_titans_args A;
    for (std::vector<int64_t> dims : {std::vector<int64_t>{5, 3}, std::vector<int64_t>{5, 7, 3}, std::vector<int64_t>{5, 5}, std::vector<int64_t>{5, 7, 5}})
        for (int64_t block : {4, 16}) {
            const int64_t in = dims.front(), out = dims.back(), layers = static_cast<int64_t>(dims.size()) - 1, residual = in == out;
            std::vector<Entry<A>> entries = {
                {&A::q, Token, true, {H, in}}, {&A::k, Token, true, {H, in}, -0.3, 0.3}, {&A::v, Token, true, {H, out}}, {&A::theta, Token, true, {H}, 0, 0.05}, {&A::eta, Token, true, {H}, 0, 0.9},
                {&A::alpha, Token, true, {H}, 0, 0.1}, {&A::o, Token, false, {H, out}}, {&A::d_o, Token, true, {H, out}}, {&A::d_q, Token, false, {H, in}}, {&A::d_k, Token, false, {H, in}},
                {&A::d_v, Token, false, {H, out}}, {&A::d_theta, Token, false, {H}}, {&A::d_eta, Token, false, {H}}, {&A::d_alpha, Token, false, {H}}};
            for (int l = 0; l < layers; l++) {
                const std::vector<int64_t> weights = {H, dims[l], dims[l + 1]};
                for (auto states : {&A::initial_weights, &A::initial_momenta, &A::d_final_weights, &A::d_final_momenta}) entries.push_back({{states, l}, State, true, weights, -0.5, 0.5});
                for (auto states : {&A::final_weights, &A::final_momenta, &A::d_initial_weights, &A::d_initial_momenta}) entries.push_back({{states, l}, State, false, weights});
            }
            if (residual) entries.push_back({&A::gamma, State, true, {H, out}, 0.2, 0.6}), entries.push_back({&A::d_gamma, State, false, {H, out}});
            for (int64_t target : {0, 1}) {
                for (int l = 0; target && l < layers; l++)
                    for (bool given : {true, false}) entries.push_back({{given ? &A::target : &A::d_target, l}, State, given, {H, dims[l], dims[l + 1]}, -0.5, 0.5});
                auto sizes = [=](A& a) {
                    a.heads = H, a.layers = layers, a.block = block, a.momentum = 1, a.decays_to_target = target, a.residual = residual, a.clip = 1;
                    for (size_t i = 0; i < dims.size(); i++) a.dims[i] = dims[i];
                };
                check_all(Operator<A>{"titans", entries, sizes, memgen_titans_workspace_size, memgen_titans_checkpoint_size, memgen_titans_forward, memgen_titans_backward});
            }
        }
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
