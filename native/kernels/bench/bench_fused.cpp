#include <algorithm>
#include <cstdio>
#include <cstring>

#include "bench.h"

namespace {

void print(const char* op, const char* shape, double forward, double backward, double forward_bytes, double backward_bytes, double copy) {
    std::printf("{\"op\": \"%s\", \"shape\": \"%s\", \"forward_ms\": %.3f, \"forward_backward_ms\": %.3f, \"forward_copy_share\": %.2f, \"backward_copy_share\": %.2f}\n", op, shape, forward, forward + backward,
                forward_bytes / forward / 1e6 / copy, backward > 0 ? backward_bytes / backward / 1e6 / copy : 0.0);
    std::fflush(stdout);
}

} // namespace

void bench_fused(const char* only, double copy) {
    if (std::strstr("causal_conv", only)) {
        int64_t B = 4, T = 2048, C = 512, K = 4;
        Array x({B, T, C}), w({C, K}), b({C}), y({B, T, C}), dy({B, T, C}), dx({B, T, C}), dw({C, K}), db({C});
        memgen_causal_conv_args a{};
        a.struct_size = sizeof a, a.batch = B, a.tokens = T, a.channels = C, a.width = K, a.x = x.tensor, a.weight = w.tensor, a.bias = b.tensor, a.y = y.tensor;
        a.d_y = dy.tensor, a.d_x = dx.tensor, a.d_weight = dw.tensor, a.d_bias = db.tensor;
        Workspace s(memgen_causal_conv_workspace_size(&a, 1));
        double bytes = 4.0 * B * T * C;
        double f = milliseconds([&] { memgen_causal_conv_forward(&a, s.data, s.size, nullptr); }), r = milliseconds([&] { memgen_causal_conv_backward(&a, s.data, s.size, nullptr); });
        print("causal_conv", "B4 T2048 C512 W4", f, r, 2 * bytes, 3 * bytes, copy);
    }
    if (std::strstr("linear_scan", only)) {
        int64_t B = 4, T = 2048, C = 512;
        std::vector<int64_t> rows{B, T, C};
        Array x(rows, 0, 1), y(rows), h(rows), dh(rows), da(rows), db(rows);
        memgen_linear_scan_args a{};
        a.struct_size = sizeof a, a.batch = B, a.tokens = T, a.channels = C, a.a = x.tensor, a.b = y.tensor, a.h = h.tensor, a.d_h = dh.tensor, a.d_a = da.tensor, a.d_b = db.tensor;
        Workspace s(memgen_linear_scan_workspace_size(&a, 1));
        double bytes = 4.0 * B * T * C;
        double f = milliseconds([&] { memgen_linear_scan_forward(&a, s.data, s.size, nullptr); }), r = milliseconds([&] { memgen_linear_scan_backward(&a, s.data, s.size, nullptr); });
        print("linear_scan", "B4 T2048 C512", f, r, 3 * bytes, 5 * bytes, copy);
    }
    if (std::strstr("selective_scan", only)) {
        int64_t B = 2, T = 1024, C = 512, N = 16;
        std::vector<int64_t> rows{B, T, C}, gates{B, T, N};
        Array u(rows), delta(rows, 0, 0.1f), A({C, N}, -4, -0.1f), Bm(gates), Cm(gates), D({C}), y(rows), dy(rows), du(rows), dd(rows), dA({C, N}), dB(gates), dC(gates), dD({C});
        memgen_selective_scan_args a{};
        a.struct_size = sizeof a, a.batch = B, a.tokens = T, a.channels = C, a.state_dim = N, a.u = u.tensor, a.delta = delta.tensor, a.A = A.tensor, a.B = Bm.tensor, a.C = Cm.tensor, a.D = D.tensor, a.y = y.tensor;
        a.d_y = dy.tensor, a.d_u = du.tensor, a.d_delta = dd.tensor, a.d_A = dA.tensor, a.d_B = dB.tensor, a.d_C = dC.tensor, a.d_D = dD.tensor;
        Workspace s(std::max(memgen_selective_scan_workspace_size(&a, 0), memgen_selective_scan_workspace_size(&a, 1))), saved(memgen_selective_scan_checkpoint_size(&a));
        a.checkpoints = saved.data;
        double bytes = 4.0 * B * T * C;
        double f = milliseconds([&] { memgen_selective_scan_forward(&a, s.data, s.size, nullptr); }), r = milliseconds([&] { memgen_selective_scan_backward(&a, s.data, s.size, nullptr); });
        print("selective_scan", "B2 T1024 C512 N16", f, r, 3 * bytes, 5 * bytes, copy);
    }
    for (int64_t N : {256, 64})
        if (std::strstr("rms_norm", only)) {
            int64_t R = 2048 * 4 * 256 / N;
            Array x({R, N}), g({R, N}), w({N}), y({R, N}), dy({R, N}), dx({R, N}), dw({N}), dg({R, N});
            memgen_rms_norm_args a{};
            a.struct_size = sizeof a, a.rows = R, a.features = N, a.epsilon = 1e-6, a.x = x.tensor, a.weight = w.tensor, a.y = y.tensor, a.d_y = dy.tensor, a.d_x = dx.tensor, a.d_weight = dw.tensor;
            if (N == 64) a.gate = g.tensor, a.d_gate = dg.tensor;
            Workspace s(memgen_rms_norm_workspace_size(&a, 1));
            double bytes = 4.0 * R * N;
            double f = milliseconds([&] { memgen_rms_norm_forward(&a, s.data, s.size, nullptr); }), r = milliseconds([&] { memgen_rms_norm_backward(&a, s.data, s.size, nullptr); });
            print(N == 64 ? "rms_norm gated" : "rms_norm", N == 64 ? "R32768 N64" : "R8192 N256", f, r, (N == 64 ? 3 : 2) * bytes, (N == 64 ? 5 : 3) * bytes, copy);
        }
    if (std::strstr("swiglu", only)) {
        int64_t R = 2048, N = 704;
        Array g({R, N}), u({R, N}), y({R, N}), dy({R, N}), dg({R, N}), du({R, N});
        memgen_swiglu_args a{};
        a.struct_size = sizeof a, a.rows = R, a.features = N, a.gate = g.tensor, a.up = u.tensor, a.y = y.tensor, a.d_y = dy.tensor, a.d_gate = dg.tensor, a.d_up = du.tensor;
        double bytes = 4.0 * R * N;
        double f = milliseconds([&] { memgen_swiglu_forward(&a, nullptr, 0, nullptr); }), r = milliseconds([&] { memgen_swiglu_backward(&a, nullptr, 0, nullptr); });
        print("swiglu", "R2048 N704", f, r, 3 * bytes, 5 * bytes, copy);
    }
    if (std::strstr("cross_entropy", only)) {
        int64_t R = 2048, N = 2048;
        Array x({R, N}, -5, 5), l({R, 1}), dx({R, N});
        std::vector<int64_t> targets(static_cast<size_t>(R), 7);
        memgen_cross_entropy_args a{};
        a.struct_size = sizeof a, a.rows = R, a.classes = N, a.ignored_target = -100, a.gradient_scale = 1, a.logits = x.tensor, a.targets = targets.data(), a.losses = l.tensor;
        double f = milliseconds([&] { memgen_cross_entropy_forward(&a, nullptr, 0, nullptr); });
        a.d_logits = dx.tensor;
        double both = milliseconds([&] { memgen_cross_entropy_forward(&a, nullptr, 0, nullptr); });
        print("cross_entropy", "R2048 N2048", f, both - f, 4.0 * R * N, 4.0 * R * N, copy);
    }
    if (std::strstr("adamw squared_norm", only)) {
        int64_t n = 4 << 20;
        Array p({n}), g({n}), m({n}), v({n}, 0, 1);
        float *ps[] = {p.memory.data()}, *ms[] = {m.memory.data()}, *vs[] = {v.memory.data()};
        const float* gs[] = {g.memory.data()};
        double decay = 0.1, result;
        memgen_adamw_args a{};
        a.struct_size = sizeof a, a.count = 1, a.sizes = &n, a.parameters = ps, a.gradients = gs, a.first_moments = ms, a.second_moments = vs, a.weight_decays = &decay;
        a.learning_rate = 1e-3, a.beta1 = 0.9, a.beta2 = 0.95, a.epsilon = 1e-8, a.step = 10;
        memgen_squared_norm_args q{};
        q.struct_size = sizeof q, q.count = 1, q.sizes = &n, q.data = gs, q.result = &result;
        Workspace s(memgen_squared_norm_workspace_size(&q));
        print("adamw", "4M", milliseconds([&] { memgen_adamw_step(&a, s.data, s.size, nullptr); }), 0, 28.0 * n, 0, copy);
        print("squared_norm", "4M", milliseconds([&] { memgen_squared_norm(&q, s.data, s.size, nullptr); }), 0, 4.0 * n, 0, copy);
    }
}
