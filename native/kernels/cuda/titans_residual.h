// The residual form of a Titans memory, f(x) = x + gamma LN(p(x)), LN(p) = (p - mean) scale with scale = 1 / sqrt(variance + 1e-6): what
// it makes of a row of the network's outputs p, by a warp, each of whose lanes has every 32nd column. Its derivative J is symmetric.
#pragma once
#include "strips.h"

namespace memgen {
namespace {

// The means over a row of what f(column, sums) adds up, in every lane the same bits.
template <int Count, class F>
__device__ __forceinline__ void means_of_row(int width, float (&means)[Count], F f) {
    MEMGEN_UNROLL
    for (int e = 0; e < Count; e++) means[e] = 0.0f;
    for_columns(width, [&](int j) { f(j, means); });
    MEMGEN_UNROLL
    for (int e = 0; e < Count; e++) means[e] = sum_of_lanes(means[e]) / static_cast<float>(width);
}

// p becomes LN(p), and scale is returned.
__device__ __forceinline__ float normalize(float* p, int width) {
    float middle[1], variance[1];
    means_of_row(width, middle, [&](int j, float (&sums)[1]) { sums[0] += p[j]; });
    means_of_row(width, variance, [&](int j, float (&sums)[1]) {
        p[j] -= middle[0];
        sums[0] += p[j] * p[j];
    });
    const float scale = 1.0f / sqrtf(variance[0] + 1e-6f);
    for_columns(width, [&](int j) { p[j] *= scale; });
    return scale;
}

// to(column, (J d)[column]) with d(column): (d - mean(d) - normal mean(d normal)) scale. The last mean is returned; a lane may write
// where it reads its own d.
template <class D, class To>
__device__ __forceinline__ float through_norm(const float* normal, float scale, int width, D d, To to) {
    float means[2]; // of d, and of d normal
    means_of_row(width, means, [&](int j, float (&sums)[2]) { sums[0] += d(j), sums[1] += d(j) * normal[j]; });
    for_columns(width, [&](int j) { to(j, scale * (d(j) - means[0] - means[1] * normal[j])); });
    return means[1];
}

// delta = J (gamma missed), the gradient of 1/2 |f(k) - v|^2 with respect to p, from p in `normal`, which becomes LN(p); missed(column)
// is f(k) - v, once that stands. scale is returned. delta may lie where p does.
template <class Missed>
__device__ __forceinline__ float residual_error(const float* gamma, float* normal, float* delta, int width, Missed missed) {
    const float scale = normalize(normal, width);
    through_norm(normal, scale, width, [&](int j) { return gamma[j] * missed(j); }, [&](int j, float x) { delta[j] = x; });
    return scale;
}

// d of delta becomes d of p, and d_g gets J d, which is that of g = gamma missed: p has a share by LN(p) in g, and others by LN(p) and
// the scale in J.
template <class Missed>
__device__ __forceinline__ void leave_residual_error(const float* gamma, const float* normal, float scale, const float* delta, float* d, float* d_g, int width, Missed missed) {
    const float along = through_norm(normal, scale, width, [&](int j) { return d[j]; }, [&](int j, float x) { d_g[j] = x; });
    float means[2]; // of g normal, and of g d_g
    means_of_row(width, means, [&](int j, float (&sums)[2]) {
        const float g = gamma[j] * missed(j);
        sums[0] += g * normal[j], sums[1] += g * d_g[j];
    });
    through_norm(normal, scale, width, [&](int j) { return gamma[j] * gamma[j] * d_g[j]; }, [&](int j, float x) {
        d[j] = x - scale * (means[0] * d_g[j] + along * delta[j] + means[1] * normal[j]);
    });
}

} // namespace
} // namespace memgen
