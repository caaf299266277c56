// Where the sequences of a call lie, seen from a kernel. Segments are read on the device.
#pragma once
#include "memgen.h"
#include "numbers.h"

namespace memgen {

struct Sequence {
    int64_t row, token; // the row of [B, T], and the first token in it
    int64_t tokens;
    int64_t start;      // the first token on the axis of all B T tokens
};

template <class Args>
__device__ __forceinline__ Sequence sequence_of(const Args& a, int64_t n) {
    if (!a.segments.lengths) return {n, 0, a.tokens, n * a.tokens};
    const int64_t tokens = a.segments.lengths[n], start = tokens > 0 ? a.segments.starts[n] : 0, row = a.tokens > 0 ? start / a.tokens : 0;
    return {row, start - row * a.tokens, tokens, start};
}

// Token t of a sequence in x [B, T, ..]; null where x is absent.
template <class T>
__device__ __forceinline__ T* token_of(const memgen_tensor& x, const Sequence& s, int64_t t) {
    return x.data ? static_cast<T*>(x.data) + s.row * x.stride[0] + (s.token + t) * x.stride[1] : nullptr;
}

// Row n of x [N, ..]; null where x is absent.
template <class T>
__device__ __forceinline__ T* row_of(const memgen_tensor& x, int64_t n) {
    return x.data ? static_cast<T*>(x.data) + n * x.stride[0] : nullptr;
}

// Checkpoints stand at every `interval`-th token of a sequence, the first excepted. Sequences do not overlap,
// so neither do their places here, and their number depends on nothing that only the device knows.
__host__ __device__ __forceinline__ int64_t checkpoint_places(int64_t all_tokens, int64_t interval) { return (all_tokens + interval - 1) / interval; }
__device__ __forceinline__ int64_t checkpoint_place(const Sequence& s, int64_t interval, int64_t index) { return s.start / interval + index; }

} // namespace memgen
