// Attention against the plain softmax in double precision.
#include "attention_oracle.h"

namespace {

struct Call {
    memgen_segment_attention_args a{};
    std::vector<Field> x, d;
    Field o, d_o;
    std::vector<float> logs;

    explicit Call(const AttentionProblem& p, bool swapped = false) : o({p.B, p.T, p.H, p.V}, 3, swapped), d_o({p.B, p.T, p.H, p.V}, 2), logs(static_cast<size_t>(p.B * p.T * p.H)) {
        for (size_t i = 0; i < p.shapes.size(); i++) {
            x.emplace_back(p.shapes[i], static_cast<int64_t>(i % 3), swapped), d.emplace_back(p.shapes[i], 1, !swapped);
            x[i].set(p.x[i]);
        }
        d_o.set(p.d_o);
        p.describe(a);
        a.logs = logs.data();
        for (int i = 0; i < Inputs; i++) {
            if (i == PrefixQ && !p.own_prefix) continue;
            *inputs_of(a)[i] = x[i].tensor, *gradients_of(a)[i] = d[i].tensor;
        }
        a.o = o.tensor, a.d_o = d_o.tensor;
    }

    void run() {
        Scratch forward(memgen_segment_attention_workspace_size(&a, 0)), backward(memgen_segment_attention_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_segment_attention_forward(&a, forward.data, forward.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_segment_attention_backward(&a, backward.data, backward.size, nullptr));
    }
};

TEST(segment_attention) {
    for (const AttentionShape& shape : attention_shapes()) {
        if (shape.T == 0) continue;
        AttentionProblem p(shape);
        for (bool swapped : {false, true}) {
            Call c(p, swapped);
            c.run();
            EXPECT_CLOSE("o", text(p), c.o.values(), p.o, ForwardLimit);
            EXPECT(c.o.padding_untouched());
            for (int i = 0; i < Inputs; i++) {
                if (p.uses(i)) EXPECT_CLOSE(("gradient " + std::to_string(i)).c_str(), text(p), c.d[i].values(), p.d[i], GradientLimit);
                EXPECT(c.d[i].padding_untouched());
            }
        }
    }
}

TEST(segment_attention_bits) {
    for (size_t i : {size_t(2), size_t(9), size_t(10)}) {
        AttentionProblem p(attention_shapes()[i]);
        Call c(p);
        std::vector<Field*> results = {&c.o};
        for (int i = 0; i < Inputs; i++)
            if (i != PrefixQ) results.push_back(&c.d[i]);
        EXPECT_SAME_BITS([&] { c.run(); }, results);
    }
}

// Scores far from zero leave weights as they are.
TEST(segment_attention_shift) {
    AttentionProblem p{AttentionShape{}};
    for (int i : {int(Keys), int(SlotKeys), int(FadingKeys)})
        for (size_t at = 0; at < p.x[i].size(); at += static_cast<size_t>(p.K)) p.x[i][at] = 0;
    for (size_t at = 0; at < p.x[Q].size(); at += static_cast<size_t>(p.K)) p.x[Q][at] = 1;
    Call plain(p);
    for (int i : {int(Keys), int(SlotKeys), int(FadingKeys)})
        for (size_t at = 0; at < p.x[i].size(); at += static_cast<size_t>(p.K)) p.x[i][at] = 1024;
    Call shifted(p);
    plain.run(), shifted.run();
    EXPECT_CLOSE("o", "scores + 717", shifted.o.values(), plain.o.values(), 5e-4); // 717 + score is rounded to 6e-5
}

TEST(segment_attention_arguments) {
    AttentionProblem p{AttentionShape{}};
    Call c(p);
    Scratch scratch(memgen_segment_attention_workspace_size(&c.a, 1));
    auto refused = [&](memgen_status status, const char* words, auto change) {
        memgen_segment_attention_args a = c.a;
        change(a);
        EXPECT_STATUS(status, memgen_segment_attention_forward(&a, scratch.data, scratch.size, nullptr));
        EXPECT(std::string(memgen_last_error()).find(words) != std::string::npos);
    };
    typedef memgen_segment_attention_args A;
    refused(MEMGEN_INVALID_ARGUMENT, "q is null", [](A& a) { a.q.data = nullptr; });
    refused(MEMGEN_INVALID_ARGUMENT, "slot_v is null", [](A& a) { a.slot_v.data = nullptr; });
    refused(MEMGEN_INVALID_ARGUMENT, "heads is no multiple", [](A& a) { a.heads = 3; });
    refused(MEMGEN_INVALID_ARGUMENT, "chunk is 0", [](A& a) { a.chunk = 0; });
    refused(MEMGEN_INVALID_ARGUMENT, "fading_stride is 0", [](A& a) { a.fading_stride = 0; });
    refused(MEMGEN_UNSUPPORTED_SHAPE, "key_dim is 2000", [](A& a) { a.key_dim = 2000; });
    refused(MEMGEN_UNSUPPORTED_STRIDE, "v: the stride", [](A& a) { a.v.stride[3] = 2; });
#ifndef MEMGEN_EMULATED // where what they point to is the device's
    const int64_t read[] = {0, 4}, lengths[] = {-1, 0};
    refused(MEMGEN_INVALID_ARGUMENT, "read is not within a chunk", [&](A& a) { a.read = read; });
    refused(MEMGEN_INVALID_ARGUMENT, "lengths is negative", [&](A& a) { a.lengths = lengths; });
    refused(MEMGEN_INVALID_ARGUMENT, "chunks is too small", [](A& a) { a.chunks = 2; });
#endif
    c.a.logs = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_segment_attention_backward(&c.a, scratch.data, scratch.size, nullptr));
}

} // namespace
