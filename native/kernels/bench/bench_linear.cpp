#include <cstdio>
#include <cstring>

#include "bench.h"

namespace {

void run(const char* name, int64_t rows, int64_t in, std::vector<int64_t> out, memgen_dtype products, double peak) {
    Array x({rows, in}), dx({rows, in});
    std::vector<Array> w, y, dy, dw;
    memgen_linear_args a{};
    a.struct_size = sizeof a, a.rows = rows, a.in_features = in, a.products = products, a.count = static_cast<int64_t>(out.size()), a.x = x.tensor;
    for (size_t i = 0; i < out.size(); i++) {
        a.out_features[i] = out[i];
        for (auto* list : {&w, &dw}) list->emplace_back(std::vector<int64_t>{out[i], in});
        for (auto* list : {&y, &dy}) list->emplace_back(std::vector<int64_t>{rows, out[i]});
        a.weights[i] = w.back().tensor, a.y[i] = y.back().tensor;
    }
    Workspace s(std::max(memgen_linear_workspace_size(&a, 0), memgen_linear_workspace_size(&a, 1)));
    double forward = milliseconds([&] { memgen_linear_forward(&a, s.data, s.size, nullptr); });
    for (size_t i = 0; i < out.size(); i++) a.d_y[i] = dy[i].tensor;
    a.d_x = dx.tensor;
    double inputs = milliseconds([&] { memgen_linear_backward(&a, s.data, s.size, nullptr); });
    a.d_x = {};
    for (size_t i = 0; i < out.size(); i++) a.d_weights[i] = dw[i].tensor;
    double weights = milliseconds([&] { memgen_linear_backward(&a, s.data, s.size, nullptr); });
    double flops = 0;
    for (int64_t o : out) flops += 2.0 * static_cast<double>(rows * in * o);
    std::printf("{\"op\": \"projections\", \"products\": \"%s\", \"shape\": \"%s\", \"forward_ms\": %.3f, \"d_x_ms\": %.3f, \"d_weights_ms\": %.3f, \"forward_peak_share\": %.3f, \"d_x_peak_share\": %.3f, \"d_weights_peak_share\": %.3f}\n",
                products == MEMGEN_BFLOAT16 ? "bfloat16" : "float32", name, forward, inputs, weights, flops / forward / 1e6 / peak, flops / inputs / 1e6 / peak, flops / weights / 1e6 / peak);
    std::fflush(stdout);
}

} // namespace

void bench_linear(const char* only, double peak) {
    if (!std::strstr("projections", only)) return;
    for (memgen_dtype products : {MEMGEN_FLOAT32, MEMGEN_BFLOAT16}) {
        if (products == MEMGEN_BFLOAT16 && !memgen_multiplies_bfloat16()) continue;
        run("R4096 I256 O4x256 2x4", 4096, 256, {256, 256, 256, 256, 4, 4}, products, peak);
        run("R4096 I256 O2x704", 4096, 256, {704, 704}, products, peak);
        run("R4096 I704 O256", 4096, 704, {256}, products, peak);
        run("R4096 I256 O256", 4096, 256, {256}, products, peak);
    }
    run("R1 I256 O2x704", 1, 256, {704, 704}, MEMGEN_FLOAT32, peak);
}
