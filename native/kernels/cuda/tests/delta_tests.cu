// The gated delta rule and scalar decay on the emulator against the recurrence in double precision.
#include "matrix_test.h"

namespace {

template <class T>
void compare(const Shape& p, const Numbers& n, double scale, const Layout& layout = {}) {
    if (p.delta) compare_on_device<T>(memgen::launch_gated_delta_rule_forward, memgen::launch_gated_delta_rule_backward, p, n, scale, layout);
    else compare_on_device<T>(memgen::launch_scalar_decay_forward, memgen::launch_scalar_decay_backward, p, n, scale, layout);
}

template <class T>
void shapes(bool delta) {
    for (int64_t tokens : {0, 1, 31, 32, 33, 101}) compare<T>(Shape{1, tokens, 2, 32, 32, delta, true, true}, draw(Shape{1, tokens, 2, 32, 32, delta, true, true}, 11), 0.5);
    for (Shape p : {Shape{2, 37, 1, 40, 24}, Shape{1, 70, 1, 128, 128}, Shape{1, 40, 1, 7, 150}, Shape{1, 2, 1, 1, 1}, Shape{1, 35, 1, 256, 40}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 300, 1, 20, 36}})
        for (bool decay : {true, false}) {
            if (!decay && p.T != 37) continue;
            if (p.K == 1 && sizeof(T) == 2) p = Shape{16, 2, 4, 3, 5}; // a relative RMS of bfloat16 wants more than one number
            p.delta = delta, p.decay = p.initial = decay;
            p.padding = p.K == 40 ? 8 : p.K == 20 ? 3 : 0;
            compare<T>(p, draw(p, 12), 0.5);
        }
}

template <class T>
void segments(bool delta) {
    Layout layout{{140, 0, 0, 61, 130}, {60, 40, 0, 65, 7}};
    Shape p{1, 210, 2, 24, 40, delta, true, true};
    p.B = layout.count(p);
    Numbers n = draw(p, 13); // states of five sequences; of the tokens the first row's are used
    p.B = 1;
    const int64_t rows = p.T * p.H;
    n.q.resize(rows * p.K), n.k.resize(rows * p.K), n.v.resize(rows * p.V), n.d_o.resize(rows * p.V), n.g.resize(rows);
    if (delta) n.beta.resize(rows);
    compare<T>(p, n, 1.0, layout);
}

template <class T>
void extreme_gates(bool delta) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -50.0, -1e4, -infinity}) {
        Shape p{1, 70, 3, 40, 40, delta, true, true};
        Numbers all = draw(p, 14), some = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 7) some.g[i] = strong;
        compare<T>(p, all, 1.0);
        compare<T>(p, some, 1.0);
    }
}

template <class T>
void same_bits(bool delta) {
    Shape p{1, 70, 1, 40, 150, delta, true, true};
    Numbers n = draw(p, 15);
    DeviceCall<T> c(p, n, 1.0, {});
    Values results;
    auto call = [&] {
        if (delta) c.run(memgen::launch_gated_delta_rule_forward, memgen::launch_gated_delta_rule_backward);
        else c.run(memgen::launch_scalar_decay_forward, memgen::launch_scalar_decay_backward);
        results = c.results();
    };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
}

} // namespace

TEST(scalar_decay_shapes_float) { shapes<float>(false); }
TEST(scalar_decay_shapes_bfloat16) { shapes<memgen::bfloat16>(false); }
TEST(scalar_decay_segments) { segments<float>(false), segments<memgen::bfloat16>(false); }
TEST(scalar_decay_extreme_gates) { extreme_gates<float>(false), extreme_gates<memgen::bfloat16>(false); }
TEST(scalar_decay_same_bits_in_all_orders) { same_bits<float>(false), same_bits<memgen::bfloat16>(false); }
TEST(gated_delta_shapes_float) { shapes<float>(true); }
TEST(gated_delta_shapes_bfloat16) { shapes<memgen::bfloat16>(true); }
TEST(gated_delta_segments) { segments<float>(true), segments<memgen::bfloat16>(true); }
TEST(gated_delta_extreme_gates) { extreme_gates<float>(true), extreme_gates<memgen::bfloat16>(true); }
TEST(gated_delta_same_bits_in_all_orders) { same_bits<float>(true), same_bits<memgen::bfloat16>(true); }
