// Backward pass of linear attention with a decay for every key channel, and of the delta rule with it, in chunks of 16 tokens.
//
// With E_i the decay from after the chunk's eighth token to token i, one over it for those before, and S1 = diag(a_8) S with a_8
// the decay from the chunk's start to that token, from which both ways decays may be strong:
//   QE = scale q E    KE = k / E    KR = k E_end / E    P = tril(QE KE^T)    O = QE S1 + P V    S' = E_end S1 + KR^T V
//   dP = tril(dO V^T)    dV = P^T dO + KR dS'    dq = scale E (S1 dO + dP KE)
//   dk = (dP^T QE) / E + (dS' V) E_end / E    dS = a_8 (E_end dS' + QE^T dO)
// The delta rule writes V' in place of V. With KB = k E, A = stril(beta KB KE^T) and R = V - KB S1:
//   V' = (I + A)^{-1} diag(beta) R    X = (I + A)^{-T} dV'    dV = beta X    dA = -stril(X V'^T)
//   dbeta_i = X_i R_i + sum_j dA_ij KB_i KE_j    dKB = beta (dA KE - X S1^T), times E into dk
//   dk gains ((beta dA)^T KB) / E    dS gains -a_8 (beta KB)^T X
// and with db_i = q_i dq_i - k_i dk_i (of KB with the other sign) the gradient of the first token's decay is sum_v S dS, that
// of token t this minus the db before t. A chunk whose decays leave the range of 1 / E runs token by token instead.
#include "chunk_solve.h"
#include "delta_layout.h"
#include "kernels.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_channel_decay_args Args;
constexpr float SmallestDecay = 1.0f / 1152921504606846976.0f; // 2^-60: the product of two 1 / E stays in float's range
constexpr int64_t Reference = C / 2 - 1;                 // the token at which E is one

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

// chunk_decays = e^log_decay, since = E, first = a_8; true when E stays in range.
template <class S>
bool read_decays(const Tokens& x, const S& s) {
    const int64_t K = x.a.key_dim;
    for (int64_t i = 0; i < C; i++)
        for (int64_t j = K; j < s.kp; j++) s.chunk_decays[i * s.kp + j] = 1.0f;
    for (int64_t i = 0; i < C; i++)
        for_vectors(K, [&](int64_t j, auto extent) {
            store(s.chunk_decays + i * s.kp + j, i < x.n ? exponential(load(x.row(x.a.log_decay, i) + j, extent)) : splat(1.0f), extent);
        });
    VectorInt strong = {};
    for (int64_t j = 0; j < s.kp; j += W) {
        auto decay = [&](int64_t i) { return load(s.chunk_decays + i * s.kp + j); };
        Vector before = splat(1.0f), after = splat(1.0f);
        store(s.since + Reference * s.kp + j, after);
        for (int64_t i = Reference; i > 0; i--) store(s.since + (i - 1) * s.kp + j, splat(1.0f) / (before *= decay(i)));
        for (int64_t i = Reference + 1; i < C; i++) store(s.since + i * s.kp + j, after *= decay(i));
        store(s.first + j, before * decay(0));
        strong |= ~(minimum(before, after) >= splat(SmallestDecay)) | ~(before == before) | ~(after == after);
    }
    return !any(strong);
}

// The turned operands of a mild chunk, and the padded values. s.decaysT: E.
template <bool Delta>
void read_operands(const Tokens& x, const ChannelBackwardScratch<Delta>& s, bool queries) {
    const Args& a = x.a;
    const float scale = static_cast<float>(a.scale);
    read_turned(x.row(a.k, 0), a.k.stride[1], x.n, a.key_dim, s.kp, s.keysT);
    if (queries) read_turned(x.row(a.q, 0), a.q.stride[1], x.n, a.key_dim, s.kp, s.queriesT);
    transpose(s.since, s.kp, C, s.kp, s.decaysT, C);
    for (int64_t j = 0; j < s.kp; j++) {
        Vector end = splat(s.decaysT[j * C + C - 1]);
        for (int i = 0; i < C; i += W) {
            Vector E = load(s.decaysT + j * C + i), key = load(s.keysT + j * C + i), k = key / E;
            store(s.keysT + j * C + i, k);
            store(s.untilT + j * C + i, k * end);
            if constexpr (Delta) store(s.readersT + j * C + i, key * E);
            if (queries) store(s.queriesT + j * C + i, splat(scale) * E * load(s.queriesT + j * C + i));
        }
    }
    if (!Delta || !queries) read_rows(x.row(a.v, 0), a.v.stride[1], x.n, a.value_dim, s.vp, s.values);
}

