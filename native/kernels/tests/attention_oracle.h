// The plain softmax over every key that a query sees, and its derivative, in double precision.
#pragma once
#include <algorithm>

#include "test.h"

namespace {

struct AttentionShape {
    int64_t B = 2, T = 20, H = 2, G = 2, K = 5, V = 3, each = 1, past = 0, window = 6;
    bool blocked = false;
    int64_t chunk = 4, slots = 3, fading = 5, stride = 1, offset = -1, fading_past = 0, prefix = 0;
    bool own_prefix = false;
    std::vector<int64_t> read, lengths;

    int64_t chunks() const { return (*std::max_element(read.begin(), read.end()) + T - 1) / chunk + 1; }
};

enum { Q, PrefixQ, Keys, Reads, SlotKeys, SlotReads, FadingKeys, FadingReads, PrefixKeys, PrefixReads, Inputs };

struct AttentionProblem : AttentionShape {
    std::vector<std::vector<int64_t>> shapes;
    std::vector<Values> x, d;
    std::vector<uint8_t> present;
    Values o, d_o;

    explicit AttentionProblem(AttentionShape s) : AttentionShape(std::move(s)) {
        if (read.empty()) read.assign(static_cast<size_t>(B), 0);
        shapes = {{B, T, H, K}, {B, T, H, K}};
        for (int64_t keys : {each * (past + T), chunks() * slots, fading_past + T, prefix}) shapes.push_back({B, keys, G, K}), shapes.push_back({B, keys, G, V});
        for (size_t i = 0; i < shapes.size(); i++) {
            int64_t n = 1;
            for (int64_t size : shapes[i]) n *= size;
            x.push_back(noise(n, -1.5, 1.5, static_cast<uint32_t>(i) + 1)), d.push_back(Values(static_cast<size_t>(n)));
        }
        for (double p : noise(B * chunks() * slots, 0, 1, 77)) present.push_back(p > 0.4);
        d_o = noise(B * T * H * V, -1, 1, 99), o.resize(d_o.size());
        solve();
    }

    // o and d from x and d_o.
    void solve() {
        for (Values& each : d) std::fill(each.begin(), each.end(), 0.0);
        std::fill(o.begin(), o.end(), 0.0);
        for (int64_t b = 0; b < B; b++)
            for (int64_t t = 0; t < T; t++)
                for (int64_t h = 0; h < H; h++) token(b, t, h);
    }

    struct Seen {
        int keys; // which input
        int64_t s;
    };

    std::vector<Seen> seen(int64_t b, int64_t t) const {
        std::vector<Seen> all;
        const int64_t c = (read[static_cast<size_t>(b)] + t) / chunk, known = lengths.empty() ? INT64_MAX : lengths[static_cast<size_t>(b)];
        const int64_t first = blocked ? (c - 1) * chunk - read[static_cast<size_t>(b)] : t - window + 1, last = offset >= 0 ? t - offset : first - 1;
        for (int64_t s = -past; s < T; s++)
            for (int64_t e = 0; e < each; e++)
                if (s >= first && s <= t && s >= -known && (blocked || window > 0)) all.push_back({Keys, (s + past) * each + e});
        for (int64_t m = 0; m < slots; m++)
            if (present[static_cast<size_t>((b * chunks() + c) * slots + m)]) all.push_back({SlotKeys, c * slots + m});
        for (int64_t i = 0; i < fading; i++)
            if (int64_t s = last - i * stride; s >= -std::min(fading_past, known)) all.push_back({FadingKeys, s + fading_past});
        for (int64_t s = 0; s < prefix; s++) all.push_back({PrefixKeys, s});
        return all;
    }

    size_t at(int input, int64_t b, int64_t s, int64_t h) const {
        const auto& shape = shapes[static_cast<size_t>(input)];
        return static_cast<size_t>(((b * shape[1] + s) * shape[2] + h) * shape[3]);
    }

    double scale() const { return 0.7; }

    // Whether input i has keys or queries that anybody sees.
    bool uses(int i) const { return (i != PrefixQ || own_prefix) && (blocked || window > 0 || (i != Keys && i != Reads)) && (fading > 0 || (i != FadingKeys && i != FadingReads)); }

    // All of a call but its tensors.
    void describe(memgen_segment_attention_args& a) const {
        a.struct_size = sizeof a, a.batch = B, a.tokens = T, a.heads = H, a.key_heads = G, a.key_dim = K, a.value_dim = V, a.keys_per_token = each;
        a.past = past, a.window = window, a.blocked = blocked, a.chunk = chunk, a.chunks = chunks(), a.slots = slots;
        a.fading_count = fading, a.fading_stride = stride, a.fading_offset = offset, a.fading_past = fading_past, a.prefix = prefix, a.scale = scale();
        a.read = read.data(), a.lengths = lengths.empty() ? nullptr : lengths.data(), a.present = present.data();
    }

