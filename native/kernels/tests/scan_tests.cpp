// The scans against their definitions in double precision.
#include "test.h"

namespace {

struct Linear {
    int64_t B, T, C;
    bool initial;
    Values a, b, s, dh, ds;

    Linear(int64_t B, int64_t T, int64_t C, bool initial, uint32_t seed) : B(B), T(T), C(C), initial(initial) {
        a = noise(B * T * C, -0.2, 1, seed), b = noise(B * T * C, -1, 1, seed + 1), s = noise(initial ? B * C : 0, -1, 1, seed + 2), dh = noise(B * T * C, -1, 1, seed + 3), ds = noise(B * C, -1, 1, seed + 4);
    }

    Values h(Values& last) const {
        Values out(B * T * C);
        last = initial ? s : Values(B * C, 0.0);
        for (int64_t r = 0; r < B; r++)
            for (int64_t t = 0; t < T; t++)
                for (int64_t c = 0; c < C; c++) {
                    int64_t i = (r * T + t) * C + c;
                    out[i] = last[r * C + c] = a[i] * last[r * C + c] + b[i];
                }
        return out;
    }
};

TEST(linear_scan) {
    for (bool initial : {true, false})
        for (Linear p : {Linear(2, 9, 19, initial, 1), Linear(1, 5, 32, initial, 2), Linear(1, 1, 3, initial, 3), Linear(2, 0, 4, initial, 4), Linear(3, 4, 0, initial, 5), Linear(1, 3, 300, initial, 6)}) {
            std::vector<int64_t> rows{p.B, p.T, p.C}, state{p.B, p.C};
            Field a(rows, 3), b(rows, 2), s, h(rows, 1), hs(state), dh(rows, 2), ds(state), da(rows, 5), db(rows), dis;
            a.set(p.a), b.set(p.b), dh.set(p.dh), ds.set(p.ds);
            if (initial) s = Field(state, 1), s.set(p.s), dis = Field(state, 2);
            memgen_linear_scan_args x{};
            x.struct_size = sizeof x, x.batch = p.B, x.tokens = p.T, x.channels = p.C, x.a = a.tensor, x.b = b.tensor, x.initial_state = s.tensor, x.h = h.tensor, x.final_state = hs.tensor;
            x.d_h = dh.tensor, x.d_final_state = ds.tensor, x.d_a = da.tensor, x.d_b = db.tensor, x.d_initial_state = dis.tensor;
            auto call = [&] {
                Scratch first(memgen_linear_scan_workspace_size(&x, 0)), second(memgen_linear_scan_workspace_size(&x, 1));
                EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_forward(&x, first.data, first.size, nullptr));
                EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_backward(&x, second.data, second.size, nullptr));
            };
            EXPECT_SAME_BITS(call, {&h, &hs, &da, &db, &dis});
            Values last, expected = p.h(last);
            auto loss = [&] {
                Values end, all = p.h(end);
                return inner(all, p.dh) + inner(end, p.ds);
            };
            std::string at = "T" + std::to_string(p.T) + " C" + std::to_string(p.C);
            EXPECT_CLOSE("h", at, h.values(), expected, ForwardLimit);
            EXPECT_CLOSE("final_state", at, hs.values(), last, ForwardLimit);
            EXPECT_CLOSE("d_a", at, da.values(), numeric_gradient(p.a, loss), GradientLimit);
            EXPECT_CLOSE("d_b", at, db.values(), numeric_gradient(p.b, loss), GradientLimit);
            if (initial) EXPECT_CLOSE("d_initial_state", at, dis.values(), numeric_gradient(p.s, loss), GradientLimit);
            EXPECT(h.padding_untouched() && da.padding_untouched());
        }
}

struct Selective {
    int64_t B, T, C, N;
    bool skip, initial;
    Values u, delta, A, Bm, Cm, D, s, dy, ds;
    Values du, d_delta, dA, dB, dC, dD, dis;

    Selective(int64_t B, int64_t T, int64_t C, int64_t N, bool skip, bool initial, uint32_t seed) : B(B), T(T), C(C), N(N), skip(skip), initial(initial) {
        u = noise(B * T * C, -1, 1, seed), delta = noise(B * T * C, 0, 0.5, seed + 1), A = noise(C * N, -4, -0.1, seed + 2), Bm = noise(B * T * N, -1, 1, seed + 3), Cm = noise(B * T * N, -1, 1, seed + 4);
        D = noise(skip ? C : 0, -1, 1, seed + 5), s = noise(initial ? B * C * N : 0, -1, 1, seed + 6), dy = noise(B * T * C, -1, 1, seed + 7), ds = noise(B * C * N, -1, 1, seed + 8);
    }

