#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "bench.h"

namespace {

void unit_rows(Array& k, int64_t width) {
    for (size_t r = 0; r + static_cast<size_t>(width) <= k.memory.size() - 16; r += static_cast<size_t>(width)) { // behind them: room to begin with a line
        float square = 0;
        for (int64_t i = 0; i < width; i++) square += k.numbers[r + static_cast<size_t>(i)] * k.numbers[r + static_cast<size_t>(i)];
        for (int64_t i = 0; i < width; i++) k.numbers[r + static_cast<size_t>(i)] /= std::sqrt(square);
    }
}

void titans(const char* name, int64_t B, int64_t T, int64_t H, std::vector<int64_t> dims, int64_t block, bool residual, double peak) {
    std::vector<int64_t> in{B, T, H, dims.front()}, out{B, T, H, dims.back()}, gates{B, T, H};
    Array q(in), k(in), v(out), theta(gates, 0, 0.01f), eta(gates, 0, 0.9f), alpha(gates, 0, 0.1f), o(out), d_o(out), dq(in), dk(in), dv(out), dt(gates), de(gates), da(gates), gamma({B, H, dims.back()}, 0.5f, 1), dg({B, H, dims.back()});
    unit_rows(k, dims.front());
    memgen_titans_args a{};
    a.struct_size = sizeof a, a.batch = B, a.tokens = T, a.heads = H, a.block = block, a.layers = static_cast<int64_t>(dims.size()) - 1, a.momentum = 1, a.residual = residual;
    std::vector<Array> weights;
    weights.reserve(4);
    double flops = 0;
    for (size_t l = 0; l < dims.size(); l++) {
        a.dims[l] = dims[l];
        if (l == 0) continue;
        float unit = 1 / std::sqrt(static_cast<float>(dims[l - 1]));
        weights.emplace_back(std::vector<int64_t>{B, H, dims[l - 1], dims[l]}, -unit, unit);
        if (dims.size() > 2 || residual) a.initial_weights[l - 1] = weights.back().tensor;
        flops += static_cast<double>(12 * dims[l - 1] * dims[l] + 2 * block * (dims[l - 1] + dims[l]));
    }
    flops -= 2.0 * static_cast<double>(dims[0] * dims[1]);
    a.q = q.tensor, a.k = k.tensor, a.v = v.tensor, a.theta = theta.tensor, a.eta = eta.tensor, a.alpha = alpha.tensor, a.o = o.tensor;
    a.d_o = d_o.tensor, a.d_q = dq.tensor, a.d_k = dk.tensor, a.d_v = dv.tensor, a.d_theta = dt.tensor, a.d_eta = de.tensor, a.d_alpha = da.tensor, a.gamma = gamma.tensor, a.d_gamma = dg.tensor;
    Workspace s(std::max(memgen_titans_workspace_size(&a, 0), memgen_titans_workspace_size(&a, 1)));
    Workspace kept(memgen_titans_checkpoint_size(&a));
    a.checkpoints = kept.data;
    double extra = static_cast<double>(s.size + kept.size) / static_cast<double>(sizeof(float) * (q.memory.size() + k.memory.size() + v.memory.size() + o.memory.size()));
    double forward = milliseconds([&] { memgen_titans_forward(&a, s.data, s.size, nullptr); }), backward = milliseconds([&] { memgen_titans_backward(&a, s.data, s.size, nullptr); });
    flops *= static_cast<double>(B * T * H);
    std::printf("{\"op\": \"%s\", \"B\": %lld, \"T\": %lld, \"H\": %lld, \"K\": %lld, \"forward_ms\": %.3f, \"forward_backward_ms\": %.3f, \"forward_gflops\": %.1f, \"forward_peak_share\": %.3f, \"backward_over_forward\": %.2f, \"extra_over_qkvo\": %.2f}\n",
                name, (long long)B, (long long)T, (long long)H, (long long)dims[0], forward, forward + backward, flops / forward / 1e6, flops / forward / 1e6 / peak, backward / forward, extra);
    std::fflush(stdout);
}

void normalized(int64_t B, int64_t T, int64_t H, int64_t D, double peak) {
    std::vector<int64_t> rows{B, T, H, D};
    Array q(rows, 0, 1), k(rows, 0, 1), v(rows), o(rows), d_o(rows), dq(rows), dk(rows), dv(rows), divisors({B, T, H});
    memgen_linear_attention_normalized_args a{};
    a.struct_size = sizeof a, a.batch = B, a.tokens = T, a.heads = H, a.key_dim = a.value_dim = D, a.scale = 1, a.epsilon = 1e-6;
    a.q = q.tensor, a.k = k.tensor, a.v = v.tensor, a.o = o.tensor, a.divisors = divisors.memory.data(), a.d_o = d_o.tensor, a.d_q = dq.tensor, a.d_k = dk.tensor, a.d_v = dv.tensor;
    Workspace s(std::max(memgen_linear_attention_normalized_workspace_size(&a, 0), memgen_linear_attention_normalized_workspace_size(&a, 1))), saved(memgen_linear_attention_normalized_checkpoint_size(&a));
    a.checkpoints = saved.data;
    double forward = milliseconds([&] { memgen_linear_attention_normalized_forward(&a, s.data, s.size, nullptr); }), backward = milliseconds([&] { memgen_linear_attention_normalized_backward(&a, s.data, s.size, nullptr); });
    double flops = 4.0 * static_cast<double>(B * T * H * D * D);
    std::printf("{\"op\": \"linear_attention_normalized\", \"B\": %lld, \"T\": %lld, \"H\": %lld, \"K\": %lld, \"forward_ms\": %.3f, \"forward_backward_ms\": %.3f, \"forward_gflops\": %.1f, \"forward_peak_share\": %.3f, \"backward_over_forward\": %.2f}\n",
                (long long)B, (long long)T, (long long)H, (long long)D, forward, forward + backward, flops / forward / 1e6, flops / forward / 1e6 / peak, backward / forward);
    std::fflush(stdout);
}

} // namespace

void bench_titans(const char* only, double peak) {
    const int64_t shapes[3][4] = {{2, 2048, 4, 64}, {1, 8192, 4, 128}, {8, 256, 4, 64}};
    for (auto& s : shapes) {
        if (std::strstr("linear_attention_normalized", only)) normalized(s[0], s[1], s[2], s[3], peak);
        if (std::strstr("titans_linear", only)) titans("titans_linear", s[0], s[1], s[2], {s[3], s[3]}, 64, false, peak);
    }
    if (std::strstr("titans_mlp", only)) titans("titans_mlp", 2, 1024, 4, {64, 128, 64}, 16, false, peak);
    if (std::strstr("titans_residual", only))
        for (std::vector<int64_t> dims : {std::vector<int64_t>{64, 64}, std::vector<int64_t>{64, 128, 64}})
            for (bool residual : {false, true}) titans(residual ? "titans_residual" : "titans_without", 2, 2048, 4, dims, 16, residual, peak);
}