    void token(int64_t b, int64_t t, int64_t h) {
        const std::vector<Seen> all = seen(b, t);
        const int64_t g = h * G / H;
        Values p;
        double top = -std::numeric_limits<double>::infinity(), sum = 0;
        for (const Seen& each : all) {
            const int q = each.keys == PrefixKeys && own_prefix ? PrefixQ : Q;
            double score = 0;
            for (int64_t i = 0; i < K; i++) score += x[q][at(q, b, t, h) + i] * x[each.keys][at(each.keys, b, each.s, g) + i];
            p.push_back(score * scale()), top = std::fmax(top, p.back());
        }
        for (double& value : p) sum += value = std::exp(value - top);
        const size_t out = at(Q, b, t, h) / static_cast<size_t>(std::max<int64_t>(K, 1)) * static_cast<size_t>(V);
        double inner = 0;
        for (size_t n = 0; n < all.size(); n++)
            for (int64_t i = 0; i < V; i++) o[out + i] += p[n] / sum * x[all[n].keys + 1][at(all[n].keys + 1, b, all[n].s, g) + i];
        for (int64_t i = 0; i < V; i++) inner += d_o[out + i] * o[out + i];
        for (size_t n = 0; n < all.size(); n++) {
            const int k = all[n].keys, v = k + 1, q = k == PrefixKeys && own_prefix ? PrefixQ : Q;
            const size_t key = at(k, b, all[n].s, g), value = at(v, b, all[n].s, g), query = at(q, b, t, h);
            double ds = -inner;
            for (int64_t i = 0; i < V; i++) ds += d_o[out + i] * x[v][value + i], d[v][value + i] += p[n] / sum * d_o[out + i];
            for (int64_t i = 0; i < K; i++) {
                d[q][query + i] += p[n] / sum * ds * scale() * x[k][key + i];
                d[k][key + i] += p[n] / sum * ds * scale() * x[q][query + i];
            }
        }
    }
};

// Where the inputs, in their order, and their gradients stand in a call.
std::vector<memgen_tensor*> inputs_of(memgen_segment_attention_args& a) { return {&a.q, &a.prefix_q, &a.k, &a.v, &a.slot_k, &a.slot_v, &a.fading_k, &a.fading_v, &a.prefix_k, &a.prefix_v}; }
std::vector<memgen_tensor*> gradients_of(memgen_segment_attention_args& a) { return {&a.d_q, &a.d_prefix_q, &a.d_k, &a.d_v, &a.d_slot_k, &a.d_slot_v, &a.d_fading_k, &a.d_fading_v, &a.d_prefix_k, &a.d_prefix_v}; }

std::vector<AttentionShape> attention_shapes() {
    std::vector<AttentionShape> all(1);
    auto add = [&](auto change) {
        AttentionShape s;
        change(s);
        all.push_back(s);
    };
    add([](AttentionShape& s) { s.blocked = true; });
    add([](AttentionShape& s) { s.blocked = true, s.T = 70, s.chunk = 16, s.read = {3, 15}, s.past = 31, s.fading_past = 31, s.K = 64, s.V = 32, s.fading = 20; });
    add([](AttentionShape& s) { s.T = 1, s.past = 40, s.window = 33, s.lengths = {7, 90}, s.read = {3, 1}; });
    add([](AttentionShape& s) { s.T = 1, s.H = 8, s.past = 5; });
    add([](AttentionShape& s) { s.T = 3, s.past = 170, s.window = 150, s.each = 2, s.prefix = 3, s.own_prefix = true, s.fading = 70, s.stride = 2, s.fading_past = 250, s.K = 40, s.V = 21; });
    add([](AttentionShape& s) { s.T = 4, s.past = 9, s.fading = 0, s.slots = 0, s.blocked = true; });
    add([](AttentionShape& s) { s.T = 2, s.window = 0, s.fading = 1, s.offset = 1, s.slots = 0; });
    add([](AttentionShape& s) { s.T = 130, s.window = 200, s.slots = 0, s.fading = 0, s.B = 1, s.K = 16, s.V = 16; });
    add([](AttentionShape& s) { s.T = 150, s.window = 40, s.fading = 30, s.slots = 9, s.chunk = 40, s.H = 1, s.G = 1, s.K = 33, s.V = 48; });
    add([](AttentionShape& s) { s.H = 12, s.G = 2, s.T = 37, s.K = 16, s.V = 7; });
    add([](AttentionShape& s) { s.H = 4, s.G = 1, s.window = 0, s.fading = 2, s.offset = 3; });
    add([](AttentionShape& s) { s.each = 3, s.prefix = 5, s.own_prefix = true, s.past = 4, s.T = 33; });
    add([](AttentionShape& s) { s.prefix = 70, s.T = 17, s.slots = 0, s.fading = 0; });
    add([](AttentionShape& s) { s.stride = 3, s.T = 50, s.fading_past = 9, s.chunk = 1; });
    add([](AttentionShape& s) { s.stride = 5, s.blocked = true, s.T = 50, s.chunk = 7, s.read = {6, 2}; });
    add([](AttentionShape& s) { s.fading_past = 12, s.past = 2, s.lengths = {0, 5}; });
    add([](AttentionShape& s) { s.T = 0; });
    add([](AttentionShape& s) { s.V = 0; });
    add([](AttentionShape& s) { s.K = 256, s.V = 200, s.T = 34, s.B = 1; });
    add([](AttentionShape& s) { s.K = 128, s.V = 100, s.T = 75, s.B = 1, s.G = 1, s.window = 70, s.prefix = 3; }); // two tiles of tokens and of keys
    return all;
}

std::string text(const AttentionShape& s) {
    return "T" + std::to_string(s.T) + " H" + std::to_string(s.H) + " G" + std::to_string(s.G) + " K" + std::to_string(s.K) + " V" + std::to_string(s.V) + " window " + std::to_string(s.window) +
           (s.blocked ? " blocked" : "") + " past " + std::to_string(s.past) + " fading " + std::to_string(s.fading) + " by " + std::to_string(s.stride) + " prefix " + std::to_string(s.prefix);
}

} // namespace