template <class S>
void scale_rows(const S& s, const float* from, float* to, const float* factor) {
    for (int64_t i = 0; i < s.kp; i++)
        for (int64_t j = 0; j < s.vp; j += W) store(to + i * s.state_row + j, splat(factor[i]) * load(from + i * s.state_row + j));
}

// to = diag(alpha_i) from + k_i u^T; the padding stays zero.
template <class S>
void advance_token(const Tokens& x, const S& s, int64_t i, const float* u, const float* from, float* to) {
    const float* k = x.row(x.a.k, i);
    for (int64_t d = 0; d < s.kp; d++) {
        Vector alpha = splat(s.chunk_decays[i * s.kp + d]), key = splat(d < x.a.key_dim ? k[d] : 0.0f);
        for (int64_t j = 0; j < s.vp; j += W) store(to + d * s.state_row + j, alpha * load(from + d * s.state_row + j) + key * load(u + j));
    }
}

// The delta rule's residual of token i, in the place of its value, and what it writes.
void write_token(const Tokens& x, const ChannelBackwardScratch<true>& s, int64_t i, const float* from, const ChannelDeltaChunk& kept) {
    const float *k = x.row(x.a.k, i), beta = kept.beta[i];
    float *residual = kept.residual + i * s.vp, *written = kept.written + i * s.vp;
    for (int64_t d = 0; d < x.a.key_dim; d++) {
        Vector read = splat(s.chunk_decays[i * s.kp + d] * k[d]);
        for (int64_t j = 0; j < s.vp; j += W) store(residual + j, load(residual + j) - read * load(from + d * s.state_row + j));
    }
    for (int64_t j = 0; j < s.vp; j += W) store(written + j, splat(beta) * load(residual + j));
}

// What a mild chunk of the delta rule writes; the values are in s.values.
void solve_chunk(const ChannelBackwardScratch<true>& s, const float* from, const ChannelDeltaChunk& kept) {
    product(C, C, s.kp, Turned{s.readersT, C}, s.keysT, C, kept.keys, C);
    for (int i = 0; i < C; i++)
        for (int j = 0; j < C; j++) kept.solve[i * C + j] = j < i ? kept.beta[i] * kept.keys[i * C + j] : 0.0f;
    for (int64_t d = 0; d < s.kp; d++)
        for (int i = 0; i < C; i += W) store(s.weighted + d * C + i, splat(s.first[d]) * load(s.readersT + d * C + i));
    product(C, s.vp, s.kp, Turned{s.weighted, C}, from, s.state_row, kept.residual, s.vp);
    for (int64_t i = 0; i < C * s.vp; i += W) store(kept.residual + i, load(s.values + i) - load(kept.residual + i));
    solve_forward(kept.solve, kept.beta, kept.residual, s.vp, kept.written);
}

