// What every test of segments needs: an operator as a list of tensors, and the calls to compare.
#pragma once
#include "test.h"

namespace {

enum Kind { Token, State, Parameter }; // axes [B, T, ..], [N, ..], [..]

// A tensor among the arguments, or one of several.
template <class Args>
struct Place {
    typedef memgen_tensor Layers[MEMGEN_TITANS_LAYERS];

    Place(memgen_tensor Args::*one) : one(one) {}
    Place(Layers Args::*many, int layer) : many(many), layer(layer) {}
    memgen_tensor& of(Args& a) const { return one ? a.*one : (a.*many)[layer]; }

    memgen_tensor Args::*one = nullptr;
    Layers Args::*many = nullptr;
    int layer = 0;
};

template <class Args>
struct Entry {
    Place<Args> tensor;
    Kind kind;
    bool input;
    std::vector<int64_t> rest;
    double low = -1, high = 1;
};

template <class Args>
struct Operator {
    const char* name;
    std::vector<Entry<Args>> entries;
    std::function<void(Args&)> sizes; // those that are no batch and no tokens
    int64_t (*workspace)(const Args*, int32_t);
    int64_t (*checkpoints)(const Args*);
    memgen_status (*forward)(const Args*, void*, size_t, void*);
    memgen_status (*backward)(const Args*, void*, size_t, void*);
};

template <class Args>
inline void keep(Args& a, void* checkpoints, float*) { a.checkpoints = checkpoints; }
inline void keep(memgen_linear_attention_normalized_args& a, void* checkpoints, float* divisors) { a.checkpoints = checkpoints, a.divisors = divisors; }
inline void keep(memgen_linear_scan_args&, void*, float*) {}
inline void keep(memgen_causal_conv_args&, void*, float*) {}

struct Segment {
    int64_t start, length;
};

// A call: `values` of every entry that is an input, in its shape.
template <class Args>
struct Call {
    const Operator<Args>& op;
    std::vector<Field> fields;
    std::vector<int64_t> starts, lengths;
    std::vector<float> divisors;
    Args args{};

    Call(const Operator<Args>& op, int64_t B, int64_t T, const std::vector<Segment>* segments, const std::vector<Values>& values, int64_t padding) : op(op), divisors(B * T * 8, NAN) {
        args.struct_size = sizeof args, args.batch = B, args.tokens = T;
        op.sizes(args);
        int64_t N = segments ? static_cast<int64_t>(segments->size()) : B;
        if (segments) {
            for (const Segment& s : *segments) starts.push_back(s.start), lengths.push_back(s.length);
            starts.push_back(-1), lengths.push_back(-1); // never read, but keeps the pointers from being null
            args.segments = {N, starts.data(), lengths.data()};
        }
        for (size_t i = 0; i < op.entries.size(); i++) {
            const Entry<Args>& e = op.entries[i];
            std::vector<int64_t> shape = e.kind == Token ? std::vector<int64_t>{B, T} : e.kind == State ? std::vector<int64_t>{N} : std::vector<int64_t>{};
            shape.insert(shape.end(), e.rest.begin(), e.rest.end());
            fields.emplace_back(shape, padding, padding > 0 && shape.size() == 4 && e.kind == Token);
            if (e.input) fields.back().set(values[i]);
            e.tensor.of(args) = fields.back().tensor;
        }
    }

