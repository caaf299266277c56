// Sequences of the Titans memory of one matrix cut into spans, on the emulator: how they are cut, and the same numbers as whole ones.
#include "titans_spans.h"
#include "titans_test.h"

namespace {

constexpr int64_t Many = 4096; // multiprocessors: spans as short as they get

template <class T>
void compare_cut(const Titans& p, const TitansNumbers& n, const Layout& layout = {}) {
    const TitansCall<T> c(p, n, layout, Many);
    EXPECT(memgen::are_whole(c.p, memgen::titans_spans(c.p)) == (p.clip > 0));
    compare<T>(p, n, layout, Many);
}

// At the widths below five spans are enough.
template <class T>
void lengths() {
    for (int64_t tokens : {630, 640, 641, 767, 769})
        compare_cut<T>(Titans{1, tokens, 1, 5, 7, 16}, draw(Titans{1, tokens, 1, 5, 7, 16}, 1, 61));
    for (int64_t block : {1, 24, 50, 128}) { // spans of 128, 144, 150 and 128 tokens
        Titans p{2, 800, 1, 6, 9, block};
        p.padding = block == 24 ? 3 : 0, p.initial = block != 50;
        compare_cut<T>(p, draw(p, p.B, 62));
    }
}

template <class T>
void variants() {
    for (int bits = 1; bits < 8; bits++) {
        Titans p{1, 800, 2, 5, 7, 40};
        p.momentum = !(bits & 1), p.reads_block_start = bits & 2, p.alpha = !(bits & 4);
        compare_cut<T>(p, draw(p, p.B, 63));
    }
    Titans clipped{1, 700, 1, 5, 7, 16};
    clipped.clip = 0.5; // left whole
    compare_cut<T>(clipped, draw(clipped, clipped.B, 64));
    for (int which = 0; which < TitansGateEnds; which++) {
        Titans p{1, 660, 1, 5, 7, 16};
        TitansNumbers n = draw(p, p.B, 65);
        set_to_end(n, which);
        compare_cut<T>(p, n);
    }
}

template <class T>
void segments() {
    Layout layout{{3060, 0, 0, 0, 10, 2697}, {1140, 10, 0, 0, 2687, 128}}; // not in the order of their tokens
    Titans p{1, 4200, 1, 5, 7, 16};
    compare_cut<T>(p, draw(p, 6, 66), layout);
}

template <class T>
void same_bits() {
    Titans p{1, 790, 1, 6, 9, 40};
    TitansCall<T> c(p, draw(p, p.B, 67), {}, Many);
    Values results;
    auto call = [&] { c.run(), results = c.results(); };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
}

// The states between spans, and their gradients, where a call that is cut would be long.
template <class T>
void states() {
    for (Titans p : {Titans{1, 260, 1, 24, 40, 16}, Titans{1, 270, 2, 40, 70, 16}, Titans{1, 290, 1, 100, 36, 40}, Titans{1, 300, 1, sizeof(T) == 2 ? 200 : 120, 33, 128}}) {
        p.momentum = p.K != 200, p.reads_block_start = p.K == 100;
        TitansNumbers n = draw(p, p.B, 68);
        round_inputs<T>(n);
        TitansCall<T> c(p, n, {});
        const int64_t tokens = p.block == 40 ? 160 : 128, count = (p.T + tokens - 1) / tokens, rows = memgen::titans_rows(c.p);
        memgen::Spans spans = memgen::with_floats({tokens, count, 0, 0, nullptr}, rows * rows, rows * p.V);
        std::vector<float> places(static_cast<size_t>((count + 1) * p.H * spans.floats), NAN);
        spans.states = places.data();
        auto between = [&](int64_t span, int64_t first) {
            Values x;
            for (int64_t h = 0; h < p.H; h++)
                for (int64_t i = 0; i < p.K * p.V; i++) x.push_back(places[static_cast<size_t>((span * p.H + h) * spans.floats + (rows * rows + 3) / 4 * 4 + first * p.V + i)]);
            return x;
        };
        auto of_tokens = [&](int64_t first, int64_t length) {
            TitansNumbers part = n;
            reference(p, {{first}, {length}}, part);
            return part;
        };
        EXPECT(memgen::launch_titans_forward(c.p, spans, nullptr) == cudaSuccess);
        const TitansNumbers whole = of_tokens(0, p.T);
        EXPECT_RMS("o", p.text(), c.o.values(), whole.o, Limits<T>::Forward);
        EXPECT_RMS("final_weights", p.text(), c.w_end.values(), whole.w_end, Limits<T>::Forward);
        for (int64_t span = 1; span < count; span++) {
            const TitansNumbers before = of_tokens(0, tokens * span);
            EXPECT_RMS("weights", p.text(), between(span, 0), before.w_end, Limits<T>::Forward);
            if (p.momentum) EXPECT_RMS("momentum", p.text(), between(span, p.K), before.s_end, Limits<T>::Forward);
        }
        EXPECT(memgen::launch_titans_spans_backward(c.p, spans, nullptr) == cudaSuccess);
        for (int64_t span = 1; span < count; span++) {
            const TitansNumbers behind = of_tokens(tokens * span, p.T - tokens * span);
            EXPECT_RMS("d_weights", p.text(), between(span, 0), behind.d_w0, Limits<T>::Gradient);
            if (p.momentum) EXPECT_RMS("d_momentum", p.text(), between(span, p.K), behind.d_s0, Limits<T>::Gradient);
        }
    }
}

memgen::TitansParameters sizes(int64_t batch, int64_t tokens, int64_t heads, int64_t block, bool momentum = true) {
    memgen::TitansParameters p{};
    p.batch = batch, p.tokens = tokens, p.heads = heads, p.key_dim = p.value_dim = 64, p.block = block, p.momentum = momentum, p.multiprocessors = 132, p.number = memgen::Number::BFloat16;
    return p;
}

} // namespace

