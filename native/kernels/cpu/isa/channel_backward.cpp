// Backward pass of linear attention with a decay for every key channel, in chunks of 16 tokens.
//
// With E_i the decay from after the chunk's first token to token i (E_first = 1), S1 = diag(alpha_first) S:
//   QE = scale q E    KE = k / E    KR = k E_end / E    P = tril(QE KE^T)    O = QE S1 + P V    S' = E_end S1 + KR^T V
//   dP = tril(dO V^T)    dV = P^T dO + KR dS'    dq = scale E (S1 dO + dP KE)
//   dk = (dP^T QE) / E + (dS' V) E_end / E    dS = alpha_first (E_end dS' + QE^T dO)
// and with db_i = q_i dq_i - k_i dk_i the gradient of the first token's decay is sum_v S dS, that of token t
// this minus the db before t. A chunk whose decays leave the range of 1 / E runs token by token instead.
#include "chunk.h"
#include "delta_layout.h"
#include "kernels.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_channel_decay_args Args;
constexpr float SmallestDecay = 1.0f / 1099511627776.0f; // 2^-40: what 1 / E loses stays far below float's range

struct ChannelPast : Past {
    bool decay;

    explicit ChannelPast(const Args& a) : Past(a), decay(past_caches(a, a.d_log_decay, a.key_dim)) {}
};

struct Tokens {
    const Args& a;
    const ChannelPast& past;
    int64_t h, t, n; // n of them from t on
    int64_t segment; // tokens of the segment before, where that comes next

    float* row(const memgen_tensor& x, int64_t i) const { return at(x, t + i, h); }
};

// chunk_decays = e^log_decay, since = E; true when E stays in range.
bool read_decays(const Tokens& x, const ChannelBackwardScratch& s) {
    const int64_t K = x.a.key_dim;
    for (int64_t i = 0; i < C; i++)
        for (int64_t j = K; j < s.kp; j++) s.chunk_decays[i * s.kp + j] = 1.0f;
    for (int64_t i = 0; i < C; i++)
        for_vectors(K, [&](int64_t j, auto extent) {
            store(s.chunk_decays + i * s.kp + j, i < x.n ? exponential(load(x.row(x.a.log_decay, i) + j, extent)) : splat(1.0f), extent);
        });
    VectorInt strong = {};
    for (int64_t j = 0; j < s.kp; j += W) {
        Vector product = splat(1.0f);
        for (int64_t i = 0; i < C; i++) {
            if (i > 0) product *= load(s.chunk_decays + i * s.kp + j);
            store(s.since + i * s.kp + j, product);
        }
        strong |= ~(product >= splat(SmallestDecay)); // also where it is NaN
    }
    return !any(strong);
}

// The turned operands of a mild chunk, and the padded values. s.first: alpha_first; s.decaysT: E.
void read_operands(const Tokens& x, const ChannelBackwardScratch& s, bool queries) {
    const Args& a = x.a;
    const float scale = static_cast<float>(a.scale);
    read_turned(x.row(a.k, 0), a.k.stride[1], x.n, a.key_dim, s.kp, s.keysT);
    if (queries) read_turned(x.row(a.q, 0), a.q.stride[1], x.n, a.key_dim, s.kp, s.queriesT);
    transpose(s.since, s.kp, C, s.kp, s.decaysT, C);
    __builtin_memcpy(s.first, s.chunk_decays, sizeof(float) * static_cast<size_t>(s.kp));
    for (int64_t j = 0; j < s.kp; j++) {
        Vector end = splat(s.decaysT[j * C + C - 1]);
        for (int i = 0; i < C; i += W) {
            Vector E = load(s.decaysT + j * C + i), k = load(s.keysT + j * C + i) / E;
            store(s.keysT + j * C + i, k);
            store(s.untilT + j * C + i, k * end);
            if (queries) store(s.queriesT + j * C + i, splat(scale) * E * load(s.queriesT + j * C + i));
        }
    }
    read_rows(x.row(a.v, 0), a.v.stride[1], x.n, a.value_dim, s.vp, s.values);
}

