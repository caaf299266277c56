// The matrix memories: the recurrence in double precision with its gradient, and a call of the library beside it.
#pragma once
#include "test.h"

namespace {

struct Shape {
    int64_t B, T, H, K, V;
    bool delta, decay, initial;
    int64_t padding = 0;
    bool swapped = false, channel = false, generalized = false; // the generalised rule: also channel, without delta

    std::string text() const {
        char s[128];
        std::snprintf(s, sizeof s, "B%lld T%lld H%lld K%lld V%lld delta%d decay%d initial%d channel%d generalized%d pad%lld", (long long)B, (long long)T, (long long)H, (long long)K, (long long)V, delta, decay, initial, channel, generalized, (long long)padding);
        return s;
    }
};

struct Numbers {
    Values q, k, v, beta, g, a, b, s0;    // inputs
    Values o, s;                          // results
    Values d_o, d_s;                      // upstream
    Values dq, dk, dv, d_beta, dg, da, db, d_s0; // gradients
};

// The definition and its reverse, token by token, every state kept.
void reference(const Shape& p, double scale, Numbers& n) {
    const int64_t K = p.K, V = p.V;
    n.o.assign(n.v.size(), 0), n.s.assign(n.s0.size(), 0);
    n.dq.assign(n.q.size(), 0), n.dk.assign(n.k.size(), 0), n.dv.assign(n.v.size(), 0);
    n.d_beta.assign(n.beta.size(), 0), n.dg.assign(n.g.size(), 0), n.d_s0.assign(n.s0.size(), 0);
    n.da.assign(n.a.size(), 0), n.db.assign(n.b.size(), 0);
    for (int64_t b = 0; b < p.B; b++)
        for (int64_t h = 0; h < p.H; h++) {
            const int64_t chain = (b * p.H + h) * K * V;
            std::vector<Values> states{Values(n.s0.begin() + chain, n.s0.begin() + chain + K * V)};
            auto at = [&](int64_t t) { return (b * p.T + t) * p.H + h; };
            auto gate = [&](int64_t t, int64_t i) { return p.channel ? at(t) * K + i : at(t); };
            auto alpha = [&](int64_t t, int64_t i) { return p.decay ? std::exp(n.g[gate(t, i)]) : 1; };
            auto written = [&](int64_t t, const Values& S) {
                Values u(V);
                for (int64_t j = 0; j < V; j++) {
                    double read = 0;
                    for (int64_t i = 0; i < K; i++) read += alpha(t, i) * S[i * V + j] * n.k[at(t) * K + i];
                    u[j] = n.v[at(t) * V + j] - (p.delta ? read : 0);
                }
                return u;
            };
            auto recalled = [&](int64_t t, const Values& S) { // of the generalised rule: S^T a
                Values r(V);
                for (int64_t i = 0; p.generalized && i < K; i++)
                    for (int64_t j = 0; j < V; j++) r[j] += S[i * V + j] * n.a[at(t) * K + i];
                return r;
            };
            for (int64_t t = 0; t < p.T; t++) {
                double beta = p.delta ? n.beta[at(t)] : 1;
                Values S = states.back(), u = written(t, S), r = recalled(t, S);
                for (int64_t i = 0; i < K; i++)
                    for (int64_t j = 0; j < V; j++) {
                        S[i * V + j] = alpha(t, i) * S[i * V + j] + n.k[at(t) * K + i] * beta * u[j] + (p.generalized ? n.b[at(t) * K + i] * r[j] : 0);
                        n.o[at(t) * V + j] += scale * S[i * V + j] * n.q[at(t) * K + i];
                    }
                states.push_back(S);
            }
            for (int64_t i = 0; i < K * V; i++) n.s[chain + i] = states.back()[i];

            Values dS(n.d_s.begin() + chain, n.d_s.begin() + chain + K * V);
            for (int64_t t = p.T - 1; t >= 0; t--) {
                double beta = p.delta ? n.beta[at(t)] : 1;
                const Values &S = states[t + 1], &before = states[t];
                Values u = written(t, before), r = recalled(t, before), dw(V), dr(V);
                for (int64_t i = 0; i < K; i++)
                    for (int64_t j = 0; j < V; j++) {
                        double d = n.d_o[at(t) * V + j];
                        n.dq[at(t) * K + i] += scale * S[i * V + j] * d;
                        dS[i * V + j] += scale * n.q[at(t) * K + i] * d;
                    }
                for (int64_t i = 0; i < K; i++)
                    for (int64_t j = 0; j < V; j++) {
                        dw[j] += dS[i * V + j] * n.k[at(t) * K + i];
                        n.dk[at(t) * K + i] += dS[i * V + j] * beta * u[j];
                        if (!p.generalized) continue;
                        dr[j] += dS[i * V + j] * n.b[at(t) * K + i];
                        n.db[at(t) * K + i] += dS[i * V + j] * r[j];
                    }
                for (int64_t j = 0; j < V; j++) {
                    if (p.delta) n.d_beta[at(t)] += dw[j] * u[j];
                    n.dv[at(t) * V + j] = beta * dw[j];
                }
                for (int64_t i = 0; i < K; i++)
                    for (int64_t j = 0; j < V; j++) {
                        if (p.delta) {
                            n.dk[at(t) * K + i] -= alpha(t, i) * before[i * V + j] * beta * dw[j];
                            dS[i * V + j] -= n.k[at(t) * K + i] * beta * dw[j];
                        }
                        dS[i * V + j] *= alpha(t, i);
                        if (p.decay) n.dg[gate(t, i)] += dS[i * V + j] * before[i * V + j];
                        if (!p.generalized) continue;
                        n.da[at(t) * K + i] += before[i * V + j] * dr[j];
                        dS[i * V + j] += n.a[at(t) * K + i] * dr[j];
                    }
            }
            for (int64_t i = 0; i < K * V; i++) n.d_s0[chain + i] = dS[i];
        }
}

Numbers draw(const Shape& p, uint32_t seed) {
    Numbers n;
    const int64_t rows = p.B * p.T * p.H;
    n.q = noise(rows * p.K, -1, 1, seed);
    n.k = noise(rows * p.K, -1, 1, seed + 1);
    for (int64_t r = 0; r < rows; r++) {
        double square = 0;
        for (int64_t i = 0; i < p.K; i++) square += n.k[r * p.K + i] * n.k[r * p.K + i];
        for (int64_t i = 0; i < p.K; i++) n.k[r * p.K + i] = (float)(n.k[r * p.K + i] / std::sqrt(square));
    }
    if (p.generalized) { // as in RWKV-7: a unit key, and where it points times a rate of each channel
        n.a = n.k, n.b = noise(rows * p.K, 0, 1, seed + 8);
        for (size_t i = 0; i < n.a.size(); i++) n.a[i] = -n.k[(i + p.K) % n.k.size()], n.b[i] *= -n.a[i];
    }
    n.v = noise(rows * p.V, -1, 1, seed + 2);
    n.beta = noise(p.delta ? rows : 0, 0, 1, seed + 3);
    n.g = noise(p.decay ? rows * (p.channel ? p.K : 1) : 0, -0.3, 0, seed + 4);
    n.s0 = p.initial ? noise(p.B * p.H * p.K * p.V, -1, 1, seed + 5) : Values(p.B * p.H * p.K * p.V, 0.0);
    n.d_o = noise(rows * p.V, -1, 1, seed + 6);
    n.d_s = noise(p.B * p.H * p.K * p.V, -1, 1, seed + 7);
    return n;
}

struct Call {
    Field q, k, v, beta, g, a, b, s0, o, s, d_o, d_s, dq, dk, dv, d_beta, dg, da, db, d_s0;
    memgen_gated_delta_rule_args args{};
    std::vector<float> checkpoints;
    Shape shape;