    void run() {
        Scratch kept(op.checkpoints ? op.checkpoints(&args) : 0), first(op.workspace(&args, 0)), second(op.workspace(&args, 1));
        keep(args, kept.data, divisors.data());
        EXPECT_STATUS(MEMGEN_OK, op.forward(&args, first.data, first.size, nullptr));
        if (op.backward) EXPECT_STATUS(MEMGEN_OK, op.backward(&args, second.data, second.size, nullptr));
    }
};

inline int64_t elements(const std::vector<int64_t>& shape) {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
}

template <class Args>
void check(const Operator<Args>& op, int64_t B, int64_t T, const std::vector<Segment>& segments, int64_t padding) {
    std::vector<bool> counts(B * T);
    for (const Segment& s : segments)
        for (int64_t t = 0; t < s.length; t++) counts[s.start + t] = true;

    std::vector<Values> values;
    for (size_t i = 0; i < op.entries.size(); i++) {
        const Entry<Args>& e = op.entries[i];
        int64_t size = elements(e.rest), first = e.kind == Token ? B * T : e.kind == State ? static_cast<int64_t>(segments.size()) : 1;
        values.push_back(noise(e.input ? first * size : 0, e.low, e.high, static_cast<uint32_t>(100 + i)));
        for (int64_t t = 0; e.input && e.kind == Token && t < B * T; t++)
            for (int64_t j = 0; j < size && !counts[t]; j++) values[i][t * size + j] = NAN;
    }
    Call<Args> together(op, B, T, &segments, values, padding);
    std::vector<Field*> results;
    for (size_t i = 0; i < op.entries.size(); i++)
        if (!op.entries[i].input && op.entries[i].kind != Token) results.push_back(&together.fields[i]);
    EXPECT_SAME_BITS([&] { together.run(); }, results);

    std::vector<Values> sums(op.entries.size());
    for (size_t n = 0; n < segments.size(); n++) {
        auto part = [&](const Entry<Args>& e) {
            int64_t size = elements(e.rest);
            return e.kind == Token ? std::make_pair(segments[n].start * size, segments[n].length * size) : e.kind == State ? std::make_pair(static_cast<int64_t>(n) * size, size) : std::make_pair(int64_t{0}, size);
        };
        std::vector<Values> own;
        for (size_t i = 0; i < op.entries.size(); i++) {
            auto [first, count] = part(op.entries[i]);
            own.emplace_back(op.entries[i].input ? Values(values[i].begin() + first, values[i].begin() + first + count) : Values());
        }
        Call<Args> alone(op, 1, segments[n].length, nullptr, own, padding);
        alone.run();
        for (size_t i = 0; i < op.entries.size(); i++) {
            const Entry<Args>& e = op.entries[i];
            auto [first, count] = part(e);
            if (e.input) continue;
            if (sums[i].empty()) sums[i].resize(elements(e.rest));
            bool same = true;
            for (int64_t j = 0; j < count; j++) {
                float expected = alone.fields[i].at(j), &actual = together.fields[i].at(first + j);
                if (e.kind == Parameter) sums[i][j] += expected;
                else same = same && !std::memcmp(&expected, &actual, sizeof expected);
            }
            if (!same) report_failure(__FILE__, __LINE__, std::string(op.name) + " entry " + std::to_string(i) + ": segment " + std::to_string(n) + " has other bits than alone");
        }
    }
    for (size_t i = 0; i < op.entries.size(); i++) {
        const Entry<Args>& e = op.entries[i];
        if (e.input) continue;
        if (e.kind == Parameter && !segments.empty()) EXPECT_CLOSE("sum over segments", op.name, together.fields[i].values(), sums[i], 1e-5);
        int64_t size = elements(e.rest);
        for (int64_t t = 0; e.kind == Token && t < B * T; t++)
            for (int64_t j = 0; j < size && !counts[t]; j++) EXPECT(together.fields[i].untouched(t * size + j));
        EXPECT(together.fields[i].padding_untouched());
    }
}

template <class Args>
void check_all(const Operator<Args>& op) {
    // Unordered, of very different lengths, with gaps before, between and after them.
    check(op, 2, 180, {{180 + 70, 3}, {0, 0}, {2, 131}, {140, 1}, {180, 64}, {360, 0}, {150, 5}}, 0);
    check(op, 2, 180, {{150, 5}, {2, 131}, {180, 64}}, 3);
    check(op, 1, 40, {{0, 17}, {17, 16}, {33, 7}}, 0);
    check(op, 3, 9, {{18, 9}, {0, 9}, {9, 9}}, 0);
    check(op, 1, 5, {}, 0);
    check(op, 1, 0, {{0, 0}, {0, 0}}, 0);
    check(op, 4, 1, {{0, 1}, {1, 0}, {2, 1}, {3, 0}}, 0);
}

} // namespace
