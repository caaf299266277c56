// Backward pass of the gated delta rule and of scalar decay (without decay: see linear_attention.cpp), in chunks of 16 tokens, last segment first.
//
// The forward pass left the state at the start of every segment. A segment's states are computed again
// from there, one per chunk, and the chunks are then walked back to front with the gradient dS of the
// state. With R = V - diag(g) K S, A = stril(beta Gamma K K^T), V' = (I + A)^{-1} diag(beta) R,
// P = Gamma Q K^T and S' = g_C S + (diag(r) K)^T V' (scalar decay: V' = V):
//   dV' = P^T dO + diag(r) K dS'      X = (I + A)^{-T} dV'      dA = -stril(X V'^T)      dP = Gamma dO V'^T
//   dV = beta X      dbeta_i = X_i R_i + sum_j dA_ij Gamma_ij k_i k_j      G = beta dA Gamma
//   dQ = g dO S^T + dP K      dK = dP^T Q + r V' dS'^T + (G + G^T) K - beta g X S^T
//   dS = g_C dS' + (g Q)^T dO - (beta g K)^T X
// A decay a_t multiplies every Gamma_ij with j < t <= i, g_i with i >= t, r_j with j < t and g_C; its
// gradient is summed over exactly those, without differences that would cancel.
#include "delta_layout.h"
#include "kernels.h"
#include "chunk_solve.h"
#include "powers.h"
#include "threads.h"

namespace memgen {

namespace MEMGEN_ISA {
void linear_attention_backward(const memgen_scalar_decay_args&, const Scratch&);
} // namespace MEMGEN_ISA

namespace {

typedef memgen_gated_delta_rule_args Args;

// One head of one sequence; whether its gradients are stored past the caches.
struct Chain {
    const Args& a;
    int64_t h;
    Past past;

