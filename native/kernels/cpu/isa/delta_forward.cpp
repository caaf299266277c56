// Forward pass of the gated delta rule and of scalar decay: the recurrence itself, on strips of value
// columns that stay in the first-level cache. Without decay: see linear_attention.cpp.
//
// Columns of S never mix, so a strip S [K, 2W] runs through a block of tokens alone. Two decisions make
// it fast. Decay is not multiplied into S: S = c Shat, and c is multiplied in when it has become small,
// which takes a quarter of the arithmetic away. And tokens go in pairs (delta_pair.h) or fours (no delta).
#include "delta_layout.h"
#include "kernels.h"
#include "delta_pair.h"

namespace memgen {

namespace MEMGEN_ISA {
void linear_attention_forward(const memgen_scalar_decay_args&, const Scratch&);
} // namespace MEMGEN_ISA

namespace {

constexpr float SmallestFactor = 1.0f / 65536; // c below this is multiplied into S

struct TokenBlock {
    const float *k[Block + 4], *q[Block + 4];
    float alpha[Block + 4], beta[Block + 4];
    float own[Block + 4];   // scale k_t . q_t
    float keys[Block + 4];  // k_t . k_{t+1}, even t
    float reads[Block + 4]; // scale k_t . q_{t+1}, even t
    int64_t tokens;         // valid ones; those after them up to a multiple of four leave S as it is
};

template <bool Delta>
void read_block(const Args& a, int64_t h, int64_t t0, const float* zero, TokenBlock& block) {
    int64_t n = a.tokens - t0 < Block ? a.tokens - t0 : Block;
    block.tokens = n;
    const int64_t K = a.key_dim;
    const float scale = static_cast<float>(a.scale);
    for (int64_t i = 0; i < n; i++) {
        int64_t t = t0 + i;
        block.k[i] = floats(a.k) + t * a.k.stride[1] + h * a.k.stride[2];
        block.q[i] = floats(a.q) + t * a.q.stride[1] + h * a.q.stride[2];
        block.beta[i] = Delta ? floats(a.beta)[t * a.beta.stride[1] + h * a.beta.stride[2]] : 0.0f;
        block.alpha[i] = a.log_decay.data ? floats(a.log_decay)[t * a.log_decay.stride[1] + h * a.log_decay.stride[2]] : 0.0f;
    }
    if (a.log_decay.data) exponentials(block.alpha, n);
    else
        for (int64_t i = 0; i < n; i++) block.alpha[i] = 1.0f;
    for (int64_t i = n; i < n + 4; i++) {
        block.k[i] = block.q[i] = zero;
        block.alpha[i] = 1.0f;
        block.beta[i] = 0.0f;
    }
    if constexpr (Delta) {
        for (int64_t i = 0; i < n; i++) block.own[i] = scale * dot(block.k[i], block.q[i], K);
        block.own[n] = 0.0f;
        for (int64_t i = 0; i < n; i += 2) {
            block.keys[i] = dot(block.k[i], block.k[i + 1], K);
            block.reads[i] = scale * dot(block.k[i], block.q[i + 1], K);
        }
    }
}

MEMGEN_APART void delta_strip(const TokenBlock& block, const Ahead& ahead, int64_t K, float scale, const float* zero, float* s, const float* v, float* o) {
    Pending<2> pending = {{zero, zero}};
    float rescale = 1.0f, c = 1.0f; // S = c (rescale Shat + pending)
    for (int64_t t = 0; t < block.tokens; t += 2) {
        bool pair = t + 1 < block.tokens;
        Vector x1[2], y1[2], x2[2], y2[2];
        const float *k1 = block.k[t], *k2 = block.k[t + 1], *q1 = block.q[t], *q2 = block.q[t + 1];
        if (rescale != 1.0f) delta_sweep<true>(ahead, t, K, s, Times{splat(rescale)}, pending, k1, q1, k2, q2, x1, y1, x2, y2);
        else delta_sweep<true>(ahead, t, K, s, Kept{}, pending, k1, q1, k2, q2, x1, y1, x2, y2);
        float c1 = c * block.alpha[t], c2 = c1 * block.alpha[t + 1];
        bool fold = !(c2 >= SmallestFactor);
        rescale = fold ? c2 : 1.0f;
        float first = fold ? block.alpha[t + 1] : 1.0f / c1, second = fold ? 1.0f : 1.0f / c2;
        c = fold ? 1.0f : c2;
        pending.keys[0] = k1;
        pending.keys[1] = k2;
        const PairFactors factors = {block.beta[t], c1, scale * c1, block.own[t], block.beta[t + 1], c2, scale * c2, block.own[t + 1], block.alpha[t + 1] * block.keys[t], block.alpha[t + 1] * block.reads[t]};
        for (int n = 0; n < 2; n++) {
            Vector d1, d2;
            solve_pair(factors, pair, v + t * Strip, o + t * Strip, n, x1[n], y1[n], x2[n], y2[n], d1, d2);
            pending.values[0][n] = splat(first) * d1;
            pending.values[1][n] = splat(second) * d2;
        }
    }
    // (rescale Shat + pending) c, pending being in units of the new factor
    for (auto& value : pending.values) value[0] *= splat(c), value[1] *= splat(c);
    delta_sweep<false>(ahead, 0, K, s, Times{splat(rescale * c)}, pending, zero, zero, zero, zero, nullptr, nullptr, nullptr, nullptr);
}

// A group of tokens by the definition, one after the other: for decays too strong to factor out.
void decay_group_plainly(const TokenBlock& block, int64_t t, int64_t K, float c, float scale, float* s, const float* v, float* o) {
    for (int64_t u = t; u < t + Group && u < block.tokens; u++) {
        Vector factor = splat(u == t ? c * block.alpha[u] : block.alpha[u]);
        Vector v0 = load(v + u * Strip), v1 = load(v + u * Strip + W), y0 = {}, y1 = {};
        for (int64_t i = 0; i < K; i++) {
            Vector w = splat(block.k[u][i]), r = splat(block.q[u][i]);
            Vector s0 = factor * load(s + i * Strip) + w * v0, s1 = factor * load(s + i * Strip + W) + w * v1;
            store(s + i * Strip, s0);
            store(s + i * Strip + W, s1);
            y0 += r * s0;
            y1 += r * s1;
        }
        store(o + u * Strip, splat(scale) * y0);
        store(o + u * Strip + W, splat(scale) * y1);
    }
}

MEMGEN_APART void decay_strip(const TokenBlock& block, const Ahead& ahead, int64_t K, float scale, const float*, float* s, const float* v, float* o) {
    float c = 1.0f; // S = c Shat
    for (int64_t t = 0; t < block.tokens; t += Group) {
        float factor[Group], product = 1.0f;
        for (int g = 0; g < Group; g++) factor[g] = product *= block.alpha[t + g];
        if (!(product >= SmallestFactor)) {
            decay_group_plainly(block, t, K, c, scale, s, v, o);
            c = 1.0f;
            continue;
        }
        float fold = 1.0f;
        if (c * product < SmallestFactor) {
            fold = c;
            c = 1.0f;
        }
        Vector values[Group][2] = {}, reads[Group][2];
        for (int g = 0; g < Group && t + g < block.tokens; g++) {
            Vector unit = splat(1.0f / (c * factor[g]));
            values[g][0] = unit * load(v + (t + g) * Strip);
            values[g][1] = unit * load(v + (t + g) * Strip + W);
        }
        if (fold != 1.0f) sweep(ahead, t, K, s, Times{splat(fold)}, block.k + t, block.q + t, values, reads);
        else sweep(ahead, t, K, s, Kept{}, block.k + t, block.q + t, values, reads);
        for (int g = 0; g < Group && t + g < block.tokens; g++) {
            Vector unit = splat(scale * c * factor[g]);
            store(o + (t + g) * Strip, unit * reads[g][0]);
            store(o + (t + g) * Strip + W, unit * reads[g][1]);
        }
        c *= product;
    }
    if (c != 1.0f)
        for (int64_t i = 0; i < 2 * K; i++) store(s + i * W, splat(c) * load(s + i * W));
}

template <bool Delta>
void advance(const Args& a, const Share& share, const DeltaForwardScratch& scratch, int64_t h, int64_t t0) {
    TokenBlock block;
    read_block<Delta>(a, h, t0, scratch.zero, block);
    advance_strips(a, share, scratch, h, t0, [&](const Ahead& ahead, const StripView& strip) {
        (Delta ? delta_strip : decay_strip)(block, ahead, a.key_dim, static_cast<float>(a.scale), scratch.zero, strip.state, scratch.values, scratch.outputs);
    });
}

template <bool Delta>
void forward(const Args& a, const Scratch& scratch) {
    run_strips(a, scratch, [](const Args& own, const Share& share, char* slice) {
        if (own.tokens == 1) return advance_one_token<Delta ? Recall::Key : Recall::Nothing>(own, share);
        Arena arena{slice};
        DeltaForwardScratch s(arena, own);
        run_share(own, share, s, [&](int64_t h, int64_t t0) { advance<Delta>(own, share, s, h, t0); });
    });
}

} // namespace

namespace MEMGEN_ISA {
void gated_delta_rule_forward(const memgen_gated_delta_rule_args& a, const Scratch& s) { forward<true>(a, s); }

void scalar_decay_forward(const memgen_scalar_decay_args& a, const Scratch& s) {
    if (a.log_decay.data) forward<false>(a, s);
    else linear_attention_forward(a, s);
}
} // namespace MEMGEN_ISA

} // namespace memgen
