// Backward pass of linear attention with a decay for every key channel, and of the delta rule with it, in chunks of 16 tokens.
//
// A chunk is one group of tokens while decays allow it: E_i is the decay from the group's middle to token i, one over it for those
// before, and has to stay in float's range. Where it does not, the groups are of 8, 4, 2 tokens or of one. What is then left are
// the pairs with a token in either half of a group of 16, 8, .. tokens: of these the later one is weighed with the decay since the
// second half began, the earlier one with the decay until then, and neither leaves the range. Each such level takes the products
// below that are of pairs once more. a: the decay from the chunk's start to the middle of a token's group; z: from there to its end.
//   QE = scale q E    KE = k / E    P = tril(QE KE^T)    O = a QE S + P V    S' = a_end E_end S + (z KE)^T V
//   dP = tril(dO V^T)    dV = P^T dO + z KE dS'    dq = scale E (a S dO + dP KE)
//   dk = (dP^T QE + z dS' V) / E    dS = a_end E_end dS' + (a QE)^T dO
// The delta rule writes V' in place of V. With KB = k E, A = stril(beta KB KE^T) and R = V - a KB S:
//   V' = (I + A)^{-1} diag(beta) R    X = (I + A)^{-T} dV'    dV = beta X    dA = -stril(X V'^T)
//   dbeta_i = X_i R_i + sum_j dA_ij KB_i KE_j    dKB = beta (dA KE - a X S^T), times E into dk
//   dk gains ((beta dA)^T KB) / E    dS gains -(beta a KB)^T X
// and with db_i = q_i dq_i - k_i dk_i (of KB with the other sign) the gradient of the first token's decay is sum_v S dS, that
// of token t this minus the db before t.
#include "chunk_solve.h"
#include "delta_layout.h"
#include "kernels.h"
#include "threads.h"