void scale_rows(const ChannelBackwardScratch& s, const float* from, float* to, const float* factor) {
    for (int64_t i = 0; i < s.kp; i++)
        for (int64_t j = 0; j < s.vp; j += W) store(to + i * s.state_row + j, splat(factor[i]) * load(from + i * s.state_row + j));
}

// to = diag(alpha_i) from + k_i v_i^T, v from s.values; the padding stays zero.
void advance_token(const Tokens& x, const ChannelBackwardScratch& s, int64_t i, const float* from, float* to) {
    const float *k = x.row(x.a.k, i), *v = s.values + i * s.vp;
    for (int64_t d = 0; d < s.kp; d++) {
        Vector alpha = splat(s.chunk_decays[i * s.kp + d]), key = splat(d < x.a.key_dim ? k[d] : 0.0f);
        for (int64_t j = 0; j < s.vp; j += W) store(to + d * s.state_row + j, alpha * load(from + d * s.state_row + j) + key * load(v + j));
    }
}

void enter_chunk(const Tokens& x, const ChannelBackwardScratch& s, const float* from, float* to) {
    Soon<3> soon;
    const int64_t left = x.a.tokens - x.t - C;
    soon.add(0, x.a.log_decay, x.t + C, x.h, left, x.a.key_dim);
    soon.add(1, x.a.k, x.t + C, x.h, left, x.a.key_dim);
    soon.add(2, x.a.v, x.t + C, x.h, left, x.a.value_dim);
    soon.ask(0, 3);
    if (read_decays(x, s)) {
        soon.ask(1, 3);
        read_operands(x, s, false);
        soon.ask(2, 3);
        for (int64_t i = 0; i < s.kp; i++) s.first[i] *= s.decaysT[i * C + C - 1];
        scale_rows(s, from, to, s.first);
        product_onto(to, 1, s.kp, s.vp, C, ByRows{s.untilT, C}, s.values, s.vp, to, s.state_row);
        return;
    }
    read_rows(x.row(x.a.v, 0), x.a.v.stride[1], x.n, x.a.value_dim, s.vp, s.values);
    for (int64_t i = 0; i < x.n; i++) advance_token(x, s, i, i == 0 ? from : s.token_state(i - 1), i + 1 == x.n ? to : s.token_state(i));
}

