// The generalised delta rule, token by token: r = S^T a, S = diag(e^g) S + b r^T + k v^T, o = scale S^T q.
#include "chunk.h"
#include "delta_layout.h"
#include "kernels.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_generalized_delta_rule_args Args;

float decay(float g) { return exponential(splat(g))[0]; }

// y = S^T x
void read_state(const Args& a, const float* S, const float* x, float* y) {
    for (int64_t j = 0; j < a.value_dim; j++) y[j] = 0.0f;
    for (int64_t i = 0; i < a.key_dim; i++)
        for (int64_t j = 0; j < a.value_dim; j++) y[j] += x[i] * S[i * a.value_dim + j];
}

// The state after token t, which may lie where that before it does.
void advance(const Args& a, const GeneralizedScratch& s, int64_t t, int64_t h, const float* from, float* to) {
    const float *g = at(a.log_decay, t, h), *b = at(a.b, t, h), *k = at(a.k, t, h), *v = at(a.v, t, h);
    read_state(a, from, at(a.a, t, h), s.recalled);
    for (int64_t i = 0; i < a.key_dim; i++)
        for (int64_t j = 0; j < a.value_dim; j++) to[i * a.value_dim + j] = decay(g[i]) * from[i * a.value_dim + j] + b[i] * s.recalled[j] + k[i] * v[j];
}

void run_forward(const Args& a, int64_t h, char* slice) {
    Arena arena{slice};
    const GeneralizedScratch s(arena, a);
    const int64_t K = a.key_dim, V = a.value_dim, T = a.tokens, interval = checkpoint_interval(K, V), saved = checkpoint_count(T, interval);
    copy_state_in(a.initial_state.data ? floats(a.initial_state) + h * a.initial_state.stride[1] : nullptr, a.initial_state.stride[2], K, V, s.states, K, V);
    for (int64_t t = 0; t < T; t++) {
        if (a.checkpoints && t > 0 && t % interval == 0) copy_state_out(s.states, V, K, V, static_cast<float*>(a.checkpoints) + (h * saved + t / interval - 1) * K * V, V);
        advance(a, s, t, h, s.states, s.states);
        float* o = at(a.o, t, h);
        read_state(a, s.states, at(a.q, t, h), o);
        for (int64_t j = 0; j < V; j++) o[j] *= static_cast<float>(a.scale);
    }
    if (a.final_state.data) copy_state_out(s.states, V, K, V, floats(a.final_state) + h * a.final_state.stride[1], a.final_state.stride[2]);
}

void run_backward(const Args& a, int64_t h, char* slice) {
    Arena arena{slice};
    const GeneralizedScratch s(arena, a);
    const int64_t K = a.key_dim, V = a.value_dim, T = a.tokens, interval = checkpoint_interval(K, V), saved = checkpoint_count(T, interval);
    const float scale = static_cast<float>(a.scale);
    copy_state_in(a.d_final_state.data ? floats(a.d_final_state) + h * a.d_final_state.stride[1] : nullptr, a.d_final_state.stride[2], K, V, s.d_state, K, V);
    for (int64_t part = saved; part >= 0 && T > 0; part--) {
        const int64_t start = part * interval, end = start + interval < T ? start + interval : T;
        if (part > 0) copy_state_in(static_cast<const float*>(a.checkpoints) + (h * saved + part - 1) * K * V, V, K, V, s.states, K, V);
        else copy_state_in(a.initial_state.data ? floats(a.initial_state) + h * a.initial_state.stride[1] : nullptr, a.initial_state.stride[2], K, V, s.states, K, V);
        for (int64_t t = start; t < end; t++) advance(a, s, t, h, s.states + (t - start) * K * V, s.states + (t - start + 1) * K * V);
        for (int64_t t = end - 1; t >= start; t--) {
            const float *before = s.states + (t - start) * K * V, *after = before + K * V, *q = at(a.q, t, h), *k = at(a.k, t, h), *v = at(a.v, t, h), *reader = at(a.a, t, h), *b = at(a.b, t, h), *g = at(a.log_decay, t, h);
            const float* d_o = a.d_o.data ? at(a.d_o, t, h) : nullptr;
            read_state(a, before, reader, s.recalled);
            for (int64_t i = 0; d_o && i < K; i++)
                for (int64_t j = 0; j < V; j++) s.d_state[i * V + j] += scale * q[i] * d_o[j];
            if (a.d_v.data) read_state(a, s.d_state, k, at(a.d_v, t, h));
            read_state(a, s.d_state, b, s.d_recalled);
            for (int64_t i = 0; i < K; i++) {
                float dq = 0, dk = 0, db = 0, da = 0, dg = 0;
                for (int64_t j = 0; j < V; j++) {
                    float& d = s.d_state[i * V + j];
                    if (d_o) dq += scale * after[i * V + j] * d_o[j];
                    dk += d * v[j];
                    db += d * s.recalled[j];
                    d *= decay(g[i]);
                    dg += d * before[i * V + j];
                    da += before[i * V + j] * s.d_recalled[j];
                    d += reader[i] * s.d_recalled[j];
                }
                if (a.d_q.data) at(a.d_q, t, h)[i] = dq;
                if (a.d_k.data) at(a.d_k, t, h)[i] = dk;
                if (a.d_a.data) at(a.d_a, t, h)[i] = da;
                if (a.d_b.data) at(a.d_b, t, h)[i] = db;
                if (a.d_log_decay.data) at(a.d_log_decay, t, h)[i] = dg;
            }
        }
    }
    if (a.d_initial_state.data) copy_state_out(s.d_state, V, K, V, floats(a.d_initial_state) + h * a.d_initial_state.stride[1], a.d_initial_state.stride[2]);
}

template <class Run>
void for_heads(const Args& a, const Scratch& scratch, Run&& run) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) { run(sequence(a, plan, plan.order[item / a.heads]), item % a.heads, scratch.of(worker)); });
}

} // namespace

namespace MEMGEN_ISA {
void generalized_delta_rule_forward(const Args& a, const Scratch& scratch) { for_heads(a, scratch, run_forward); }
void generalized_delta_rule_backward(const Args& a, const Scratch& scratch) { for_heads(a, scratch, run_backward); }
} // namespace MEMGEN_ISA

} // namespace memgen
