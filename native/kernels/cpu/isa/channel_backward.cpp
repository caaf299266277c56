// Backward pass of linear attention with a decay for every key channel, and of the delta rule with it, in chunks of 16 tokens.
// With E, a and z of the chunk's groups (channel_chunk.h):
//   QE = scale q E    KE = k / E    P = tril(QE KE^T)    O = a QE S + P V    S' = a_end E_end S + (z KE)^T V
//   dP = tril(dO V^T)    dV = P^T dO + z KE dS'    dq = scale E (a S dO + dP KE)
//   dk = (dP^T QE + z dS' V) / E    dS = a_end E_end dS' + (a QE)^T dO
// The delta rule writes V' in place of V. With KB = k E, A = stril(beta KB KE^T) and R = V - a KB S:
//   V' = (I + A)^{-1} diag(beta) R    X = (I + A)^{-T} dV'    dV = beta X    dA = -stril(X V'^T)
//   dbeta_i = X_i R_i + sum_j dA_ij KB_i KE_j    dKB = beta (dA KE - a X S^T), times E into dk
//   dk gains ((beta dA)^T KB) / E    dS gains -(beta a KB)^T X
// and with db_i = q_i dq_i - k_i dk_i (of KB with the other sign) the gradient of the first token's decay is sum_v S dS, that
// of token t this minus the db before t.
#include "channel_chunk.h"
#include "chunk_solve.h"