    Values y(Values& last) const {
        Values out(B * T * C);
        last = initial ? s : Values(B * C * N, 0.0);
        for (int64_t r = 0; r < B; r++)
            for (int64_t t = 0; t < T; t++)
                for (int64_t c = 0; c < C; c++) {
                    int64_t i = (r * T + t) * C + c;
                    if (skip) out[i] = D[c] * u[i];
                    for (int64_t n = 0; n < N; n++) {
                        double& x = last[(r * C + c) * N + n];
                        x = std::exp(delta[i] * A[c * N + n]) * x + delta[i] * u[i] * Bm[(r * T + t) * N + n];
                        out[i] += Cm[(r * T + t) * N + n] * x;
                    }
                }
        return out;
    }

    double loss() const {
        Values end, all = y(end);
        return inner(all, dy) + inner(end, ds);
    }
};

struct SelectiveCall {
    Field u, delta, A, Bm, Cm, D, s, y, fs, dy, ds, du, dd, dA, dB, dC, dD, dis;
    memgen_selective_scan_args a{};
    std::vector<float> checkpoints;

    explicit SelectiveCall(const Selective& p, int64_t pad = 0) {
        std::vector<int64_t> rows{p.B, p.T, p.C}, gates{p.B, p.T, p.N}, state{p.B, p.C, p.N}, rates{p.C, p.N};
        auto make = [&](const std::vector<int64_t>& dims) { return Field(dims, pad); };
        u = make(rows), delta = make(rows), y = make(rows), dy = make(rows), du = make(rows), dd = make(rows);
        Bm = make(gates), Cm = make(gates), dB = make(gates), dC = make(gates), A = make(rates), dA = make(rates), fs = make(state), ds = make(state);
        u.set(p.u), delta.set(p.delta), dy.set(p.dy), Bm.set(p.Bm), Cm.set(p.Cm), A.set(p.A), ds.set(p.ds);
        if (p.skip) D = Field({p.C}), D.set(p.D), dD = Field({p.C});
        if (p.initial) s = make(state), s.set(p.s), dis = make(state);
        a.struct_size = sizeof a, a.batch = p.B, a.tokens = p.T, a.channels = p.C, a.state_dim = p.N;
        a.u = u.tensor, a.delta = delta.tensor, a.A = A.tensor, a.B = Bm.tensor, a.C = Cm.tensor, a.D = D.tensor, a.initial_state = s.tensor, a.y = y.tensor, a.final_state = fs.tensor;
        a.d_y = dy.tensor, a.d_final_state = ds.tensor, a.d_u = du.tensor, a.d_delta = dd.tensor, a.d_A = dA.tensor, a.d_B = dB.tensor, a.d_C = dC.tensor, a.d_D = dD.tensor, a.d_initial_state = dis.tensor;
        checkpoints.assign(memgen_selective_scan_checkpoint_size(&a) / sizeof(float) + 16, NAN);
        a.checkpoints = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(checkpoints.data()) + 63) / 64 * 64);
    }

    void run() {
        Scratch first(memgen_selective_scan_workspace_size(&a, 0)), second(memgen_selective_scan_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_selective_scan_forward(&a, first.data, first.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_selective_scan_backward(&a, second.data, second.size, nullptr));
    }

    std::vector<Field*> results() { return {&y, &fs, &du, &dd, &dA, &dB, &dC, &dD, &dis}; }
};

