// A decay for every key channel against the recurrence in double precision and its gradient.
#include "delta_oracle.h"

namespace {

Shape with_channels(Shape p) {
    p.delta = false, p.decay = p.channel = true;
    return p;
}

TEST(channel_shapes) {
    for (bool initial : {true, false})
        for (Shape p : {Shape{2, 37, 3, 16, 16}, Shape{1, 64, 2, 32, 32}, Shape{1, 131, 1, 7, 19}, Shape{2, 33, 2, 24, 40}, Shape{1, 2, 1, 1, 1}, Shape{1, 1, 2, 3, 5}, Shape{3, 1, 2, 20, 150}, Shape{1, 0, 1, 4, 4}, Shape{0, 5, 2, 4, 4}, Shape{1, 17, 2, 5, 0}, Shape{1, 17, 2, 0, 5}, Shape{1, 200, 1, 66, 33}, Shape{1, 300, 1, 96, 96}, Shape{2, 41, 3, 21, 35}}) {
            p.initial = initial;
            p.padding = p.K == 21 ? 3 : 0, p.swapped = p.K == 21;
            compare(with_channels(p), draw(with_channels(p), 31), 0.5);
        }
}

TEST(channel_extreme_decays) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -1.0, -3.0, -12.0, -50.0, -1e4, -infinity}) {
        Shape p = with_channels(Shape{1, 90, 2, 20, 20, false, true, true});
        Numbers all = draw(p, 32), some = all, channels = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 131) some.g[i] = strong;
        for (size_t i = 0; i < channels.g.size(); i += 20) channels.g[i] = strong;
        compare(p, all, 1.0);
        compare(p, some, 1.0);
        compare(p, channels, 1.0);
    }
}

TEST(channel_same_bits_for_any_number_of_threads) {
    for (int64_t heads : {1, 3}) {
        Shape p = with_channels(Shape{2, 150, heads, 40, 70, false, true, true});
        Numbers n = draw(p, 33);
        for (size_t i = 0; i < n.g.size(); i += 997) n.g[i] = -100;
        Call c(p, n, 1.0);
        EXPECT_SAME_BITS([&] { c.run(); }, {&c.o, &c.s, &c.dq, &c.dk, &c.dv, &c.dg, &c.d_s0});
    }
}

TEST(channel_nan_stays_in_its_row) {
    Shape p = with_channels(Shape{3, 50, 2, 16, 24, false, true, true});
    for (int poison = 0; poison < 5; poison++) {
        Numbers n = draw(p, 34), clean = n;
        Values* inputs[] = {&n.q, &n.k, &n.v, &n.g, &n.s0};
        Values& x = *inputs[poison];
        x[x.size() / 3 + 5] = NAN;
        Call bad(p, n, 1.0), good(p, clean, 1.0);
        bad.run(), good.run();
        for (size_t f = 0; f < good.results().size(); f++) {
            Field &g = *good.results()[f], &b = *bad.results()[f];
            int64_t row = g.size() / 3;
            for (int64_t i = 0; i < g.size(); i++)
                if (i / row != 1) EXPECT(!std::memcmp(&g.at(i), &b.at(i), sizeof(float)));
        }
    }
}

} // namespace
