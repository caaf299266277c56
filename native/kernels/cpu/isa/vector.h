// One vector type per build of the kernels: 4 lanes (baseline), 8 (AVX2) or 16 (AVX-512).
//
// Every function here and in the kernels has internal linkage: the sources are compiled once per
// instruction set, and a shared inline function could be taken from the wrong build by the linker.
#pragma once
#include <cstdint>
#if MEMGEN_LANES > 4
// GCC 12's own header has vectors that nobody fills, as what a whole mask leaves out.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#define MEMGEN_INLINE static inline __attribute__((always_inline))
// For a function whose registers are all spoken for: inlined, it would share them with its surroundings.
#define MEMGEN_APART __attribute__((noinline))
#define MEMGEN_MEMBER __attribute__((always_inline))

namespace memgen {
namespace {

constexpr int W = MEMGEN_LANES;

typedef float Vector __attribute__((vector_size(W * 4)));
typedef int32_t VectorInt __attribute__((vector_size(W * 4)));
typedef float UnalignedVector __attribute__((vector_size(W * 4), aligned(4), may_alias));

MEMGEN_INLINE Vector load(const float* p) { return *reinterpret_cast<const UnalignedVector*>(p); }
MEMGEN_INLINE void store(float* p, Vector x) { *reinterpret_cast<UnalignedVector*>(p) = x; }
MEMGEN_INLINE Vector splat(float x) { return x - Vector{}; }

// Where one is NaN, a. Spelt out, the compiler takes a comparison and a choice for what is one instruction.
#if MEMGEN_LANES == 16
MEMGEN_INLINE Vector minimum(Vector a, Vector b) { return _mm512_min_ps(b, a); }
MEMGEN_INLINE Vector maximum(Vector a, Vector b) { return _mm512_max_ps(b, a); }
#elif MEMGEN_LANES == 8
MEMGEN_INLINE Vector minimum(Vector a, Vector b) { return _mm256_min_ps(b, a); }
MEMGEN_INLINE Vector maximum(Vector a, Vector b) { return _mm256_max_ps(b, a); }
#else
MEMGEN_INLINE Vector minimum(Vector a, Vector b) { return b < a ? b : a; }
MEMGEN_INLINE Vector maximum(Vector a, Vector b) { return b > a ? b : a; }
#endif

template <int Step>
MEMGEN_INLINE Vector rotate(Vector x) {
    VectorInt index;
    for (int i = 0; i < W; i++) index[i] = (i + Step) % W;
    return __builtin_shuffle(x, index);
}

// Sum of the lanes, always in the same order.
MEMGEN_INLINE float sum(Vector x) {
    if constexpr (W > 8) x += rotate<8>(x);
    if constexpr (W > 4) x += rotate<4>(x);
    x += rotate<2>(x);
    x += rotate<1>(x);
    return x[0];
}

// Whether any lane of a comparison held.
MEMGEN_INLINE bool any(VectorInt x) {
    int32_t found = 0;
    for (int i = 0; i < W; i++) found |= x[i];
    return found != 0;
}

MEMGEN_INLINE float largest(Vector x) {
    if constexpr (W > 8) x = maximum(x, rotate<8>(x));
    if constexpr (W > 4) x = maximum(x, rotate<4>(x));
    x = maximum(x, rotate<2>(x));
    x = maximum(x, rotate<1>(x));
    return x[0];
}

// First n < W lanes from memory, zero elsewhere.
MEMGEN_INLINE Vector load_part(const float* p, int64_t n) {
    float lanes[W] = {};
    __builtin_memcpy(lanes, p, sizeof(float) * static_cast<size_t>(n));
    return load(lanes);
}

MEMGEN_INLINE void store_part(float* p, Vector x, int64_t n) {
    float lanes[W];
    store(lanes, x);
    __builtin_memcpy(p, lanes, sizeof(float) * static_cast<size_t>(n));
}

// A whole vector, or the first n lanes of one: what for_vectors hands to its body.
struct Whole {};
struct Part {
    int64_t n;
};
MEMGEN_INLINE Vector load(const float* p, Whole) { return load(p); }
MEMGEN_INLINE Vector load(const float* p, Part part) { return load_part(p, part.n); }
MEMGEN_INLINE void store(float* p, Vector x, Whole) { store(p, x); }
MEMGEN_INLINE void store(float* p, Vector x, Part part) { store_part(p, x, part.n); }

template <class Body>
MEMGEN_INLINE void for_vectors(int64_t n, Body&& body) {
    int64_t i = 0;
    for (; i + W <= n; i += W) body(i, Whole{});
    if (i < n) body(i, Part{n - i});
}

MEMGEN_INLINE float dot(const float* a, const float* b, int64_t n) {
    Vector total = {};
    int64_t i = 0;
    for (; i + W <= n; i += W) total += load(a + i) * load(b + i);
    if (i < n) total += load_part(a + i, n - i) * load_part(b + i, n - i);
    return sum(total);
}

MEMGEN_INLINE int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// Turns a W x W block around: row i of `in` becomes column i of `out`.
template <int Step>
MEMGEN_INLINE void exchange(Vector* rows) {
    VectorInt low, high;
    for (int i = 0; i < W; i++) {
        bool upper = (i & Step) != 0;
        low[i] = upper ? W + (i - Step) : i;
        high[i] = upper ? W + i : i + Step;
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; i++) {
        if (i & Step) continue;
        Vector a = rows[i], b = rows[i + Step];
        rows[i] = __builtin_shuffle(a, b, low);
        rows[i + Step] = __builtin_shuffle(a, b, high);
    }
}

MEMGEN_INLINE void transpose_block(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
    Vector rows[W];
#pragma GCC unroll 16
    for (int i = 0; i < W; i++) rows[i] = load(in + i * in_stride);
    if constexpr (W > 8) exchange<8>(rows);
    if constexpr (W > 4) exchange<4>(rows);
    exchange<2>(rows);
    exchange<1>(rows);
#pragma GCC unroll 16
    for (int i = 0; i < W; i++) store(out + i * out_stride, rows[i]);
}

// out[c * out_stride + r] = in[r * in_stride + c], any size.
static inline void transpose(const float* in, int64_t in_stride, int64_t rows, int64_t columns, float* out, int64_t out_stride) {
    int64_t r = 0;
    for (; r + W <= rows; r += W) {
        int64_t c = 0;
        for (; c + W <= columns; c += W) transpose_block(in + r * in_stride + c, in_stride, out + c * out_stride + r, out_stride);
        for (; c < columns; c++)
            for (int i = 0; i < W; i++) out[c * out_stride + r + i] = in[(r + i) * in_stride + c];
    }
    for (; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) out[c * out_stride + r] = in[r * in_stride + c];
}

} // namespace
} // namespace memgen
