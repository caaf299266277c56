// The residual form of a Titans memory, f(x) = x + gamma LN(p(x)): what it makes of the rows p of its network's outputs.
// Rows have n numbers, then padding up to `width`, which is zero before and after.
#pragma once
#include "titans_tile.h"

namespace memgen {
namespace {

template <class Each>
MEMGEN_INLINE void set_row(float* x, int64_t n, int64_t width, Each&& each) {
    for (int64_t j = 0; j < width; j += W) store(x + j, each(j));
    for (int64_t j = n; j < width; j++) x[j] = 0.0f;
}

MEMGEN_INLINE float mean(const float* x, int64_t n, int64_t width) {
    Vector total = {};
    for (int64_t j = 0; j < width; j += W) total += load(x + j);
    return sum(total) / static_cast<float>(n);
}

MEMGEN_INLINE float mean_product(const float* x, const float* y, int64_t n, int64_t width) { return dot(x, y, width) / static_cast<float>(n); }

// p becomes LN(p) = (p - mean) scale, and scale is returned.
MEMGEN_INLINE float normalize(float* p, int64_t n, int64_t width) {
    const Vector middle = splat(mean(p, n, width));
    set_row(p, n, width, [&](int64_t j) { return load(p + j) - middle; });
    const float scale = 1.0f / __builtin_sqrtf(mean_product(p, p, n, width) + 1e-6f);
    for (int64_t j = 0; j < width; j += W) store(p + j, splat(scale) * load(p + j));
    return scale;
}

// J d, J being the derivative of LN, which is symmetric: (d - mean(d) - normal mean(d normal)) scale. The last mean is returned; `to` may be d.
MEMGEN_INLINE float through_norm(const float* normal, float scale, const float* d, float* to, int64_t n, int64_t width) {
    const float along = mean_product(d, normal, n, width);
    const Vector middle = splat(mean(d, n, width));
    set_row(to, n, width, [&](int64_t j) { return splat(scale) * (load(d + j) - middle - splat(along) * load(normal + j)); });
    return along;
}

// The gradient of 1/2 |f(k) - v|^2 with respect to p, from v in delta; p in `normal` becomes LN(p).
MEMGEN_INLINE float residual_error(const float* k, const float* gamma, float* normal, float* missed, float* delta, int64_t n, int64_t width) {
    const float scale = normalize(normal, n, width);
    for (int64_t j = 0; j < width; j += W) {
        Vector miss = load(k + j) + load(gamma + j) * load(normal + j) - load(delta + j);
        store(missed + j, miss), store(delta + j, load(gamma + j) * miss);
    }
    through_norm(normal, scale, delta, delta, n, width);
    return scale;
}

// d of delta becomes d of p, and d_missed gets that of f(k); to d_gamma is added. delta = J g with g = gamma missed, so d of g is
// J d, and p has a share by LN(p) in g, and others by LN(p) and the scale in J.
inline void leave_residual_error(const float* gamma, const float* normal, float scale, const float* missed, const float* delta, float* d, float* d_missed, float* d_gamma, int64_t n, int64_t width) {
    const float along = through_norm(normal, scale, d, d_missed, n, width); // d_g
    Vector g_along = {}, bent = {};
    for (int64_t j = 0; j < width; j += W) {
        const Vector d_g = load(d_missed + j), factor = load(gamma + j), unit = load(normal + j), miss = load(missed + j), g = factor * miss;
        g_along += g * unit, bent += g * d_g;
        store(d + j, factor * factor * d_g);
        store(d_gamma + j, load(d_gamma + j) + d_g * (miss + factor * unit));
    }
    const float each = scale / static_cast<float>(n);
    const Vector of_d = splat(each * sum(g_along)), of_delta = splat(scale * along), of_normal = splat(each * sum(bent));
    through_norm(normal, scale, d, d, n, width);
    for (int64_t j = 0; j < width; j += W) {
        const Vector d_g = load(d_missed + j);
        store(d + j, load(d + j) - of_d * d_g - of_delta * load(delta + j) - of_normal * load(normal + j));
        store(d_missed + j, load(gamma + j) * d_g);
    }
}

} // namespace
} // namespace memgen
