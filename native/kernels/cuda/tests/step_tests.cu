// One token at a time on the emulator against the recurrence in double precision.
#include "matrix_test.h"

namespace {

using memgen::Recurrence;

constexpr Recurrence AllRules[] = {Recurrence::Delta, Recurrence::Scalar, Recurrence::Channel, Recurrence::ChannelDelta, Recurrence::Generalized};

cudaError_t step_channels(const memgen::MatrixMemoryParameters& p, cudaStream_t stream) { return memgen::launch_matrix_memory_step(p, true, stream); }
cudaError_t step_heads(const memgen::MatrixMemoryParameters& p, cudaStream_t stream) { return memgen::launch_matrix_memory_step(p, false, stream); }

template <class T>
void compare_step(const Shape& p, Numbers n, const Layout& layout = {}) {
    round_inputs<T>(n);
    sequence_reference(p, 0.7, layout, n);
    DeviceCall<T> c(p, n, 0.7, layout);
    auto launch = p.channel ? step_channels : step_heads;
    Values results;
    auto call = [&] {
        EXPECT(launch(c.p, nullptr) == cudaSuccess);
        results = c.results();
    };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
    Values o = c.o.values();
    drop_unwritten(o, n.o);
    EXPECT_RMS("o", p.text(), o, n.o, Limits<T>::Forward);
    EXPECT_RMS("final_state", p.text(), c.s.values(), n.s, 2e-6);
    EXPECT(c.o.padding_untouched() && c.s.padding_untouched());
    c.p.checkpoints = nullptr; // forward without a backward pass to come takes the same path
    const Values before = c.results();
    EXPECT(launches(p).forward(c.p, nullptr) == cudaSuccess);
    const Values after = c.results();
    EXPECT(!std::memcmp(before.data(), after.data(), before.size() * sizeof(double)));
    if (!p.initial) return;
    c.p.final_state = c.p.initial_state; // in place
    EXPECT(launch(c.p, nullptr) == cudaSuccess);
    EXPECT(c.s0.values() == c.s.values());
}

template <class T>
void steps() {
    for (Recurrence rule : AllRules)
        for (Shape p : {Shape{2, 1, 3, 128, 128}, Shape{1, 1, 2, 40, 37}, Shape{1, 1, 2, 256, 24}, Shape{2, 0, 2, 20, 20}, Shape{1, 1, 1, 1, 1}}) {
            p.decay = p.K != 40, p.initial = p.K != 256, p = with_rule(p, rule);
            p.padding = p.K == 128 ? 4 : 0;
            compare_step<T>(p, draw(p, 21));
        }
    Layout layout{{2, 0, 0}, {1, 0, 1}};
    for (Recurrence rule : {Recurrence::Delta, Recurrence::Generalized}) {
        const Shape p = with_rule(Shape{3, 1, 2, 24, 40, false, true, true}, rule);
        compare_step<T>(p, draw(p, 22), layout);
    }
}

// The state in bfloat16: o is that of float states, and the new state is within half a unit in the last place of the exact one.
template <class T>
void compare_step_of_bfloat16(const Shape& p, Numbers n, const Layout& layout = {}) {
    round_inputs<T>(n);
    for (double& each : n.s0) each = memgen::to_float(memgen::rounded<memgen::bfloat16>(static_cast<float>(each)));
    sequence_reference(p, 0.7, layout, n);
    DeviceCall<T> c(p, n, 0.7, layout);
    const std::vector<int64_t> dims{layout.count(p), p.H, p.K, p.V};
    DeviceField<memgen::bfloat16> s0(dims, p.padding), s(dims, p.padding);
    s0.set(n.s0);
    c.p.state = memgen::Number::BFloat16, c.p.initial_state = p.initial ? s0.view() : memgen::TensorView{}, c.p.final_state = s.view();
    auto launch = p.channel ? step_channels : step_heads;
    Values results;
    auto call = [&] {
        EXPECT(launch(c.p, nullptr) == cudaSuccess);
        results = c.o.values();
        const Values state = s.values();
        results.insert(results.end(), state.begin(), state.end());
    };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
    Values o = c.o.values();
    drop_unwritten(o, n.o);
    EXPECT_RMS("o", p.text(), o, n.o, Limits<T>::Forward);
    const Values state = s.values();
    for (size_t i = 0; i < state.size(); i++) EXPECT(std::fabs(state[i] - n.s[i]) <= std::fabs(n.s[i]) / 256 + 1e-6);
    EXPECT(c.o.padding_untouched() && s.padding_untouched());
    if (!p.initial) return;
    c.p.final_state = c.p.initial_state; // in place
    EXPECT(launch(c.p, nullptr) == cudaSuccess);
    EXPECT(s0.values() == state);
}

template <class T>
void bfloat16_states() {
    for (Recurrence rule : AllRules)
        for (Shape p : {Shape{2, 1, 3, 128, 128}, Shape{1, 1, 2, 40, 37}, Shape{1, 1, 2, 256, 24}, Shape{2, 0, 2, 20, 20}, Shape{1, 1, 1, 1, 1}}) {
            p.decay = p.K != 40, p.initial = p.K != 256, p = with_rule(p, rule);
            p.padding = p.K == 128 ? 4 : p.K == 20 ? 3 : 0;
            compare_step_of_bfloat16<T>(p, draw(p, 23));
        }
    Layout layout{{2, 0, 0}, {1, 0, 1}};
    for (Recurrence rule : {Recurrence::Delta, Recurrence::Generalized}) {
        const Shape p = with_rule(Shape{3, 1, 2, 24, 40, false, true, true}, rule);
        compare_step_of_bfloat16<T>(p, draw(p, 24), layout);
    }
}

// One number, to which 1 v is added: what lies in the middle goes to the even neighbour.
double bfloat16_state(double before, double v) {
    Shape p{1, 1, 1, 1, 1};
    Numbers n = draw(p, 1);
    n.q = n.k = {1}, n.v = {v};
    DeviceCall<float> c(p, n, 1, {});
    DeviceField<memgen::bfloat16> s0({1, 1, 1, 1}), s({1, 1, 1, 1});
    s0.set({before});
    c.p.state = memgen::Number::BFloat16, c.p.initial_state = s0.view(), c.p.final_state = s.view(), c.p.beta = c.p.log_decay = {};
    EXPECT(step_heads(c.p, nullptr) == cudaSuccess);
    return s.values()[0];
}

} // namespace

