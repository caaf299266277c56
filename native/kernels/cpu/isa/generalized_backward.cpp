// Backward pass of the generalised delta rule, in chunks of 16 tokens.
// With E, a and z of the chunk's groups (channel_chunk.h); p is the row of a token's a, which recalls by the decays before that
// token. So it reads with the token in front: P is one row above it, and that of a chunk's first token, p_0, reads S itself.
//   PE = P E    QE = scale q E    KE = k / E    BE = b / E    XY = tril(XE YE^T) for X = P and Q, Y = K and B
//   R_0 = p_0 S    R_(i+1) = (a PE S + PK V + PB R)_i, or with L that is PB a row lower R = (I - L)^{-1} ..
//   O = a QE S + QK V + QB R    S' = a_end E_end S + (z KE)^T V + (z BE)^T R
//   dR = QB^T dO + z BE dS'    X = (I - L)^{-T} dR, of which XP are the rows from the second on, those of P
//   dV = QK^T dO + PK^T XP + z KE dS'
//   dQ = scale E (a S dO + (dO V^T) KE + (dO R^T) BE)    dP = E (a S XP + (XP V^T) KE + (XP R^T) BE)    dp_0 = S X_0
//   dk = ((dO V^T)^T QE + (XP V^T)^T PE + z dS' V) / E    db = the same with R in the place of V    all products of pairs tril
//   dS = a_end E_end dS' + (a QE)^T dO + (a PE)^T XP + p_0 X_0^T
// and with dc_i = q_i dq_i + P_i dP_i - k_i dk_i - b_i db_i the gradient of the first token's decay is sum_v S dS without the last
// term, that of token t this minus the dc before t.
#include "channel_chunk.h"
#include "chunk_solve.h"

