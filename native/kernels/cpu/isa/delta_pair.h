// Forward passes of the delta rules: tokens in pairs. One sweep over a strip applies what the previous pair wrote and reads
// for this one; what the first token of a pair writes reaches the second by way of a dot product.
#pragma once
#include "one_token.h"

namespace memgen {
namespace {

// What a pair writes and the next sweep adds: each a key and, in units of the factored state, what stands there.
template <int Writes>
struct Pending {
    const float* keys[Writes];
    Vector values[Writes][2] = {};
};

// S <- factor S + k d^T for what is pending; then the four reads of the next pair, tokens t and t + 1.
template <bool Read, int Writes, class Factor>
MEMGEN_INLINE void delta_sweep(const Ahead& ahead, int64_t t, int64_t K, float* s, Factor factor, const Pending<Writes>& p, const float* k1, const float* q1, const float* k2, const float* q2,
                               Vector* x1, Vector* y1, Vector* x2, Vector* y2) {
    Vector x10 = {}, x11 = {}, y10 = {}, y11 = {}, x20 = {}, x21 = {}, y20 = {}, y21 = {};
    const float* keys[Writes]; // for all the compiler knows, a store to S could change the originals
    for (int n = 0; n < Writes; n++) keys[n] = p.keys[n];
    int64_t i = 0;
    for (int64_t part = 0; part < 2; part++) {
        if constexpr (Read) ahead.request(t + part);
        for (const int64_t end = K * (part + 1) / 2; i < end; i++, s += Strip) {
            Vector s0 = factor.row(i, load(s)), s1 = factor.row(i, load(s + W)), w;
#pragma GCC unroll 4
            for (int n = 0; n < Writes; n++) {
                w = splat(keys[n][i]);
                s0 += w * p.values[n][0];
                s1 += w * p.values[n][1];
            }
            store(s, s0);
            store(s + W, s1);
            if constexpr (Read) {
                w = splat(k1[i]);
                x10 += w * s0;
                x11 += w * s1;
                w = splat(q1[i]);
                y10 += w * s0;
                y11 += w * s1;
                w = splat(k2[i]);
                x20 += w * s0;
                x21 += w * s1;
                w = splat(q2[i]);
                y20 += w * s0;
                y21 += w * s1;
            }
        }
    }
    if constexpr (Read) {
        x1[0] = x10, x1[1] = x11, y1[0] = y10, y1[1] = y11;
        x2[0] = x20, x2[1] = x21, y2[0] = y20, y2[1] = y21;
    }
}

// How the tokens of a pair see the state before it, and each other. Of a state that is factored, c is the factor when the token reads.
struct PairFactors {
    float beta1, c1, read1, own1;               // read: scale c; own: scale k . q
    float beta2, c2, read2, own2, keys, reads;  // keys, reads: k1 . k2 and scale k1 . q2, by what is left of the first token's write
};

// What both tokens of a pair write, and what they read.
MEMGEN_INLINE void solve_pair(const PairFactors& f, bool pair, const float* v, float* o, int n, Vector x1, Vector y1, Vector x2, Vector y2, Vector& d1, Vector& d2) {
    d1 = splat(f.beta1) * (load(v + n * W) - splat(f.c1) * x1);
    store(o + n * W, splat(f.read1) * y1 + splat(f.own1) * d1);
    d2 = Vector{};
    if (!pair) return;
    d2 = splat(f.beta2) * (load(v + Strip + n * W) - splat(f.c2) * x2 - splat(f.keys) * d1);
    store(o + Strip + n * W, splat(f.read2) * y2 + splat(f.reads) * d1 + splat(f.own2) * d2);
}

} // namespace
} // namespace memgen