void leave_mild_chunk(const Tokens& x, const ChannelBackwardScratch& s, const float* state) {
    const Args& a = x.a;
    const int64_t kp = s.kp, vp = s.vp, K = a.key_dim, V = a.value_dim;
    float *P = s.small, *dP = P + 256, *dPt = dP + 256, *dO = s.rows;
    Soon<9> soon; // the chunk before this one, the gradients of this one and, before the first chunk, where the segment before begins
    if (x.t >= C) {
        soon.add(0, a.q, x.t - C, x.h, C, K);
        soon.add(1, a.d_o, x.t - C, x.h, C, V);
    }
    if (!x.past.q) soon.add(2, a.d_q, x.t, x.h, x.n, K);
    if (!x.past.k) soon.add(3, a.d_k, x.t, x.h, x.n, K);
    if (!x.past.v) soon.add(4, a.d_v, x.t, x.h, x.n, V);
    if (!x.past.decay) soon.add(5, a.d_log_decay, x.t, x.h, x.n, K);
    if (x.segment > 0) {
        soon.add(6, a.log_decay, x.t - x.segment, x.h, C, K);
        soon.add(7, a.k, x.t - x.segment, x.h, C, K);
        soon.add(8, a.v, x.t - x.segment, x.h, C, V);
    }
    read_operands(x, s, true);
    soon.ask(0, 8);
    if (a.d_o.data) read_rows(x.row(a.d_o, 0), a.d_o.stride[1], x.n, V, vp, dO);
    else
        for (int64_t i = 0; i < C * vp; i++) dO[i] = 0.0f;
    transpose(dO, vp, C, vp, s.columns, C);
    transpose(s.values, vp, C, vp, s.valuesT, C);
    soon.ask(1, 8);

    product(C, C, kp, Turned{s.queriesT, C}, s.keysT, C, P, C);
    product(C, C, vp, ByRows{dO, vp}, s.valuesT, C, dP, C);
    soon.ask(2, 8);
    for (int i = 0; i < C; i++)
        for (int j = 0; j < C; j++) {
            if (j > i) P[i * C + j] = dP[i * C + j] = 0.0f;
            dPt[j * C + i] = dP[i * C + j];
        }
    product(C, vp, C, Turned{P, C}, dO, vp, s.values, vp); // values are turned already: their place holds dV
    soon.ask(3, 8);
    product_onto(s.values, 1, C, vp, kp, Turned{s.untilT, C}, s.d_state, s.state_row, s.values, vp);
    soon.ask(4, 8);
    if (a.d_v.data) write_rows(s.values, vp, x.n, V, x.row(a.d_v, 0), a.d_v.stride[1], x.past.v);

    product(kp, C, vp, ByRows{state, s.state_row}, s.columns, C, s.dqT, C);
    soon.ask(5, 8);
    product(kp, C, vp, ByRows{s.d_state, s.state_row}, s.valuesT, C, s.y, C);
    soon.ask(6, 8);
    for (int64_t d = 0; d < kp; d++)
        for (int i = 0; i < C; i += W) store(s.dqT + d * C + i, splat(s.first[d]) * load(s.dqT + d * C + i));
    product_onto(s.dqT, 1, kp, C, C, ByRows{s.keysT, C}, dPt, C, s.dqT, C);
    product(kp, C, C, ByRows{s.queriesT, C}, dP, C, s.dkT, C);
    soon.ask(7, 8);
    for (int64_t d = 0; d < kp; d++)
        for (int i = 0; i < C; i += W) {
            Vector E = load(s.decaysT + d * C + i), inner = load(s.dqT + d * C + i), end = splat(s.decaysT[d * C + C - 1]);
            Vector dk = (load(s.dkT + d * C + i) + end * load(s.y + d * C + i)) / E;
            store(s.weighted + d * C + i, load(s.queriesT + d * C + i) * inner - load(s.keysT + d * C + i) * E * dk); // q dq - k dk
            store(s.dqT + d * C + i, splat(static_cast<float>(a.scale)) * E * inner);
            store(s.dkT + d * C + i, dk);
        }
    auto write_turned = [&](const float* from, const memgen_tensor& to, bool past) {
        if (!to.data) return;
        transpose(from, C, kp, C, s.y, kp);
        write_rows(s.y, kp, x.n, K, x.row(to, 0), to.stride[1], past);
    };
    write_turned(s.dqT, a.d_q, x.past.q);
    write_turned(s.dkT, a.d_k, x.past.k);

    // dS = alpha_first (E_end dS' + QE^T dO)
    for (int64_t d = 0; d < kp; d++) {
        s.y[d] = s.first[d] * s.decaysT[d * C + C - 1];
        for (int i = 0; i < C; i += W) store(s.queriesT + d * C + i, splat(s.first[d]) * load(s.queriesT + d * C + i));
    }
    scale_rows(s, s.d_state, s.d_state, s.y);
    product_onto(s.d_state, 1, kp, vp, C, ByRows{s.queriesT, C}, dO, vp, s.d_state, s.state_row);
    if (!a.d_log_decay.data) return;
    for (int64_t d = 0; d < kp; d++) s.first[d] = dot(state + d * s.state_row, s.d_state + d * s.state_row, vp);
    transpose(s.weighted, C, kp, C, s.y, kp);
    for (int64_t i = 0; i < x.n; i++)
        for_vectors(K, [&](int64_t d, auto extent) {
            Vector gradient = load(s.first + d);
            store(x.row(a.d_log_decay, i) + d, gradient, extent, x.past.decay);
            store(s.first + d, gradient - load(s.y + i * kp + d));
        });
}

