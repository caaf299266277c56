// Which keys the queries of attention see, and where they lie (memgen_attention.h). Queries and keys are taken by tiles of
// attention_rows; a kind of keys at a time.
#pragma once
#include "memgen.h"
#include "product.h"

namespace memgen {

typedef memgen_segment_attention_args AttentionArgs;

constexpr float NothingSeen = -INFINITY;
constexpr double Log2E = 1.4426950408889634; // scores are kept in powers of two

// Rows of a tile of queries and of one of keys by the padded width of both: what leaves room for the gradients of a tile
// in registers.
template <class T, int D>
__host__ __device__ constexpr int attention_rows() { return sizeof(T) == 2 && D <= 128 ? 64 : 32; }
inline int64_t attention_rows(const AttentionArgs& a) { return a.dtype == MEMGEN_BFLOAT16 && a.key_dim <= 128 && a.value_dim <= 128 ? 64 : 32; }

enum Kind { Prefix, Slots, Fading, Window, Kinds };

__host__ __device__ __forceinline__ int64_t key_count(const AttentionArgs& a, int kind) {
    return kind == Prefix ? a.prefix : kind == Slots ? a.chunks * a.slots : kind == Fading ? (a.fading_count > 0 ? a.fading_past + a.tokens : 0)
         : a.blocked || a.window > 0 ? a.keys_per_token * (a.past + a.tokens) : 0;
}

// The queries that meet a kind of keys.
__host__ __device__ __forceinline__ const memgen_tensor* queries_of(const AttentionArgs& a, int kind) { return kind == Prefix && a.prefix_q.data ? &a.prefix_q : &a.q; }

// Keys of one kind.
struct KeyTensors {
    const memgen_tensor *k, *v, *d_k, *d_v;
};
__host__ __device__ __forceinline__ KeyTensors key_tensors(const AttentionArgs& a, int kind) {
    return kind == Prefix ? KeyTensors{&a.prefix_k, &a.prefix_v, &a.d_prefix_k, &a.d_prefix_v} : kind == Slots ? KeyTensors{&a.slot_k, &a.slot_v, &a.d_slot_k, &a.d_slot_v}
         : kind == Fading ? KeyTensors{&a.fading_k, &a.fading_v, &a.d_fading_k, &a.d_fading_v} : KeyTensors{&a.k, &a.v, &a.d_k, &a.d_v};
}

// Row `first` of head h of x [B, rows, heads, D]; null where x is absent.
template <class T>
__device__ __forceinline__ T* head_row(const memgen_tensor& x, int64_t b, int64_t first, int64_t h) {
    return x.data ? static_cast<T*>(x.data) + b * x.stride[0] + first * x.stride[1] + h * x.stride[2] : nullptr;
}

__host__ __device__ __forceinline__ int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
__host__ __device__ __forceinline__ int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Keys low .. high of a kind, none where low is above high; of those every stride-th, counted back from high.
struct Seen {
    int64_t low, high;
};

// What query t of row b sees.
__device__ __forceinline__ Seen seen_by(const AttentionArgs& a, int kind, int64_t b, int64_t t) {
    const int64_t read = a.read ? a.read[b] : 0, known = a.lengths ? a.lengths[b] : INT64_MAX, chunk = a.chunk > 0 ? (read + t) / a.chunk : 0;
    const int64_t first = a.blocked ? (chunk - 1) * a.chunk - read : t - smaller(a.window, int64_t(1) << 40) + 1;
    if (kind == Prefix) return {0, a.prefix - 1};
    if (kind == Slots) return {chunk * a.slots, chunk * a.slots + a.slots - 1};
    if (kind == Window) return {a.keys_per_token * (larger(first, -smaller(a.past, known)) + a.past), a.keys_per_token * (t + a.past + 1) - 1};
    const int64_t last = a.fading_offset >= 0 ? t - a.fading_offset : first - 1, begin = -smaller(a.fading_past, known);
    const int64_t back = smaller(a.fading_count - 1, larger(0, last - begin) / a.fading_stride);
    return {larger(last - back * a.fading_stride, begin) + a.fading_past, last + a.fading_past};
}

// What queries t .. last see lies within; both ends of what a query sees go up with it, but for less than a stride.
__device__ __forceinline__ Seen seen_by_any(const AttentionArgs& a, int kind, int64_t b, int64_t t, int64_t last) {
    const int64_t low = seen_by(a, kind, b, t).low - (kind == Fading ? a.fading_stride - 1 : 0);
    return {low > 0 ? low : 0, seen_by(a, kind, b, last).high};
}

// n queries of one head from t on.
struct QueryTile {
    int64_t b, h, g, t; // g: the head of its keys
    int n;
};

inline int64_t query_tiles(const AttentionArgs& a) { return (a.tokens + attention_rows(a) - 1) / attention_rows(a); }

// The tile of a block: of each head its tiles.
template <int Rows>
__device__ __forceinline__ QueryTile query_tile(const AttentionArgs& a) {
    const int64_t tiles = (a.tokens + Rows - 1) / Rows, block = static_cast<int64_t>(blockIdx.x), t = block % tiles * Rows, h = block / tiles % a.heads;
    return {block / tiles / a.heads, h, h / (a.heads / a.key_heads), t, a.tokens - t < Rows ? static_cast<int>(a.tokens - t) : Rows};
}

// What each query of a tile sees of a kind, in shared memory; a row without a query sees nothing.
template <int Rows>
struct SeenByTile {
    int64_t low[Rows], high[Rows];

