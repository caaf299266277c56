// One token at a time on the emulator against the recurrence in double precision.
#include "matrix_test.h"

namespace {

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
    EXPECT((p.channel ? memgen::launch_channel_decay_forward : p.delta ? memgen::launch_gated_delta_rule_forward : memgen::launch_scalar_decay_forward)(c.p, nullptr) == cudaSuccess);
    const Values after = c.results();
    EXPECT(!std::memcmp(before.data(), after.data(), before.size() * sizeof(double)));
    if (!p.initial) return;
    c.p.final_state = c.p.initial_state; // in place
    EXPECT(launch(c.p, nullptr) == cudaSuccess);
    EXPECT(c.s0.values() == c.s.values());
}

template <class T>
void steps() {
    for (bool delta : {true, false})
        for (bool channel : {false, true})
            for (Shape p : {Shape{2, 1, 3, 128, 128}, Shape{1, 1, 2, 40, 37}, Shape{1, 1, 2, 256, 24}, Shape{2, 0, 2, 20, 20}, Shape{1, 1, 1, 1, 1}}) {
                if (delta && channel) continue;
                p.delta = delta, p.channel = channel, p.decay = p.K != 40 || channel, p.initial = p.K != 256;
                p.padding = p.K == 128 ? 4 : 0;
                compare_step<T>(p, draw(p, 21));
            }
    Layout layout{{2, 0, 0}, {1, 0, 1}};
    Shape p{3, 1, 2, 24, 40, true, true, true};
    compare_step<T>(p, draw(p, 22), layout);
}

} // namespace

TEST(matrix_steps_float) { steps<float>(); }
TEST(matrix_steps_bfloat16) { steps<memgen::bfloat16>(); }