    Call(const Shape& p, const Numbers& n, double scale) : shape(p) {
        std::vector<int64_t> keys{p.B, p.T, p.H, p.K}, values{p.B, p.T, p.H, p.V}, gates{p.B, p.T, p.H}, state{p.B, p.H, p.K, p.V};
        auto make = [&](const std::vector<int64_t>& dims) { return Field(dims, dims.size() == 4 ? p.padding : 0, p.swapped && dims != state); };
        q = make(keys), k = make(keys), v = make(values), o = make(values), d_o = make(values), dq = make(keys), dk = make(keys), dv = make(values);
        s = make(state), d_s = make(state), d_s0 = make(state);
        q.set(n.q), k.set(n.k), v.set(n.v), d_o.set(n.d_o), d_s.set(n.d_s);
        if (p.delta) beta = make(gates), beta.set(n.beta), d_beta = make(gates);
        if (p.decay) g = make(p.channel ? keys : gates), g.set(n.g), dg = make(p.channel ? keys : gates);
        if (p.generalized) a = make(keys), b = make(keys), a.set(n.a), b.set(n.b), da = make(keys), db = make(keys);
        if (p.initial) s0 = make(state), s0.set(n.s0);
        args.struct_size = sizeof args;
        args.batch = p.B, args.tokens = p.T, args.heads = p.H, args.key_dim = p.K, args.value_dim = p.V, args.scale = scale;
        args.q = q.tensor, args.k = k.tensor, args.v = v.tensor, args.beta = beta.tensor, args.log_decay = g.tensor, args.initial_state = s0.tensor;
        args.o = o.tensor, args.final_state = s.tensor;
        args.d_o = d_o.tensor, args.d_final_state = d_s.tensor;
        args.d_q = dq.tensor, args.d_k = dk.tensor, args.d_v = dv.tensor, args.d_beta = d_beta.tensor, args.d_log_decay = dg.tensor, args.d_initial_state = d_s0.tensor;
        args.a = a.tensor, args.b = b.tensor, args.d_a = da.tensor, args.d_b = db.tensor;
        checkpoints.assign(functions().checkpoints(&args) / sizeof(float) + 16, NAN);
        args.checkpoints = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(checkpoints.data()) + 63) / 64 * 64);
    }

    void run() {
        auto [size, checkpoints, forward, backward] = functions();
        Scratch first(size(&args, 0)), second(size(&args, 1));
        EXPECT_STATUS(MEMGEN_OK, forward(&args, first.data, first.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, backward(&args, second.data, second.size, nullptr));
    }

    struct Functions {
        decltype(&memgen_gated_delta_rule_workspace_size) size;
        decltype(&memgen_gated_delta_rule_checkpoint_size) checkpoints;
        decltype(&memgen_gated_delta_rule_forward) forward, backward;
    };

    static Functions functions_of(const Shape& shape) {
        if (shape.generalized) return {memgen_generalized_delta_rule_workspace_size, memgen_generalized_delta_rule_checkpoint_size, memgen_generalized_delta_rule_forward, memgen_generalized_delta_rule_backward};
        if (shape.channel && shape.delta) return {memgen_channel_delta_rule_workspace_size, memgen_channel_delta_rule_checkpoint_size, memgen_channel_delta_rule_forward, memgen_channel_delta_rule_backward};
        if (shape.channel) return {memgen_channel_decay_workspace_size, memgen_channel_decay_checkpoint_size, memgen_channel_decay_forward, memgen_channel_decay_backward};
        if (shape.delta) return {memgen_gated_delta_rule_workspace_size, memgen_gated_delta_rule_checkpoint_size, memgen_gated_delta_rule_forward, memgen_gated_delta_rule_backward};
        return {memgen_scalar_decay_workspace_size, memgen_scalar_decay_checkpoint_size, memgen_scalar_decay_forward, memgen_scalar_decay_backward};
    }

    Functions functions() const { return functions_of(shape); }

    std::vector<Field*> results() { return {&o, &s, &dq, &dk, &dv, &d_beta, &dg, &da, &db, &d_s0}; }
};