// The state after chunk c, where one follows, and what the delta rule keeps of the chunk.
template <bool Delta>
void enter_chunk(const Tokens& x, const ChannelBackwardScratch<Delta>& s, int64_t c, bool next) {
    const float* from = s.state(c);
    float* to = s.state(c + 1);
    Soon<3> soon;
    const int64_t left = x.a.tokens - x.t - C;
    soon.add(0, x.a.log_decay, x.t + C, x.h, left, x.a.key_dim);
    soon.add(1, x.a.k, x.t + C, x.h, left, x.a.key_dim);
    soon.add(2, x.a.v, x.t + C, x.h, left, x.a.value_dim);
    soon.ask(0, 3);
    const bool mild = read_decays(x, s);
    float *values = s.values, *written = s.values;
    if constexpr (Delta) {
        const ChannelDeltaChunk kept = s.at(c);
        for (int i = 0; i < C; i++) kept.beta[i] = i < x.n ? *x.row(x.a.beta, i) : 0.0f;
        values = kept.residual, written = kept.written;
    }
    soon.ask(1, 3);
    if (mild) {
        read_operands(x, s, false);
        if constexpr (Delta) solve_chunk(s, from, s.at(c));
        soon.ask(2, 3);
        if (!next) return;
        for (int64_t i = 0; i < s.kp; i++) s.first[i] *= s.decaysT[i * C + C - 1];
        scale_rows(s, from, to, s.first);
        product_onto(to, 1, s.kp, s.vp, C, ByRows{s.untilT, C}, written, s.vp, to, s.state_row);
        return;
    }
    read_rows(x.row(x.a.v, 0), x.a.v.stride[1], x.n, x.a.value_dim, s.vp, values);
    for (int64_t i = 0; i < x.n; i++) {
        const float* before = i == 0 ? from : s.token_state(i - 1);
        if constexpr (Delta) write_token(x, s, i, before, s.at(c));
        if (next || i + 1 < x.n) advance_token(x, s, i, written + i * s.vp, before, i + 1 == x.n ? to : s.token_state(i));
    }
}

