// The Titans memory against its definition in double precision.
#include "titans_oracle.h"

namespace {

struct Call {
    Field q, k, v, theta, eta, alpha, gamma, o, d_o, dq, dk, dv, dtheta, deta, dalpha, dgamma;
    std::vector<Field> W, S, target, fW, fS, dfW, dfS, dW, dS, dtarget;
    memgen_titans_args a{};

    explicit Call(const TitansProblem& p, int64_t pad = 0) {
        std::vector<int64_t> in{p.B, p.T, p.H, p.dims.front()}, out{p.B, p.T, p.H, p.dims.back()}, gates{p.B, p.T, p.H};
        q = Field(in, pad), k = Field(in, pad), v = Field(out, pad), o = Field(out, pad), d_o = Field(out, pad), dq = Field(in, pad), dk = Field(in, pad), dv = Field(out, pad);
        theta = Field(gates), eta = Field(gates), alpha = Field(gates), dtheta = Field(gates), deta = Field(gates), dalpha = Field(gates);
        gamma = Field({p.B, p.H, p.dims.back()}, pad), dgamma = Field({p.B, p.H, p.dims.back()}, pad);
        a.gamma = gamma.set(p.gamma).tensor, a.d_gamma = dgamma.tensor;
        q.set(p.q), k.set(p.k), v.set(p.v), theta.set(p.theta), eta.set(p.eta), alpha.set(p.alpha), d_o.set(p.d_o);
        a.struct_size = sizeof a, a.batch = p.B, a.tokens = p.T, a.heads = p.H, a.block = p.block, a.layers = (int64_t)p.layers();
        for (size_t l = 0; l < p.dims.size(); l++) a.dims[l] = p.dims[l];
        for (size_t l = 0; l < p.layers(); l++) {
            std::vector<int64_t> dims{p.B, p.H, p.dims[l], p.dims[l + 1]};
            for (auto* all : {&W, &S, &target, &fW, &fS, &dfW, &dfS, &dW, &dS, &dtarget}) all->emplace_back(dims, pad);
            W[l].set(p.W[l]), S[l].set(p.S[l]), dfW[l].set(p.dW[l]), dfS[l].set(p.dS[l]);
            a.initial_weights[l] = W[l].tensor, a.final_weights[l] = fW[l].tensor, a.final_momenta[l] = fS[l].tensor, a.d_final_weights[l] = dfW[l].tensor, a.d_final_momenta[l] = dfS[l].tensor, a.d_initial_weights[l] = dW[l].tensor;
            a.target[l] = target[l].set(p.target[l]).tensor, a.d_target[l] = dtarget[l].tensor;
            if (p.momentum) a.initial_momenta[l] = S[l].tensor, a.d_initial_momenta[l] = dS[l].tensor;
        }
        a.q = q.tensor, a.k = k.tensor, a.v = v.tensor, a.theta = theta.tensor, a.eta = eta.tensor, a.alpha = alpha.tensor, a.o = o.tensor, a.d_o = d_o.tensor;
        a.d_q = dq.tensor, a.d_k = dk.tensor, a.d_v = dv.tensor, a.d_theta = dtheta.tensor, a.d_eta = deta.tensor, a.d_alpha = dalpha.tensor;
        a.activation = p.gelu ? MEMGEN_TITANS_GELU : MEMGEN_TITANS_SILU, a.reads_block_start = p.reads_block_start, a.momentum = p.has_eta, a.decays_to_target = p.has_target, a.residual = p.has_residual, a.clip = p.clip;
        if (!p.has_eta) a.eta.data = a.d_eta.data = nullptr;
        if (!p.has_alpha) a.alpha.data = a.d_alpha.data = nullptr;
    }

