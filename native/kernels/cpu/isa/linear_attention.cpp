// Linear attention without decay, plain and normalised, both directions: sums on strips of value columns (strip.h).
//
// With R_t = dS' + sum_(u >= t) (scale q_u) dO_u^T the backward pass is three more of the forward kind,
//   dQ_t = scale S_t dO_t      dK_t = R_t v_t      dV_t = R_t^T k_t
// each linear attention with the operands in other places, the last two from the last token to the first. Normalised,
// o_t = S_t^T (scale q_t) / c_t with c_t = scale z_t . q_t + epsilon and z_t = z + sum_(u <= t) k_u: every dO_t is divided
// by c_t, and with the gradient of the divisor dc_t = -dO_t . o_t / c_t
//   dQ_t += scale dc_t z_t      dK_t += dz' + sum_(u >= t) scale dc_u q_u
// which are sums of the rows that the strips add to their states anyway.
#include "delta_layout.h"
#include "kernels.h"
#include "one_token.h"

namespace memgen {
namespace {

typedef memgen_linear_attention_normalized_args NormalizedArgs;

// S_t = S_(t-1) + k_t (w_t v_t)^T and o_t = r_t S_t^T q_t. With a row z beside the state,
// z_t = z_(t-1) + e_t v_t and o_t = r_t S_t^T q_t + l_t z_t. What a block needs of divisors is found before its strips, by
// each of the workers that share them; the one that has the first writes it.
struct SumArgs : Args {
    bool backwards = false, turned = false;   // from the last token to the first; the initial state is [V, K] in memory
    float write = 1.0f, read = 1.0f;          // of all w_t and r_t
    memgen_tensor write_over{}, read_over{};  // [B, T, H] nullable: and over each
    bool has_row = false;
    memgen_tensor enter{};                    // [B, T, H] nullable: 1
    memgen_tensor initial_row{}, final_row{}; // [B, H, V] nullable: zero, not written
    bool normalized = false;                  // r_t is over scale z'_t . q_t + epsilon too, z' the sum of the keys
    double epsilon = 0.0;
    memgen_tensor divisors{};                                // [B, T, H] nullable: these are written there
    memgen_tensor initial_normalizer{}, final_normalizer{};  // [B, H, K] z': nullable, and not
    memgen_tensor divided{}, d_divisors{};                   // [B, T, H, K] and [B, T, H], nullable: with them l_t = -r_t q_t . divided_t, written there
};

template <>
struct Axes<SumArgs> {
    typedef SumArgs A;
    static constexpr memgen_tensor A::*tokens[] = {&A::q, &A::k, &A::v, &A::o, &A::write_over, &A::read_over, &A::enter, &A::divisors, &A::divided, &A::d_divisors};
    static constexpr memgen_tensor A::*states[] = {&A::initial_state, &A::final_state, &A::initial_row, &A::final_row, &A::initial_normalizer, &A::final_normalizer};
};

struct SumBlock {
    const float *k[Block + 4], *q[Block + 4];
    float write[Block], read[Block], enter[Block], leave[Block];
    int64_t tokens; // valid ones; those after them up to a multiple of four leave S as it is
};

void read_block(const SumArgs& a, int64_t h, int64_t t0, const float* zero, SumBlock& block) {
    block.tokens = a.tokens - t0 < Block ? a.tokens - t0 : Block;
    auto row = [&](const memgen_tensor& x, int64_t i) { return floats(x) + (t0 + i) * x.stride[1] + h * x.stride[2]; };
    for (int64_t i = 0; i < block.tokens + 4; i++) {
        block.k[i] = i < block.tokens ? row(a.k, i) : zero;
        block.q[i] = i < block.tokens ? row(a.q, i) : zero;
    }
    auto over = [&](const memgen_tensor& x, float of_all, float* to) {
        for (int64_t i = 0; i < block.tokens; i++) to[i] = x.data ? of_all * (1.0f / *row(x, i)) : of_all;
    };
    over(a.write_over, a.write, block.write);
    over(a.read_over, a.read, block.read);
    for (int64_t i = 0; a.has_row && i < block.tokens; i++) block.enter[i] = a.enter.data ? *row(a.enter, i) : 1.0f, block.leave[i] = 1.0f;
}

// Divides the reads of a block, and takes z' through it.
void divide_reads(const SumArgs& a, int64_t h, int64_t t0, bool written, float* z, SumBlock& block) {
    for (int64_t i = 0; i < block.tokens; i++) {
        Vector product = {};
        for_vectors(a.key_dim, [&](int64_t j, auto extent) {
            Vector sum = load(z + j, extent) + load(block.k[i] + j, extent);
            store(z + j, sum, extent);
            product += load(block.q[i] + j, extent) * sum;
        });
        const float divisor = static_cast<float>(a.scale * static_cast<double>(sum(product)) + a.epsilon);
        block.read[i] *= 1.0f / divisor;
        if (written && a.divisors.data) floats(a.divisors)[(t0 + i) * a.divisors.stride[1] + h * a.divisors.stride[2]] = divisor;
    }
}

// What the divisors of a block say about its reads: how z goes into them.
void weigh_rows(const SumArgs& a, int64_t h, int64_t t0, bool written, SumBlock& block) {
    constexpr int64_t Soon = 8; // tokens for which rows are asked ahead
    auto row = [&](const memgen_tensor& x, int64_t t) { return floats(x) + t * x.stride[1] + h * x.stride[2]; };
    for (int64_t i = 0; i < block.tokens; i++) {
        for (int64_t j = 0; t0 + i + Soon < a.tokens && j < a.key_dim; j += 16) __builtin_prefetch(row(a.divided, t0 + i + Soon) + j, 0, 2);
        block.leave[i] = -block.read[i] * dot(block.q[i], row(a.divided, t0 + i), a.key_dim);
        if (written) *row(a.d_divisors, t0 + i) = block.leave[i];
    }
}

template <bool HasRow>
MEMGEN_APART void sum_strip(const SumBlock& block, const Ahead& ahead, int64_t K, float* s, float* row, const float* v, float* o) {
    Vector z[2] = {};
    for (int n = 0; HasRow && n < 2; n++) z[n] = load(row + n * W);
    for (int64_t t = 0; t < block.tokens; t += Group) {
        Vector values[Group][2] = {}, reads[Group][2];
        for (int g = 0; g < Group && t + g < block.tokens; g++)
            for (int n = 0; n < 2; n++) values[g][n] = splat(block.write[t + g]) * load(v + (t + g) * Strip + n * W);
        sweep(ahead, t, K, s, Kept{}, block.k + t, block.q + t, values, reads);
        for (int g = 0; g < Group && t + g < block.tokens; g++)
            for (int n = 0; n < 2; n++) {
                Vector out = splat(block.read[t + g]) * reads[g][n];
                if constexpr (HasRow) {
                    z[n] += splat(block.enter[t + g]) * load(v + (t + g) * Strip + n * W);
                    out += splat(block.leave[t + g]) * z[n];
                }
                store(o + (t + g) * Strip + n * W, out);
            }
    }
    for (int n = 0; HasRow && n < 2; n++) store(row + n * W, z[n]);
}

memgen_tensor from_the_end(memgen_tensor x, int64_t tokens) {
    if (x.data && tokens > 0) {
        x.data = floats(x) + (tokens - 1) * x.stride[1];
        x.stride[1] = -x.stride[1];
    }
    return x;
}

void sum_share(const SumArgs& sequence, const Share& share, char* slice) {
    SumArgs own = sequence;
    if (own.backwards)
        for (auto field : Axes<SumArgs>::tokens) own.*field = from_the_end(own.*field, own.tokens);
    Arena arena{slice};
    SumScratch s(arena, own, own.has_row, own.normalized);
    const bool written = share.first == 0;
    auto row = [&](const StripView& strip) { return s.row ? s.row + (strip.h - share.first_head) * padded(own.value_dim, WidestStrip) + strip.s * Strip : nullptr; };
    auto for_rows = [&](const memgen_tensor& x, auto&& function) {
        for (int64_t h = share.first_head; own.has_row && h < share.last_head; h++)
            for_strips(own, share, s, h, [&](const StripView& strip) { function(x.data ? floats(x) + h * x.stride[1] + strip.s * Strip : nullptr, row(strip), strip.width); });
    };
    for_rows(own.initial_row, [](const float* from, float* z, int64_t width) {
        for (int64_t i = 0; i < Strip; i++) z[i] = from && i < width ? from[i] : 0.0f;
    });
    auto for_normalizers = [&](const memgen_tensor& x, auto&& function) {
        for (int64_t h = share.first_head; own.normalized && h < share.last_head; h++)
            for (int64_t i = 0; i < own.key_dim; i++) function(x.data ? floats(x) + h * x.stride[1] + i : nullptr, s.normalizer(own, h - share.first_head)[i]);
    };
    for_normalizers(own.initial_normalizer, [](const float* from, float& z) { z = from ? *from : 0.0f; });
    run_share(own, share, s, [&](int64_t h, int64_t t0) {
        SumBlock block;
        read_block(own, h, t0, s.zero, block);
        if (own.normalized) divide_reads(own, h, t0, written, s.normalizer(own, h - share.first_head), block);
        if (own.d_divisors.data) weigh_rows(own, h, t0, written, block);
        advance_strips(own, share, s, h, t0, [&](const Ahead& ahead, const StripView& strip) {
            (own.has_row ? sum_strip<true> : sum_strip<false>)(block, ahead, own.key_dim, strip.state, row(strip), s.values, s.outputs);
        });
    }, own.turned);
    if (written) for_normalizers(own.final_normalizer, [](float* to, float z) { *to = z; });
    for_rows(own.final_row, [](float* to, const float* z, int64_t width) {
        for (int64_t i = 0; to && i < width; i++) to[i] = z[i];
    });
}

void sums(const SumArgs& a, const Scratch& scratch) { run_strips(a, scratch, sum_share); }

// A pass over the tokens of `a` with operands of these widths.
template <class Call>
SumArgs operands(const Call& a, int64_t key_dim, int64_t value_dim, const memgen_tensor& q, const memgen_tensor& k, const memgen_tensor& v, const memgen_tensor& o) {
    SumArgs s{};
    s.batch = a.batch, s.tokens = a.tokens, s.heads = a.heads, s.segments = a.segments, s.key_dim = key_dim, s.value_dim = value_dim;
    s.q = q, s.k = k, s.v = v, s.o = o;
    return s;
}

// A number of every token and head.
memgen_tensor per_token(const NormalizedArgs& a, float* numbers) { return {numbers, {a.tokens * a.heads, a.heads, 1, 0}}; }

template <class Call>
SumArgs forward_pass(const Call& a) {
    SumArgs s = operands(a, a.key_dim, a.value_dim, a.q, a.k, a.v, a.o);
    s.initial_state = a.initial_state, s.final_state = a.final_state;
    s.read = static_cast<float>(a.scale);
    return s;
}

template <class Call>
SumArgs d_q_pass(const Call& a, const memgen_tensor& d_o) {
    SumArgs s = operands(a, a.value_dim, a.key_dim, d_o, a.v, a.k, a.d_q);
    s.initial_state = a.initial_state, s.turned = true;
    s.read = static_cast<float>(a.scale);
    return s;
}

template <class Call>
SumArgs d_k_pass(const Call& a, const memgen_tensor& d_o) {
    SumArgs s = operands(a, a.value_dim, a.key_dim, a.v, d_o, a.q, a.d_k);
    s.initial_state = a.d_final_state, s.turned = s.backwards = true;
    s.write = static_cast<float>(a.scale);
    return s;
}

// d_initial_state may be d_final_state, so this one comes last.
template <class Call>
SumArgs d_v_pass(const Call& a, const memgen_tensor& d_o) {
    SumArgs s = operands(a, a.key_dim, a.value_dim, a.k, a.q, d_o, a.d_v);
    s.initial_state = a.d_final_state, s.final_state = a.d_initial_state, s.backwards = true;
    s.write = static_cast<float>(a.scale);
    return s;
}

} // namespace

namespace MEMGEN_ISA {

void linear_attention_forward(const memgen_scalar_decay_args& a, const Scratch& scratch) {
    run_strips(a, scratch, [](const Args& own, const Share& share, char* slice) {
        if (own.tokens == 1) advance_one_token<Recall::Nothing>(own, share);
        else sum_share(forward_pass(own), share, slice);
    });
}

void linear_attention_backward(const memgen_scalar_decay_args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    SequencePlan plan(arena, sequence_count(a));
    const memgen_tensor d_o = a.d_o.data ? a.d_o : zero_row(arena, a.value_dim);
    if (a.d_q.data) sums(d_q_pass(a, d_o), scratch);
    if (a.d_k.data) sums(d_k_pass(a, d_o), scratch);
    if (a.d_v.data || a.d_initial_state.data) sums(d_v_pass(a, d_o), scratch);
}

void linear_attention_normalized_forward(const NormalizedArgs& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    SequencePlan plan(arena, sequence_count(a));
    const NormalizerScratch s(arena, a);
    const int64_t N = sequence_count(a), H = a.heads, K = a.key_dim;
    SumArgs pass = forward_pass(a);
    pass.normalized = true, pass.scale = a.scale, pass.epsilon = a.epsilon;
    pass.divisors = per_token(a, a.divisors);
    pass.initial_normalizer = a.initial_normalizer, pass.final_normalizer = {s.sums, {H * K, K, 1, 0}};
    sums(pass, scratch);
    for (int64_t i = 0; a.final_normalizer.data && i < N * H; i++)
        for (int64_t j = 0; j < K; j++) floats(a.final_normalizer)[i / H * a.final_normalizer.stride[0] + i % H * a.final_normalizer.stride[1] + j] = s.sums[i * K + j];
}

void linear_attention_normalized_backward(const NormalizedArgs& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    SequencePlan plan(arena, sequence_count(a));
    const DivisorScratch s(arena, a);
    const memgen_tensor d_o = a.d_o.data ? a.d_o : zero_row(arena, a.value_dim), divisors = per_token(a, a.divisors), d_divisors = per_token(a, s.gradients);
    const bool keys = a.d_k.data || a.d_initial_normalizer.data;
    if (a.d_q.data || keys) {
        SumArgs pass = d_q_pass(a, d_o);
        pass.read_over = divisors, pass.divided = a.o, pass.d_divisors = d_divisors;
        pass.has_row = true, pass.initial_row = a.initial_normalizer;
        sums(pass, scratch);
    }
    if (keys) {
        SumArgs pass = d_k_pass(a, d_o);
        pass.write_over = divisors;
        pass.has_row = true, pass.enter = d_divisors, pass.initial_row = a.d_final_normalizer, pass.final_row = a.d_initial_normalizer;
        sums(pass, scratch);
    }
    if (a.d_v.data || a.d_initial_state.data) {
        SumArgs pass = d_v_pass(a, d_o);
        pass.write_over = divisors;
        sums(pass, scratch);
    }
}

} // namespace MEMGEN_ISA
} // namespace memgen