    __device__ __forceinline__ void enter(const AttentionArgs& a, int kind, const QueryTile& tile) {
        if (threadIdx.x >= Rows) return;
        const int i = static_cast<int>(threadIdx.x);
        const Seen seen = i < tile.n ? seen_by(a, kind, tile.b, tile.t + i) : Seen{1, 0};
        low[i] = seen.low, high[i] = seen.high;
    }

    // present: of the kind's keys in this row, nullable.
    __device__ __forceinline__ bool has(int row, int64_t key, int64_t stride, const uint8_t* present) const {
        return low[row] <= key && key <= high[row] && (stride == 1 || (high[row] - key) % stride == 0) && (!present || present[key]);
    }
};

__device__ __forceinline__ const uint8_t* presence(const AttentionArgs& a, int kind, int64_t b) { return kind == Slots && a.present ? a.present + b * a.chunks * a.slots : nullptr; }
__device__ __forceinline__ int64_t stride_of(const AttentionArgs& a, int kind) { return kind == Fading ? a.fading_stride : 1; }

// Rows first .. of a head into a tile, zeros beyond `rows` and where x is absent.
template <class T, int R, int D>
__device__ __forceinline__ void load_head(Tile<T, R, D>& to, const memgen_tensor& x, int64_t b, int64_t first, int64_t h, int rows, int64_t columns, const void* any) {
    const T* from = head_row<const T>(x, b, first, h);
    load_rows(to, from ? from : static_cast<const T*>(any), x.stride[1], from ? rows : 0, static_cast<int>(columns));
}

// Keys and values from place x on, behind a barrier, with what was copied before them.
template <class Memory>
__device__ __forceinline__ void load_keys(Memory& s, const AttentionArgs& a, const KeyTensors& keys, const QueryTile& tile, int64_t x, int n) {
    load_head(s.k, *keys.k, tile.b, x, tile.g, n, a.key_dim, a.q.data);
    load_head(s.v, *keys.v, tile.b, x, tile.g, n, a.value_dim, a.q.data);
    close_copies();
    wait_copies<0>();
    __syncthreads();
}

namespace {

// Launch<T, D>::run by number format and padded width.
template <template <class, int> class Launch, class... P>
cudaError_t by_number_and_width(const AttentionArgs& a, P... p) {
    const int64_t width = larger(a.key_dim, a.value_dim);
    if (a.dtype == MEMGEN_BFLOAT16)
        return width <= 32 ? Launch<bfloat16, 32>::run(a, p...) : width <= 64 ? Launch<bfloat16, 64>::run(a, p...) : width <= 128 ? Launch<bfloat16, 128>::run(a, p...) : Launch<bfloat16, 256>::run(a, p...);
    return width <= 32 ? Launch<float, 32>::run(a, p...) : width <= 64 ? Launch<float, 64>::run(a, p...) : width <= 128 ? Launch<float, 128>::run(a, p...) : Launch<float, 256>::run(a, p...);
}

} // namespace
} // namespace memgen
