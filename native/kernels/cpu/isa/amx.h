// The tiles of AMX: eight registers of 16 rows of 64 bytes, and the product of two of them. With MEMGEN_EMULATED_AMX the
// same by loops, so that what is built on them is tested on any CPU with AVX-512.
#pragma once
#include "vector.h"

namespace memgen {
namespace {

constexpr int64_t TileSide = 16;               // rows of a tile, and columns of a tile of sums
constexpr int64_t TileWords = TileSide * TileSide; // of 32 bits

#ifndef MEMGEN_EMULATED_AMX

struct alignas(64) TileShapes {
    uint8_t palette = 1, first_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// While one lives, its thread has tiles.
struct TileMode {
    TileMode() {
        static constexpr TileShapes Shapes;
        asm volatile("ldtilecfg %0" : : "m"(Shapes));
    }
    ~TileMode() { asm volatile("tilerelease"); }
    TileMode(const TileMode&) = delete;
    TileMode& operator=(const TileMode&) = delete;
};

// The instructions name their registers, so these are of one each. row: words from one row to the next.
template <int Tile>
MEMGEN_INLINE void tile_zero() { asm volatile("tilezero %%tmm%c0" : : "i"(Tile)); }

template <int Tile>
MEMGEN_INLINE void tile_load(const float* p, int64_t row) { asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(4 * row), "i"(Tile) : "memory"); }

template <int Tile>
MEMGEN_INLINE void tile_store(float* p, int64_t row) { asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(4 * row), "i"(Tile) : "memory"); }

// sum [16, 16] += A B with A [16, 32], and B as pairs of rows [16, 16].
template <int Sum, int A, int B>
MEMGEN_INLINE void tile_multiply() { asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(A), "i"(B)); }

#else

struct TileMode {
    TileMode() {}
    ~TileMode() {}
};

static float emulated_tiles[8][TileWords];

static inline void tile_copy(const float* from, int64_t from_row, float* to, int64_t to_row) {
    for (int64_t r = 0; r < TileSide; r++) __builtin_memcpy(to + r * to_row, from + r * from_row, sizeof(float) * TileSide);
}

// The later or the former bfloat16 number of a word.
inline float of_pair(float word, bool later) {
    uint32_t bits;
    __builtin_memcpy(&bits, &word, sizeof bits);
    bits = later ? bits & 0xFFFF0000u : bits << 16;
    __builtin_memcpy(&word, &bits, sizeof bits);
    return word;
}

// As the instruction adds: former and later numbers apart, each along the depth, and then both to the sum.
static inline void multiply_tiles(float* sum, const float* a, const float* b) {
    for (int64_t m = 0; m < TileSide; m++)
        for (int64_t n = 0; n < TileSide; n++) {
            float parts[2] = {};
            for (int64_t k = 0; k < TileSide; k++)
                for (int i = 0; i < 2; i++) parts[i] += of_pair(a[m * TileSide + k], i) * of_pair(b[k * TileSide + n], i);
            sum[m * TileSide + n] += parts[0] + parts[1];
        }
}

template <int Tile>
void tile_zero() { __builtin_memset(emulated_tiles[Tile], 0, sizeof emulated_tiles[Tile]); }

template <int Tile>
void tile_load(const float* p, int64_t row) { tile_copy(p, row, emulated_tiles[Tile], TileSide); }

template <int Tile>
void tile_store(float* p, int64_t row) { tile_copy(emulated_tiles[Tile], TileSide, p, row); }

template <int Sum, int A, int B>
void tile_multiply() { multiply_tiles(emulated_tiles[Sum], emulated_tiles[A], emulated_tiles[B]); }

#endif

} // namespace
} // namespace memgen