    Chain(const Args& args, int64_t head) : a(args), h(head), past(args) {}
    float* row(const memgen_tensor& x, int64_t t) const { return at(x, t, h); }
};

template <bool Delta>
void enter_chunk(const Chain& chain, const DeltaBackwardScratch& s, int64_t c, int64_t t, int64_t n, bool next) {
    const Args& a = chain.a;
    DeltaChunk x = s.at(c);
    float *alpha = x.gates, *beta = x.gates + C, *since = x.gates + 2 * C, *until = x.gates + 3 * C;
    for (int i = 0; i < C; i++) {
        alpha[i] = i < n && a.log_decay.data ? *chain.row(a.log_decay, t + i) : 0.0f;
        beta[i] = Delta && i < n ? *chain.row(a.beta, t + i) : 0.0f;
    }
    for (int i = 0; i < C; i += W) store(alpha + i, exponential(load(alpha + i)));
    float decayed = 1.0f;
    for (int i = 0; i < C; i++) {
        since[i] = decayed *= alpha[i];
        for (int j = 0; j < C; j++) x.decay[i * C + j] = j == i ? 1.0f : j < i ? alpha[i] * x.decay[(i - 1) * C + j] : 0.0f;
    }
    for (int j = 0; j < C; j++) until[j] = x.decay[(C - 1) * C + j];

    Soon<2> soon;
    if (next) {
        const int64_t left = a.tokens - t - C;
        soon.add(0, a.k, t + C, chain.h, left, a.key_dim);
        soon.add(1, a.v, t + C, chain.h, left, a.value_dim);
    }
    read_turned(chain.row(a.k, t), a.k.stride[1], n, a.key_dim, s.kp, x.kT);
    if constexpr (Delta) {
        soon.ask(0, 4);
        product(C, C, s.kp, Turned{x.kT, C}, x.kT, C, x.keys, C);
        soon.ask(1, 4);
        for (int i = 0; i < C; i++)
            for (int j = 0; j < C; j++) x.solve[i * C + j] = j < i ? beta[i] * x.decay[i * C + j] * x.keys[i * C + j] : 0.0f;
        read_rows(chain.row(a.v, t), a.v.stride[1], n, a.value_dim, s.vp, x.written);
        product(C, s.vp, s.kp, Turned{x.kT, C}, s.state(c), s.state_row, x.residual, s.vp);
        soon.ask(2, 4);
        for (int i = 0; i < C; i++)
            for (int64_t j = 0; j < s.vp; j += W) {
                float* r = x.residual + i * s.vp + j;
                store(r, load(x.written + i * s.vp + j) - splat(since[i]) * load(r));
            }
        solve_forward(x.solve, beta, x.residual, s.vp, x.written);
        soon.ask(3, 4);
    } else {
        soon.ask(0, 2);
        read_rows(chain.row(a.v, t), a.v.stride[1], n, a.value_dim, s.vp, x.written);
        soon.ask(1, 2);
    }
    if (!next) return;
    weigh(x.kT, until, s.kp, s.weighted, C);
    product_onto(s.state(c), since[C - 1], s.kp, s.vp, C, ByRows{s.weighted, C}, x.written, s.vp, s.state(c + 1), s.state_row);
}

template <bool Delta>
void leave_chunk(const Chain& chain, const DeltaBackwardScratch& s, int64_t c, int64_t t, int64_t n) {
    const Args& a = chain.a;
    const int64_t kp = s.kp, vp = s.vp, V = a.value_dim, K = a.key_dim;
    const float scale = static_cast<float>(a.scale);
    constexpr int N = Delta ? 2 * C : C; // columns of [dO^T | X^T]
    DeltaChunk x = s.at(c);
    const float *beta = x.gates + C, *since = x.gates + 2 * C, *until = x.gates + 3 * C;
    float *Pt = s.small, *dP = Pt + 256, *dPt = dP + 256, *H = dPt + 256, *E = H + 256, *decayT = E + 256, *strictT = decayT + 256, *turned = strictT + 256;
    float *dots = turned + 256 /* 512 */, *sums = dots + 512, *factor = sums + 32;
    float *dO = s.rows, *X = s.rows + C * vp;

    Soon<7> soon; // the chunk before this one, the gradients of this one and, before the first chunk, where the segment before begins
    if (t >= C) {
        soon.add(0, a.q, t - C, chain.h, C, K);
        soon.add(1, a.d_o, t - C, chain.h, C, V);
    }
    if (!chain.past.q) soon.add(2, a.d_q, t, chain.h, n, K);
    if (!chain.past.k) soon.add(3, a.d_k, t, chain.h, n, K);
    if (!chain.past.v) soon.add(4, a.d_v, t, chain.h, n, V);
    if (c == 0 && t > 0) {
        soon.add(5, a.k, t - s.chunks * C, chain.h, C, K);
        soon.add(6, a.v, t - s.chunks * C, chain.h, C, V);
    }
    read_turned(chain.row(a.q, t), a.q.stride[1], n, K, kp, s.qT);
    for (int64_t i = 0; i < kp * C; i += W) store(s.qT + i, splat(scale) * load(s.qT + i));
    if (a.d_o.data) read_rows(chain.row(a.d_o, t), a.d_o.stride[1], n, V, vp, dO);
    else
        for (int64_t i = 0; i < C * vp; i++) dO[i] = 0.0f;

    // Matrices over pairs of tokens are kept turned, [j, i] with j the earlier: lanes are i
    transpose(x.decay, C, C, C, decayT, C);
    product(C, C, kp, Turned{x.kT, C}, s.qT, C, E, C); // K Q^T
    for (int i = 0; i < C * C; i += W) {
        store(Pt + i, load(E + i) * load(decayT + i));
        store(strictT + i, load(decayT + i));
    }
    for (int i = 0; i < C; i++) strictT[i * C + i] = 0.0f;
    soon.ask(0, 8);

    float* dW = Delta ? X : s.writtenT; // gradient of what the chunk writes
    product(C, vp, C, ByRows{Pt, C}, dO, vp, dW, vp);
    soon.ask(1, 8);
    weigh(x.kT, until, kp, s.weighted, C);
    product_onto(dW, 1, C, vp, kp, Turned{s.weighted, C}, s.d_state, s.state_row, dW, vp);
    soon.ask(2, 8);
    if constexpr (Delta) solve_backward(x.solve, vp, X);
    soon.ask(3, 8);
    if (a.d_v.data)
        for (int64_t i = 0; i < n; i++) {
            float* out = chain.row(a.d_v, t + i);
            Vector b = splat(Delta ? beta[i] : 1.0f);
            for_vectors(V, [&](int64_t j, auto extent) { store(out + j, b * load(dW + i * vp + j, extent), extent, chain.past.v); });
        }

    transpose(s.rows, vp, N, vp, s.columns, N);
    transpose(x.written, vp, C, vp, s.writtenT, C);
    product(C, N, vp, ByRows{x.written, vp}, s.columns, N, dots, N); // V' [dO^T | X^T]
    soon.ask(4, 8);
    product(kp, N, vp, ByRows{s.state(c), s.state_row}, s.columns, N, s.z, N);
    soon.ask(5, 8);
    Vector total[4] = {}; // of S and dS': one sum would wait for itself, and both are in the cache here
    if (a.d_log_decay.data)
        for (int64_t i = 0; i < kp; i += 4)
            for (int64_t j = 0; j < vp; j += W)
#pragma GCC unroll 4
                for (int n = 0; n < 4; n++) total[n] += load(s.state(c) + (i + n) * s.state_row + j) * load(s.d_state + (i + n) * s.state_row + j);
    product(kp, C, vp, ByRows{s.d_state, s.state_row}, s.writtenT, C, s.y, C);
    soon.ask(6, 8);

    // E becomes the gradient of Gamma times Gamma below the diagonal, H the gradient of K K^T
    float d_beta[C] = {};
    if constexpr (Delta) transpose(x.solve, C, C, C, turned, C);
    for (int j = 0; j < C; j++)
        for (int m = 0; m < C; m += W) {
            int at = j * C + m;
            Vector dp = load(decayT + at) * load(dots + j * N + m), e = dp * load(E + at);
            store(dPt + at, dp);
            if constexpr (Delta) {
                Vector dA = -load(dots + j * N + C + m), d = dA * load(strictT + at);
                store(d_beta + m, load(d_beta + m) + d * load(x.keys + at));
                store(H + at, load(beta + m) * d);
                e += dA * load(turned + at);
            }
            store(strictT + at, e);
        }
    transpose(dPt, C, C, C, dP, C);
    transpose(strictT, C, C, C, E, C);
    if constexpr (Delta) {
        transpose(H, C, C, C, turned, C);
        for (int i = 0; i < C * C; i += W) store(H + i, load(H + i) + load(turned + i));
        for (int i = 0; i < C; i++) {
            d_beta[i] += dot(X + i * vp, x.residual + i * vp, vp);
            factor[i] = -beta[i] * since[i];
        }
    }

    product(kp, C, C, ByRows{x.kT, C}, dPt, C, s.dqT, C);
    product(kp, C, C, ByRows{s.qT, C}, dP, C, s.dkT, C);
    if constexpr (Delta) product_onto(s.dkT, 1, kp, C, C, ByRows{x.kT, C}, H, C, s.dkT, C);
    soon.ask(7, 8);

    // The parts of dQ and dK that come from the states, and what they say about the decays
    for (int m = 0; m < C; m += W) {
        Vector g = load(since + m), r = load(until + m), f = {}, by_since = {}, by_until = {};
        if constexpr (Delta) f = load(factor + m);
        for (int64_t k = 0; k < kp; k++) {
            Vector key = load(x.kT + k * C + m), query = load(s.qT + k * C + m);
            Vector from_state = g * load(s.z + k * N + m), to_state = r * load(s.y + k * C + m);
            by_since += query * from_state;
            by_until += key * to_state;
            store(s.dqT + k * C + m, load(s.dqT + k * C + m) + from_state);
            Vector dk = load(s.dkT + k * C + m) + to_state;
            if constexpr (Delta) {
                Vector erased = f * load(s.z + k * N + C + m);
                by_since += key * erased;
                dk += erased;
            }
            store(s.dkT + k * C + m, dk);
        }
        store(sums + m, by_since);
        store(sums + C + m, by_until);
    }

    if (a.d_log_decay.data) {
        float whole = since[C - 1] * sum((total[0] + total[1]) + (total[2] + total[3])), before[C + 1] = {};
        for (int j = 0; j < C; j++) before[j + 1] = before[j] + sums[C + j];
        float crossing[C] = {}, after = 0.0f;
        for (int i = C - 1; i >= 0; i--) {
            after += sums[i];
            float e = 0.0f;
            for (int j = 0; j < i; j++) e += crossing[j] += E[i * C + j];
            if (i < n) *chain.row(a.d_log_decay, t + i) = e + after + before[i] + whole;
        }
    }
    if (Delta && a.d_beta.data)
        for (int64_t i = 0; i < n; i++) *chain.row(a.d_beta, t + i) = d_beta[i];

    if (a.d_q.data) {
        for (int64_t i = 0; i < kp * C; i += W) store(s.dqT + i, splat(scale) * load(s.dqT + i));
        transpose(s.dqT, C, kp, C, s.weighted, kp);
        write_rows(s.weighted, kp, n, K, chain.row(a.d_q, t), a.d_q.stride[1], chain.past.q);
    }
    if (a.d_k.data) {
        transpose(s.dkT, C, kp, C, s.weighted, kp);
        write_rows(s.weighted, kp, n, K, chain.row(a.d_k, t), a.d_k.stride[1], chain.past.k);
    }

    weigh(s.qT, since, kp, s.weighted, N);
    if constexpr (Delta) weigh(x.kT, factor, kp, s.weighted + C, N);
    product_onto(s.d_state, since[C - 1], kp, vp, N, ByRows{s.weighted, N}, s.rows, vp, s.d_state, s.state_row);
}

template <bool Delta>
void run_chain(const Args& a, int64_t h, char* slice) {
    Arena arena{slice};
    DeltaBackwardScratch s(arena, a);
    Chain chain{a, h};
    const int64_t K = a.key_dim, V = a.value_dim, T = a.tokens, interval = checkpoint_interval(K, V), saved = checkpoint_count(T, interval);

    copy_state_in(a.d_final_state.data ? floats(a.d_final_state) + h * a.d_final_state.stride[1] : nullptr,
                  a.d_final_state.stride[2], K, V, s.d_state, s.kp, s.state_row);
    for (int64_t segment = saved; segment >= 0 && T > 0; segment--) {
        int64_t start = segment * interval, end = start + interval < T ? start + interval : T, chunks = padded(end - start, C) / C;
        if (segment > 0) copy_state_in(static_cast<const float*>(a.checkpoints) + (h * saved + segment - 1) * K * V, V, K, V, s.states, s.kp, s.state_row);
        else
            copy_state_in(a.initial_state.data ? floats(a.initial_state) + h * a.initial_state.stride[1] : nullptr,
                          a.initial_state.stride[2], K, V, s.states, s.kp, s.state_row);
        for (int64_t c = 0; c < chunks; c++) {
            int64_t t = start + c * C;
            enter_chunk<Delta>(chain, s, c, t, end - t < C ? end - t : C, c + 1 < chunks);
        }
        for (int64_t c = chunks - 1; c >= 0; c--) {
            int64_t t = start + c * C;
            leave_chunk<Delta>(chain, s, c, t, end - t < C ? end - t : C);
        }
    }
    finish_streaming();
    if (!a.d_initial_state.data) return;
    float* out = floats(a.d_initial_state) + h * a.d_initial_state.stride[1];
    copy_state_out(s.d_state, s.state_row, K, V, out, a.d_initial_state.stride[2]);
}

template <bool Delta>
void backward(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) {
        run_chain<Delta>(sequence(a, plan, plan.order[item / a.heads]), item % a.heads, scratch.of(worker));
    });
}

} // namespace

namespace MEMGEN_ISA {
void gated_delta_rule_backward(const memgen_gated_delta_rule_args& a, const Scratch& s) { backward<true>(a, s); }

void scalar_decay_backward(const memgen_scalar_decay_args& a, const Scratch& s) {
    if (a.log_decay.data) return backward<false>(a, s);
    linear_attention_backward(a, s);
}
} // namespace MEMGEN_ISA

} // namespace memgen
