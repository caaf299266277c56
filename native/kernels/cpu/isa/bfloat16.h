// Floats rounded to bfloat16 (to the nearest, ties to even), two in the bits of one float.
#pragma once
#include "vector.h"

namespace memgen {
namespace {

// Lane j: numbers 2j and 2j + 1 of the two vectors one behind the other.
MEMGEN_INLINE Vector neighbours(Vector first, Vector second) { return (Vector)_mm512_cvtne2ps_pbh(second, first); }

// Lane j: number j of both.
MEMGEN_INLINE Vector beside(Vector even, Vector odd) {
    alignas(64) static constexpr uint16_t Order[32] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return (Vector)_mm512_permutexvar_epi16(_mm512_load_si512(Order), (__m512i)neighbours(even, odd));
}

} // namespace
} // namespace memgen