TEST(matrix_steps_float) { steps<float>(); }
TEST(matrix_steps_bfloat16) { steps<memgen::bfloat16>(); }
TEST(matrix_steps_with_bfloat16_states) {
    bfloat16_states<float>();
    bfloat16_states<memgen::bfloat16>();
}

TEST(bfloat16_states_round_to_nearest_even) {
    const double unit = 1.0 / 128; // in the last place, from 1 to 2
    EXPECT(bfloat16_state(1, unit / 2) == 1 && bfloat16_state(1 + unit, unit / 2) == 1 + 2 * unit && bfloat16_state(-1 - unit, unit / 2) == -1);
    EXPECT(bfloat16_state(1, unit * 0.51) == 1 + unit && bfloat16_state(1 + unit, unit * 0.49) == 1 + unit);
    EXPECT(bfloat16_state(3e38, 1e38) == INFINITY && bfloat16_state(-INFINITY, 1) == -INFINITY && std::isnan(bfloat16_state(NAN, 1)));
}

TEST(bfloat16_states_are_for_steps_alone) {
    Field q({1, 2, 1, 4}), k({1, 2, 1, 4}), v({1, 2, 1, 4}), o({1, 2, 1, 4});
    for (Field* each : {&q, &k, &v}) each->set(noise(8, -1, 1, 1));
    std::vector<uint16_t> state(16);
    memgen_scalar_decay_args a{};
    a.struct_size = sizeof a, a.batch = 1, a.tokens = 1, a.heads = 1, a.key_dim = a.value_dim = 4, a.scale = 1, a.state_dtype = MEMGEN_BFLOAT16;
    a.q = q.tensor, a.k = k.tensor, a.v = v.tensor, a.o = o.tensor, a.initial_state = a.final_state = {state.data(), {16, 16, 4, 1}};
    EXPECT_STATUS(MEMGEN_OK, memgen_scalar_decay_forward(&a, nullptr, 0, nullptr));
    const float written = memgen::to_float(memgen::bfloat16{state[5]});
    EXPECT(std::fabs(written - k.at(1) * v.at(1)) <= std::fabs(written) / 256);
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, memgen_scalar_decay_backward(&a, nullptr, 0, nullptr));
    a.checkpoints = state.data();
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, memgen_scalar_decay_forward(&a, nullptr, 0, nullptr));
    a.checkpoints = nullptr, a.tokens = 2;
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, memgen_scalar_decay_forward(&a, nullptr, 0, nullptr));
    EXPECT(std::strstr(memgen_last_error(), "one token"));
}
