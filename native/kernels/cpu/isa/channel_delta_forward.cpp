// Forward pass of the delta rule with a decay for every key channel, on strips of value columns, tokens in pairs.
//
// With the decays a1 and a2 of a pair and the state S before it, everything is read from S:
//   x1 = S^T (a1 k1)   x2 = S^T (a1 a2 k2) + (a2 k1 . k2) d1   d = beta (v - x), and the same for queries
//   S_next = a1 a2 S + (a2 k1) d1^T + k2 d2^T
// so that all factors are products of decays, at most one, and no decay is too strong. The next sweep multiplies a1 a2 in.
#include "delta_pair.h"

namespace memgen {
namespace {

struct PairBlock {
    const float *k[Block + 2], *q[Block + 2];                                        // as they read the state before the pair
    const float *first[Block / 2 + 1], *second[Block / 2 + 1], *left[Block / 2 + 1]; // keys as they write, and a1 a2
    PairFactors factors[Block / 2 + 1];
    int64_t tokens;
};

void read_pair(const Args& a, const ChannelDeltaForwardScratch& scratch, int64_t h, int64_t t0, int64_t t, PairBlock& block) {
    const int64_t K = a.key_dim, p = t / 2;
    const bool pair = t + 1 < block.tokens;
    auto row = [&](const memgen_tensor& x, int64_t i) { return floats(x) + (t0 + t + i) * x.stride[1] + h * x.stride[2]; };
    const float *k1 = row(a.k, 0), *q1 = row(a.q, 0), *g1 = row(a.log_decay, 0), *k2 = pair ? row(a.k, 1) : scratch.zero, *q2 = pair ? row(a.q, 1) : scratch.zero, *g2 = pair ? row(a.log_decay, 1) : scratch.zero;
    float *keys = scratch.keys + t * K, *queries = scratch.queries + t * K, *written = scratch.written + p * K, *left = scratch.left + p * K;
    const float scale = static_cast<float>(a.scale);
    for_vectors(K, [&](int64_t i, auto extent) {
        const Vector a1 = exponential(load(g1 + i, extent)), a2 = exponential(load(g2 + i, extent)), both = a1 * a2, key = load(k1 + i, extent);
        store(keys + i, a1 * key, extent);
        store(keys + K + i, both * load(k2 + i, extent), extent);
        store(queries + i, splat(scale) * a1 * load(q1 + i, extent), extent);
        store(queries + K + i, splat(scale) * both * load(q2 + i, extent), extent);
        store(written + i, a2 * key, extent);
        store(left + i, both, extent);
    });
    block.k[t] = keys, block.k[t + 1] = keys + K, block.q[t] = queries, block.q[t + 1] = queries + K;
    block.first[p] = written, block.second[p] = k2, block.left[p] = left;
    block.factors[p] = {*row(a.beta, 0), 1.0f, 1.0f, scale * dot(k1, q1, K), pair ? *row(a.beta, 1) : 0.0f, 1.0f, 1.0f, scale * dot(k2, q2, K), dot(written, k2, K), scale * dot(written, q2, K)};
}

MEMGEN_APART void channel_delta_strip(const PairBlock& block, const Ahead& ahead, int64_t K, const float* zero, float* s, const float* v, float* o) {
    Pending<2> pending = {{zero, zero}};
    const float* factor = nullptr;
    for (int64_t t = 0; t < block.tokens; t += 2) {
        Vector x1[2], y1[2], x2[2], y2[2];
        const float *k1 = block.k[t], *k2 = block.k[t + 1], *q1 = block.q[t], *q2 = block.q[t + 1];
        if (factor) delta_sweep<true>(ahead, t, K, s, TimesByKey{factor}, pending, k1, q1, k2, q2, x1, y1, x2, y2);
        else delta_sweep<true>(ahead, t, K, s, Kept{}, pending, k1, q1, k2, q2, x1, y1, x2, y2);
        pending.keys[0] = block.first[t / 2], pending.keys[1] = block.second[t / 2], factor = block.left[t / 2];
        for (int n = 0; n < 2; n++)
            solve_pair(block.factors[t / 2], t + 1 < block.tokens, v + t * Strip, o + t * Strip, n, x1[n], y1[n], x2[n], y2[n], pending.values[0][n], pending.values[1][n]);
    }
    delta_sweep<false>(ahead, 0, K, s, TimesByKey{factor}, pending, zero, zero, zero, zero, nullptr, nullptr, nullptr, nullptr);
}

} // namespace

namespace MEMGEN_ISA {
void channel_delta_rule_forward(const memgen_channel_delta_rule_args& a, const Scratch& scratch) {
    run_strips(a, scratch, [](const Args& own, const Share& share, char* slice) {
        Arena arena{slice};
        ChannelDeltaForwardScratch s(arena, own);
        if (own.tokens == 1) return advance_one_token<Recall::Key>(own, share, [&](int64_t h) { return decays_by_key(own, h, s.left); });
        run_share(own, share, s, [&](int64_t h, int64_t t0) {
            PairBlock block;
            block.tokens = own.tokens - t0 < Block ? own.tokens - t0 : Block;
            for (int64_t t = 0; t < block.tokens; t += 2) read_pair(own, s, h, t0, t, block);
            advance_strips(own, share, s, h, t0, [&](const Ahead& ahead, const StripView& strip) { channel_delta_strip(block, ahead, own.key_dim, s.zero, strip.state, s.values, s.outputs); });
        });
    });
}
} // namespace MEMGEN_ISA

} // namespace memgen