namespace memgen {
namespace {

// The turned operands of the products of a level's pairs: s.keysT = KE, s.queriesT = QE, s.readersT = KB. Those of the last level
// are also those of the state, and what goes with them is read: s.untilT = z KE, and the padded values.
template <bool Delta>
void read_operands(const Tokens& x, const ChannelBackwardScratch<Delta>& s, int64_t level, int64_t halved, bool queries) {
    const Args& a = x.a;
    const float scale = static_cast<float>(a.scale);
    const bool last = level == halved;
    read_turned(x.row(a.k, 0), a.k.stride[1], x.n, a.key_dim, s.kp, s.keysT);
    if (queries) read_turned(x.row(a.q, 0), a.q.stride[1], x.n, a.key_dim, s.kp, s.queriesT);
    if (!last) {
        from_halves(s, C >> level);
        transpose(s.since, s.kp, C, s.kp, s.levelT, C);
    }
    const float* factors = last ? s.decaysT : s.levelT;
    for (int64_t j = 0; j < s.kp; j++)
        for (int i = 0; i < C; i += W) {
            const Vector E = load(factors + j * C + i), key = load(s.keysT + j * C + i), k = last ? key / E : key * E;
            store(s.keysT + j * C + i, k);
            if (last) store(s.untilT + j * C + i, k * end_of(s, halved, j, i));
            if constexpr (Delta) store(s.readersT + j * C + i, key * E);
            if (queries) store(s.queriesT + j * C + i, splat(scale) * E * load(s.queriesT + j * C + i));
        }
    if (last && (!Delta || !queries)) read_rows(x.row(a.v, 0), a.v.stride[1], x.n, a.value_dim, s.vp, s.values);
}

// P, or of the delta rule's writes A without beta: all levels' products of the readers, s.queriesT or s.readersT, with the keys.
template <class S>
void relate(const Tokens& x, const S& s, int64_t halved, const float* readersT, bool queries, float* to) {
    for (int64_t i = 0; i < C * C; i += W) store(to + i, Vector{});
    for (int64_t level = 0; level <= halved; level++) {
        read_operands(x, s, level, halved, queries);
        product(C, C, s.kp, Turned{readersT, C}, s.keysT, C, s.small, C);
        choose_pairs(s.small, C, level, halved, to);
    }
}

// What a chunk of the delta rule writes, with its operands and its values.
void solve_chunk(const Tokens& x, const ChannelBackwardScratch<true>& s, int64_t halved, const float* from, const ChannelDeltaChunk& kept) {
    relate(x, s, halved, s.readersT, false, kept.keys);
    for (int i = 0; i < C; i++)
        for (int j = 0; j < C; j++) kept.solve[i * C + j] = j < i ? kept.beta[i] * kept.keys[i * C + j] : 0.0f;
    for (int64_t d = 0; d < s.kp; d++)
        for (int i = 0; i < C; i += W) store(s.weighted + d * C + i, first_of(s, halved, d, i) * load(s.readersT + d * C + i));
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
    const int64_t halved = read_decays(x, s);
    const float* written = s.values;
    soon.ask(1, 3);
    if constexpr (Delta) {
        const ChannelDeltaChunk kept = s.at(c);
        for (int i = 0; i < C; i++) kept.beta[i] = i < x.n ? *x.row(x.a.beta, i) : 0.0f;
        solve_chunk(x, s, halved, from, kept);
        written = kept.written;
    } else read_operands(x, s, halved, halved, false);
    soon.ask(2, 3);
    if (!next) return;
    for (int64_t d = 0; d < s.kp; d++) s.y[d] = whole_of(s, halved, d);
    scale_rows(s, from, to, s.y);
    product_onto(to, 1, s.kp, s.vp, C, ByRows{s.untilT, C}, written, s.vp, to, s.state_row);
}

template <bool Delta>
void leave_chunk(const Tokens& x, const ChannelBackwardScratch<Delta>& s, int64_t c) {
    const Args& a = x.a;
    const int64_t kp = s.kp, vp = s.vp, K = a.key_dim, V = a.value_dim;
    constexpr int N = Delta ? 2 * C : C; // columns of [dO^T | X^T]
    const ChannelDeltaChunk kept = s.at(c);
    const float *state = s.state(c), *beta = kept.beta, *written = Delta ? kept.written : s.values;
    float *pairs = s.small, *P = pairs + 256, *pairsT = P, *dP = P + 256 /* over dA */, *H = dP + N * C, *dO = s.rows, *X = s.rows + C * vp;
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
    const int64_t halved = read_decays(x, s);
    relate(x, s, halved, s.queriesT, true, P);
    soon.ask(0, 8);
    if (a.d_o.data) read_rows(x.row(a.d_o, 0), a.d_o.stride[1], x.n, V, vp, dO);
    else
        for (int64_t i = 0; i < C * vp; i++) dO[i] = 0.0f;
    transpose(written, vp, C, vp, s.valuesT, C);
    soon.ask(1, 8);

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
    if constexpr (Delta) {
        const float* dA = dP + 256; // with the other sign
        for (int i = 0; i < C; i++) {
            float d_beta = dot(X + i * vp, kept.residual + i * vp, vp);
            for (int j = 0; j < C; j++) {
                if (j < i) d_beta -= dA[i * C + j] * kept.keys[i * C + j];
                H[i * C + j] = j < i ? -beta[i] * dA[i * C + j] : 0.0f;
            }
            if (a.d_beta.data && i < x.n) *x.row(a.d_beta, i) = d_beta;
        }
    }
    // What goes through the pairs of a level, before its factors: the gradients of the queries, the keys and the delta rule's readers
    auto leave_pairs = [&](int64_t level, float* dq, float* dk, float* d_reader) {
        auto choose = [&](const float* from) {
            for (int64_t i = 0; i < C * C; i += W) store(pairs + i, Vector{});
            choose_pairs(from, C, level, halved, pairs);
            transpose(pairs, C, C, C, pairsT, C);
        };
        choose(dP);
        product(kp, C, C, ByRows{s.keysT, C}, pairsT, C, dq, C);
        product(kp, C, C, ByRows{s.queriesT, C}, pairs, C, dk, C);
        if constexpr (!Delta) return;
        choose(H);
        product(kp, C, C, ByRows{s.keysT, C}, pairsT, C, d_reader, C);
        product_onto(dk, 1, kp, C, C, ByRows{s.readersT, C}, pairs, C, dk, C);
    };
    leave_pairs(halved, s.dqT, s.dkT, s.d_readersT);
    soon.ask(7, 8);
    for (int64_t d = 0; d < kp; d++)
        for (int i = 0; i < C; i += W) {
            const Vector E = load(s.decaysT + d * C + i), end = end_of(s, halved, d, i), first = first_of(s, halved, d, i), query = load(s.queriesT + d * C + i);
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
    for (int64_t level = 0; level < halved; level++) {
        read_operands(x, s, level, halved, true);
        leave_pairs(level, s.y, s.untilT, s.d_readersT);
        for (int64_t at = 0; at < kp * C; at += W) {
            const Vector factor = load(s.levelT + at), dq = load(s.y + at);
            Vector dk = load(s.untilT + at), db = load(s.queriesT + at) * dq - load(s.keysT + at) * dk;
            if constexpr (Delta) {
                const Vector d_reader = load(s.d_readersT + at);
                db += load(s.readersT + at) * d_reader;
                dk += d_reader;
            }
            store(s.dqT + at, load(s.dqT + at) + splat(static_cast<float>(a.scale)) * factor * dq);
            store(s.dkT + at, load(s.dkT + at) + factor * dk);
            store(s.weighted + at, load(s.weighted + at) + db);
        }
    }
    write_turned(x, s, s.dqT, C, a.d_q, x.past.q);
    write_turned(x, s, s.dkT, C, a.d_k, x.past.k);

    // dS = a_end E_end dS' + (a QE)^T dO - (beta a KB)^T X
    for (int64_t d = 0; d < kp; d++) s.y[d] = whole_of(s, halved, d);
    scale_rows(s, s.d_state, s.d_state, s.y);
    product_onto(s.d_state, 1, kp, vp, N, ByRows{s.z, N}, s.rows, vp, s.d_state, s.state_row);
    write_decays(x, s, state);
}

template <bool Delta>
void backward(const Args& a, const Scratch& scratch) {
    for_chains(a, scratch, [](const Args& own, int64_t h, char* slice) { run_chain<ChannelBackwardScratch<Delta>>(own, h, slice, Delta, enter_chunk<Delta>, leave_chunk<Delta>); });
}

} // namespace

namespace MEMGEN_ISA {
void channel_decay_backward(const memgen_channel_decay_args& a, const Scratch& scratch) { backward<false>(a, scratch); }
void channel_delta_rule_backward(const memgen_channel_delta_rule_args& a, const Scratch& scratch) { backward<true>(a, scratch); }
} // namespace MEMGEN_ISA

} // namespace memgen
