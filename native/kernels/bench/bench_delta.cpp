#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

#include "bench.h"

namespace {

struct Case {
    const char* name;
    bool delta, decay, channel, generalized = false;
};

void run(const Case& c, int64_t B, int64_t T, int64_t H, int64_t D, double peak) {
    std::vector<int64_t> rows{B, T, H, D}, gates{B, T, H}, state{B, H, D, D};
    Array q(rows), k(rows), v(rows), beta, g, reader, place, o(rows), s(state), d_o(rows), dq(rows), dk(rows), dv(rows), db(gates), dg(gates), d_reader, d_place, ds(state);
    for (int64_t r = 0; r < B * T * H; r++) {
        float square = 0;
        for (int64_t i = 0; i < D; i++) square += k.numbers[r * D + i] * k.numbers[r * D + i];
        for (int64_t i = 0; i < D; i++) k.numbers[r * D + i] /= std::sqrt(square);
    }
    if (c.delta) beta = Array(gates, 0, 1);
    if (c.decay) g = Array(c.channel ? rows : gates, -0.1f, 0);
    if (c.channel) dg = Array(rows);
    if (c.generalized) {
        reader = Array(rows), place = Array(rows, 0, 1), d_reader = Array(rows), d_place = Array(rows);
        for (int64_t i = 0; i < B * T * H * D; i++) reader.numbers[i] = -k.numbers[i], place.numbers[i] *= k.numbers[i];
    }
    memgen_gated_delta_rule_args a{};
    a.struct_size = sizeof a, a.batch = B, a.tokens = T, a.heads = H, a.key_dim = a.value_dim = D, a.scale = std::pow(D, -0.5);
    a.q = q.tensor, a.k = k.tensor, a.v = v.tensor, a.beta = beta.tensor, a.log_decay = g.tensor, a.o = o.tensor;
    a.d_o = d_o.tensor, a.d_q = dq.tensor, a.d_k = dk.tensor, a.d_v = dv.tensor;
    if (c.delta) a.d_beta = db.tensor;
    if (c.decay) a.d_log_decay = dg.tensor;
    a.a = reader.tensor, a.b = place.tensor, a.d_a = d_reader.tensor, a.d_b = d_place.tensor;
    const bool both = c.channel && c.delta;
    auto size = c.generalized ? memgen_generalized_delta_rule_workspace_size : both ? memgen_channel_delta_rule_workspace_size : c.channel ? memgen_channel_decay_workspace_size : c.delta ? memgen_gated_delta_rule_workspace_size : memgen_scalar_decay_workspace_size;
    Workspace checkpoints(memgen_gated_delta_rule_checkpoint_size(&a)), scratch(std::max(size(&a, 0), size(&a, 1)));
    auto forward = c.generalized ? memgen_generalized_delta_rule_forward : both ? memgen_channel_delta_rule_forward : c.channel ? memgen_channel_decay_forward : c.delta ? memgen_gated_delta_rule_forward : memgen_scalar_decay_forward;
    auto backward = c.generalized ? memgen_generalized_delta_rule_backward : both ? memgen_channel_delta_rule_backward : c.channel ? memgen_channel_decay_backward : c.delta ? memgen_gated_delta_rule_backward : memgen_scalar_decay_backward;
    double plain = milliseconds([&] { forward(&a, scratch.data, scratch.size, nullptr); });
    a.checkpoints = checkpoints.data;
    double saving = milliseconds([&] { forward(&a, scratch.data, scratch.size, nullptr); });
    double back = milliseconds([&] { backward(&a, scratch.data, scratch.size, nullptr); });
    double flops = static_cast<double>(B * T * H * D * D) * ((c.generalized ? 8 : c.delta ? 6 : 4) + (c.decay ? 1 : 0));
    std::printf("{\"op\": \"%s\", \"B\": %lld, \"T\": %lld, \"H\": %lld, \"K\": %lld, \"forward_ms\": %.3f, \"forward_backward_ms\": %.3f, \"forward_gflops\": %.1f, \"forward_peak_share\": %.3f, \"backward_over_forward\": %.2f}\n",
                c.name, (long long)B, (long long)T, (long long)H, (long long)D, plain, saving + back, flops / plain / 1e6, flops / plain / 1e6 / peak, back / saving);
    std::fflush(stdout);
}

} // namespace

void bench_delta(const char* only, double peak) {
    for (Case c : {Case{"linear_attention", false, false, false}, Case{"scalar_decay", false, true, false}, Case{"channel_decay", false, true, true}, Case{"delta_rule", true, false, false}, Case{"gated_delta_rule", true, true, false}, Case{"channel_delta_rule", true, true, true}, Case{"generalized_delta_rule", false, true, true, true}})
        if (std::strstr(c.name, only)) {
            run(c, 2, 2048, 4, 64, peak);
            run(c, 1, 8192, 4, 128, peak);
            run(c, 8, 256, 4, 64, peak);
        }
}
