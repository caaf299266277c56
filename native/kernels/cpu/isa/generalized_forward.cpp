// Forward pass of the generalised delta rule, on strips of value columns, tokens in pairs.
//
// With the decays d1 and d2 of a pair and the state S before it, everything is read from S:
//   r1 = S^T a1    r2 = S^T (d1 a2) + (b1 . a2) r1 + (k1 . a2) v1
//   o1 = S^T (d1 q1) + (b1 . q1) r1 + (k1 . q1) v1
//   o2 = S^T (d1 d2 q2) + (d2 b1 . q2) r1 + (d2 k1 . q2) v1 + (b2 . q2) r2 + (k2 . q2) v2      q with its scale
//   S_next = d1 d2 S + (d2 b1) r1^T + (d2 k1) v1^T + b2 r2^T + k2 v2^T
// so that all factors are products of decays, at most one, and no decay is too strong. The next sweep multiplies d1 d2 in.
#include "delta_pair.h"

namespace memgen {
namespace {

// Dot products of a pair's rows: what the first and second token wrote, at a reader or a query.
struct PairProducts {
    float place1_query1, key1_query1, place1_reader2, key1_reader2, place1_query2, key1_query2, place2_query2, key2_query2;
};

struct PairBlock {
    const float *readers[Block + 2], *queries[Block + 2], *keys[Block + 2], *places[Block + 2], *left[Block / 2 + 1];
    PairProducts products[Block / 2 + 1];
    int64_t tokens;
};

void read_pair(const Args& a, const GeneralizedForwardScratch& scratch, int64_t h, int64_t t0, int64_t t, PairBlock& block) {
    const int64_t K = a.key_dim, p = t / 2;
    const bool pair = t + 1 < block.tokens;
    auto row = [&](const memgen_tensor& x, int64_t i) { return i == 0 || pair ? floats(x) + (t0 + t + i) * x.stride[1] + h * x.stride[2] : scratch.zero; };
    const float *q1 = row(a.q, 0), *k1 = row(a.k, 0), *b1 = row(a.b, 0), *g1 = row(a.log_decay, 0);
    const float *q2 = row(a.q, 1), *k2 = row(a.k, 1), *b2 = row(a.b, 1), *g2 = row(a.log_decay, 1), *a2 = row(a.a, 1);
    float *queries = scratch.queries + t * K, *reader = scratch.readers + p * K, *key = scratch.keys + p * K, *place = scratch.places + p * K, *left = scratch.left + p * K;
    const Vector scale = splat(static_cast<float>(a.scale));
    Vector products[8] = {};
    for_vectors(K, [&](int64_t i, auto extent) {
        const Vector d1 = exponential(load(g1 + i, extent)), d2 = exponential(load(g2 + i, extent)), both = d1 * d2;
        const Vector query1 = scale * load(q1 + i, extent), query2 = scale * load(q2 + i, extent), reader2 = load(a2 + i, extent);
        const Vector key1 = load(k1 + i, extent), place1 = load(b1 + i, extent), key1_left = d2 * key1, place1_left = d2 * place1;
        store(queries + i, d1 * query1, extent);
        store(queries + K + i, both * query2, extent);
        store(reader + i, d1 * reader2, extent);
        store(key + i, key1_left, extent);
        store(place + i, place1_left, extent);
        store(left + i, both, extent);
        products[0] += place1 * query1;
        products[1] += key1 * query1;
        products[2] += place1 * reader2;
        products[3] += key1 * reader2;
        products[4] += place1_left * query2;
        products[5] += key1_left * query2;
        products[6] += load(b2 + i, extent) * query2;
        products[7] += load(k2 + i, extent) * query2;
    });
    block.readers[t] = row(a.a, 0), block.readers[t + 1] = reader, block.queries[t] = queries, block.queries[t + 1] = queries + K;
    block.keys[t] = key, block.keys[t + 1] = k2, block.places[t] = place, block.places[t + 1] = b2, block.left[p] = left;
    block.products[p] = {sum(products[0]), sum(products[1]), sum(products[2]), sum(products[3]), sum(products[4]), sum(products[5]), sum(products[6]), sum(products[7])};
}

MEMGEN_APART void generalized_strip(const PairBlock& block, const Ahead& ahead, int64_t K, const float* zero, float* s, const float* v, float* o) {
    Pending<4> pending = {{zero, zero, zero, zero}};
    const float* factor = nullptr;
    for (int64_t t = 0; t < block.tokens; t += 2) {
        Vector r1[2], y1[2], r2[2], y2[2];
        const float *a1 = block.readers[t], *a2 = block.readers[t + 1], *q1 = block.queries[t], *q2 = block.queries[t + 1];
        if (factor) delta_sweep<true>(ahead, t, K, s, TimesByKey{factor}, pending, a1, q1, a2, q2, r1, y1, r2, y2);
        else delta_sweep<true>(ahead, t, K, s, Kept{}, pending, a1, q1, a2, q2, r1, y1, r2, y2);
        factor = block.left[t / 2];
        pending.keys[0] = block.places[t], pending.keys[1] = block.keys[t], pending.keys[2] = block.places[t + 1], pending.keys[3] = block.keys[t + 1];
        const PairProducts& p = block.products[t / 2];
        const bool pair = t + 1 < block.tokens;
        for (int n = 0; n < 2; n++) {
            const Vector v1 = load(v + t * Strip + n * W);
            store(o + t * Strip + n * W, y1[n] + splat(p.place1_query1) * r1[n] + splat(p.key1_query1) * v1);
            pending.values[0][n] = r1[n], pending.values[1][n] = v1, pending.values[2][n] = pending.values[3][n] = Vector{};
            if (!pair) continue;
            const Vector v2 = load(v + (t + 1) * Strip + n * W);
            r2[n] += splat(p.place1_reader2) * r1[n] + splat(p.key1_reader2) * v1;
            store(o + (t + 1) * Strip + n * W, y2[n] + splat(p.place1_query2) * r1[n] + splat(p.key1_query2) * v1 + splat(p.place2_query2) * r2[n] + splat(p.key2_query2) * v2);
            pending.values[2][n] = r2[n], pending.values[3][n] = v2;
        }
    }
    delta_sweep<false>(ahead, 0, K, s, TimesByKey{factor}, pending, zero, zero, zero, zero, nullptr, nullptr, nullptr, nullptr);
}

} // namespace

namespace MEMGEN_ISA {
void generalized_delta_rule_forward(const memgen_generalized_delta_rule_args& a, const Scratch& scratch) {
    run_strips(a, scratch, [](const Args& own, const Share& share, char* slice) {
        Arena arena{slice};
        GeneralizedForwardScratch s(arena, own);
        if (own.tokens == 1) return advance_one_token<Recall::Reader>(own, share, [&](int64_t h) { return decays_by_key(own, h, s.left); });
        run_share(own, share, s, [&](int64_t h, int64_t t0) {
            PairBlock block;
            block.tokens = own.tokens - t0 < Block ? own.tokens - t0 : Block;
            for (int64_t t = 0; t < block.tokens; t += 2) read_pair(own, s, h, t0, t, block);
            advance_strips(own, share, s, h, t0, [&](const Ahead& ahead, const StripView& strip) { generalized_strip(block, ahead, own.key_dim, s.zero, strip.state, s.values, s.outputs); });
        });
    });
}
} // namespace MEMGEN_ISA

} // namespace memgen
