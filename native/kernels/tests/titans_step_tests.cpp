// One token of a Titans memory against its definition in double precision.
#include "titans_oracle.h"

namespace {

// The last token of a problem whose tokens are the beginning of one block.
struct Step {
    Field q, k, v, theta, eta, alpha, past_k, past_v, past_theta, past_eta, past_alpha, gamma, o;
    std::vector<Field> W, S, target, fW, fS;
    memgen_titans_step_args a{};

    explicit Step(const TitansProblem& p, int64_t pad = 0, bool ends = true) {
        const int64_t R = p.T - 1;
        auto split = [&](const Values& all, int64_t width, Field& past, Field& own) {
            Values before, last;
            for (int64_t b = 0; b < p.B; b++)
                for (int64_t t = 0; t < p.T; t++)
                    for (int64_t i = 0; i < p.H * width; i++) (t < R ? before : last).push_back(all[(b * p.T + t) * p.H * width + i]);
            past = width == 1 ? Field({p.B, R, p.H}) : Field({p.B, R, p.H, width}, pad);
            own = width == 1 ? Field({p.B, p.H}) : Field({p.B, p.H, width}, pad);
            past.set(before), own.set(last);
        };
        Field unused;
        split(p.q, p.dims.front(), unused, q), split(p.k, p.dims.front(), past_k, k), split(p.v, p.dims.back(), past_v, v);
        split(p.theta, 1, past_theta, theta), split(p.eta, 1, past_eta, eta), split(p.alpha, 1, past_alpha, alpha);
        o = Field({p.B, p.H, p.dims.back()}, pad), gamma = Field({p.B, p.H, p.dims.back()}, pad);
        a.gamma = gamma.set(p.gamma).tensor;
        a.struct_size = sizeof a, a.batch = p.B, a.heads = p.H, a.layers = (int64_t)p.layers(), a.block = p.block, a.read = R;
        for (size_t l = 0; l < p.dims.size(); l++) a.dims[l] = p.dims[l];
        a.activation = p.gelu ? MEMGEN_TITANS_GELU : MEMGEN_TITANS_SILU, a.reads_block_start = p.reads_block_start, a.momentum = p.has_eta, a.decays_to_target = p.has_target, a.residual = p.has_residual, a.clip = p.clip;
        for (size_t l = 0; l < p.layers(); l++) {
            std::vector<int64_t> shape{p.B, p.H, p.dims[l], p.dims[l + 1]};
            for (auto* all : {&W, &S, &target, &fW, &fS}) all->emplace_back(shape, pad);
            a.weights[l] = W[l].set(p.W[l]).tensor, a.target[l] = target[l].set(p.target[l]).tensor;
            if (p.momentum) a.momenta[l] = S[l].set(p.S[l]).tensor;
            if (ends) a.final_weights[l] = fW[l].tensor;
            if (ends && p.has_eta) a.final_momenta[l] = fS[l].tensor;
        }
        a.q = q.tensor, a.k = k.tensor, a.v = v.tensor, a.theta = theta.tensor, a.o = o.tensor;
        a.past_k = past_k.tensor, a.past_v = past_v.tensor, a.past_theta = past_theta.tensor;
        if (p.has_eta) a.eta = eta.tensor, a.past_eta = past_eta.tensor;
        if (p.has_alpha) a.alpha = alpha.tensor, a.past_alpha = past_alpha.tensor;
    }

    void run() {
        Scratch scratch(memgen_titans_step_workspace_size(&a));
        EXPECT_STATUS(MEMGEN_OK, memgen_titans_step(&a, scratch.data, scratch.size, nullptr));
    }

