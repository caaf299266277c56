// Normalised linear attention: linear attention, then one pass that divides by the sum of the keys seen.
#include "delta_layout.h"
#include "kernels.h"
#include "threads.h"
#include "vector.h"

namespace memgen {

namespace MEMGEN_ISA {
void scalar_decay_forward(const memgen_scalar_decay_args&, const Scratch&);
void linear_attention_backward(const memgen_scalar_decay_args&, const memgen_tensor& d_o, const Scratch&);
} // namespace MEMGEN_ISA

namespace {

typedef memgen_linear_attention_normalized_args Args;

memgen_scalar_decay_args attention(const Args& a) {
    memgen_scalar_decay_args s{};
    s.struct_size = sizeof s;
    s.batch = a.batch, s.tokens = a.tokens, s.segments = a.segments, s.heads = a.heads, s.key_dim = a.key_dim, s.value_dim = a.value_dim, s.scale = a.scale;
    s.q = a.q, s.k = a.k, s.v = a.v, s.initial_state = a.initial_state, s.o = a.o, s.final_state = a.final_state;
    s.d_final_state = a.d_final_state, s.d_q = a.d_q, s.d_k = a.d_k, s.d_v = a.d_v, s.d_initial_state = a.d_initial_state;
    return s;
}

// One head of one sequence.
struct Chain {
    const Args& a;
    int64_t h, first; // its first token on the axis of all

    float* row(const memgen_tensor& x, int64_t t) const { return x.data ? floats(x) + t * x.stride[1] + h * x.stride[2] : nullptr; }
    float* normalizer(const memgen_tensor& x) const { return x.data ? floats(x) + h * x.stride[1] : nullptr; }
    float& divisor(int64_t t) const { return a.divisors[t * a.heads + h]; }
    int64_t index(int64_t t) const { return (first + t) * a.heads + h; }
};

void read(const float* from, int64_t n, float* to) {
    for (int64_t i = 0; i < n; i++) to[i] = from ? from[i] : 0.0f;
}

// to += factor x
void add(float factor, const float* x, int64_t n, float* to) {
    for_vectors(n, [&](int64_t i, auto extent) { store(to + i, load(to + i, extent) + splat(factor) * load(x + i, extent), extent); });
}

template <class Body>
void for_chains(const Args& a, const Scratch& scratch, Body&& body) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) {
        int64_t n = plan.order[item / a.heads];
        Args own = sequence(a, n);
        if (own.divisors) own.divisors += sequence_start(a, n) * a.heads;
        body(Chain{own, item % a.heads, sequence_start(a, n)}, reinterpret_cast<float*>(scratch.of(worker)));
    });
}

} // namespace

namespace MEMGEN_ISA {

void linear_attention_normalized_forward(const Args& a, const Scratch& scratch) {
    scalar_decay_forward(attention(a), scratch);
    for_chains(a, scratch, [](const Chain& chain, float* z) {
        const Args& a = chain.a;
        read(chain.normalizer(a.initial_normalizer), a.key_dim, z);
        for (int64_t t = 0; t < a.tokens; t++) {
            add(1.0f, chain.row(a.k, t), a.key_dim, z);
            float divisor = static_cast<float>(a.scale * static_cast<double>(dot(chain.row(a.q, t), z, a.key_dim)) + a.epsilon), *o = chain.row(a.o, t);
            if (a.divisors) chain.divisor(t) = divisor;
            Vector inverse = splat(1.0f / divisor);
            for_vectors(a.value_dim, [&](int64_t i, auto extent) { store(o + i, inverse * load(o + i, extent), extent); });
        }
        if (float* out = chain.normalizer(a.final_normalizer)) read(z, a.key_dim, out);
    });
}

void linear_attention_normalized_backward(const Args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    SequencePlan plan(arena, sequence_count(a));
    const NormalizedScratch s(arena, a);
    const int64_t H = a.heads, K = a.key_dim, V = a.value_dim;
    for_chains(a, scratch, [&](const Chain& chain, float*) {
        for (int64_t t = 0; t < chain.a.tokens; t++) {
            const float* d_o = chain.row(chain.a.d_o, t);
            float *divided = s.d_o + chain.index(t) * V, inverse = 1.0f / chain.divisor(t);
            s.d_divisor[chain.index(t)] = d_o ? -dot(d_o, chain.row(chain.a.o, t), V) * inverse : 0.0f;
            for_vectors(V, [&](int64_t i, auto extent) { store(divided + i, d_o ? splat(inverse) * load(d_o + i, extent) : Vector{}, extent); });
        }
    });
    linear_attention_backward(attention(a), {s.d_o, {a.tokens * H * V, H * V, V, 1}}, scratch);
    for_chains(a, scratch, [&](const Chain& chain, float* z) {
        const Args& own = chain.a;
        const float scale = static_cast<float>(a.scale);
        read(chain.normalizer(own.initial_normalizer), K, z);
        for (int64_t t = 0; own.d_q.data && t < own.tokens; t++) {
            add(1.0f, chain.row(own.k, t), K, z);
            add(scale * s.d_divisor[chain.index(t)], z, K, chain.row(own.d_q, t));
        }
        read(chain.normalizer(own.d_final_normalizer), K, z); // from here on the gradient of z
        for (int64_t t = own.tokens - 1; t >= 0; t--) {
            add(scale * s.d_divisor[chain.index(t)], chain.row(own.q, t), K, z);
            if (own.d_k.data) add(1.0f, z, K, chain.row(own.d_k, t));
        }
        if (float* out = chain.normalizer(own.d_initial_normalizer)) read(z, K, out);
    });
}

} // namespace MEMGEN_ISA
} // namespace memgen
