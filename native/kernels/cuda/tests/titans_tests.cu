// The Titans memory of one matrix on the emulator against its token recurrence in double precision.
#include "titans_test.h"

namespace {

// Blocks of one token, below a chunk, of one, beyond it; chains longer than what is kept between checkpoints; several tiles.
template <class T>
void shapes() {
    for (Titans p : {Titans{1, 0, 2, 8, 8, 16}, Titans{1, 7, 2, 24, 40, 1}, Titans{2, 37, 1, 40, 24, 16}, Titans{1, 70, 1, 16, 100, 32}, Titans{1, 150, 1, 20, 12, 50}, Titans{1, 300, 1, 12, 20, 16}, Titans{1, 45, 1, 128, 70, 20}, Titans{1, 260, 1, 33, 8, 128}}) {
        p.padding = p.K == 40 ? 8 : p.K == 20 ? 3 : 0, p.initial = p.K != 33;
        compare<T>(p, draw(p, p.B, 51));
    }
    if (sizeof(T) == 2) {
        Titans p{1, 35, 1, 256, 40, 16};
        compare<T>(p, draw(p, p.B, 52));
    }
}

template <class T>
void variants() {
    for (int bits = 1; bits < 8; bits++) {
        Titans p{1, 90, 2, 24, 20, 40};
        p.momentum = !(bits & 1), p.reads_block_start = bits & 2, p.alpha = !(bits & 4);
        compare<T>(p, draw(p, p.B, 53));
    }
    for (int64_t block : {8, 40}) {
        Titans p{1, 60, 2, 16, 24, block};
        p.clip = 2;
        compare<T>(p, draw(p, p.B, 54));
    }
}

template <class T>
void segments() {
    Layout layout{{140, 0, 0, 61, 130}, {60, 40, 0, 65, 7}};
    Titans p{1, 210, 2, 24, 40, 16};
    compare<T>(p, draw(p, 5, 55), layout);
}

template <class T>
void gate_limits() {
    Titans p{1, 50, 2, 16, 16, 16};
    for (int which = 0; which < TitansGateEnds; which++) {
        TitansNumbers n = draw(p, p.B, 56);
        set_to_end(n, which);
        compare<T>(p, n);
    }
}

template <class T>
void same_bits() {
    Titans p{1, 150, 1, 40, 100, 40};
    TitansCall<T> c(p, draw(p, p.B, 57), {});
    Values results;
    auto call = [&] { c.run(), results = c.results(); };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
}

} // namespace

TEST(titans_shapes_float) { shapes<float>(); }
TEST(titans_shapes_bfloat16) { shapes<memgen::bfloat16>(); }
TEST(titans_variants_float) { variants<float>(); }
TEST(titans_variants_bfloat16) { variants<memgen::bfloat16>(); }
TEST(titans_segments) { segments<float>(), segments<memgen::bfloat16>(); }
TEST(titans_gate_limits) { gate_limits<float>(), gate_limits<memgen::bfloat16>(); }
TEST(titans_same_bits_in_all_orders) { same_bits<float>(), same_bits<memgen::bfloat16>(); }
