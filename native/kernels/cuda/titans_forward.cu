// Forward pass of the Titans memory of one matrix, a block for every head and value tile. W and S stay in registers for the
// whole sequence or span; equations in titans_chunk.h.
#include "titans_chunk.h"
#include "titans_spans.h"

namespace memgen {
namespace {

// What a launch finds: outputs and the end, or of every span B from a state of zeros, or A from the unit matrix.
enum class Pass { Walk, Offset, Transition };

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

// Ones where a row's number and `first` are the column's.
template <int K, int V>
__device__ __forceinline__ void enter_unit(Accumulator<K, V>& x, int keys, int first) {
    x.each_pair([=](int row, int column, float& one, float& other) {
        const int diagonal = row < keys ? row + first : -1;
        one = column == diagonal ? 1.0f : 0.0f, other = column + 1 == diagonal ? 1.0f : 0.0f;
    });
}

// W and S that a chain begins with.
template <int K, int V>
__device__ __forceinline__ void enter_memory(Accumulator<K, V>& weights, Accumulator<K, V>& momentum, const TitansParameters& p, const Chain& c, const Spans& spans, Pass pass) {
    const int keys = static_cast<int>(p.key_dim);
    weights.zero(), momentum.zero();
    if (pass == Pass::Transition) {
        enter_unit(weights, keys, -c.first_value);
        if (p.momentum) enter_unit(momentum, keys, keys - c.first_value);
    } else if (pass == Pass::Walk && are_whole(p, spans)) {
        load_memory(weights, p.initial_state, c, keys);
        if (p.momentum) load_memory(momentum, p.initial_momentum, c, keys);
    } else if (pass == Pass::Walk) {
        load_between(weights, momentum, p, c, spans, c.span);
    }
}

// And those that it ends with.
template <int K, int V>
__device__ __forceinline__ void leave_memory(Accumulator<K, V>& weights, Accumulator<K, V>& momentum, const TitansParameters& p, const Chain& c, const Spans& spans, Pass pass) {
    const int keys = static_cast<int>(p.key_dim);
    if (pass == Pass::Walk && c.last) {
        store_memory(weights, p.final_state, c, keys);
        if (p.momentum) store_memory(momentum, p.final_momentum, c, keys);
    } else if (pass == Pass::Offset) {
        store_between(weights, momentum, p, c, span_state(p, spans, c.span + 1, c.head));
    } else if (pass == Pass::Transition) {
        store_between(weights, momentum, p, c, span_decays(p, spans, c.span + 1, c.head));
    }
}

template <class T, int K, int V>
__global__ void __launch_bounds__(Threads) titans_forward(const TitansParameters p, const Spans spans, Pass pass) {
    TitansMemory<T, K, V>& s = *reinterpret_cast<TitansMemory<T, K, V>*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || (pass == Pass::Offset && c.last)) return;
    const int keys = static_cast<int>(p.key_dim);
    T* o = tokens_of<T>(p.o, c); // null: nothing is read, as when backward wants the checkpoints alone

    Accumulator<K, V> weights, momentum;
    enter_memory(weights, momentum, p, c, spans, pass);
    for (int64_t start = 0; start < c.tokens; start += p.block) {
        const int64_t end = start + p.block < c.tokens ? start + p.block : c.tokens;
        if (p.checkpoints && c.before + start > 0 && start % titans_interval(p.block) == 0) {
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
    leave_memory(weights, momentum, p, c, spans, pass);
}

template <class T, int K>
struct TitansForwardLaunch {
    static cudaError_t run(const TitansParameters& p, const Spans& spans, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = titans_values<T, K>();
            static_assert(sizeof(TitansMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            if (p.clip > 0.0f && tile_count(p, V) > 1) return cudaErrorInvalidValue;
            auto pass = [&](const TitansParameters& p, Pass which) { return launch(titans_forward<T, K, V>, spans.count * p.heads * tile_count(p, V), Threads, sizeof(TitansMemory<T, K, V>), stream, p, spans, which); };
            cudaError_t status = cudaSuccess;
            if (!are_whole(p, spans)) {
                TitansParameters offset = p;
                offset.o.data = nullptr, offset.checkpoints = nullptr;
                TitansParameters transition = offset;
                transition.v.data = nullptr, transition.value_dim = titans_rows(p);
                status = pass(transition, Pass::Transition);
                if (status == cudaSuccess) status = pass(offset, Pass::Offset);
                if (status == cudaSuccess) status = launch_titans_carry(p, spans, false, stream);
            }
            return status != cudaSuccess ? status : pass(p, Pass::Walk);
        }
    }
};

} // namespace

cudaError_t launch_titans_forward(const TitansParameters& p, const Spans& spans, cudaStream_t stream) { return by_number_and_keys<TitansForwardLaunch>(p, spans, stream); }

cudaError_t launch_titans_forward(const TitansParameters& p, cudaStream_t stream) {
    Spans spans = titans_spans(p);
    spans.states = p.workspace;
    return launch_titans_forward(p, spans, stream);
}

} // namespace memgen
