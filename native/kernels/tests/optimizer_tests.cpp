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
        a.learning_rate = 0.01, a.beta1 = 0.9, a.beta2 = 0.95, a.epsilon = 1e-8, a.gradient_scale = 0.5, a.step = 3;
        return a;
    }
};

TEST(adamw) {
    for (int threads : {1, 2}) {
        int32_t before = memgen_get_threads();
        memgen_set_threads(threads);
        Group x;
        memgen_adamw_args a = x.args();
        Scratch scratch(memgen_adamw_workspace_size(&a));
        EXPECT_STATUS(MEMGEN_OK, memgen_adamw_step(&a, scratch.data, scratch.size, nullptr));
        for (size_t i = 0; i < x.sizes.size(); i++) {
            Values p, m, v;
            for (int64_t j = 0; j < x.sizes[i]; j++) {
                double g = 0.5 * x.gradient[i][j], mj = 0.9 * x.first[i][j] + 0.1 * g, vj = 0.95 * x.second[i][j] + 0.05 * g * g, pj = x.start[i][j] * (1 - 0.01 * x.decays[i]);
                pj -= 0.01 * (mj / (1 - std::pow(0.9, 3))) / (std::sqrt(vj / (1 - std::pow(0.95, 3))) + 1e-8);
                bool still = i == 3;
                p.push_back(still ? x.start[i][j] : pj), m.push_back(still ? x.first[i][j] : mj), v.push_back(still ? x.second[i][j] : vj);
            }
            EXPECT_CLOSE("parameter", std::to_string(i), Values(x.p[i].begin(), x.p[i].end()), p, 1e-6);
            EXPECT_CLOSE("first moment", std::to_string(i), Values(x.m[i].begin(), x.m[i].end()), m, 1e-6);
            EXPECT_CLOSE("second moment", std::to_string(i), Values(x.v[i].begin(), x.v[i].end()), v, 1e-6);
        }
        memgen_set_threads(before);
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
    Scratch scratch(memgen_adamw_workspace_size(&a));
    a.step = 0;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_adamw_step(&a, scratch.data, scratch.size, nullptr));
    a = x.args(), x.ps[1] = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_adamw_step(&a, scratch.data, scratch.size, nullptr));
    a.sizes = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_adamw_step(&a, scratch.data, scratch.size, nullptr));
    EXPECT(memgen_adamw_workspace_size(&a) == -1);
}

} // namespace
