// Sequences cut into spans, on the emulator: how they are cut, and the same numbers as whole ones.
#include "matrix_test.h"
#include "spans.h"

namespace {

using memgen::Recurrence;

constexpr int64_t Many = 4096; // multiprocessors: spans as short as they get

template <class T>
void compare(const Shape& p, const Numbers& n, const Layout& layout = {}, int64_t multiprocessors = Many) {
    compare_on_device<T>(launches(p).forward, launches(p).backward, p, n, 0.5, layout, multiprocessors);
}

// The delta rules take five spans and a half at the widths below.
int64_t fewest(Recurrence recurrence) { return is_delta(recurrence) ? 5 * memgen::CheckpointTokens : 0; }

Shape shape(int64_t tokens, Recurrence recurrence) {
    return with_rule(Shape{1, fewest(recurrence) + tokens, is_delta(recurrence) ? 1 : 2, 5, 7, false, true, true}, recurrence);
}

template <class T>
void lengths(Recurrence recurrence) {
    for (int64_t tokens : {0, 1, 31, 127, 128, 129, 160, 257, 511}) {
        if (is_delta(recurrence) && (tokens < 127 || tokens > 257)) continue;
        const Shape p = shape(tokens, recurrence);
        compare<T>(p, draw(p, 51));
    }
    if (!is_delta(recurrence)) compare<T>(shape(500, recurrence), draw(shape(500, recurrence), 53), {}, 4); // of 256 tokens
}

template <class T>
void wide(bool channel) {
    for (Shape p : {Shape{2, 300, 1, 40, 150}, Shape{1, 290, 1, 100, 30}, Shape{1, 140, 2, 3, 0}, Shape{1, 140, 2, 0, 3}, Shape{1, 135, 1, sizeof(T) == 4 && channel ? 128 : 200, 33}}) {
        p.channel = channel, p.decay = channel || p.B == 1, p.initial = p.K != 40, p.padding = p.K == 40 ? 8 : p.K == 100 ? 3 : 0;
        compare<T>(p, draw(p, 52));
    }
}

template <class T>
void segments(Recurrence recurrence) {
    const int64_t more = fewest(recurrence) * 2;
    Layout layout{{560, 0, 0, 0, 10, 397}, {140 + more, 10, 0, 0, 387, 128}}; // not in the order of their tokens
    Shape p = shape(700 + more - fewest(recurrence), recurrence);
    p.B = layout.count(p);
    Numbers n = draw(p, 54); // states of six sequences; of the tokens the first row's are used
    p.B = 1;
    const int64_t rows = p.T * p.H;
    n.q.resize(rows * p.K), n.k.resize(rows * p.K), n.v.resize(rows * p.V), n.d_o.resize(rows * p.V), n.g.resize(rows * (p.channel ? p.K : 1));
    if (p.delta) n.beta.resize(rows);
    if (p.generalized) n.a.resize(rows * p.K), n.b.resize(rows * p.K);
    compare<T>(p, n, layout);
}

template <class T>
void extreme_gates(Recurrence recurrence) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (double strong : {0.0, -1e-8, -50.0, -1e4, -infinity}) {
        Shape p = shape(is_delta(recurrence) ? 130 : 270, recurrence);
        if (is_delta(recurrence)) p.K = p.V = 20; // fewer, and bfloat16 alone errs more over tokens of which none is forgotten
        Numbers all = draw(p, 55);
        for (double& b : all.b) b *= std::fmin(1, -strong); // nothing grows where little decays
        Numbers some = all;
        for (double& g : all.g) g = strong;
        for (size_t i = 0; i < some.g.size(); i += 7) some.g[i] = strong;
        // -1e-8 is a decay of one in float, which adds up over 770 tokens where the generalised rule does not forget either.
        const bool kept = recurrence == Recurrence::Generalized ? strong == 0 : strong > -1.0;
        if (!is_delta(recurrence) || kept) compare<T>(p, all);
        compare<T>(p, some);
    }
    if (recurrence == Recurrence::Generalized || !is_delta(recurrence) || sizeof(T) == 2) return;
    const Shape p = shape(130, recurrence);
    Numbers n = draw(p, 59);
    for (double& beta : n.beta) beta = 2.0; // reflections, which forget nothing
    compare<T>(p, n);
}

