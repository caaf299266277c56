// Forward pass of attention, a block for every tile of queries of a head: it meets its keys of all kinds in one pass, with
// the largest score and the sum of weights so far; what was gathered shrinks when a larger score appears.
#include "attention.h"
#include "attention_keys.h"

namespace memgen {
namespace {

template <class T, int D>
struct AttentionMemory {
    static constexpr int Rows = attention_rows<T, D>();
    Tile<T, Rows, D> q, k, v;
    Tile<T, Rows, Rows> weights;
    SeenByTile<Rows> seen;
    float tops[2][Rows], sums[2][Rows];                  // of a tile of keys, the halves of its columns apart
    float top[Rows], base[Rows], shrink[Rows], sum[Rows]; // largest score, the one that weights are relative to, what it leaves of what was gathered, sum of weights
};

// Scores in registers become weights in the tile, and out shrinks; behind a barrier. More barriers inside.
template <class T, int D>
__device__ __forceinline__ void weigh(AttentionMemory<T, D>& s, Accumulator<attention_rows<T, D>(), attention_rows<T, D>()>& scores, Accumulator<attention_rows<T, D>(), D>& out) {
    constexpr int Rows = attention_rows<T, D>();
    scores.most_rows(s.tops);
    __syncthreads();
    if (threadIdx.x < Rows) {
        const int i = static_cast<int>(threadIdx.x);
        const float before = s.top[i], top = greater(before, greater(s.tops[0][i], s.tops[1][i]));
        s.top[i] = top;
        s.base[i] = top == NothingSeen ? 0.0f : top;
        s.shrink[i] = exp2f(before - s.base[i]);
        s.sum[i] *= s.shrink[i];
    }
    __syncthreads();
    scores.each_pair([&](int i, int j, float& first, float& second) {
        first = exp2f(first - s.base[i]), second = exp2f(second - s.base[i]);
        store_pair(s.weights.at(i, j), first, second);
    });
    scores.sum_rows(s.sums, [](int, int, float first, float second) { return first + second; });
    out.scale_rows(s.shrink);
    __syncthreads();
    if (threadIdx.x < Rows) s.sum[threadIdx.x] += s.sums[0][threadIdx.x] + s.sums[1][threadIdx.x];
}

template <class T, int D>
__global__ void __launch_bounds__(Threads) attention_forward(const __grid_constant__ AttentionArgs a) {
    constexpr int Rows = attention_rows<T, D>();
    AttentionMemory<T, D>& s = *reinterpret_cast<AttentionMemory<T, D>*>(shared_memory());
    const QueryTile tile = query_tile<Rows>(a);
    const float factor = static_cast<float>(a.scale * Log2E);
    Accumulator<Rows, D> out;
    out.zero();
    if (threadIdx.x < Rows) s.top[threadIdx.x] = NothingSeen, s.sum[threadIdx.x] = 0.0f;
    const memgen_tensor* queries = nullptr; // which are in the tile
    for (int kind = 0; kind < Kinds; kind++) {
        const int64_t count = key_count(a, kind), stride = stride_of(a, kind);
        if (count == 0) continue;
        const memgen_tensor* own = queries_of(a, kind);
        if (own != queries) load_head(s.q, *own, tile.b, tile.t, tile.h, tile.n, a.key_dim, a.q.data);
        queries = own;
        s.seen.enter(a, kind, tile);
        const KeyTensors keys = key_tensors(a, kind);
        const uint8_t* present = presence(a, kind, tile.b);
        const Seen any = seen_by_any(a, kind, tile.b, tile.t, tile.t + tile.n - 1);
        for (int64_t x = any.low; x <= any.high; x += Rows) {
            const int n = any.high + 1 - x < Rows ? static_cast<int>(any.high + 1 - x) : Rows;
            load_keys(s, a, keys, tile, x, n);
            Accumulator<Rows, Rows> scores;
            scores.zero();
            multiply(scores, s.q, turned(s.k));
            scores.each_pair([&](int i, int j, float& first, float& second) {
                first = s.seen.has(i, x + j, stride, present) ? factor * first : NothingSeen;
                second = s.seen.has(i, x + j + 1, stride, present) ? factor * second : NothingSeen;
            });
            weigh(s, scores, out);
            multiply(out, s.weights, s.v);
            __syncthreads();
        }
        close_copies(); // of queries whose kind had no keys for them
        wait_copies<0>();
        __syncthreads();
    }

    if (threadIdx.x < Rows) {
        const int i = static_cast<int>(threadIdx.x);
        const float sum = s.sum[i];
        s.shrink[i] = sum == 0.0f ? 0.0f : 1.0f / sum;
        if (a.logs && i < tile.n) a.logs[(tile.b * a.tokens + tile.t + i) * a.heads + tile.h] = sum == 0.0f ? 0.0f : s.top[i] + log2f(sum);
    }
    __syncthreads();
    out.scale_rows(s.shrink);
    if (T* o = head_row<T>(a.o, tile.b, tile.t, tile.h)) out.store_rows(o, a.o.stride[1], tile.n, static_cast<int>(a.value_dim), 1.0f);
}

template <class T, int D>
struct AttentionForwardLaunch {
    static cudaError_t run(const AttentionArgs& a, cudaStream_t stream) {
        static_assert(sizeof(AttentionMemory<T, D>) <= LargestSharedMemory, "does not fit on sm_80");
        return launch(attention_forward<T, D>, query_tiles(a) * a.batch * a.heads, Threads, sizeof(AttentionMemory<T, D>), stream, a);
    }
};

} // namespace

cudaError_t launch_attention_forward(const AttentionArgs& a, cudaStream_t stream) { return by_number_and_width<AttentionForwardLaunch>(a, stream); }

} // namespace memgen