void leave_strong_chunk(const Tokens& x, const ChannelBackwardScratch& s, const float* state) {
    const Args& a = x.a;
    const int64_t K = a.key_dim, V = a.value_dim;
    const float scale = static_cast<float>(a.scale);
    read_rows(x.row(a.v, 0), a.v.stride[1], x.n, V, s.vp, s.values);
    if (a.d_o.data) read_rows(x.row(a.d_o, 0), a.d_o.stride[1], x.n, V, s.vp, s.rows);
    else
        for (int64_t i = 0; i < C * s.vp; i++) s.rows[i] = 0.0f;
    for (int64_t i = 0; i + 1 < x.n; i++) advance_token(x, s, i, i == 0 ? state : s.token_state(i - 1), s.token_state(i));
    for (int64_t i = x.n - 1; i >= 0; i--) {
        const float *before = i == 0 ? state : s.token_state(i - 1), *k = x.row(a.k, i), *q = x.row(a.q, i), *v = s.values + i * s.vp, *dO = s.rows + i * s.vp;
        float *dv = s.columns, seen = dot(v, dO, s.vp);
        for (int64_t j = 0; j < s.vp; j++) dv[j] = 0.0f;
        for (int64_t d = 0; d < K; d++) {
            const float *S = before + d * s.state_row, alpha = s.chunk_decays[i * s.kp + d];
            float* dS = s.d_state + d * s.state_row;
            Vector key = splat(k[d]), query = splat(scale * q[d]), dk = {}, da = {}, read = {};
            for (int64_t j = 0; j < s.vp; j += W) {
                Vector g = load(dS + j) + query * load(dO + j), old = load(S + j);
                dk += g * load(v + j);
                da += g * old;
                read += old * load(dO + j);
                store(dv + j, load(dv + j) + key * g);
                store(dS + j, splat(alpha) * g);
            }
            if (a.d_q.data) x.row(a.d_q, i)[d] = scale * (alpha * sum(read) + k[d] * seen);
            if (a.d_k.data) x.row(a.d_k, i)[d] = sum(dk);
            if (a.d_log_decay.data) x.row(a.d_log_decay, i)[d] = alpha * sum(da);
        }
        if (a.d_v.data) for_vectors(V, [&](int64_t j, auto extent) { store(x.row(a.d_v, i) + j, load(dv + j), extent); });
    }
}

void run_chain(const Args& a, int64_t h, char* slice) {
    Arena arena{slice};
    ChannelBackwardScratch s(arena, a);
    const ChannelPast past(a);
    const int64_t K = a.key_dim, V = a.value_dim, T = a.tokens, interval = checkpoint_interval(K, V), saved = checkpoint_count(T, interval);
    auto state_of = [&](const memgen_tensor& x) { return x.data ? floats(x) + h * x.stride[1] : nullptr; };

    copy_state_in(state_of(a.d_final_state), a.d_final_state.stride[2], K, V, s.d_state, s.kp, s.state_row);
    for (int64_t segment = saved; segment >= 0 && T > 0; segment--) {
        int64_t start = segment * interval, end = start + interval < T ? start + interval : T, chunks = padded(end - start, C) / C;
        if (segment > 0) copy_state_in(static_cast<const float*>(a.checkpoints) + (h * saved + segment - 1) * K * V, V, K, V, s.states, s.kp, s.state_row);
        else copy_state_in(state_of(a.initial_state), a.initial_state.stride[2], K, V, s.states, s.kp, s.state_row);
        auto tokens = [&](int64_t c) {
            int64_t t = start + c * C;
            return Tokens{a, past, h, t, end - t < C ? end - t : C, c == 0 && segment > 0 ? interval : 0};
        };
        for (int64_t c = 0; c + 1 < chunks; c++) enter_chunk(tokens(c), s, s.state(c), s.state(c + 1));
        for (int64_t c = chunks - 1; c >= 0; c--) {
            bool mild = read_decays(tokens(c), s);
            (mild ? leave_mild_chunk : leave_strong_chunk)(tokens(c), s, s.state(c));
        }
    }
    finish_streaming();
    if (a.d_initial_state.data) copy_state_out(s.d_state, s.state_row, K, V, state_of(a.d_initial_state), a.d_initial_state.stride[2]);
}

} // namespace

namespace MEMGEN_ISA {
void channel_decay_backward(const memgen_channel_decay_args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) { run_chain(sequence(a, plan, plan.order[item / a.heads]), item % a.heads, scratch.of(worker)); });
}
} // namespace MEMGEN_ISA

} // namespace memgen
