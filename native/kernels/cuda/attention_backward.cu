// Backward pass of attention. Weights are formed again from the scores and the logs that forward left:
//   p = 2^(score - log),  ds = p (<d_o, v> - <d_o, o>),  d_q = scale sum ds k,  d_k = scale sum ds q,  d_v = sum p d_o.
// One kernel has a block for every tile of queries, as forward, and leaves <d_o, o> for the other, which has one for every
// tile of keys: every gradient has one writer, and its sum one order.
#include "attention.h"
#include "attention_keys.h"

namespace memgen {
namespace {

template <class T, int D>
struct AttentionBackwardMemory {
    static constexpr int Rows = attention_rows<T, D>();
    Tile<T, Rows, D> q, d_o, k, v;
    Tile<T, Rows, Rows> weights, d_scores;
    SeenByTile<Rows> seen;
    float logs[Rows], inner[Rows];
};

// Queries of a kind, d_o, logs and, unless it is to be found, <d_o, o> of a tile; complete behind a barrier.
template <class T, int D>
__device__ __forceinline__ void load_queries(AttentionBackwardMemory<T, D>& s, const AttentionArgs& a, const memgen_tensor& q, const QueryTile& tile, const float* inner) {
    constexpr int Rows = attention_rows<T, D>();
    load_head(s.q, q, tile.b, tile.t, tile.h, tile.n, a.key_dim, a.q.data);
    load_head(s.d_o, a.d_o, tile.b, tile.t, tile.h, tile.n, a.value_dim, a.q.data);
    close_copies();
    if (threadIdx.x < Rows) {
        const int i = static_cast<int>(threadIdx.x);
        const int64_t at = (tile.b * a.tokens + tile.t + i) * a.heads + tile.h;
        s.logs[i] = i < tile.n ? a.logs[at] : 0.0f;
        if (inner) s.inner[i] = i < tile.n ? inner[at] : 0.0f;
    }
    wait_copies<0>();
}

// <d_o, o> of a tile, into s.inner and memory.
template <class T, int D>
__device__ __forceinline__ void find_inner(AttentionBackwardMemory<T, D>& s, const AttentionArgs& a, const QueryTile& tile, float* inner) {
    constexpr int Rows = attention_rows<T, D>(), PerRow = Threads / Rows;
    const int i = static_cast<int>(threadIdx.x) / PerRow;
    const T* o = head_row<const T>(a.o, tile.b, tile.t + i, tile.h);
    float sum = 0.0f;
    for (int j = static_cast<int>(threadIdx.x) % PerRow; i < tile.n && j < a.value_dim; j += PerRow) sum += s.d_o.value(i, j) * to_float(o[j]);
    for (int mask = 1; mask < PerRow; mask *= 2) sum += shuffle_xor(sum, mask);
    if (threadIdx.x % PerRow != 0) return;
    s.inner[i] = sum;
    if (i < tile.n) inner[(tile.b * a.tokens + tile.t + i) * a.heads + tile.h] = sum;
}

template <class T, int D>
__global__ void __launch_bounds__(Threads) attention_query_gradients(const __grid_constant__ AttentionArgs a, float* inner) {
    constexpr int Rows = attention_rows<T, D>();
    AttentionBackwardMemory<T, D>& s = *reinterpret_cast<AttentionBackwardMemory<T, D>*>(shared_memory());
    const QueryTile tile = query_tile<Rows>(a);
    const float factor = static_cast<float>(a.scale * Log2E), scale = static_cast<float>(a.scale);
    Accumulator<Rows, D> d_q;
    d_q.zero();
    auto write = [&](const memgen_tensor& to) {
        if (T* first = head_row<T>(to, tile.b, tile.t, tile.h)) d_q.store_rows(first, to.stride[1], tile.n, static_cast<int>(a.key_dim), scale);
    };
    load_queries(s, a, a.prefix_q.data ? a.prefix_q : a.q, tile, nullptr);
    __syncthreads();
    find_inner(s, a, tile, inner);
    __syncthreads();
    for (int kind = 0; kind < Kinds; kind++) {
        const int64_t count = key_count(a, kind), stride = stride_of(a, kind);
        if (kind == Prefix + 1 && a.prefix_q.data) { // the prefix is done with its queries
            write(a.d_prefix_q);
            d_q.zero();
            load_queries(s, a, a.q, tile, nullptr);
        }
        if (count == 0) continue;
        s.seen.enter(a, kind, tile);
        const KeyTensors keys = key_tensors(a, kind);
        const uint8_t* present = presence(a, kind, tile.b);
        const Seen any = seen_by_any(a, kind, tile.b, tile.t, tile.t + tile.n - 1);
        for (int64_t x = any.low; x <= any.high; x += Rows) {
            const int n = any.high + 1 - x < Rows ? static_cast<int>(any.high + 1 - x) : Rows;
            load_keys(s, a, keys, tile, x, n);
            {
                Accumulator<Rows, Rows> scores, d_weights;
                scores.zero();
                multiply(scores, s.q, turned(s.k));
                d_weights.zero();
                multiply(d_weights, s.d_o, turned(s.v));
                scores.each_pair_with(d_weights, [&](int i, int j, float& first, float& second, float d_first, float d_second) {
                    const float p = s.seen.has(i, x + j, stride, present) ? exp2f(factor * first - s.logs[i]) : 0.0f, r = s.seen.has(i, x + j + 1, stride, present) ? exp2f(factor * second - s.logs[i]) : 0.0f;
                    store_pair(s.d_scores.at(i, j), p * (d_first - s.inner[i]), r * (d_second - s.inner[i]));
                });
            }
            __syncthreads();
            multiply(d_q, s.d_scores, s.k);
            __syncthreads();
        }
        __syncthreads();
    }
    write(a.d_q);
}

// The tile of keys of a block: kind after kind, of each head its tiles.
struct KeyTile {
    int kind;
    int64_t b, g, first;
    int n;
};

template <int Rows>
__host__ __device__ __forceinline__ int64_t key_tiles(const AttentionArgs& a, int kind) { return (key_count(a, kind) + Rows - 1) / Rows; }

template <int Rows>
__device__ __forceinline__ KeyTile key_tile(const AttentionArgs& a) {
    int64_t block = static_cast<int64_t>(blockIdx.x);
    int kind = 0;
    while (block >= key_tiles<Rows>(a, kind) * a.batch * a.key_heads) block -= key_tiles<Rows>(a, kind++) * a.batch * a.key_heads;
    const int64_t tiles = key_tiles<Rows>(a, kind), first = block % tiles * Rows, left = key_count(a, kind) - first;
    return {kind, block / tiles / a.key_heads, block / tiles % a.key_heads, first, left < Rows ? static_cast<int>(left) : Rows};
}

template <class T, int D>
__global__ void __launch_bounds__(Threads) attention_key_gradients(const __grid_constant__ AttentionArgs a, const float* inner) {
    constexpr int Rows = attention_rows<T, D>();
    AttentionBackwardMemory<T, D>& s = *reinterpret_cast<AttentionBackwardMemory<T, D>*>(shared_memory());
    const KeyTile keys = key_tile<Rows>(a);
    const KeyTensors x = key_tensors(a, keys.kind);
    if (!x.d_k->data && !x.d_v->data) return;
    const float factor = static_cast<float>(a.scale * Log2E);
    const int64_t stride = stride_of(a, keys.kind), repeat = a.heads / a.key_heads;
    const uint8_t* present = presence(a, keys.kind, keys.b);
    load_head(s.k, *x.k, keys.b, keys.first, keys.g, keys.n, a.key_dim, a.q.data);
    load_head(s.v, *x.v, keys.b, keys.first, keys.g, keys.n, a.value_dim, a.q.data);
    Accumulator<Rows, D> d_k, d_v;
    d_k.zero();
    d_v.zero();
    for (int64_t h = keys.g * repeat; h < (keys.g + 1) * repeat; h++)
        for (int64_t t = 0; t < a.tokens; t += Rows) {
            const QueryTile tile{keys.b, h, keys.g, t, a.tokens - t < Rows ? static_cast<int>(a.tokens - t) : Rows};
            const Seen any = seen_by_any(a, keys.kind, keys.b, t, t + tile.n - 1);
            if (any.high < keys.first || any.low >= keys.first + keys.n) continue;
            s.seen.enter(a, keys.kind, tile);
            load_queries(s, a, *queries_of(a, keys.kind), tile, inner);
            __syncthreads();
            {
                Accumulator<Rows, Rows> scores, d_weights; // by key and query
                scores.zero();
                multiply(scores, s.k, turned(s.q));
                d_weights.zero();
                multiply(d_weights, s.v, turned(s.d_o));
                scores.each_pair_with(d_weights, [&](int j, int i, float& first, float& second, float d_first, float d_second) {
                    const int64_t key = keys.first + j;
                    const float p = s.seen.has(i, key, stride, present) ? exp2f(factor * first - s.logs[i]) : 0.0f, r = s.seen.has(i + 1, key, stride, present) ? exp2f(factor * second - s.logs[i + 1]) : 0.0f;
                    store_pair(s.weights.at(j, i), p, r);
                    store_pair(s.d_scores.at(j, i), p * (d_first - s.inner[i]), r * (d_second - s.inner[i + 1]));
                });
            }
            __syncthreads();
            multiply(d_k, s.d_scores, s.q);
            multiply(d_v, s.weights, s.d_o);
            __syncthreads();
        }
    close_copies(); // of keys that no query saw
    wait_copies<0>();
    if (T* to = head_row<T>(*x.d_k, keys.b, keys.first, keys.g)) d_k.store_rows(to, x.d_k->stride[1], keys.n, static_cast<int>(a.key_dim), static_cast<float>(a.scale));
    if (T* to = head_row<T>(*x.d_v, keys.b, keys.first, keys.g)) d_v.store_rows(to, x.d_v->stride[1], keys.n, static_cast<int>(a.value_dim), 1.0f);
}

template <class T, int D>
struct AttentionBackwardLaunch {
    static cudaError_t run(const AttentionArgs& a, float* inner, cudaStream_t stream) {
        constexpr int Rows = attention_rows<T, D>();
        constexpr size_t bytes = sizeof(AttentionBackwardMemory<T, D>);
        static_assert(bytes <= LargestSharedMemory, "does not fit on sm_80");
        const cudaError_t found = launch(attention_query_gradients<T, D>, query_tiles(a) * a.batch * a.heads, Threads, bytes, stream, a, inner);
        int64_t tiles = 0;
        for (int kind = 0; kind < Kinds; kind++) tiles += key_tiles<Rows>(a, kind);
        return found != cudaSuccess ? found : launch(attention_key_gradients<T, D>, tiles * a.batch * a.key_heads, Threads, bytes, stream, a, static_cast<const float*>(inner));
    }
};

} // namespace

cudaError_t launch_attention_backward(const AttentionArgs& a, float* inner, cudaStream_t stream) { return by_number_and_width<AttentionBackwardLaunch>(a, inner, stream); }

} // namespace memgen
