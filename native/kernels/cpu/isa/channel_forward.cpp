// Forward pass of linear attention with a decay for every key channel, on strips of value columns.
//
// Within a group of tokens S_t = diag(c_t) Shat_t, c_t being the decay since the group's start: keys are
// divided by c_t, queries multiplied, and the sweep is that of plain linear attention; the next sweep
// multiplies diag(c) in. A group whose c falls below 2^-64 somewhere runs by the definition.
#include "one_token.h"

namespace memgen {
namespace {

constexpr float SmallestDecay = 1.0f / 18446744073709551616.0f; // 2^-64

struct ChannelBlock {
    const float *k[Block + 4], *q[Block + 4]; // factored; of a strong group as given
    bool strong[Block];                       // at a group's first token: its decays are in scratch.keys
    int64_t tokens;
};

void read_group(const Args& a, const ChannelForwardScratch& scratch, int64_t h, int64_t t0, int64_t t, ChannelBlock& block) {
    const int64_t K = a.key_dim;
    const float *decay[Group], *k[Group], *q[Group];
    int64_t n = block.tokens - t < Group ? block.tokens - t : Group;
    for (int64_t g = 0; g < n; g++) {
        auto row = [&](const memgen_tensor& x) { return floats(x) + (t0 + t + g) * x.stride[1] + h * x.stride[2]; };
        decay[g] = row(a.log_decay), k[g] = row(a.k), q[g] = row(a.q);
    }
    float *keys = scratch.keys + t * K, *queries = scratch.queries + t * K, *left = scratch.left + t / Group * K;
    const Vector scale = splat(static_cast<float>(a.scale));
    VectorInt strong = {};
    for_vectors(K, [&](int64_t i, auto extent) {
        Vector c = splat(1.0f);
        for (int64_t g = 0; g < n; g++) {
            c *= exponential(load(decay[g] + i, extent));
            store(keys + g * K + i, load(k[g] + i, extent) / c, extent);
            store(queries + g * K + i, load(q[g] + i, extent) * scale * c, extent);
        }
        store(left + i, c, extent);
        strong |= ~(c >= splat(SmallestDecay)); // also where c is NaN
    });
    block.strong[t] = any(strong);
    for (int64_t g = 0; g < n; g++) block.k[t + g] = keys + g * K, block.q[t + g] = queries + g * K;
    if (!block.strong[t]) return;
    for (int64_t g = 0; g < n; g++) {
        block.k[t + g] = k[g], block.q[t + g] = q[g];
        for_vectors(K, [&](int64_t i, auto extent) { store(keys + g * K + i, exponential(load(decay[g] + i, extent)), extent); });
    }
    for (int64_t i = 0; i < K; i++) left[i] = 1.0f;
}

void channel_token(int64_t K, float* s, const float* factor, const float* decay, const float* k, const float* q, float scale, const float* v, float* o) {
    Vector v0 = load(v), v1 = load(v + W), y0 = {}, y1 = {};
    for (int64_t i = 0; i < K; i++) {
        Vector f = splat(factor ? factor[i] * decay[i] : decay[i]), w = splat(k[i]), r = splat(q[i]);
        Vector s0 = f * load(s + i * Strip) + w * v0, s1 = f * load(s + i * Strip + W) + w * v1;
        store(s + i * Strip, s0);
        store(s + i * Strip + W, s1);
        y0 += r * s0;
        y1 += r * s1;
    }
    store(o, splat(scale) * y0);
    store(o + W, splat(scale) * y1);
}

MEMGEN_APART void channel_strip(const ChannelBlock& block, const ChannelForwardScratch& scratch, const Ahead& ahead, int64_t K, float scale, float* s) {
    const float *v = scratch.values, *factor = nullptr;
    float* o = scratch.outputs;
    for (int64_t t = 0; t < block.tokens; t += Group) {
        if (block.strong[t])
            for (int64_t u = t; u < t + Group && u < block.tokens; u++) {
                channel_token(K, s, factor, scratch.keys + u * K, block.k[u], block.q[u], scale, v + u * Strip, o + u * Strip);
                factor = nullptr;
            }
        else {
            Vector values[Group][2] = {}, reads[Group][2];
            for (int64_t g = 0; g < Group && t + g < block.tokens; g++) values[g][0] = load(v + (t + g) * Strip), values[g][1] = load(v + (t + g) * Strip + W);
            if (factor) sweep(ahead, t, K, s, TimesByKey{factor}, block.k + t, block.q + t, values, reads);
            else sweep(ahead, t, K, s, Kept{}, block.k + t, block.q + t, values, reads);
            for (int64_t g = 0; g < Group && t + g < block.tokens; g++) {
                store(o + (t + g) * Strip, reads[g][0]);
                store(o + (t + g) * Strip + W, reads[g][1]);
            }
            factor = scratch.left + t / Group * K;
        }
    }
    for (int64_t i = 0; factor && i < K; i++)
        for (int n = 0; n < 2; n++) store(s + i * Strip + n * W, splat(factor[i]) * load(s + i * Strip + n * W));
}

} // namespace

namespace MEMGEN_ISA {
void channel_decay_forward(const memgen_channel_decay_args& a, const Scratch& scratch) {
    run_strips(a, scratch, [](const Args& own, const Share& share, char* slice) {
        Arena arena{slice};
        ChannelForwardScratch s(arena, own);
        if (own.tokens == 1)
            return advance_one_token<Recall::Nothing>(own, share, [&](int64_t h) { return decays_by_key(own, h, s.left); });
        run_share(own, share, s, [&](int64_t h, int64_t t0) {
            ChannelBlock block;
            block.tokens = own.tokens - t0 < Block ? own.tokens - t0 : Block;
            for (int64_t t = 0; t < block.tokens; t += Group) read_group(own, s, h, t0, t, block);
            for (int64_t t = block.tokens; t < block.tokens + 4; t++) block.k[t] = block.q[t] = s.zero;
            advance_strips(own, share, s, h, t0, [&](const Ahead& ahead, const StripView& strip) { channel_strip(block, s, ahead, own.key_dim, static_cast<float>(own.scale), strip.state); });
        });
    });
}
} // namespace MEMGEN_ISA

} // namespace memgen
