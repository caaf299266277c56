// The optimizer on the emulator: more tensors than a launch takes, in several orders of the threads, against double precision.
#include "cuda_test.h"

namespace {

// Tensors of odd sizes, some empty, some without a gradient, two of several chunks.
struct Tensors {
    std::vector<int64_t> sizes;
    std::vector<std::vector<float>> p, g, m, v;
    std::vector<const float*> gs;
    std::vector<double> decays;

    explicit Tensors(int64_t count) {
        for (int64_t i = 0; i < count; i++) {
            const int64_t n = i == 3 ? 20000 : i == count - 1 ? 8193 : i % 7 == 5 ? 0 : 1 + i * 37 % 601;
            sizes.push_back(n), decays.push_back(0.1 * static_cast<double>(i % 3));
            auto draw = [&](double low, double high, uint32_t seed) {
                const Values x = noise(n, low, high, seed + 4 * static_cast<uint32_t>(i));
                return std::vector<float>(x.begin(), x.end());
            };
            p.push_back(draw(-1, 1, 1)), g.push_back(draw(-1, 1, 2)), m.push_back(draw(-0.1, 0.1, 3)), v.push_back(draw(0, 0.1, 4));
        }
        for (int64_t i = 0; i < count; i++) gs.push_back(i % 11 == 4 ? nullptr : g[i].data());
    }

    double squared_norm() const {
        double sum = 0;
        for (size_t i = 0; i < g.size(); i++)
            if (gs[i])
                for (float x : g[i]) sum += static_cast<double>(x) * x;
        return sum;
    }

    memgen_squared_norm_args norm(double* result) const {
        memgen_squared_norm_args a{};
        a.struct_size = sizeof a, a.count = static_cast<int64_t>(sizes.size()), a.sizes = sizes.data(), a.data = gs.data(), a.result = result;
        return a;
    }
};

Values squared_norms(const memgen_squared_norm_args& a) {
    ::Scratch scratch(memgen_squared_norm_workspace_size(&a));
    *a.result = NAN;
    EXPECT_STATUS(MEMGEN_OK, memgen_squared_norm(&a, scratch.data, scratch.size, nullptr));
    return {*a.result};
}

} // namespace

TEST(squared_norms_of_many_tensors) {
    for (int64_t count : {0, 1, 64, 65, 150}) {
        Tensors x(count);
        double result;
        const memgen_squared_norm_args a = x.norm(&result);
        Values found;
        auto call = [&] { found = squared_norms(a); };
        EXPECT_SAME_BITS_IN_ALL_ORDERS(call, found);
        EXPECT(std::fabs(found[0] - x.squared_norm()) <= 1e-13 * x.squared_norm());
        if (count < 64) continue;
        x.g[3][19999] = NAN;
        EXPECT(std::isnan(squared_norms(a)[0]));
        x.g[3][19999] = -INFINITY;
        EXPECT(squared_norms(a)[0] == INFINITY);
    }
}

TEST(a_squared_norm_needs_its_workspace) {
    Tensors x(70);
    double result;
    const memgen_squared_norm_args a = x.norm(&result);
    ::Scratch scratch(memgen_squared_norm_workspace_size(&a));
    EXPECT_STATUS(MEMGEN_WORKSPACE_TOO_SMALL, memgen_squared_norm(&a, scratch.data, scratch.size - 8, nullptr));
}

// Clipped to half of their norm, which stays where the kernel before wrote it.
TEST(adamw_steps_of_many_tensors) {
    for (int64_t count : {1, 64, 130}) {
        const Tensors start(count);
        const double norm = std::sqrt(start.squared_norm()), s = 0.5 * norm / (norm + 1e-6);
        Values found;
        auto call = [&] {
            Tensors x(count);
            std::vector<float*> ps, ms, vs;
            for (int64_t i = 0; i < count; i++) ps.push_back(x.p[i].data()), ms.push_back(x.m[i].data()), vs.push_back(x.v[i].data());
            double squared;
            squared_norms(x.norm(&squared));
            memgen_adamw_args a{};
            a.struct_size = sizeof a, a.count = count, a.sizes = x.sizes.data(), a.parameters = ps.data(), a.gradients = x.gs.data();
            a.first_moments = ms.data(), a.second_moments = vs.data(), a.weight_decays = x.decays.data(), a.squared_norm = &squared, a.clip_norm = 0.5 * norm;
            a.learning_rate = 0.02, a.beta1 = 0.9, a.beta2 = 0.99, a.epsilon = 1e-8, a.step = 1;
            EXPECT_STATUS(MEMGEN_OK, memgen_adamw_step(&a, nullptr, 0, nullptr));
            found.clear();
            for (int64_t i = 0; i < count; i++)
                for (const auto* each : {&x.p[i], &x.m[i], &x.v[i]}) found.insert(found.end(), each->begin(), each->end());
        };
        EXPECT_SAME_BITS_IN_ALL_ORDERS(call, found);
        Values expected;
        for (int64_t i = 0; i < count; i++) {
            Values p, m, v;
            for (int64_t j = 0; j < start.sizes[i]; j++) {
                const double g = s * start.g[i][j], mj = 0.9 * start.m[i][j] + 0.1 * g, vj = 0.99 * start.v[i][j] + 0.01 * g * g;
                const double moved = start.p[i][j] * (1 - 0.02 * start.decays[i]) - 0.02 * (mj / 0.1) / (std::sqrt(vj / 0.01) + 1e-8);
                p.push_back(start.gs[i] ? moved : start.p[i][j]), m.push_back(start.gs[i] ? mj : start.m[i][j]), v.push_back(start.gs[i] ? vj : start.v[i][j]);
            }
            for (const Values* each : {&p, &m, &v}) expected.insert(expected.end(), each->begin(), each->end());
        }
        EXPECT_CLOSE("parameters and moments", std::to_string(count) + " tensors", found, expected, 1e-6);
    }
}