namespace memgen {
namespace {

constexpr int N = 2 * C;

// The turned operands of the products of a level's pairs: s.writersT = [KE | BE], and of s.readersT = [PE | QE] the first or all.
// Those of the last level are also those of the state, and s.untilT, z times the writers, goes with them.
void read_operands(const Tokens& x, const GeneralizedBackwardScratch& s, int64_t level, int64_t halved, bool queries) {
    const Args& a = x.a;
    const bool last = level == halved;
    const int64_t following = a.tokens - x.t - 1; // the chunk after this one has the last of P's rows, which meets zeros alone
    read_turned(x.row(a.k, 0), a.k.stride[1], x.n, a.key_dim, s.kp, s.writersT, N);
    read_turned(x.row(a.b, 0), a.b.stride[1], x.n, a.key_dim, s.kp, s.writersT + C, N);
    read_turned(x.row(a.a, 1), a.a.stride[1], following < C ? following : C, a.key_dim, s.kp, s.readersT, N);
    if (queries) read_turned(x.row(a.q, 0), a.q.stride[1], x.n, a.key_dim, s.kp, s.readersT + C, N);
    if (!last) {
        from_halves(s, C >> level);
        transpose(s.since, s.kp, C, s.kp, s.levelT, C);
    }
    const float* factors = last ? s.decaysT : s.levelT;
    const Vector scale = splat(static_cast<float>(a.scale));
    for (int64_t d = 0; d < s.kp; d++)
        for (int i = 0; i < C; i += W) {
            float *writers = s.writersT + d * N + i, *readers = s.readersT + d * N + i;
            const Vector E = load(factors + d * C + i), written = last ? splat(1.0f) / E : E, key = written * load(writers), place = written * load(writers + C);
            store(writers, key);
            store(writers + C, place);
            if (last) {
                const Vector end = end_of(s, halved, d, i);
                store(s.untilT + d * N + i, end * key);
                store(s.untilT + d * N + C + i, end * place);
            }
            store(readers, E * load(readers));
            if (queries) store(readers + C, scale * E * load(readers + C));
        }
}

// Pairs of P, or of Q, with both kinds of writers, [16, 32]: all levels' products of the readers.
void relate(const Tokens& x, const GeneralizedBackwardScratch& s, int64_t halved, bool queries, float* to) {
    for (int64_t i = 0; i < C * N; i += W) store(to + i, Vector{});
    for (int64_t level = 0; level <= halved; level++) {
        read_operands(x, s, level, halved, queries);
        product(C, N, s.kp, Turned{s.readersT + (queries ? C : 0), N}, s.writersT, N, s.all, N);
        for (int half : {0, C}) choose_pairs(s.all + half, N, level, halved, to + half);
    }
}

// What the tokens of a chunk recall, and the state after it where one follows.
void enter_chunk(const Tokens& x, const GeneralizedBackwardScratch& s, int64_t c, bool next) {
    const Args& a = x.a;
    const int64_t kp = s.kp, vp = s.vp;
    const float* from = s.state(c);
    const GeneralizedChunk kept = s.at(c);
    Soon<5> soon;
    const int64_t left = a.tokens - x.t - C;
    int tensors = 0;
    for (const memgen_tensor* each : {&a.log_decay, &a.k, &a.b, &a.a}) soon.add(tensors++, *each, x.t + C, x.h, left, a.key_dim);
    soon.add(tensors, a.v, x.t + C, x.h, left, a.value_dim);
    soon.ask(0, 4);
    const int64_t halved = read_decays(x, s);
    relate(x, s, halved, false, kept.late + N);
    soon.ask(1, 4);
    for (int i = 0; i < N; i++) kept.late[i] = 0.0f;
    for (int i = 0; i < C; i++)
        for (int j = 0; j < C; j++) kept.solve[i * C + j] = j < i ? -kept.late[i * N + C + j] : 0.0f;
    read_rows(x.row(a.v, 0), a.v.stride[1], x.n, a.value_dim, vp, s.values);
    // A row lower as well: what stands past a channel's last token is the next one's p_0, which is put there afterwards.
    for (int64_t d = 0; d < kp; d++) {
        for (int i = 0; i < C; i += W) store(s.weighted + d * C + i + 1, first_of(s, halved, d, i) * load(s.readersT + d * N + i));
        s.weighted[d * C] = d < a.key_dim ? x.row(a.a, 0)[d] : 0.0f;
    }
    product(C, vp, kp, Turned{s.weighted, C}, from, s.state_row, kept.recalled, vp);
    soon.ask(2, 4);
    product_onto(kept.recalled, 1, C, vp, C, ByRows{kept.late, N}, s.values, vp, kept.recalled, vp);
    solve_forward(kept.solve, nullptr, kept.recalled, vp, kept.recalled);
    soon.ask(3, 4);
    if (!next) return;
    float* to = s.state(c + 1);
    for (int64_t d = 0; d < kp; d++) s.y[d] = whole_of(s, halved, d);
    scale_rows(s, from, to, s.y);
    product_onto(to, 1, kp, vp, C, ByRows{s.untilT, N}, s.values, vp, to, s.state_row);
    product_onto(to, 1, kp, vp, C, ByRows{s.untilT + C, N}, kept.recalled, vp, to, s.state_row);
}

// What goes through the pairs of a level into readers and writers, before their factors.
void leave_pairs(const GeneralizedBackwardScratch& s, int64_t level, int64_t halved, float* d_readersT, float* d_writersT) {
    for (int64_t i = 0; i < N * N; i += W) store(s.chosen + i, Vector{});
    for (int reader : {0, C})
        for (int writer : {0, C}) choose_pairs(s.all + reader * N + writer, N, level, halved, s.chosen + reader * N + writer);
    transpose(s.chosen, N, N, N, s.chosenT, N);
    product(s.kp, N, N, ByRows{s.writersT, N}, s.chosenT, N, d_readersT, N);
    product(s.kp, N, N, ByRows{s.readersT, N}, s.chosen, N, d_writersT, N);
}

void leave_chunk(const Tokens& x, const GeneralizedBackwardScratch& s, int64_t c) {
    const Args& a = x.a;
    const int64_t kp = s.kp, vp = s.vp, K = a.key_dim, V = a.value_dim;
    const GeneralizedChunk kept = s.at(c);
    const float* state = s.state(c);
    Soon<13> soon; // the chunk before this one, the gradients of this one and, before the first chunk, where the segment before begins
    if (x.t >= C) {
        soon.add(0, a.q, x.t - C, x.h, C, K);
        soon.add(1, a.d_o, x.t - C, x.h, C, V);
    }
    if (!x.past.q) soon.add(2, a.d_q, x.t, x.h, x.n, K);
    if (!x.past.k) soon.add(3, a.d_k, x.t, x.h, x.n, K);
    if (!x.past.v) soon.add(4, a.d_v, x.t, x.h, x.n, V);
    if (!x.past.decay) soon.add(5, a.d_log_decay, x.t, x.h, x.n, K);
    if (!x.past.a) soon.add(6, a.d_a, x.t, x.h, x.n, K);
    if (!x.past.b) soon.add(7, a.d_b, x.t, x.h, x.n, K);
    if (x.segment > 0) {
        int tensors = 8;
        for (const memgen_tensor* each : {&a.log_decay, &a.k, &a.b, &a.a}) soon.add(tensors++, *each, x.t - x.segment, x.h, C, K);
        soon.add(tensors, a.v, x.t - x.segment, x.h, C, V);
    }
    const int64_t halved = read_decays(x, s);
    relate(x, s, halved, true, s.pairs);
    soon.ask(0, 8);
    if (a.d_o.data) read_rows(x.row(a.d_o, 0), a.d_o.stride[1], x.n, V, vp, s.d_o);
    else
        for (int64_t i = 0; i < C * vp; i++) s.d_o[i] = 0.0f;
    for (int64_t i = 0; i < vp; i++) s.X[C * vp + i] = 0.0f;
    read_rows(x.row(a.v, 0), a.v.stride[1], x.n, V, vp, s.values);
    transpose(s.values, vp, C, vp, s.valuesT, N);
    transpose(kept.recalled, vp, C, vp, s.valuesT + C, N);

    soon.ask(1, 8);
    product(N, vp, C, Turned{s.pairs, N}, s.d_o, vp, s.d_values, vp);
    product_onto(s.d_values, 1, N, vp, kp, Turned{s.untilT, N}, s.d_state, s.state_row, s.d_values, vp);
    soon.ask(2, 8);
    solve_backward(kept.solve, vp, s.X);
    product_onto(s.d_values, 1, C, vp, C, Turned{kept.late, N}, s.X, vp, s.d_values, vp);
    if (a.d_v.data) write_rows(s.d_values, vp, x.n, V, x.row(a.d_v, 0), a.d_v.stride[1], x.past.v);

    soon.ask(3, 8);
    product(N, N, vp, ByRows{s.X + vp, vp}, s.valuesT, N, s.all, N);
    transpose(s.X, vp, C, vp, s.columns, N);
    transpose(s.d_o, vp, C, vp, s.columns + C, N);
    soon.ask(4, 8);
    product(kp, N, vp, ByRows{state, s.state_row}, s.columns, N, s.z, N);
    soon.ask(5, 8);
    product(kp, N, vp, ByRows{s.d_state, s.state_row}, s.valuesT, N, s.y, N);
    soon.ask(6, 8);
    leave_pairs(s, halved, halved, s.d_readersT, s.d_writersT);
    soon.ask(7, 8);
    const Vector scale = splat(static_cast<float>(a.scale));
    for (int64_t d = 0; d < kp; d++) {
        s.d_first[d] = s.z[d * N];
        for (int i = 0; i < C; i += W) {
            const int64_t p = d * N + i, q = p + C;
            const Vector E = load(s.decaysT + d * C + i), inverse = splat(1.0f) / E, end = end_of(s, halved, d, i), first = first_of(s, halved, d, i), reader = load(s.readersT + p), query = load(s.readersT + q);
            const Vector d_reader = first * load(s.z + p + 1) + load(s.d_readersT + p), d_query = first * load(s.z + q) + load(s.d_readersT + q);
            const Vector d_key = inverse * (load(s.d_writersT + p) + end * load(s.y + p)), d_place = inverse * (load(s.d_writersT + q) + end * load(s.y + q));
            store(s.weighted + d * C + i, reader * d_reader + query * d_query - E * (load(s.writersT + p) * d_key + load(s.writersT + q) * d_place));
            store(s.d_readersT + p, E * d_reader);
            store(s.d_readersT + q, scale * E * d_query);
            store(s.d_writersT + p, d_key);
            store(s.d_writersT + q, d_place);
            store(s.z + p, first * reader);
            store(s.z + q, first * query);
        }
    }
    for (int64_t level = 0; level < halved; level++) {
        read_operands(x, s, level, halved, true);
        leave_pairs(s, level, halved, s.y, s.untilT);
        for (int64_t d = 0; d < kp; d++)
            for (int i = 0; i < C; i += W) {
                const int64_t p = d * N + i, q = p + C, at = d * C + i;
                const Vector factor = load(s.levelT + at), d_reader = load(s.y + p), d_query = load(s.y + q), d_key = load(s.untilT + p), d_place = load(s.untilT + q);
                store(s.weighted + at, load(s.weighted + at) + load(s.readersT + p) * d_reader + load(s.readersT + q) * d_query - load(s.writersT + p) * d_key - load(s.writersT + q) * d_place);
                store(s.d_readersT + p, load(s.d_readersT + p) + factor * d_reader);
                store(s.d_readersT + q, load(s.d_readersT + q) + scale * factor * d_query);
                store(s.d_writersT + p, load(s.d_writersT + p) + factor * d_key);
                store(s.d_writersT + q, load(s.d_writersT + q) + factor * d_place);
            }
    }
    write_turned(x, s, s.d_readersT + C, N, a.d_q, x.past.q);
    write_turned(x, s, s.d_writersT, N, a.d_k, x.past.k);
    write_turned(x, s, s.d_writersT + C, N, a.d_b, x.past.b);
    write_turned(x, s, s.d_readersT, N, a.d_a, x.past.a, 1);
    if (a.d_a.data) write_rows(s.d_first, kp, 1, K, x.row(a.d_a, 0), a.d_a.stride[1], x.past.a);

    for (int64_t d = 0; d < kp; d++) s.y[d] = whole_of(s, halved, d);
    scale_rows(s, s.d_state, s.d_state, s.y);
    product_onto(s.d_state, 1, kp, vp, N, ByRows{s.z, N}, s.X + vp, vp, s.d_state, s.state_row);
    write_decays(x, s, state);
    for (int64_t d = 0; d < K; d++)
        for (int64_t j = 0; j < vp; j += W) {
            float* to = s.d_state + d * s.state_row + j;
            store(to, load(to) + splat(x.row(a.a, 0)[d]) * load(s.X + j));
        }
}

} // namespace

namespace MEMGEN_ISA {
void generalized_delta_rule_backward(const memgen_generalized_delta_rule_args& a, const Scratch& scratch) {
    for_chains(a, scratch, [](const Args& own, int64_t h, char* slice) { run_chain<GeneralizedBackwardScratch>(own, h, slice, true, enter_chunk, leave_chunk); });
}
} // namespace MEMGEN_ISA

} // namespace memgen