void compare(const Shape& p, Numbers n, double scale) {
    reference(p, scale, n);
    Call c(p, n, scale);
    c.run();
    std::string at = p.text();
    EXPECT_CLOSE("o", at, c.o.values(), n.o, ForwardLimit);
    EXPECT_CLOSE("final_state", at, c.s.values(), n.s, ForwardLimit);
    EXPECT_CLOSE("d_q", at, c.dq.values(), n.dq, GradientLimit);
    EXPECT_CLOSE("d_k", at, c.dk.values(), n.dk, GradientLimit);
    EXPECT_CLOSE("d_v", at, c.dv.values(), n.dv, GradientLimit);
    if (p.delta) EXPECT_CLOSE("d_beta", at, c.d_beta.values(), n.d_beta, GradientLimit);
    if (p.decay) EXPECT_CLOSE("d_log_decay", at, c.dg.values(), n.dg, GradientLimit);
    if (p.generalized) EXPECT_CLOSE("d_a", at, c.da.values(), n.da, GradientLimit), EXPECT_CLOSE("d_b", at, c.db.values(), n.db, GradientLimit);
    EXPECT_CLOSE("d_initial_state", at, c.d_s0.values(), n.d_s0, GradientLimit);
    for (Field* f : c.results())
        if (f->tensor.data) EXPECT(f->padding_untouched());
}

} // namespace
