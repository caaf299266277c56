// Segments of the scans and of the convolution.
#include "segments.h"

namespace {

constexpr int64_t C = 37, N = 5;

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

} // namespace
