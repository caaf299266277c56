// Sequences cut into spans, on the emulator: how they are cut, and the same numbers as whole ones.
#include "matrix_test.h"
#include "spans.h"

namespace {

using memgen::Recurrence;

constexpr int64_t Many = 4096; // multiprocessors: spans as short as they get

template <class T>
void compare(const Shape& p, const Numbers& n, const Layout& layout = {}, int64_t multiprocessors = Many) {
    if (p.channel) compare_on_device<T>(memgen::launch_channel_decay_forward, memgen::launch_channel_decay_backward, p, n, 0.5, layout, multiprocessors);
    else compare_on_device<T>(memgen::launch_scalar_decay_forward, memgen::launch_scalar_decay_backward, p, n, 0.5, layout, multiprocessors);
}

Shape shape(int64_t tokens, bool channel) {
    Shape p{1, tokens, 2, 5, 7, false, true, true};
    p.channel = channel;
    return p;
}

template <class T>
void shapes(bool channel) {
    for (int64_t tokens : {0, 1, 31, 127, 128, 129, 160, 256, 257, 511}) compare<T>(shape(tokens, channel), draw(shape(tokens, channel), 51));
    for (Shape p : {Shape{2, 300, 1, 40, 150}, Shape{1, 290, 1, 100, 30}, Shape{1, 140, 2, 3, 0}, Shape{1, 140, 2, 0, 3}, Shape{1, 135, 1, sizeof(T) == 4 && channel ? 128 : 200, 33}}) {
        p.channel = channel, p.decay = channel || p.B == 1, p.initial = p.K != 40, p.padding = p.K == 40 ? 8 : p.K == 100 ? 3 : 0;
        compare<T>(p, draw(p, 52));
    }
    compare<T>(shape(500, channel), draw(shape(500, channel), 53), {}, 4); // spans of 256 tokens
}

template <class T>
void segments(bool channel) {
    Layout layout{{560, 0, 0, 0, 10, 397}, {140, 10, 0, 0, 387, 128}}; // not in the order of their tokens; five spans among them at 128
    Shape p = shape(700, channel);
    p.B = layout.count(p);
    Numbers n = draw(p, 54); // states of six sequences; of the tokens the first row's are used
    p.B = 1;
    const int64_t rows = p.T * p.H;
    n.q.resize(rows * p.K), n.k.resize(rows * p.K), n.v.resize(rows * p.V), n.d_o.resize(rows * p.V), n.g.resize(rows * (channel ? p.K : 1));
    compare<T>(p, n, layout);
}

template <class T>
void extreme_gates(bool channel) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -50.0, -1e4, -infinity}) {
        Shape p = shape(270, channel);
        Numbers all = draw(p, 55), some = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 7) some.g[i] = strong;
        compare<T>(p, all), compare<T>(p, some);
    }
}

template <class T>
void same_bits(bool channel) {
    Shape p{1, 270, 1, 33, 75, false, true, true};
    p.channel = channel;
    const Numbers n = draw(p, 56);
    DeviceCall<T> c(p, n, 1.0, {}, Many);
    Values results;
    auto call = [&] {
        if (channel) c.run(memgen::launch_channel_decay_forward, memgen::launch_channel_decay_backward);
        else c.run(memgen::launch_scalar_decay_forward, memgen::launch_scalar_decay_backward);
        results = c.results();
    };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
    const Values first = results;
    call();
    EXPECT(!std::memcmp(first.data(), results.data(), first.size() * sizeof(double)));
}

// A state handed on in its own tensor: the last span of a sequence writes what the first begins with.
void in_place(bool channel) {
    Shape p = shape(300, channel);
    const Numbers n = draw(p, 57);
    DeviceCall<float> c(p, n, 1.0, {}, Many), other(p, n, 1.0, {}, Many);
    other.p.final_state = other.p.initial_state, other.p.d_initial_state = other.p.d_final_state;
    auto forward = channel ? memgen::launch_channel_decay_forward : memgen::launch_scalar_decay_forward;
    auto backward = channel ? memgen::launch_channel_decay_backward : memgen::launch_scalar_decay_backward;
    c.run(forward, backward);
    EXPECT(forward(other.p, nullptr) == cudaSuccess);
    EXPECT(other.o.values() == c.o.values() && other.s0.values() == c.s.values());
    other.s0.set(n.s0);
    EXPECT(backward(other.p, nullptr) == cudaSuccess);
    EXPECT(other.dk.values() == c.dk.values() && other.d_s.values() == c.d_s0.values());
}

memgen::MatrixMemoryParameters sizes(int64_t batch, int64_t tokens, int64_t heads, int64_t multiprocessors) {
    memgen::MatrixMemoryParameters p{};
    p.batch = batch, p.tokens = tokens, p.heads = heads, p.key_dim = p.value_dim = 128, p.multiprocessors = multiprocessors;
    return p;
}

} // namespace