template <class T>
void same_bits(Recurrence recurrence) {
    Shape p = shape(is_delta(recurrence) ? 66 : 270, recurrence);
    p.H = 1;
    if (!is_delta(recurrence)) p.K = 33, p.V = 75;
    const Numbers n = draw(p, 56);
    DeviceCall<T> c(p, n, 1.0, {}, Many);
    Values results;
    auto call = [&] {
        c.run(launches(p).forward, launches(p).backward);
        results = c.results();
    };
    EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
    const Values first = results;
    call();
    EXPECT(!std::memcmp(first.data(), results.data(), first.size() * sizeof(double)));
}

// A state handed on in its own tensor: the last span of a sequence writes what the first begins with.
void in_place(Recurrence recurrence) {
    const Shape p = shape(200, recurrence);
    const Numbers n = draw(p, 57);
    DeviceCall<float> c(p, n, 1.0, {}, Many), other(p, n, 1.0, {}, Many);
    other.p.final_state = other.p.initial_state, other.p.d_initial_state = other.p.d_final_state;
    const Launches launch = launches(p);
    c.run(launch.forward, launch.backward);
    EXPECT(launch.forward(other.p, nullptr) == cudaSuccess);
    EXPECT(other.o.values() == c.o.values() && other.s0.values() == c.s.values());
    other.s0.set(n.s0);
    EXPECT(launch.backward(other.p, nullptr) == cudaSuccess);
    EXPECT(other.dk.values() == c.dk.values() && other.d_s.values() == c.d_s0.values());
}

struct SpanLaunches {
    decltype(&memgen::launch_delta_spans) forward, backward;
};
SpanLaunches span_launches(Recurrence recurrence) {
    if (recurrence == Recurrence::Generalized) return {memgen::launch_generalized_delta_spans, memgen::launch_generalized_delta_spans_backward};
    if (recurrence == Recurrence::ChannelDelta) return {memgen::launch_channel_delta_spans, memgen::launch_channel_delta_spans_backward};
    return {memgen::launch_delta_spans, memgen::launch_delta_spans_backward};
}

