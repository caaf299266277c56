// Channel decay's memory read along its other axis, S_t = diag(e^g_t) S + k_t v_t^T and o_t = S_t (scale q_t), on strips of
// columns of S^T. There a decay is of a column, all of whose rows it multiplies before every token, however strong it is.
#include "strip.h"

namespace memgen {
namespace {

struct ScoresBlock {
    const float *k[Block + 4], *q[Block + 4];
    int64_t tokens; // valid ones; those after them up to a multiple of four leave S as it is
};

MEMGEN_APART void scores_strip(const ScoresBlock& block, const ChannelScoresScratch& scratch, const Ahead& ahead, int64_t K, float scale, float* s) {
    for (int64_t t = 0; t < block.tokens; t += Group) {
        Vector decays[Group][2], values[Group][2] = {}, reads[Group][2];
        for (int g = 0; g < Group; g++)
            for (int n = 0; n < 2; n++) {
                const int64_t at = (t + g) * Strip + n * W;
                decays[g][n] = t + g < block.tokens ? exponential(load(scratch.decays + at)) : splat(1.0f);
                if (t + g < block.tokens) values[g][n] = load(scratch.values + at);
            }
        sweep(ahead, t, K, s, Kept{}, block.k + t, block.q + t, values, reads, TimesByToken{decays});
        for (int g = 0; g < Group && t + g < block.tokens; g++)
            for (int n = 0; n < 2; n++) store(scratch.outputs + (t + g) * Strip + n * W, splat(scale) * reads[g][n]);
    }
}

} // namespace

namespace MEMGEN_ISA {
void channel_scores_forward(const memgen_channel_scores_args& a, const Scratch& scratch) {
    run_strips(turned(a), scratch, [](const Args& own, const Share& share, char* slice) {
        Arena arena{slice};
        ChannelScoresScratch s(arena, own);
        run_share(own, share, s, [&](int64_t h, int64_t t0) {
            auto rows = [&](const memgen_tensor& x) { return floats(x) + t0 * x.stride[1] + h * x.stride[2]; };
            ScoresBlock block;
            block.tokens = own.tokens - t0 < Block ? own.tokens - t0 : Block;
            for (int64_t i = 0; i < block.tokens + 4; i++) {
                block.k[i] = i < block.tokens ? rows(own.k) + i * own.k.stride[1] : s.zero;
                block.q[i] = i < block.tokens ? rows(own.q) + i * own.q.stride[1] : s.zero;
            }
            advance_strips(own, share, s, h, t0, [&](const Ahead& ahead, const StripView& strip) {
                copy_strip_in(rows(own.log_decay) + strip.s * Strip, own.log_decay.stride[1], block.tokens, strip.width, s.decays);
                scores_strip(block, s, ahead, own.key_dim, static_cast<float>(own.scale), strip.state);
            });
        }, true);
    });
}
} // namespace MEMGEN_ISA

} // namespace memgen
