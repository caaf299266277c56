// The causal convolution against its definition in double precision.
#include "test.h"

namespace {

struct Problem {
    int64_t B, T, C, W;
    bool bias, initial;
    Values x, w, b, s, dy, ds;

    Problem(int64_t B, int64_t T, int64_t C, int64_t W, bool bias, bool initial, uint32_t seed) : B(B), T(T), C(C), W(W), bias(bias), initial(initial) {
        x = noise(B * T * C, -2, 2, seed), w = noise(C * W, -1, 1, seed + 1), b = noise(bias ? C : 0, -1, 1, seed + 2);
        s = noise(initial ? B * (W - 1) * C : 0, -2, 2, seed + 3), dy = noise(B * T * C, -1, 1, seed + 4), ds = noise(B * (W - 1) * C, -1, 1, seed + 5);
    }

    double input(int64_t row, int64_t t, int64_t c) const {
        if (t >= 0) return x[(row * T + t) * C + c];
        return initial ? s[(row * (W - 1) + t + W - 1) * C + c] : 0;
    }

    Values y() const {
        Values out(B * T * C);
        for (int64_t i = 0; i < B; i++)
            for (int64_t t = 0; t < T; t++)
                for (int64_t c = 0; c < C; c++) {
                    double z = bias ? b[c] : 0;
                    for (int64_t j = 0; j < W; j++) z += w[c * W + j] * input(i, t - W + 1 + j, c);
                    out[(i * T + t) * C + c] = z / (1 + std::exp(-z));
                }
        return out;
    }

    Values final_state() const {
        Values out(B * (W - 1) * C);
        for (int64_t i = 0; i < B; i++)
            for (int64_t j = 0; j < W - 1; j++)
                for (int64_t c = 0; c < C; c++) out[(i * (W - 1) + j) * C + c] = input(i, T - W + 1 + j, c);
        return out;
    }
};

struct Call {
    Field x, w, b, s, y, fs, dy, ds, dx, dw, db, dis;
    memgen_causal_conv_args a{};

    explicit Call(const Problem& p, int64_t padding = 0) {
        std::vector<int64_t> rows{p.B, p.T, p.C}, state{p.B, p.W - 1, p.C};
        x = Field(rows, padding), y = Field(rows, padding), dy = Field(rows, padding), dx = Field(rows, padding);
        w = Field({p.C, p.W}, padding), dw = Field({p.C, p.W}, padding);
        fs = Field(state, padding), ds = Field(state, padding);
        x.set(p.x), w.set(p.w), dy.set(p.dy), ds.set(p.ds);
        if (p.bias) b = Field({p.C}), b.set(p.b), db = Field({p.C});
        if (p.initial) s = Field(state, padding), s.set(p.s), dis = Field(state, padding);
        a.struct_size = sizeof a, a.batch = p.B, a.tokens = p.T, a.channels = p.C, a.width = p.W;
        a.x = x.tensor, a.weight = w.tensor, a.bias = b.tensor, a.initial_state = s.tensor, a.y = y.tensor, a.final_state = fs.tensor;
        a.d_y = dy.tensor, a.d_final_state = ds.tensor, a.d_x = dx.tensor, a.d_weight = dw.tensor, a.d_bias = db.tensor, a.d_initial_state = dis.tensor;
    }

    void run() {
        Scratch forward(memgen_causal_conv_workspace_size(&a, 0)), backward(memgen_causal_conv_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_causal_conv_forward(&a, forward.data, forward.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_causal_conv_backward(&a, backward.data, backward.size, nullptr));
    }
};

void compare(Problem p, int64_t padding) {
    char at[96];
    std::snprintf(at, sizeof at, "B%lld T%lld C%lld W%lld bias%d initial%d", (long long)p.B, (long long)p.T, (long long)p.C, (long long)p.W, p.bias, p.initial);
    Call c(p, padding);
    c.run();
    EXPECT_CLOSE("y", at, c.y.values(), p.y(), ForwardLimit);
    EXPECT_CLOSE("final_state", at, c.fs.values(), p.final_state(), 0);
    auto loss = [&] { return inner(p.y(), p.dy) + inner(p.final_state(), p.ds); };
    EXPECT_CLOSE("d_x", at, c.dx.values(), numeric_gradient(p.x, loss), GradientLimit);
    EXPECT_CLOSE("d_weight", at, c.dw.values(), numeric_gradient(p.w, loss), GradientLimit);
    if (p.bias) EXPECT_CLOSE("d_bias", at, c.db.values(), numeric_gradient(p.b, loss), GradientLimit);
    if (p.initial) EXPECT_CLOSE("d_initial_state", at, c.dis.values(), numeric_gradient(p.s, loss), GradientLimit);
    for (Field* f : {&c.y, &c.fs, &c.dx, &c.dw, &c.db, &c.dis})
        if (f->tensor.data) EXPECT(f->padding_untouched());
}

TEST(conv_shapes) {
    for (bool bias : {true, false})
        for (bool initial : {true, false}) {
            compare(Problem(2, 9, 19, 4, bias, initial, 1), 3);
            compare(Problem(1, 2, 5, 4, bias, initial, 2), 0);
            compare(Problem(1, 1, 16, 4, bias, initial, 3), 1);
            compare(Problem(2, 0, 4, 4, bias, initial, 4), 0);
            compare(Problem(1, 6, 3, 1, bias, initial, 5), 0);
            compare(Problem(1, 5, 17, 9, bias, initial, 6), 2);
            compare(Problem(0, 5, 4, 4, bias, initial, 7), 0);
        }
    compare(Problem(1, 140, 1, 4, true, true, 8), 0);
    compare(Problem(1, 2, 150, 3, true, true, 9), 0);
}

TEST(conv_same_bits_for_any_number_of_threads) {
    Problem p(3, 300, 40, 4, true, true, 10);
    Call c(p);
    EXPECT_SAME_BITS([&] { c.run(); }, {&c.y, &c.dx, &c.dw, &c.db, &c.dis});
}

TEST(conv_nan_stays_in_its_row) {
    Problem p(3, 20, 8, 4, false, true, 11), bad = p;
    bad.x[20 * 8 + 3] = NAN, bad.s[3 * 8] = NAN;
    Call good(p), poisoned(bad);
    good.run(), poisoned.run();
    for (Field Call::*field : {&Call::y, &Call::dx, &Call::fs})
        for (int64_t i = 0, row = (good.*field).size() / 3; i < (good.*field).size(); i++)
            if (i / row != 1) EXPECT((good.*field).at(i) == (poisoned.*field).at(i));
}

TEST(conv_refuses_bad_arguments) {
    Problem p(1, 4, 4, 4, true, true, 12);
    Call c(p);
    Scratch scratch(memgen_causal_conv_workspace_size(&c.a, 1));
    auto forward = [&](auto change) {
        memgen_causal_conv_args a = c.a;
        change(a);
        return memgen_causal_conv_forward(&a, scratch.data, scratch.size, nullptr);
    };
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.width = 0; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, forward([](auto& a) { a.width = 17; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, forward([](auto& a) { a.x.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, forward([](auto& a) { a.weight.stride[1] = 4; }));
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_causal_conv_backward(&c.a, scratch.data, 64, nullptr));
}

} // namespace