// The states between spans of the delta rules, and their gradients, where a call that is cut would be long.
template <class T>
void delta_states(Recurrence recurrence) {
    for (Shape p : {Shape{1, 270, 2, 40, 70}, Shape{1, 270, 1, 100, 36}, Shape{1, 270, 1, 200, 33}}) {
        if (p.K > memgen::largest_keys(recurrence, sizeof(T) == 4)) continue;
        p.decay = p.initial = true, p = with_rule(p, recurrence);
        Numbers n = draw(p, 58);
        round_inputs<T>(n);
        DeviceCall<T> c(p, n, 0.5, {});
        memgen::Spans spans{128, 3, p.K * p.K, (p.K * p.K + 3) / 4 * 4 + p.K * p.V, nullptr};
        std::vector<float> states(static_cast<size_t>(4 * p.H * spans.floats), NAN), d_states = states;
        auto between = [&](const std::vector<float>& places, int64_t span) {
            Values x;
            for (int64_t h = 0; h < p.H; h++)
                for (int64_t i = 0; i < p.K * p.V; i++) x.push_back(places[static_cast<size_t>((span * p.H + h) * spans.floats + (p.K * p.K + 3) / 4 * 4 + i)]);
            return x;
        };
        spans.states = states.data();
        const SpanLaunches launch = span_launches(recurrence);
        EXPECT(launch.forward(c.p, spans, nullptr) == cudaSuccess);
        spans.states = d_states.data();
        EXPECT(launch.backward(c.p, spans, nullptr) == cudaSuccess);
        for (int64_t span : {1, 2}) {
            Numbers before = n, behind = n;
            sequence_reference(p, 0.5, {{0}, {128 * span}}, before), sequence_reference(p, 0.5, {{128 * span}, {p.T - 128 * span}}, behind);
            EXPECT_RMS("state", p.text(), between(states, span), before.s, Limits<T>::Forward);
            EXPECT_RMS("d_state", p.text(), between(d_states, span), behind.d_s0, Limits<T>::Gradient);
        }
    }
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
    const memgen::Spans delta = cut(sizes(1, 4096, 4, 132), 2, Recurrence::Delta); // sixteen of them were to have, of 512 tokens
    EXPECT(delta.tokens == 512 && delta.count == 8 && delta.decays == 128 * 128);
    EXPECT(whole(sizes(1, 2560, 4, 132), 2, Recurrence::Delta));    // five
    EXPECT(whole(sizes(1, 32768, 14, 132), 2, Recurrence::Delta));  // four
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
    EXPECT(needed == 4 * 9 * (8 * 8 + 4)); // before each of eight spans and behind the last: a decay and a state
    EXPECT(memgen_channel_decay_workspace_size(&a, 0) == 4 * 9 * (8 * 8 + 8));
    EXPECT(memgen_gated_delta_rule_workspace_size(&a, 0) == 4 * 9 * (8 * 8 + 8 * 8));
    EXPECT(memgen_channel_delta_rule_workspace_size(&a, 0) == 4 * 9 * (8 * 8 + 8 * 8));
    EXPECT(memgen_generalized_delta_rule_workspace_size(&a, 0) == 4 * 9 * (8 * 8 + 8 * 8));
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

TEST(scalar_decay_spans_float) { lengths<float>(Recurrence::Scalar), wide<float>(false); }
TEST(scalar_decay_spans_bfloat16) { lengths<memgen::bfloat16>(Recurrence::Scalar), wide<memgen::bfloat16>(false); }
TEST(scalar_decay_spans_of_segments) { segments<float>(Recurrence::Scalar), segments<memgen::bfloat16>(Recurrence::Scalar); }
TEST(scalar_decay_spans_extreme_gates) { extreme_gates<float>(Recurrence::Scalar), extreme_gates<memgen::bfloat16>(Recurrence::Scalar); }
TEST(scalar_decay_spans_same_bits_in_all_orders) { same_bits<float>(Recurrence::Scalar), same_bits<memgen::bfloat16>(Recurrence::Scalar); }
TEST(channel_decay_spans_float) { lengths<float>(Recurrence::Channel), wide<float>(true); }
TEST(channel_decay_spans_bfloat16) { lengths<memgen::bfloat16>(Recurrence::Channel), wide<memgen::bfloat16>(true); }
TEST(channel_decay_spans_of_segments) { segments<float>(Recurrence::Channel), segments<memgen::bfloat16>(Recurrence::Channel); }
TEST(channel_decay_spans_extreme_gates) { extreme_gates<float>(Recurrence::Channel), extreme_gates<memgen::bfloat16>(Recurrence::Channel); }
TEST(channel_decay_spans_same_bits_in_all_orders) { same_bits<float>(Recurrence::Channel), same_bits<memgen::bfloat16>(Recurrence::Channel); }
TEST(gated_delta_spans_float) { lengths<float>(Recurrence::Delta); }
TEST(gated_delta_spans_bfloat16) { lengths<memgen::bfloat16>(Recurrence::Delta); }
TEST(gated_delta_spans_of_segments) { segments<float>(Recurrence::Delta), segments<memgen::bfloat16>(Recurrence::Delta); }
TEST(gated_delta_spans_extreme_gates) { extreme_gates<float>(Recurrence::Delta), extreme_gates<memgen::bfloat16>(Recurrence::Delta); }
TEST(gated_delta_spans_same_bits_in_all_orders) { same_bits<float>(Recurrence::Delta), same_bits<memgen::bfloat16>(Recurrence::Delta); }
TEST(gated_delta_spans_wide) { delta_states<float>(Recurrence::Delta), delta_states<memgen::bfloat16>(Recurrence::Delta); }
TEST(channel_delta_spans_float) { lengths<float>(Recurrence::ChannelDelta); }
TEST(channel_delta_spans_bfloat16) { lengths<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_spans_of_segments) { segments<float>(Recurrence::ChannelDelta), segments<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_spans_extreme_gates) { extreme_gates<float>(Recurrence::ChannelDelta), extreme_gates<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_spans_same_bits_in_all_orders) { same_bits<float>(Recurrence::ChannelDelta), same_bits<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(channel_delta_spans_wide) { delta_states<float>(Recurrence::ChannelDelta), delta_states<memgen::bfloat16>(Recurrence::ChannelDelta); }
TEST(generalized_delta_spans_float) { lengths<float>(Recurrence::Generalized); }
TEST(generalized_delta_spans_bfloat16) { lengths<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_spans_of_segments) { segments<float>(Recurrence::Generalized), segments<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_spans_extreme_gates) { extreme_gates<float>(Recurrence::Generalized), extreme_gates<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_spans_same_bits_in_all_orders) { same_bits<float>(Recurrence::Generalized), same_bits<memgen::bfloat16>(Recurrence::Generalized); }
TEST(generalized_delta_spans_wide) { delta_states<float>(Recurrence::Generalized), delta_states<memgen::bfloat16>(Recurrence::Generalized); }
TEST(spans_hand_a_state_on_in_place) { in_place(Recurrence::Scalar), in_place(Recurrence::Channel), in_place(Recurrence::Delta), in_place(Recurrence::ChannelDelta), in_place(Recurrence::Generalized); }
