// Stores past the caches, for results that are larger than they are: whoever reads them finds them gone, and an
// ordinary store first fetches the line that it overwrites.
#pragma once
#include "layout.h"
#include "vector.h"

namespace memgen {
namespace {

constexpr int64_t StreamedFloats = 1 << 20; // 4 MiB: more than a core has to itself

// Whether the vectors of x, `count` numbers in all, are stored past the caches. Every row must begin where a vector
// may; `axes`: those before the last.
inline bool streamed(const memgen_tensor& x, int64_t count, int axes = 1) {
    bool aligned = reinterpret_cast<uintptr_t>(x.data) % sizeof(Vector) == 0;
    for (int i = 0; i < axes; i++) aligned = aligned && x.stride[i] % W == 0;
    return aligned && count >= StreamedFloats;
}

// p is a multiple of a vector's size.
MEMGEN_INLINE void stream(float* p, Vector x) {
#if !defined(__x86_64__)
    store(p, x);
#elif MEMGEN_LANES == 16
    __builtin_ia32_movntps512(p, x);
#elif MEMGEN_LANES == 8
    __builtin_ia32_movntps256(p, x);
#else
    __builtin_ia32_movntps(p, x);
#endif
}

MEMGEN_INLINE void store(float* p, Vector x, Whole, bool past) { past ? stream(p, x) : store(p, x); }
MEMGEN_INLINE void store(float* p, Vector x, Part part, bool) { store_part(p, x, part.n); }

// After it the other threads see what this one streamed.
MEMGEN_INLINE void finish_streaming() {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

} // namespace
} // namespace memgen
