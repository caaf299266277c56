// Where scratch memory lies. The same code measures (base null) and hands out, so the size asked for and
// the size used cannot differ. Sizes do not depend on the instruction set: widths are padded to 32.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "memgen.h"

namespace memgen {
namespace {

// The first element of a tensor, or null: what this library computes with is float32.
inline float* floats(const memgen_tensor& x) { return static_cast<float*>(x.data); }

struct Arena {
    char* base;
    size_t used = 0;

    float* floats(int64_t count) { return take<float>(count); }
    int64_t* integers(int64_t count) { return take<int64_t>(count); }

private:
    template <class T>
    T* take(int64_t count) {
        T* result = base ? reinterpret_cast<T*>(base + used) : nullptr;
        used += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
        return result;
    }
};

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t padded(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

constexpr int64_t Chunk = 16; // tokens that one chunk of a backward pass takes together

// Tokens between two checkpoints: together they take a quarter of the bytes of q, k, v and o.
inline int64_t checkpoint_interval(int64_t key_dim, int64_t value_dim) {
    int64_t sum = key_dim + value_dim;
    int64_t tokens = sum > 0 ? padded(2 * key_dim * value_dim / sum, 64) : 64;
    return tokens < 64 ? 64 : tokens;
}

inline int64_t checkpoint_count(int64_t tokens, int64_t interval) { return tokens > 0 ? (tokens - 1) / interval : 0; }

} // namespace
} // namespace memgen
