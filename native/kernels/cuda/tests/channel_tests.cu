// Channel decay on the emulator against the recurrence in double precision.
#include "matrix_test.h"

namespace {

Shape channel(Shape p) {
    p.delta = false, p.decay = p.channel = true;
    return p;
}

template <class T>
void compare(const Shape& p, const Numbers& n, double scale, const Layout& layout = {}) {
    compare_on_device<T>(memgen::launch_channel_decay_forward, memgen::launch_channel_decay_backward, p, n, scale, layout);
}

template <class T>
void shapes() {
    for (Shape p : {Shape{1, 0, 2, 32, 32}, Shape{1, 1, 2, 32, 32}, Shape{1, 31, 2, 32, 32}, Shape{1, 32, 2, 32, 32}, Shape{1, 33, 2, 32, 32}, Shape{1, 101, 2, 32, 32}, Shape{2, 37, 1, 40, 24},
                    Shape{1, 70, 1, 128, 80}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 300, 1, 20, 36}, Shape{1, 35, 1, 256, 40}}) {
        if (p.K == 256 && sizeof(T) == 4) continue; // backward has no kernel for it
        p.initial = p.K != 40, p.padding = p.K == 40 ? 8 : p.K == 20 ? 3 : 0;
        compare<T>(channel(p), draw(channel(p), 31), 0.5);
    }
}

template <class T>
void segments() {
    Layout layout{{140, 0, 0, 61, 130}, {60, 40, 0, 65, 7}};
    Shape p = channel(Shape{5, 210, 2, 24, 40, false, true, true});
    Numbers n = draw(p, 33); // states of five sequences; of the tokens the first row's are used
    p.B = 1;
    const int64_t rows = p.T * p.H;
    n.q.resize(rows * p.K), n.k.resize(rows * p.K), n.v.resize(rows * p.V), n.d_o.resize(rows * p.V), n.g.resize(rows * p.K);
    compare<T>(p, n, 1.0, layout);
}

template <class T>
void extreme_gates() {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -3.0, -50.0, -1e4, -infinity}) {
        Shape p = channel(Shape{1, 70, 2, 20, 20, false, true, true});
        Numbers all = draw(p, 34), some = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 7) some.g[i] = strong;
        compare<T>(p, all, 1.0);
        compare<T>(p, some, 1.0);
    }
}

template <class T>
void same_bits() {
    Shape p = channel(Shape{1, 70, 1, 40, 150, false, true, true});
    Numbers n = draw(p, 35);
    DeviceCall<T> c(p, n, 1.0, {});
    Values results;
    auto call = [&] {
        c.run(memgen::launch_channel_decay_forward, memgen::launch_channel_decay_backward);
        results = c.results();
    };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
}

} // namespace

TEST(channel_decay_shapes_float) { shapes<float>(); }
TEST(channel_decay_shapes_bfloat16) { shapes<memgen::bfloat16>(); }
TEST(channel_decay_segments) { segments<float>(), segments<memgen::bfloat16>(); }
TEST(channel_decay_extreme_gates) { extreme_gates<float>(), extreme_gates<memgen::bfloat16>(); }
TEST(channel_decay_same_bits_in_all_orders) { same_bits<float>(), same_bits<memgen::bfloat16>(); }

TEST(channel_decay_says_how_large_keys_may_be) {
    memgen_channel_decay_args a{};
    a.struct_size = sizeof a, a.batch = a.tokens = a.heads = a.value_dim = 1, a.key_dim = 129;
    EXPECT(memgen_channel_decay_workspace_size(&a, 1) == -1);
    EXPECT(std::strstr(memgen_last_error(), "key_dim is 129, this kernel goes up to 128") != nullptr);
    a.dtype = MEMGEN_BFLOAT16, a.key_dim = 256;
    EXPECT(memgen_channel_decay_workspace_size(&a, 1) > 0);
    Shape p = channel(Shape{1, 3, 1, 129, 1});
    DeviceCall<float> c(p, draw(p, 38), 1.0, {});
    EXPECT(memgen::launch_channel_decay_forward(c.p, nullptr) == cudaErrorInvalidValue);
    EXPECT(memgen::launch_channel_decay_backward(c.p, nullptr) == cudaErrorInvalidValue);
}
