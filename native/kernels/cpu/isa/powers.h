// Powers of e and of two, and the functions made of them.
//
// x is cut into an integer n and a rest of at most a half, of which there is a polynomial: of e within 2e-9, of two, where arguments
// are rounded products, within 9e-8. AVX-512 has instructions for the cut and for p 2^n; elsewhere n comes of adding a large number,
// and 2^n of its bits.
#pragma once
#include "vector.h"

namespace memgen {
namespace {

constexpr double Log2E = 1.4426950408889634;

// The polynomial of x with these coefficients, that of the highest power first.
template <class... Rest>
MEMGEN_INLINE Vector polynomial(Vector x, float highest, Rest... rest) {
    Vector p = splat(highest);
    ((p = p * x + splat(rest)), ...);
    return p;
}

#if MEMGEN_LANES == 16
MEMGEN_INLINE Vector nearest(Vector x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
MEMGEN_INLINE Vector scaled(Vector p, Vector n) { return _mm512_scalef_ps(p, n); }
#else
constexpr float RoundingShift = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer

MEMGEN_INLINE Vector nearest(Vector x) { return x + splat(RoundingShift) - splat(RoundingShift); }
MEMGEN_INLINE VectorInt integer(Vector n) { return reinterpret_cast<VectorInt>(n + splat(RoundingShift)) - reinterpret_cast<VectorInt>(splat(RoundingShift)); }

// In two steps: 2^n alone leaves the range of normal numbers before the product does.
MEMGEN_INLINE Vector scaled(Vector p, Vector n) {
    VectorInt exponent = integer(n), half = exponent >> 1;
    return p * reinterpret_cast<Vector>((half + 127) << 23) * reinterpret_cast<Vector>((exponent - half + 127) << 23);
}
#endif

// e^x within 1.5 ulp, exact limits: 0 at -inf, inf above 88.73, NaN stays NaN.
MEMGEN_INLINE Vector exponential(Vector x) {
    x = maximum(minimum(x, splat(89.0f)), splat(-105.0f));
    const Vector n = nearest(x * splat(static_cast<float>(Log2E)));
    const Vector f = x - n * splat(0.693359375f) + n * splat(2.12194440e-4f); // x - n ln 2, of which the first product is exact
    return scaled(polynomial(f, 1.384365140e-3f, 8.374156430e-3f, 4.166800156e-2f, 1.666643173e-1f, 4.999999404e-1f, 1.0f, 1.0f), n);
}

// 2^x within 2 ulp up to 127; 0, or at most 2^-126, below -126; NaN stays NaN.
MEMGEN_INLINE Vector power_of_two(Vector x) {
#if MEMGEN_LANES == 16
    const Vector f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), n = x - f;
#else
    x = maximum(minimum(x, splat(127.0f)), splat(-127.0f));
    const Vector n = nearest(x), f = x - n;
#endif
    const Vector p = polynomial(f, 1.326472731e-3f, 9.671512991e-3f, 5.550733581e-2f, 2.402224243e-1f, 6.931470037e-1f, 1.0f);
#if MEMGEN_LANES == 16
    return scaled(p, n);
#else
    return p * reinterpret_cast<Vector>((integer(n) + 127) << 23);
#endif
}

MEMGEN_INLINE Vector sigmoid(Vector x) { return splat(1.0f) / (splat(1.0f) + exponential(-x)); }

struct Softplus {
    Vector value, slope;
};

// log(1 + e^z) within 4 ulp, and the sigmoid of z. With e = e^-|z| and s = e / (2 + e), log(1 + e) is 2 artanh(s), s at most a third.
MEMGEN_INLINE Softplus softplus(Vector z) {
    const Vector e = exponential(-maximum(z, -z)), s = e / (splat(2.0f) + e), t = s * s;
    return {maximum(z, Vector{}) + s * polynomial(t, 2.817833424e-1f, 2.796060145e-1f, 4.002490938e-1f, 6.666631699e-1f, 2.0f), (z < Vector{} ? e : splat(1.0f)) / (splat(1.0f) + e)};
}

} // namespace
} // namespace memgen