TEST(titans_spans_fill_the_multiprocessors) {
    auto whole = [](const memgen::TitansParameters& p) { return memgen::are_whole(p, memgen::titans_spans(p)); };
    const memgen::Spans spans = memgen::titans_spans(sizes(1, 32768, 8, 64)); // eight blocks, sixteen times over
    EXPECT(spans.tokens == 2048 && spans.count == 16 && spans.decays == 128 * 128 && spans.floats == 128 * 128 + 128 * 64);
    const memgen::Spans odd = memgen::titans_spans(sizes(1, 8192, 4, 50)); // at least four tokens a row of the state, in intervals of 150
    EXPECT(odd.tokens == 600 && odd.count == 14);
    EXPECT(!whole(sizes(1, 8192, 22, 64)) && whole(sizes(1, 8192, 23, 64))); // six spans, five: 5.6 pay
    EXPECT(!whole(sizes(1, 8192, 26, 64, false)) && whole(sizes(1, 8192, 27, 64, false)) && memgen::titans_spans(sizes(1, 8192, 26, 64, false)).decays == 64 * 64); // five, four: 4.7 pay
    EXPECT(whole(sizes(1, 2560, 1, 64)) && whole(sizes(0, 8192, 1, 64)) && whole(sizes(1, 0, 1, 64)));
    memgen::TitansParameters p = sizes(1, 32768, 8, 64);
    p.clip = 1;
    EXPECT(whole(p));
    p.clip = 0, p.key_dim = 200; // more rows than are carried
    EXPECT(whole(p));
    p.momentum = false;
    EXPECT(!whole(p));
}

TEST(titans_spans_float) { lengths<float>(), variants<float>(); }
TEST(titans_spans_bfloat16) { lengths<memgen::bfloat16>(), variants<memgen::bfloat16>(); }
TEST(titans_spans_of_segments) { segments<float>(), segments<memgen::bfloat16>(); }
TEST(titans_spans_wide) { states<float>(), states<memgen::bfloat16>(); }
TEST(titans_spans_same_bits_in_all_orders) { same_bits<float>(), same_bits<memgen::bfloat16>(); }

// A state handed on in its own tensor: the last span of a sequence writes what the first begins with.
TEST(titans_spans_hand_a_state_on_in_place) {
    Titans p{1, 660, 2, 5, 7, 16};
    const TitansNumbers n = draw(p, p.B, 69);
    TitansCall<float> c(p, n, {}, Many), other(p, n, {}, Many);
    other.p.final_state = other.p.initial_state, other.p.final_momentum = other.p.initial_momentum;
    other.p.d_initial_state = other.p.d_final_state, other.p.d_initial_momentum = other.p.d_final_momentum;
    c.run();
    EXPECT(memgen::launch_titans_forward(other.p, nullptr) == cudaSuccess);
    EXPECT(other.o.values() == c.o.values() && other.w.values() == c.w_end.values() && other.s.values() == c.s_end.values());
    other.w.set(n.w), other.s.set(n.s);
    EXPECT(memgen::launch_titans_backward(other.p, nullptr) == cudaSuccess);
    EXPECT(other.dk.values() == c.dk.values() && other.d_w.values() == c.d_w0.values() && other.d_s.values() == c.d_s0.values());
}

TEST(titans_spans_take_a_workspace_in_forward) {
    memgen_titans_args a{};
    a.struct_size = sizeof a, a.batch = a.heads = a.layers = a.momentum = 1, a.tokens = 1024, a.block = 16, a.dims[0] = a.dims[1] = 8;
    const int64_t needed = memgen_titans_workspace_size(&a, 0);
    EXPECT(needed == 4 * 9 * (16 * 16 + 16 * 8)); // before each of eight spans and behind the last: A, and W above S
    std::vector<float> x(static_cast<size_t>(a.tokens * 8), 0.1f), o(x.size()), gates(static_cast<size_t>(a.tokens), 0.1f);
    a.q = a.k = a.v = {x.data(), {a.tokens * 8, 8, 8, 1}}, a.o = {o.data(), {a.tokens * 8, 8, 8, 1}}, a.theta = a.eta = {gates.data(), {a.tokens, 1, 1, 1}};
    Scratch scratch(needed);
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_titans_forward(&a, scratch.data, scratch.size - 4, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_titans_forward(&a, scratch.data, scratch.size, nullptr));
    a.clip = 1;
    EXPECT(memgen_titans_workspace_size(&a, 0) == 0);
}