    std::vector<Field*> results() {
        std::vector<Field*> all{&o};
        for (auto* fields : {&fW, &fS})
            for (Field& f : *fields) all.push_back(&f);
        return all;
    }
};

void compare_one(const TitansProblem& p, int64_t pad) {
    Step step(p, pad), within(p, pad, false), in_place(p, pad);
    for (size_t l = 0; l < p.layers(); l++) {
        in_place.a.final_weights[l] = in_place.a.weights[l];
        if (p.has_eta && p.momentum) in_place.a.final_momenta[l] = in_place.a.momenta[l];
    }
    step.run(), within.run(), in_place.run();
    std::vector<Values> weights, momenta;
    const Values all = p.o(weights, momenta);
    Values last;
    for (int64_t b = 0; b < p.B; b++)
        for (int64_t i = 0; i < p.H * p.dims.back(); i++) last.push_back(all[((b + 1) * p.T - 1) * p.H * p.dims.back() + i]);
    EXPECT_CLOSE("o", p.text(), step.o.values(), last, ForwardLimit);
    EXPECT(same_bits(step.o, within.o) && same_bits(step.o, in_place.o));
    for (size_t l = 0; l < p.layers(); l++) {
        EXPECT(same_bits(step.fW[l], in_place.W[l]));
        if (p.has_eta && p.momentum) EXPECT(same_bits(step.fS[l], in_place.S[l]));
        EXPECT_CLOSE("final_weights", p.text(), step.fW[l].values(), weights[l], ForwardLimit);
        if (p.has_eta) EXPECT_CLOSE("final_momenta", p.text(), step.fS[l].values(), momenta[l], ForwardLimit);
    }
    for (Field* f : step.results()) EXPECT(f->padding_untouched());
}

void compare(TitansProblem p, int64_t pad = 0) {
    for (bool target : {false, true})
        p.has_target = target, compare_one(p, pad);
}

const std::vector<std::vector<int64_t>> Widths{{3, 5}, {16, 16}, {17, 3}, {64, 64}, {3, 5, 3}, {16, 32, 16}, {16, 24, 16}, {2, 3, 4, 2}, {16, 16, 48, 32, 16}};

TEST(titans_step) {
    for (const auto& widths : Widths)
        for (int64_t T : {1, 2, 7, 8, 9, 16, 17}) {
            compare(TitansProblem(1, T, 1, 17, widths, true, 1), 2);
            compare(TitansProblem(2, T, 3, 20, widths, false, 2));
        }
    compare(TitansProblem(1, 128, 2, 128, {16, 16}, true, 3));
}

TEST(titans_step_variants) {
    for (int bits = 1; bits < 32; bits++)
        for (const auto& widths : Widths) {
            TitansProblem p(1, 5, 2, 8, widths, !(bits & 4), 31);
            p.gelu = bits & 1, p.reads_block_start = bits & 2, p.has_eta = !(bits & 4), p.has_alpha = !(bits & 8), p.clip = bits & 16 ? 0.2 : 0;
            compare(p, 1);
        }
}

TEST(titans_step_residual) {
    for (const std::vector<int64_t>& widths : {std::vector<int64_t>{5, 5}, std::vector<int64_t>{16, 16}, std::vector<int64_t>{17, 17}, std::vector<int64_t>{64, 64}, std::vector<int64_t>{5, 3, 5}, std::vector<int64_t>{16, 24, 32, 16}})
        for (int64_t T : {1, 7, 8, 17}) {
            TitansProblem p = TitansProblem(2, T, 3, 17, widths, true, 41).with_residual();
            compare(p, 2);
            p.clip = 0.5, p.reads_block_start = true;
            compare(p);
        }
}

TEST(titans_step_same_bits_for_any_number_of_threads) {
    TitansProblem p(3, 16, 4, 16, {64, 64}, true, 21);
    p.has_target = true;
    Step step(p);
    EXPECT_SAME_BITS([&] { step.run(); }, step.results());
}

// The target of a call is mostly one for all rows.
TEST(titans_step_target_of_all_rows) {
    for (std::vector<int64_t> widths : {std::vector<int64_t>{5, 3}, std::vector<int64_t>{16, 32, 16}}) {
        TitansProblem p(3, 9, 2, 16, widths, true, 24);
        p.has_target = true;
        for (Values& target : p.target)
            for (size_t i = 0; i < target.size(); i++) target[i] = target[i % (target.size() / 3)];
        Step each(p), all(p);
        for (size_t l = 0; l < p.layers(); l++) all.a.target[l].stride[0] = 0;
        each.run(), all.run();
        for (size_t f = 0; f < each.results().size(); f++) EXPECT(same_bits(*each.results()[f], *all.results()[f]));
    }
}

TEST(titans_step_refuses_bad_arguments) {
    TitansProblem p(1, 3, 1, 4, {3, 3}, true, 23);
    Step c(p);
    auto step = [&](auto change) {
        memgen_titans_step_args a = c.a;
        change(a);
        Scratch scratch(memgen_titans_step_workspace_size(&a));
        return memgen_titans_step(&a, scratch.data, scratch.size, nullptr);
    };
    EXPECT_STATUS(MEMGEN_INVALID_STRUCT_SIZE, step([](auto& a) { a.struct_size--; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, step([](auto& a) { a.layers = 5; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, step([](auto& a) { a.read = 4; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, step([](auto& a) { a.read = -1; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, step([](auto& a) { a.weights[0].data = nullptr; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, step([](auto& a) { a.past_eta.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, step([](auto& a) { a.past_alpha.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, step([](auto& a) { a.momenta[0].stride[3] = 2; }));
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_STRIDE, step([](auto& a) { a.decays_to_target = 1, a.target[0].stride[3] = 2; }));
    EXPECT_STATUS(MEMGEN_OK, step([](auto& a) { a.residual = 1; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, step([](auto& a) { a.residual = 1, a.dims[1] = 4; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, step([](auto& a) { a.residual = 1, a.gamma.data = nullptr; }));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, step([](auto& a) { a.clip = -1; }));
}

} // namespace