    void run() {
        Scratch first(memgen_titans_workspace_size(&a, 0)), second(memgen_titans_workspace_size(&a, 1)), kept(memgen_titans_checkpoint_size(&a));
        a.checkpoints = kept.data;
        EXPECT_STATUS(MEMGEN_OK, memgen_titans_forward(&a, first.data, first.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_titans_backward(&a, second.data, second.size, nullptr));
    }

    std::vector<Field*> results() {
        std::vector<Field*> all{&o, &dq, &dk, &dv, &dtheta, &deta, &dalpha};
        for (auto* fields : {&fW, &fS, &dW, &dtarget})
            for (Field& f : *fields) all.push_back(&f);
        if (a.residual) all.push_back(&dgamma);
        return all;
    }
};

void compare_one(TitansProblem p, int64_t pad) {
    Call c(p, pad);
    c.run();
    std::string at = p.text();
    std::vector<Values> weights, momenta;
    EXPECT_CLOSE("o", at, c.o.values(), p.o(weights, momenta), ForwardLimit);
    auto loss = [&] { return p.loss(); };
    for (size_t l = 0; l < p.layers(); l++) {
        EXPECT_CLOSE("final_weights", at, c.fW[l].values(), weights[l], ForwardLimit);
        if (p.has_eta) EXPECT_CLOSE("final_momenta", at, c.fS[l].values(), momenta[l], ForwardLimit);
        EXPECT_CLOSE("d_initial_weights", at, c.dW[l].values(), numeric_gradient(p.W[l], loss), GradientLimit);
        if (p.momentum) EXPECT_CLOSE("d_initial_momenta", at, c.dS[l].values(), numeric_gradient(p.S[l], loss), GradientLimit);
        if (p.has_target) EXPECT_CLOSE("d_target", at, c.dtarget[l].values(), numeric_gradient(p.target[l], loss), GradientLimit);
        else EXPECT(c.dtarget[l].untouched(0));
    }
    EXPECT_CLOSE("d_q", at, c.dq.values(), numeric_gradient(p.q, loss), GradientLimit);
    EXPECT_CLOSE("d_k", at, c.dk.values(), numeric_gradient(p.k, loss), GradientLimit);
    EXPECT_CLOSE("d_v", at, c.dv.values(), numeric_gradient(p.v, loss), GradientLimit);
    EXPECT_CLOSE("d_theta", at, c.dtheta.values(), numeric_gradient(p.theta, loss), GradientLimit);
    if (p.has_eta) EXPECT_CLOSE("d_eta", at, c.deta.values(), numeric_gradient(p.eta, loss), GradientLimit);
    if (p.has_alpha) EXPECT_CLOSE("d_alpha", at, c.dalpha.values(), numeric_gradient(p.alpha, loss), GradientLimit);
    if (p.has_residual) EXPECT_CLOSE("d_gamma", at, c.dgamma.values(), numeric_gradient(p.gamma, loss), GradientLimit);
    else EXPECT(c.dgamma.untouched(0));
    for (Field* f : c.results()) EXPECT(f->padding_untouched());
}

void compare(TitansProblem p, int64_t pad = 0) {
    for (bool target : {false, true})
        p.has_target = target, compare_one(p, pad);
}

TEST(titans_linear) {
    for (bool momentum : {true, false}) {
        compare(TitansProblem(2, 11, 2, 4, {3, 5}, momentum, 1), 2);
        compare(TitansProblem(1, 7, 1, 1, {4, 3}, momentum, 2));
        compare(TitansProblem(1, 20, 1, 16, {2, 2}, momentum, 3));
        compare(TitansProblem(1, 5, 1, 16, {17, 3}, momentum, 4), 1);
        compare(TitansProblem(1, 40, 1, 20, {2, 3}, momentum, 5));
        compare(TitansProblem(1, 0, 2, 16, {2, 3}, momentum, 6));
    }
}

TEST(titans_perceptron) {
    for (bool momentum : {true, false}) {
        compare(TitansProblem(1, 9, 2, 4, {3, 5, 3}, momentum, 11), 2);
        compare(TitansProblem(1, 5, 1, 1, {2, 4, 3}, momentum, 12));
        compare(TitansProblem(1, 19, 1, 16, {2, 3, 2}, momentum, 13));
        compare(TitansProblem(1, 6, 1, 3, {2, 3, 4, 2}, momentum, 14));
        compare(TitansProblem(1, 4, 1, 2, {2, 2, 3, 2, 2}, momentum, 15));
    }
}

TEST(titans_variants) {
    for (int bits = 1; bits < 16; bits++)
        for (std::vector<int64_t> dims : {std::vector<int64_t>{3, 2}, std::vector<int64_t>{3, 4, 2}}) {
            TitansProblem p(1, 9, 2, 4, dims, false, 31);
            p.gelu = bits & 1, p.reads_block_start = bits & 2, p.has_eta = !(bits & 4), p.has_alpha = !(bits & 8);
            compare(p, 1);
        }
}

TEST(titans_clipped) {
    for (std::vector<int64_t> dims : {std::vector<int64_t>{3, 2}, std::vector<int64_t>{3, 4, 2}, std::vector<int64_t>{2, 3, 4, 2}}) {
        TitansProblem p(1, 9, 2, 4, dims, true, 51);
        std::vector<Values> weights, momenta;
        for (p.clip = 4; p.clipped < 6;) p.clip /= 2, p.clipped = 0, p.o(weights, momenta);
        EXPECT(p.clipped < 18); // of 18 tokens: some are clipped, some are not
        compare(p, 1);
    }
}

// Several checkpoints, the last of them with no, one and more blocks after it.
TEST(titans_long_chains) {
    for (int64_t T : {10, 11, 19, 28}) compare(TitansProblem(2, T, 2, 1, {5, 4}, true, 41));
    for (int64_t T : {37, 39, 75}) compare(TitansProblem(1, T, 1, 2, {2, 9, 2}, true, 42));
    compare(TitansProblem(1, 20, 1, 2, {4, 4}, true, 43));
}

// The definition's error of f(k), which is written as a formula, is a gradient.
TEST(titans_residual_oracle) {
    const TitansProblem p = TitansProblem(1, 1, 2, 1, {5, 4, 5}, false, 61).with_residual();
    for (size_t chain : {0, 1}) {
        Values output = p.layers_of(&p.k[chain * 5], p.W, chain).back();
        auto loss = [&] {
            Values y = output;
            double sum = 0;
            TitansProblem::normalize(y);
            for (size_t j = 0; j < 5; j++) y[j] = p.k[chain * 5 + j] + p.gamma[chain * 5 + j] * y[j] - p.v[chain * 5 + j], sum += y[j] * y[j] / 2;
            return sum;
        };
        EXPECT_CLOSE("error", p.text(), p.error(output, &p.k[chain * 5], &p.v[chain * 5], chain), numeric_gradient(output, loss), 1e-8);
    }
}

TEST(titans_residual) {
    for (bool momentum : {true, false}) {
        compare(TitansProblem(2, 11, 2, 4, {5, 5}, momentum, 71).with_residual(), 2);
        compare(TitansProblem(1, 7, 1, 1, {4, 4}, momentum, 72).with_residual());
        compare(TitansProblem(1, 20, 1, 16, {6, 6}, momentum, 73).with_residual());
        compare(TitansProblem(1, 3, 1, 16, {17, 17}, momentum, 74).with_residual(), 1);
        compare(TitansProblem(1, 5, 1, 4, {16, 16}, momentum, 75).with_residual());
        compare(TitansProblem(1, 40, 1, 20, {3, 3}, momentum, 76).with_residual());
        compare(TitansProblem(1, 9, 2, 4, {4, 5, 4}, momentum, 77).with_residual(), 2);
        compare(TitansProblem(1, 19, 1, 16, {4, 3, 4}, momentum, 78).with_residual());
        compare(TitansProblem(1, 6, 1, 3, {4, 3, 5, 4}, momentum, 79).with_residual());
    }
}

TEST(titans_residual_variants) {
    for (int bits = 0; bits < 32; bits++)
        for (std::vector<int64_t> dims : {std::vector<int64_t>{4, 4}, std::vector<int64_t>{4, 5, 4}}) {
            TitansProblem p = TitansProblem(1, 9, 2, 4, dims, false, 81).with_residual();
            p.gelu = bits & 1, p.reads_block_start = bits & 2, p.has_eta = !(bits & 4), p.has_alpha = !(bits & 8), p.clip = bits & 16 ? 0.5 : 0;
            compare(p, 1);
        }
}

// Several checkpoints.
TEST(titans_residual_long_chains) {
    compare(TitansProblem(2, 28, 2, 1, {5, 5}, true, 91).with_residual());
    compare(TitansProblem(1, 39, 1, 2, {4, 5, 4}, true, 92).with_residual());
}

TEST(titans_residual_same_bits_for_any_number_of_threads) {
    TitansProblem p = TitansProblem(2, 70, 2, 16, {24, 40, 24}, true, 21).with_residual();
    p.has_target = true;
    Call c(p);
    EXPECT_SAME_BITS([&] { c.run(); }, c.results());
}

// gamma may be one for all rows.
TEST(titans_gamma_of_all_rows) {
    TitansProblem p = TitansProblem(3, 20, 2, 8, {5, 7, 5}, true, 24).with_residual();
    for (size_t i = 0; i < p.gamma.size(); i++) p.gamma[i] = p.gamma[i % 10];
    Call each(p), all(p);
    all.a.gamma.stride[0] = 0;
    each.run(), all.run();
    for (size_t f = 0; f < each.results().size(); f++) EXPECT(same_bits(*each.results()[f], *all.results()[f]));
}

TEST(titans_same_bits_for_any_number_of_threads) {
    TitansProblem p(2, 70, 2, 16, {24, 40, 24}, true, 21);
    p.has_target = true;
    Call c(p);
    EXPECT_SAME_BITS([&] { c.run(); }, c.results());
}

// A target may be one matrix for all rows, and an absent one is zero.
TEST(titans_target_of_all_rows) {
    TitansProblem p(3, 20, 2, 8, {5, 7, 3}, true, 24);
    p.has_target = true;
    for (size_t i = 0; i < p.target[0].size(); i++) p.target[0][i] = p.target[0][i % (p.target[0].size() / 3)];
    for (double& x : p.target[1]) x = 0;
    Call each(p), all(p);
    all.a.target[0].stride[0] = 0, all.a.target[1].data = nullptr;
    each.run(), all.run();
    for (size_t f = 0; f < each.results().size(); f++) EXPECT(same_bits(*each.results()[f], *all.results()[f]));
}

TEST(titans_nan_stays_in_its_row) {
    TitansProblem p(3, 20, 1, 8, {4, 6, 4}, true, 22);
    p.has_target = p.has_residual = true;
    TitansProblem bad = p;
    bad.k[20 * 4 + 5] = NAN;
    Call good(p), poisoned(bad);
    good.run(), poisoned.run();
    for (size_t f = 0; f < good.results().size(); f++) {
        Field &g = *good.results()[f], &b = *poisoned.results()[f];
        for (int64_t i = 0, row = g.size() / 3; i < g.size(); i++)
            if (i / row != 1) EXPECT(g.at(i) == b.at(i));
    }
    EXPECT(std::isnan(poisoned.o.at(20 * 4 + 10 * 4)));
}

TEST(titans_refuses_bad_arguments) {
    TitansProblem p(1, 40, 1, 4, {3, 3}, true, 23);
    Call c(p);
    Scratch kept(memgen_titans_checkpoint_size(&c.a));
    c.a.checkpoints = kept.data;
    auto backward = [&](auto change) {
        memgen_titans_args a = c.a;
        change(a);
        Scratch scratch(memgen_titans_workspace_size(&a, 1));
        return memgen_titans_backward(&a, scratch.data, scratch.size, nullptr);
    };
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, backward([](auto& a) { a.layers = 5; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, backward([](auto& a) { a.block = 0; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, backward([](auto& a) { a.block = 129; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, backward([](auto& a) { a.dims[1] = 0; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, backward([](auto& a) { a.theta.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, backward([](auto& a) { a.activation = 2; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, backward([](auto& a) { a.clip = -1; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, backward([](auto& a) { a.clip = NAN; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, backward([](auto& a) { a.initial_weights[0].stride[3] = 2; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, backward([](auto& a) { a.decays_to_target = 1, a.target[0].stride[3] = 2; }));
    EXPECT_STATUS(MEMGEN_OK, backward([](auto& a) { a.residual = 1; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, backward([](auto& a) { a.residual = 1, a.dims[1] = 4; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, backward([](auto& a) { a.residual = 1, a.gamma.data = nullptr; }));
    if (memgen_titans_checkpoint_size(&c.a) > 0) EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, backward([](auto& a) { a.checkpoints = nullptr; }));
}

} // namespace
