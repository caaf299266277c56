// What the chunked backward passes share: a chunk of 16 tokens, read into padded operands.
#pragma once
#include "layout.h"
#include "matrix.h"

namespace memgen {
namespace {

constexpr int C = static_cast<int>(Chunk);

// Row t of head h in the first row of x, whose axes are [B, T, H, ..].
MEMGEN_INLINE float* at(const memgen_tensor& x, int64_t t, int64_t h) { return floats(x) + t * x.stride[1] + h * x.stride[2]; }

// Rows that are needed soon, of up to N tensors; they are strided, which the hardware does not foresee. They are asked
// for a few at a time, between the steps of the work: of many at once a core drops those that it has no room for.
template <int N>
struct Soon {
    const float* rows[N] = {};
    int64_t row[N] = {}, width[N] = {}, tokens[N] = {};

    MEMGEN_MEMBER void add(int n, const memgen_tensor& x, int64_t t, int64_t h, int64_t count, int64_t columns) {
        if (x.data) rows[n] = at(x, t, h), row[n] = x.stride[1], width[n] = columns, tokens[n] = count;
    }

    // The index-th of `parts` parts. Not inlined it would be dropped, since it computes nothing.
    MEMGEN_MEMBER void ask(int64_t index, int64_t parts) const {
        for (int n = 0; n < N; n++)
            for (int64_t i = C * index / parts; i < C * (index + 1) / parts && i < tokens[n]; i++)
                for (int64_t j = 0; j < width[n]; j += 16) __builtin_prefetch(rows[n] + i * row[n] + j, 0, 3);
    }
};

// Rows t .. t+n of [T, width], turned: out [padded width, 16], zero where there is no number.
inline void read_turned(const float* x, int64_t row, int64_t n, int64_t width, int64_t padded_width, float* out, int64_t out_row = C) {
    if (n < C || width < padded_width)
        for (int64_t i = 0; i < padded_width; i++)
            for (int64_t j = 0; j < C; j++) out[i * out_row + j] = 0.0f;
    transpose(x, row, n, width, out, out_row);
}

inline void read_rows(const float* x, int64_t row, int64_t n, int64_t width, int64_t padded_width, float* out) {
    for (int64_t i = 0; i < C; i++) {
        int64_t valid = i < n ? width : 0, j = 0;
        for (; j + W <= valid; j += W) store(out + i * padded_width + j, load(x + i * row + j));
        for (; j < valid; j++) out[i * padded_width + j] = x[i * row + j];
        for (; j < padded_width; j++) out[i * padded_width + j] = 0.0f;
    }
}

inline void copy_state_in(const float* from, int64_t row, int64_t K, int64_t V, float* to, int64_t kp, int64_t to_row) {
    for (int64_t i = 0; i < kp; i++) {
        int64_t valid = i < K && from ? V : 0;
        if (valid > 0) __builtin_memcpy(to + i * to_row, from + i * row, sizeof(float) * static_cast<size_t>(valid));
        __builtin_memset(to + i * to_row + valid, 0, sizeof(float) * static_cast<size_t>(to_row - valid));
    }
}

// out[k, i] = factor[i] x[k, i]
inline void weigh(const float* x, const float* factor, int64_t rows, float* out, int64_t out_row) {
    for (int64_t k = 0; k < rows; k++)
        for (int n = 0; n < C; n += W) store(out + k * out_row + n, load(factor + n) * load(x + k * C + n));
}

// A state out of its padded rows.
inline void copy_state_out(const float* from, int64_t from_row, int64_t K, int64_t V, float* to, int64_t row) {
    for (int64_t i = 0; i < K; i++) __builtin_memcpy(to + i * row, from + i * from_row, sizeof(float) * static_cast<size_t>(V));
}

// Whether the rows of a gradient [B, T, H, width] are stored past the caches.
template <class Args>
bool past_caches(const Args& a, const memgen_tensor& x, int64_t width) { return x.data && streamed(x, a.tokens * a.heads * width, 3); }

// Which gradients are.
struct Past {
    bool q, k, v;

    template <class Args>
    explicit Past(const Args& a) : q(past_caches(a, a.d_q, a.key_dim)), k(past_caches(a, a.d_k, a.key_dim)), v(past_caches(a, a.d_v, a.value_dim)) {}
};

// Rows of a result out of padded rows. Past: stored past the caches.
inline void write_rows(const float* from, int64_t from_row, int64_t n, int64_t width, float* to, int64_t row, bool past) {
    for (int64_t i = 0; i < n; i++)
        for_vectors(width, [&](int64_t j, auto extent) { store(to + i * row + j, load(from + i * from_row + j, extent), extent, past); });
}

} // namespace
} // namespace memgen