TEST(spans_fill_the_multiprocessors) {
    auto cut = [](const memgen::MatrixMemoryParameters& p, int64_t tiles, Recurrence recurrence = Recurrence::Scalar) { return memgen::spans_of(p, recurrence, tiles); };
    auto whole = [&](const memgen::MatrixMemoryParameters& p, int64_t tiles, Recurrence recurrence = Recurrence::Scalar) { return memgen::are_whole(p, cut(p, tiles, recurrence)); };
    const memgen::Spans long_one = cut(sizes(1, 32768, 8, 132), 2); // 16 blocks, eight times over
    EXPECT(long_one.tokens == 4096 && long_one.count == 8 && long_one.decays == 1);
    EXPECT(cut(sizes(1, 32768, 8, 132), 2, Recurrence::Channel).decays == 128);
    const memgen::Spans odd = cut(sizes(3, 1000, 4, 100), 1);
    EXPECT(odd.tokens == 128 && odd.count == 24);
    const memgen::Spans two = cut(sizes(1, 129, 2, 4), 1);
    EXPECT(two.tokens == 128 && two.count == 2);
    EXPECT(whole(sizes(1, 128, 1, 132), 1));                        // one checkpoint's tokens
    EXPECT(whole(sizes(8, 4096, 9, 132), 1));                       // more than half of the multiprocessors are at work
    EXPECT(!whole(sizes(8, 4096, 8, 132), 1));
    EXPECT(whole(sizes(1, 4096, 1, 132), 1, Recurrence::Delta));
    EXPECT(whole(sizes(1, 4096, 1, 0), 1));                         // no device
    EXPECT(whole(sizes(0, 4096, 1, 132), 1) && whole(sizes(1, 0, 1, 132), 1) && whole(sizes(1, 4096, 0, 132), 1));
    for (int64_t batch : {1, 2, 5})
        for (int64_t tokens : {200, 1000, 4100})
            for (int64_t heads : {1, 3, 16})
                for (int64_t processors : {1, 14, 132}) {
                    const memgen::MatrixMemoryParameters p = sizes(batch, tokens, heads, processors);
                    const memgen::Spans spans = cut(p, 2);
                    EXPECT(spans.count == batch * spans.of_sequence(tokens));
                    EXPECT(memgen::are_whole(p, spans) || (spans.tokens % memgen::CheckpointTokens == 0 && spans.count * heads * 2 <= processors));
                }
    // Of segments the lengths are unknown: as many as there can be.
    const int64_t lengths[] = {4000, 0, 96};
    memgen::MatrixMemoryParameters p = sizes(1, 4096, 2, 132);
    p.segments = {3, lengths, lengths};
    const memgen::Spans packed = cut(p, 2);
    EXPECT(packed.tokens == 128 && packed.count == 35);
    EXPECT(packed.of_sequence(lengths[0]) + packed.of_sequence(lengths[1]) + packed.of_sequence(lengths[2]) <= packed.count);
}

TEST(spans_take_a_workspace_in_forward) {
    memgen_scalar_decay_args a{};
    a.struct_size = sizeof a, a.batch = a.heads = 1, a.tokens = 1024, a.key_dim = a.value_dim = 8;
    const int64_t needed = memgen_scalar_decay_workspace_size(&a, 0);
    EXPECT(needed == 4 * 9 * (8 * 8 + 4)); // before each of eight spans and behind the last: a state and its decay
    EXPECT(memgen_channel_decay_workspace_size(&a, 0) == 4 * 9 * (8 * 8 + 8));
    EXPECT(memgen_gated_delta_rule_workspace_size(&a, 0) == 0);
    std::vector<float> x(static_cast<size_t>(a.tokens * 8), 0.5f);
    const memgen_tensor tokens{x.data(), {a.tokens * 8, 8, 8, 1}};
    std::vector<float> o(x.size());
    a.q = a.k = a.v = tokens, a.o = {o.data(), {a.tokens * 8, 8, 8, 1}};
    Scratch scratch(needed);
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_scalar_decay_forward(&a, scratch.data, scratch.size - 4, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_scalar_decay_forward(&a, scratch.data, scratch.size, nullptr));
    a.tokens = 128;
    EXPECT(memgen_scalar_decay_workspace_size(&a, 0) == 0);
}

TEST(scalar_decay_spans_float) { shapes<float>(false); }
TEST(scalar_decay_spans_bfloat16) { shapes<memgen::bfloat16>(false); }
TEST(scalar_decay_spans_of_segments) { segments<float>(false), segments<memgen::bfloat16>(false); }
TEST(scalar_decay_spans_extreme_gates) { extreme_gates<float>(false), extreme_gates<memgen::bfloat16>(false); }
TEST(scalar_decay_spans_same_bits_in_all_orders) { same_bits<float>(false), same_bits<memgen::bfloat16>(false); }
TEST(channel_decay_spans_float) { shapes<float>(true); }
TEST(channel_decay_spans_bfloat16) { shapes<memgen::bfloat16>(true); }
TEST(channel_decay_spans_of_segments) { segments<float>(true), segments<memgen::bfloat16>(true); }
TEST(channel_decay_spans_extreme_gates) { extreme_gates<float>(true), extreme_gates<memgen::bfloat16>(true); }
TEST(channel_decay_spans_same_bits_in_all_orders) { same_bits<float>(true), same_bits<memgen::bfloat16>(true); }
TEST(spans_hand_a_state_on_in_place) { in_place(false), in_place(true); }