TEST(selective_scan) {
    for (bool skip : {true, false})
        for (bool initial : {true, false})
            for (Selective p : {Selective(2, 7, 5, 3, skip, initial, 1), Selective(1, 3, 18, 4, skip, initial, 2), Selective(1, 1, 2, 1, skip, initial, 3), Selective(1, 0, 3, 2, skip, initial, 4), Selective(1, 4, 3, 0, skip, initial, 5), Selective(1, 70, 2, 2, skip, initial, 6), Selective(1, 2, 140, 1, skip, initial, 7), Selective(2, 1, 9, 16, skip, initial, 8), Selective(1, 1, 130, 13, skip, initial, 9)}) {
                std::string at = "T" + std::to_string(p.T) + " C" + std::to_string(p.C) + " N" + std::to_string(p.N);
                SelectiveCall c(p, p.T == 7 ? 3 : 0);
                c.run();
                Values last, expected = p.y(last);
                EXPECT_CLOSE("y", at, c.y.values(), expected, ForwardLimit);
                EXPECT_CLOSE("final_state", at, c.fs.values(), last, ForwardLimit);
                auto loss = [&] { return p.loss(); };
                EXPECT_CLOSE("d_u", at, c.du.values(), numeric_gradient(p.u, loss), GradientLimit);
                EXPECT_CLOSE("d_delta", at, c.dd.values(), numeric_gradient(p.delta, loss), GradientLimit);
                EXPECT_CLOSE("d_A", at, c.dA.values(), numeric_gradient(p.A, loss), GradientLimit);
                EXPECT_CLOSE("d_B", at, c.dB.values(), numeric_gradient(p.Bm, loss), GradientLimit);
                EXPECT_CLOSE("d_C", at, c.dC.values(), numeric_gradient(p.Cm, loss), GradientLimit);
                if (skip) EXPECT_CLOSE("d_D", at, c.dD.values(), numeric_gradient(p.D, loss), GradientLimit);
                if (initial) EXPECT_CLOSE("d_initial_state", at, c.dis.values(), numeric_gradient(p.s, loss), GradientLimit);
                for (Field* f : c.results())
                    if (f->tensor.data) EXPECT(f->padding_untouched());
            }
}

TEST(selective_scan_same_bits_for_any_number_of_threads) {
    SelectiveCall c(Selective(2, 150, 300, 16, true, true, 8));
    EXPECT_SAME_BITS([&] { c.run(); }, c.results());
}

TEST(selective_scan_strong_decays) {
    for (double rate : {-0.0, -100.0, -1e4, -1e30}) {
        Selective p(1, 20, 4, 2, false, true, 9);
        for (double& x : p.A) x = rate;
        SelectiveCall c(p);
        c.run();
        Values last;
        EXPECT_CLOSE("y", std::to_string(rate), c.y.values(), p.y(last), ForwardLimit);
        for (Field* f : {&c.du, &c.dd, &c.dB, &c.dC, &c.dis})
            for (double x : f->values()) EXPECT(std::isfinite(x));
    }
}

// A state of one that a token leaves e^(delta A) of, and writes nothing into. delta A is rounded, which moves e^x by |x| times as much.
TEST(selective_scan_decays_are_rounded_alone) {
    Selective p(1, 1, 4096, 1, false, true, 12);
    for (int64_t c = 0; c < p.C; c++) p.delta[c] = 1, p.u[c] = 0, p.s[c] = 1, p.A[c] = -86.0 * c / (p.C - 1);
    for (int64_t c = 0; c < 64; c++) p.A[c] /= 1 << c % 20;
    p.A[1] = -INFINITY, p.A[2] = -200, p.A[3] = 3;
    SelectiveCall call(p);
    call.run();
    EXPECT(call.fs.at(0) == 1.0f);
    for (int64_t c = 1; c < p.C; c++) {
        double x = static_cast<float>(p.A[c]), expected = std::exp(x);
        EXPECT(std::fabs(call.fs.at(c) - expected) <= (2.5e-7 + (std::isinf(x) ? 0 : std::fabs(x) * 1.3e-7)) * expected + 1.2e-38);
    }
}

TEST(selective_scan_nan_stays_in_its_row) {
    Selective p(3, 40, 20, 3, false, true, 10), bad = p;
    bad.u[40 * 20 + 7] = NAN, bad.s[20 * 3 + 1] = NAN;
    SelectiveCall good(p), poisoned(bad);
    good.run(), poisoned.run();
    for (auto pair : {std::make_pair(&good.y, &poisoned.y), std::make_pair(&good.du, &poisoned.du), std::make_pair(&good.dd, &poisoned.dd), std::make_pair(&good.dB, &poisoned.dB), std::make_pair(&good.dC, &poisoned.dC), std::make_pair(&good.dis, &poisoned.dis)})
        for (int64_t i = 0, row = pair.first->size() / 3; i < pair.first->size(); i++)
            if (i / row != 1) EXPECT(pair.first->at(i) == pair.second->at(i));
}

} // namespace
