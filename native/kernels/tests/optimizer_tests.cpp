// AdamW and the squared norm against their definitions in double precision.
#include "test.h"

namespace {

struct Group {
    std::vector<int64_t> sizes{1, 40000, 0, 33, 16384, 5};
    std::vector<Values> start, gradient, first, second;
    std::vector<std::vector<float>> p, g, m, v;
    std::vector<double> decays{0, 0.1, 0.1, 0.01, 0, 0.2};
    std::vector<float*> ps, ms, vs;
    std::vector<const float*> gs;

    Group() {
        uint32_t seed = 1;
        for (int64_t n : sizes) {
            auto make = [&](std::vector<std::vector<float>>& all, std::vector<Values>& values, double low, double high) {
                values.push_back(noise(n, low, high, seed++));
                all.emplace_back(values.back().begin(), values.back().end());
            };
            make(p, start, -1, 1), make(g, gradient, -1, 1), make(m, first, -0.1, 0.1), make(v, second, 0, 0.1);
        }
        for (size_t i = 0; i < sizes.size(); i++) ps.push_back(p[i].data()), gs.push_back(g[i].data()), ms.push_back(m[i].data()), vs.push_back(v[i].data());
        gs[3] = nullptr;
    }

    memgen_adamw_args args() {
        memgen_adamw_args a{};
        a.struct_size = sizeof a, a.count = static_cast<int64_t>(sizes.size()), a.sizes = sizes.data();
        a.parameters = ps.data(), a.gradients = gs.data(), a.first_moments = ms.data(), a.second_moments = vs.data(), a.weight_decays = decays.data();
        a.learning_rate = 0.01, a.beta1 = 0.9, a.beta2 = 0.95, a.epsilon = 1e-8, a.step = 3;
        return a;
    }

    memgen_status step(const memgen_adamw_args& a) {
        Scratch scratch(memgen_adamw_workspace_size(&a));
        return memgen_adamw_step(&a, scratch.data, scratch.size, nullptr);
    }

    // One step of `args` with the gradients times s.
    void expect_step(const std::string& at, double s) {
        for (size_t i = 0; i < sizes.size(); i++) {
            Values next_p, next_m, next_v;
            for (int64_t j = 0; j < sizes[i]; j++) {
                double d = s * gradient[i][j], mj = 0.9 * first[i][j] + 0.1 * d, vj = 0.95 * second[i][j] + 0.05 * d * d, pj = start[i][j] * (1 - 0.01 * decays[i]);
                pj -= 0.01 * (mj / (1 - std::pow(0.9, 3))) / (std::sqrt(vj / (1 - std::pow(0.95, 3))) + 1e-8);
                bool still = !gs[i];
                next_p.push_back(still ? start[i][j] : pj), next_m.push_back(still ? first[i][j] : mj), next_v.push_back(still ? second[i][j] : vj);
            }
            std::string where = at + ", tensor " + std::to_string(i);
            EXPECT_CLOSE("parameter", where, Values(p[i].begin(), p[i].end()), next_p, 1e-6);
            EXPECT_CLOSE("first moment", where, Values(m[i].begin(), m[i].end()), next_m, 1e-6);
            EXPECT_CLOSE("second moment", where, Values(v[i].begin(), v[i].end()), next_v, 1e-6);
        }
    }
};

TEST(adamw) {
    for (int threads : {1, 2}) {
        int32_t before = memgen_get_threads();
        memgen_set_threads(threads);
        Group x;
        EXPECT_STATUS(MEMGEN_OK, x.step(x.args()));
        x.expect_step("without a limit", 1);
        memgen_set_threads(before);
    }
}

TEST(adamw_with_a_limit_on_the_norm) {
    for (double limit : {4.0, 0.0, 9.0, static_cast<double>(INFINITY)}) {
        Group x;
        const double squared = 64;
        memgen_adamw_args a = x.args();
        a.squared_norm = &squared, a.clip_norm = limit;
        EXPECT_STATUS(MEMGEN_OK, x.step(a));
        x.expect_step("norm 8, limit " + std::to_string(limit), std::fmin(1, limit / (8 + 1e-6)));
    }
}

TEST(adamw_changes_nothing_where_the_norm_is_no_number) {
    for (double squared : {static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
        Group x, untouched;
        memgen_adamw_args a = x.args();
        a.squared_norm = &squared, a.clip_norm = 1;
        EXPECT_STATUS(MEMGEN_OK, x.step(a));
        EXPECT(x.p == untouched.p && x.m == untouched.m && x.v == untouched.v);
    }
}

TEST(squared_norm) {
    Group x;
    double expected = 0, results[3];
    for (size_t i = 0; i < x.sizes.size(); i++)
        if (i != 3) expected += inner(x.gradient[i], x.gradient[i]);
    for (int threads : {1, 2, 3}) {
        int32_t before = memgen_get_threads();
        memgen_set_threads(threads);
        memgen_squared_norm_args a{};
        a.struct_size = sizeof a, a.count = static_cast<int64_t>(x.sizes.size()), a.sizes = x.sizes.data(), a.data = x.gs.data(), a.result = &results[threads - 1];
        Scratch scratch(memgen_squared_norm_workspace_size(&a));
        EXPECT_STATUS(MEMGEN_OK, memgen_squared_norm(&a, scratch.data, scratch.size, nullptr));
        memgen_set_threads(before);
    }
    EXPECT(std::fabs(results[0] - expected) < 1e-12 * expected);
    EXPECT(results[0] == results[1] && results[0] == results[2]);
}

TEST(squared_norm_beyond_the_range_of_float) {
    std::vector<float> x{3e30f, 4e30f};
    const float* data = x.data();
    int64_t size = 2;
    double result = 0;
    memgen_squared_norm_args a{};
    a.struct_size = sizeof a, a.count = 1, a.sizes = &size, a.data = &data, a.result = &result;
    Scratch scratch(memgen_squared_norm_workspace_size(&a));
    EXPECT_STATUS(MEMGEN_OK, memgen_squared_norm(&a, scratch.data, scratch.size, nullptr));
    EXPECT(std::fabs(std::sqrt(result) / 5e30 - 1) < 1e-6);
    x[0] = INFINITY;
    EXPECT_STATUS(MEMGEN_OK, memgen_squared_norm(&a, scratch.data, scratch.size, nullptr));
    EXPECT(std::isinf(result));
}

TEST(optimizer_refuses_bad_arguments) {
    Group x;
    memgen_adamw_args a = x.args();
    a.step = 0;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, x.step(a));
    const double squared = 1;
    a = x.args(), a.squared_norm = &squared, a.clip_norm = -1;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, x.step(a));
    a = x.args(), x.ps[1] = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, x.step(a));
    a.dtype = MEMGEN_BFLOAT16;
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, memgen_adamw_step(&a, nullptr, 0, nullptr));
    a = x.args(), a.sizes = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_adamw_step(&a, nullptr, 0, nullptr));
    EXPECT(memgen_adamw_workspace_size(&a) == -1);
}

} // namespace