namespace memgen {
namespace {

typedef memgen_channel_decay_args Args;
constexpr float SmallestDecay = 1.0f / 1152921504606846976.0f; // 2^-60: the product of two 1 / E stays in float's range

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

// s.since: E for groups of `span` tokens, and s.first, a of the first group; whether E stays in range.
template <class S>
MEMGEN_INLINE bool from_middles(const S& s, int64_t span) {
    VectorInt strong = {};
    for (int64_t j = 0; j < s.kp; j += W) {
        auto decay = [&](int64_t i) { return load(s.chunk_decays + i * s.kp + j); };
        for (int64_t begin = 0; begin < C; begin += span) {
            const int64_t middle = begin + (span - 1) / 2;
            Vector before = splat(1.0f), after = before;
            store(s.since + middle * s.kp + j, after);
            for (int64_t i = middle; i > begin; i--) store(s.since + (i - 1) * s.kp + j, splat(1.0f) / (before *= decay(i)));
            for (int64_t i = middle + 1; i < begin + span; i++) store(s.since + i * s.kp + j, after *= decay(i));
            if (begin == 0) store(s.first + j, before * decay(0));
            strong |= ~(minimum(before, after) >= splat(SmallestDecay)) | ~(before == before) | ~(after == after);
        }
    }
    return !any(strong);
}

// s.since: of groups of `span` tokens, the decays since the second half began, and of the first half until then.
template <class S>
void from_halves(const S& s, int64_t span) {
    for (int64_t j = 0; j < s.kp; j += W)
        for (int64_t begin = 0; begin < C; begin += span) {
            const int64_t half = begin + span / 2;
            Vector until = splat(1.0f), since = until;
            for (int64_t i = half - 1; i >= begin; i--) store(s.since + i * s.kp + j, until), until *= load(s.chunk_decays + i * s.kp + j);
            for (int64_t i = half; i < begin + span; i++) store(s.since + i * s.kp + j, since *= load(s.chunk_decays + i * s.kp + j));
        }
}

// What decides how the chunk is taken: chunk_decays = e^log_decay, decaysT = E turned, and a and z. The result: how often groups
// were halved until E stayed in range.
template <class S>
int64_t read_decays(const Tokens& x, const S& s) {
    const int64_t K = x.a.key_dim;
    for (int64_t i = 0; i < C; i++)
        for (int64_t j = K; j < s.kp; j++) s.chunk_decays[i * s.kp + j] = 1.0f;
    for (int64_t i = 0; i < C; i++)
        for_vectors(K, [&](int64_t j, auto extent) {
            store(s.chunk_decays + i * s.kp + j, i < x.n ? exponential(load(x.row(x.a.log_decay, i) + j, extent)) : splat(1.0f), extent);
        });
    int64_t halved = 0;
    while (!from_middles(s, C >> halved)) halved++; // of one token it is one
    transpose(s.since, s.kp, C, s.kp, s.decaysT, C);
    if (halved == 0) return 0;
    for (int64_t j = 0; j < s.kp; j += W) {
        Vector since = splat(1.0f), until = since;
        for (int64_t i = 0; i < C; i++) store(s.y + i * s.kp + j, (since *= load(s.chunk_decays + i * s.kp + j)) / load(s.since + i * s.kp + j));
        for (int64_t i = C - 1; i >= 0; i--) store(s.z + i * s.kp + j, until * load(s.since + i * s.kp + j)), until *= load(s.chunk_decays + i * s.kp + j);
    }
    transpose(s.y, s.kp, C, s.kp, s.firstT, C);
    transpose(s.z, s.kp, C, s.kp, s.endT, C);
    return halved;
}

// Of channel d a and z of the tokens from i on, and the decay of the whole chunk.
template <class S>
MEMGEN_INLINE Vector first_of(const S& s, int64_t halved, int64_t d, int i) { return halved ? load(s.firstT + d * C + i) : splat(s.first[d]); }
template <class S>
MEMGEN_INLINE Vector end_of(const S& s, int64_t halved, int64_t d, int i) { return halved ? load(s.endT + d * C + i) : splat(s.decaysT[d * C + C - 1]); }
template <class S>
MEMGEN_INLINE float whole_of(const S& s, int64_t halved, int64_t d) { return (halved ? s.firstT[d * C + C - 1] : s.first[d]) * s.decaysT[d * C + C - 1]; }

// to = from in the pairs of a level, j not after i; the other numbers of [i, j] stay.
MEMGEN_INLINE void choose_pairs(const float* from, int64_t level, int64_t halved, float* to) {
    const int32_t high = static_cast<int32_t>(C >> level), low = level < halved ? high / 2 : 0; // of i ^ j
    VectorInt lane;
    for (int n = 0; n < W; n++) lane[n] = n;
    for (int32_t i = 0; i < C; i++)
        for (int32_t m = 0; m < C; m += W) {
            const VectorInt j = lane + m, apart = j ^ i;
            store(to + i * C + m, (j <= i) & (apart >= low) & (apart < high) ? load(from + i * C + m) : load(to + i * C + m));
        }
}

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
        choose_pairs(s.small, level, halved, to);
    }
}

template <class S>
void scale_rows(const S& s, const float* from, float* to, const float* factor) {
    for (int64_t i = 0; i < s.kp; i++)
        for (int64_t j = 0; j < s.vp; j += W) store(to + i * s.state_row + j, splat(factor[i]) * load(from + i * s.state_row + j));
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
            choose_pairs(from, level, halved, pairs);
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
    auto write_turned = [&](const float* from, const memgen_tensor& to, bool past) {
        if (!to.data) return;
        transpose(from, C, kp, C, s.y, kp);
        write_rows(s.y, kp, x.n, K, x.row(to, 0), to.stride[1], past);
    };
    write_turned(s.dqT, a.d_q, x.past.q);
    write_turned(s.dkT, a.d_k, x.past.k);

    // dS = a_end E_end dS' + (a QE)^T dO - (beta a KB)^T X
    for (int64_t d = 0; d < kp; d++) s.y[d] = whole_of(s, halved, d);
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
        for (int64_t c = chunks - 1; c >= 0; c--) leave_chunk(tokens(c), s, c);
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
