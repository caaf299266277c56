// Forward pass of the Titans memory of one matrix, a block for every head and value tile. W and S stay in registers for the
// whole sequence; equations in titans_chunk.h.
#include "titans_chunk.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct TitansMemory {
    Tile<T, Chunk, K> q, k;
    Tile<T, Chunk, V> v, to_weights, to_momentum; // v: then D
    Tile<T, K, V> anchor, weights, momentum;      // weights: of a chunk within its block, where they are no longer the anchor
    Tile<T, Chunk, Chunk> scores;
    TitansGates gates;
    TitansClip clip;
};

template <class T, int K, int V>
__device__ __forceinline__ void read_memory(TitansMemory<T, K, V>& s, const TitansParameters& p, const Tile<T, K, V>& weights, Accumulator<Chunk, V>& out) {
    out.zero();
    if (p.reads_block_start) {
        multiply(out, s.q, s.anchor);
        return;
    }
    {
        Accumulator<Chunk, Chunk> scores;
        scores.zero();
        multiply(scores, s.q, turned(s.k));
        scores.each_pair([&](int i, int j, float& first, float& second) {
            store_pair(s.scores.at(i, j), j <= i ? -*s.gates.gamma.at(i, j) * first : 0.0f, j + 1 <= i ? -*s.gates.gamma.at(i, j + 1) * second : 0.0f);
        });
    }
    multiply(out, s.q, weights);
    out.scale_rows(s.gates.of_weights);
    if (p.momentum) {
        Accumulator<Chunk, V> seen;
        seen.zero();
        multiply(seen, s.q, s.momentum);
        out.each_pair_with(seen, [&](int i, int, float& first, float& second, float x, float y) { first += s.gates.of_momentum[i] * x, second += s.gates.of_momentum[i] * y; });
    }
    __syncthreads();
    multiply(out, s.scores, s.v);
}

template <class T, int K, int V>
__global__ void __launch_bounds__(Threads) titans_forward(const TitansParameters p) {
    TitansMemory<T, K, V>& s = *reinterpret_cast<TitansMemory<T, K, V>*>(shared_memory());
    const Chain c = chain_of_block(p, V);
    const int keys = static_cast<int>(p.key_dim);
    T* o = tokens_of<T>(p.o, c); // null: nothing is read, as when backward wants the checkpoints alone

    Accumulator<K, V> weights, momentum;
    load_memory(weights, p.initial_state, c, keys);
    load_memory(momentum, p.momentum ? p.initial_momentum : TensorView{}, c, keys);
    for (int64_t start = 0; start < c.tokens; start += p.block) {
        const int64_t end = start + p.block < c.tokens ? start + p.block : c.tokens;
        if (p.checkpoints && start > 0 && start % titans_interval(p.block) == 0) {
            float* place = titans_checkpoint(p, c, start);
            weights.store_rows(place, p.value_dim, keys, c.values, 1.0f);
            momentum.store_rows(place + p.key_dim * p.value_dim, p.value_dim, keys, c.values, 1.0f);
        }
        for (int64_t t = start; t < end; t += Chunk) {
            const int n = end - t < Chunk ? static_cast<int>(end - t) : Chunk;
            if (o) load_tokens(s.q, p, p.q, c, t, n, 0, keys);
            load_tokens(s.k, p, p.k, c, t, n, 0, keys);
            load_tokens(s.v, p, p.v, c, t, n, c.first_value, c.values);
            close_copies();
            if (threadIdx.x < 32) s.gates.enter(p, c, t, n);
            if (t == start) weights.store(s.anchor);
            else if (o) weights.store(s.weights);
            if (o) momentum.store(s.momentum);
            wait_copies<0>();
            __syncthreads();

            {
                Accumulator<Chunk, V> delta;
                inner_gradients(delta, p.clip, s.gates, s.clip, s.k, s.v, s.anchor, n, s.to_weights, s.to_momentum);
            }
            if (o) {
                Accumulator<Chunk, V> out;
                read_memory(s, p, t == start ? s.anchor : s.weights, out);
                out.store_rows(o + c.first_value + t * p.o.stride[1], p.o.stride[1], n, c.values, 1.0f);
            }
            __syncthreads();
            carry_memory(weights, momentum, p, s.gates, s.k, n, s.to_weights, s.to_momentum);
            __syncthreads();
        }
    }
    store_memory(weights, p.final_state, c, keys);
    if (p.momentum) store_memory(momentum, p.final_momentum, c, keys);
}

template <class T, int K>
struct TitansForwardLaunch {
    static cudaError_t run(const TitansParameters& p, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = titans_values<T, K>();
            static_assert(sizeof(TitansMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            const int64_t tiles = tile_count(p, V);
            if (p.clip > 0.0f && tiles > 1) return cudaErrorInvalidValue;
            return launch(titans_forward<T, K, V>, sequence_count(p) * p.heads * tiles, Threads, sizeof(TitansMemory<T, K, V>), stream, p);
        }
    }
};

} // namespace

cudaError_t launch_titans_forward(const TitansParameters& p, cudaStream_t stream) { return by_number_and_keys<TitansForwardLaunch>(p, stream); }

} // namespace memgen