template <bool Delta>
void leave_mild_chunk(const Tokens& x, const ChannelBackwardScratch<Delta>& s, int64_t c) {
    const Args& a = x.a;
    const int64_t kp = s.kp, vp = s.vp, K = a.key_dim, V = a.value_dim;
    constexpr int N = Delta ? 2 * C : C; // columns of [dO^T | X^T]
    const ChannelDeltaChunk kept = s.at(c);
    const float *state = s.state(c), *beta = kept.beta, *written = Delta ? kept.written : s.values;
    float *P = s.small, *dP = P + 256 /* over dA */, *dPt = dP + N * C, *dO = s.rows, *X = s.rows + C * vp;
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
    transpose(written, vp, C, vp, s.valuesT, C);
    soon.ask(1, 8);

    product(C, C, kp, Turned{s.queriesT, C}, s.keysT, C, P, C);
    for (int i = 0; i < C; i++)
        for (int j = i + 1; j < C; j++) P[i * C + j] = 0.0f;
    soon.ask(2, 8);
    float* dV = Delta ? X : s.values; // values are turned already: their place holds dV
    product(C, vp, C, Turned{P, C}, dO, vp, dV, vp);
    soon.ask(3, 8);
    product_onto(dV, 1, C, vp, kp, Turned{s.untilT, C}, s.d_state, s.state_row, dV, vp);
    if constexpr (Delta) solve_backward(kept.solve, vp, X);
    soon.ask(4, 8);
    if (a.d_v.data)
        for (int64_t i = 0; i < x.n; i++) {
            float* out = x.row(a.d_v, i);
            const Vector strength = splat(Delta ? beta[i] : 1.0f);
            for_vectors(V, [&](int64_t j, auto extent) { store(out + j, strength * load(dV + i * vp + j, extent), extent, x.past.v); });
        }
    transpose(s.rows, vp, N, vp, s.columns, N);
    product(N, C, vp, ByRows{s.rows, vp}, s.valuesT, C, dP, C);

    product(kp, N, vp, ByRows{state, s.state_row}, s.columns, N, s.z, N);
    soon.ask(5, 8);
    product(kp, C, vp, ByRows{s.d_state, s.state_row}, s.valuesT, C, s.y, C);
    soon.ask(6, 8);
    for (int i = 0; i < C; i++)
        for (int j = 0; j < C; j++) {
            if (j > i) dP[i * C + j] = 0.0f;
            dPt[j * C + i] = dP[i * C + j];
        }
    product(kp, C, C, ByRows{s.keysT, C}, dPt, C, s.dqT, C);
    product(kp, C, C, ByRows{s.queriesT, C}, dP, C, s.dkT, C);
    if constexpr (Delta) {
        const float* dA = dP + 256; // with the other sign
        float *H = dPt + 256, *Ht = H + 256;
        for (int i = 0; i < C; i++) {
            float d_beta = dot(X + i * vp, kept.residual + i * vp, vp);
            for (int j = 0; j < C; j++) {
                if (j < i) d_beta -= dA[i * C + j] * kept.keys[i * C + j];
                H[i * C + j] = Ht[j * C + i] = j < i ? -beta[i] * dA[i * C + j] : 0.0f;
            }
            if (a.d_beta.data && i < x.n) *x.row(a.d_beta, i) = d_beta;
        }
        product(kp, C, C, ByRows{s.keysT, C}, Ht, C, s.d_readersT, C);
        product_onto(s.dkT, 1, kp, C, C, ByRows{s.readersT, C}, H, C, s.dkT, C);
    }
    soon.ask(7, 8);
    for (int64_t d = 0; d < kp; d++)
        for (int i = 0; i < C; i += W) {
            const Vector E = load(s.decaysT + d * C + i), end = splat(s.decaysT[d * C + C - 1]), first = splat(s.first[d]), query = load(s.queriesT + d * C + i);
            Vector inner = first * load(s.z + d * N + i) + load(s.dqT + d * C + i);
            Vector dk = (load(s.dkT + d * C + i) + end * load(s.y + d * C + i)) / E;
            Vector db = query * inner - load(s.keysT + d * C + i) * E * dk; // q dq - k dk
            store(s.dqT + d * C + i, splat(static_cast<float>(a.scale)) * E * inner);
            store(s.z + d * N + i, first * query);
            if constexpr (Delta) {
                const Vector reader = load(s.readersT + d * C + i), strength = load(beta + i);
                Vector d_reader = load(s.d_readersT + d * C + i) - strength * first * load(s.z + d * N + C + i);
                db += reader * d_reader;
                dk += E * d_reader;
                store(s.z + d * N + C + i, -strength * first * reader);
            }
            store(s.weighted + d * C + i, db);
            store(s.dkT + d * C + i, dk);
        }
    auto write_turned = [&](const float* from, const memgen_tensor& to, bool past) {
        if (!to.data) return;
        transpose(from, C, kp, C, s.y, kp);
        write_rows(s.y, kp, x.n, K, x.row(to, 0), to.stride[1], past);
    };
    write_turned(s.dqT, a.d_q, x.past.q);
    write_turned(s.dkT, a.d_k, x.past.k);

    // dS = a_8 (E_end dS' + QE^T dO - (beta KB)^T X)
    for (int64_t d = 0; d < kp; d++) s.y[d] = s.first[d] * s.decaysT[d * C + C - 1];
    scale_rows(s, s.d_state, s.d_state, s.y);
    product_onto(s.d_state, 1, kp, vp, N, ByRows{s.z, N}, s.rows, vp, s.d_state, s.state_row);
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

template <bool Delta>
void leave_strong_chunk(const Tokens& x, const ChannelBackwardScratch<Delta>& s, int64_t c) {
    const Args& a = x.a;
    const int64_t K = a.key_dim, V = a.value_dim;
    const float scale = static_cast<float>(a.scale), *state = s.state(c), *written = s.values;
    if constexpr (Delta) written = s.at(c).written;
    else read_rows(x.row(a.v, 0), a.v.stride[1], x.n, V, s.vp, s.values);
    if (a.d_o.data) read_rows(x.row(a.d_o, 0), a.d_o.stride[1], x.n, V, s.vp, s.rows);
    else
        for (int64_t i = 0; i < C * s.vp; i++) s.rows[i] = 0.0f;
    for (int64_t i = 0; i + 1 < x.n; i++) advance_token(x, s, i, written + i * s.vp, i == 0 ? state : s.token_state(i - 1), s.token_state(i));
    for (int64_t i = x.n - 1; i >= 0; i--) {
        const float *before = i == 0 ? state : s.token_state(i - 1), *k = x.row(a.k, i), *q = x.row(a.q, i), *u = written + i * s.vp, *dO = s.rows + i * s.vp;
        float *dv = s.columns, seen = dot(u, dO, s.vp);
        // dv = dS^T k with dS as it is after the token's read: its part through the read is scale (k . q) dO.
        const Vector through = splat(scale * dot(k, q, K));
        for (int64_t j = 0; j < s.vp; j += W) store(dv + j, through * load(dO + j));
        for (int64_t d = 0; d < K; d++)
            for (int64_t j = 0; j < s.vp; j += W) store(dv + j, load(dv + j) + splat(k[d]) * load(s.d_state + d * s.state_row + j));
        if constexpr (Delta) {
            const ChannelDeltaChunk kept = s.at(c);
            if (a.d_beta.data) *x.row(a.d_beta, i) = dot(dv, kept.residual + i * s.vp, s.vp);
            for (int64_t j = 0; j < s.vp; j += W) store(dv + j, splat(kept.beta[i]) * load(dv + j));
        }
        for (int64_t d = 0; d < K; d++) {
            const float *S = before + d * s.state_row, alpha = s.chunk_decays[i * s.kp + d];
            float* dS = s.d_state + d * s.state_row;
            Vector key = splat(k[d]), query = splat(scale * q[d]), dk = {}, da = {}, read = {}, erased = {};
            for (int64_t j = 0; j < s.vp; j += W) {
                Vector g = load(dS + j) + query * load(dO + j), old = load(S + j);
                dk += g * load(u + j);
                read += old * load(dO + j);
                if constexpr (Delta) {
                    g -= key * load(dv + j);
                    erased += old * load(dv + j);
                }
                da += g * old;
                store(dS + j, splat(alpha) * g);
            }
            if (a.d_q.data) x.row(a.d_q, i)[d] = scale * (alpha * sum(read) + k[d] * seen);
            if (a.d_k.data) x.row(a.d_k, i)[d] = sum(dk) - alpha * sum(erased);
            if (a.d_log_decay.data) x.row(a.d_log_decay, i)[d] = alpha * sum(da);
        }
        if (a.d_v.data) for_vectors(V, [&](int64_t j, auto extent) { store(x.row(a.d_v, i) + j, load(dv + j), extent); });
    }
}

template <bool Delta>
void run_chain(const Args& a, int64_t h, char* slice) {
    Arena arena{slice};
    ChannelBackwardScratch<Delta> s(arena, a);
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
        for (int64_t c = 0; c < (Delta ? chunks : chunks - 1); c++) enter_chunk(tokens(c), s, c, c + 1 < chunks);
        for (int64_t c = chunks - 1; c >= 0; c--) {
            bool mild = read_decays(tokens(c), s);
            (mild ? leave_mild_chunk<Delta> : leave_strong_chunk<Delta>)(tokens(c), s, c);
        }
    }
    finish_streaming();
    if (a.d_initial_state.data) copy_state_out(s.d_state, s.state_row, K, V, state_of(a.d_initial_state), a.d_initial_state.stride[2]);
}

template <bool Delta>
void backward(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) { run_chain<Delta>(sequence(a, plan, plan.order[item / a.heads]), item % a.heads, scratch.of(worker)); });
}

} // namespace

namespace MEMGEN_ISA {
void channel_decay_backward(const memgen_channel_decay_args& a, const Scratch& scratch) { backward<false>(a, scratch); }
void channel_delta_rule_backward(const memgen_channel_delta_rule_args& a, const Scratch& scratch) { backward<true>(a, scratch); }
} // namespace MEMGEN_ISA

} // namespace memgen
