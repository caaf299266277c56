// Where sequences of the Titans memory of one matrix are cut, and back through spans: D of every span, the gradient of the state
// before it when nothing comes from behind it, a block for every span of a head and value tile. With the names of titans_backward.h,
// and no clip:
//   dD = -(Gamma o R)^T dO - diag(g) K dW' - diag(m) K dS'      dA = K^T diag(theta) dD, and Q^T dO more where reads begin with the block
//   dW = b_C dW' + Q^T diag(b) dO      dS = c_C dW' + h_C dS' + Q^T diag(c) dO, and dW + dA before the block's first chunk
// Values play no part, nor do W and S.
#include "titans_chunk.h"
#include "titans_spans.h"

namespace memgen {
namespace {

template <class T, int K, int V>
struct TitansSpanMemory {
    Tile<T, Chunk, K> q, k;
    Tile<T, Chunk, V> d_o, to_weights, to_momentum, written; // diag(b) dO, diag(c) dO, diag(theta) dD
    Tile<T, K, V> weights, momentum;                         // dW', dS'
    Tile<T, Chunk, Chunk> scores;                            // -Gamma o R
    TitansGates gates;
    float gathered[K * V], waiting[K * V]; // dA of a block of several chunks, and dW meanwhile, as the threads hold them
};

template <class T, int K, int V>
__global__ void __launch_bounds__(Threads) titans_span_backward(const TitansParameters p, const Spans spans) {
    typedef TitansSpanMemory<T, K, V> Memory;
    Memory& s = *reinterpret_cast<Memory*>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, V, spans) || c.before == 0) return;
    const int keys = static_cast<int>(p.key_dim);
    const bool reads = p.d_o.data, mixes = reads && !p.reads_block_start;

    Accumulator<K, V> d_weights, d_momentum;
    d_weights.zero(), d_momentum.zero();
    for (int64_t start = (c.tokens - 1) / p.block * p.block; start >= 0; start -= p.block) {
        const int64_t end = start + p.block < c.tokens ? start + p.block : c.tokens;
        for (int64_t t = start + (end - 1 - start) / Chunk * Chunk; t >= start; t -= Chunk) {
            const int n = end - t < Chunk ? static_cast<int>(end - t) : Chunk;
            if (reads) load_tokens(s.q, p, p.q, c, t, n, 0, keys);
            load_tokens(s.k, p, p.k, c, t, n, 0, keys);
            load_tokens(s.d_o, p, p.d_o, c, t, n, c.first_value, c.values);
            close_copies();
            if (threadIdx.x < 32) s.gates.enter(p, c, t, n);
            d_weights.store(s.weights);
            d_momentum.store(s.momentum);
            wait_copies<0>();
            __syncthreads();

            if (mixes) {
                Accumulator<Chunk, Chunk> r;
                r.zero();
                multiply(r, s.q, turned(s.k));
                r.each_pair([&](int i, int j, float& first, float& second) {
                    store_pair(s.scores.at(i, j), j <= i ? -*s.gates.gamma.at(i, j) * first : 0.0f, j + 1 <= i ? -*s.gates.gamma.at(i, j + 1) * second : 0.0f);
                });
                weigh_gradients(s.gates, s.d_o, s.to_weights, s.to_momentum);
            }
            Accumulator<Chunk, V> d_d, through;
            d_d.zero(), through.zero();
            multiply(d_d, s.k, s.weights);
            if (p.momentum) multiply(through, s.k, s.momentum);
            d_d.each_pair_with(through, [&](int i, int, float& first, float& second, float x, float y) {
                const float g = *s.gates.gamma.at(n - 1, i), m = *s.gates.eta_products.at(n - 1, i);
                first = -g * first - m * x, second = -g * second - m * y;
            });
            __syncthreads();
            if (mixes) multiply(d_d, turned(s.scores), s.d_o);
            d_d.each_pair([&](int i, int j, float& first, float& second) { store_pair(s.written.at(i, j), s.gates.theta[i] * first, s.gates.theta[i] * second); });
            {
                const float b = s.gates.of_weights[n - 1], m = s.gates.of_momentum[n - 1], h = s.gates.momentum[n - 1];
                d_momentum.each_pair_with(d_weights, [=](int, int, float& first, float& second, float x, float y) { first = h * first + m * x, second = h * second + m * y; });
                d_weights.scale(b);
            }
            if (mixes) {
                multiply(d_weights, turned(s.q), s.to_weights);
                if (p.momentum) multiply(d_momentum, turned(s.q), s.to_momentum);
            }
            __syncthreads();
            if (t > start) {
                d_weights.store_rows(s.waiting, V, K, V, 1.0f);
                if (end - t > Chunk) d_weights.load_rows(s.gathered, V, K, V);
                else d_weights.zero();
            } else if (end - t > Chunk) {
                d_weights.each_pair([&](int row, int column, float& first, float& second) { first += s.gathered[row * V + column], second += s.gathered[row * V + column + 1]; });
            }
            multiply(d_weights, turned(s.k), s.written);
            if (reads && p.reads_block_start) multiply(d_weights, turned(s.q), s.d_o);
            if (t > start) {
                d_weights.store_rows(s.gathered, V, K, V, 1.0f);
                d_weights.load_rows(s.waiting, V, K, V);
            }
            __syncthreads();
        }
    }
    store_between(d_weights, d_momentum, p, c, span_state(p, spans, c.span, c.head));
}

template <class T, int K>
struct TitansSpanBackward {
    static cudaError_t run(const TitansParameters& p, const Spans& spans, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = titans_values<T, K>();
            static_assert(sizeof(TitansSpanMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            return launch(titans_span_backward<T, K, V>, spans.count * p.heads * tile_count(p, V), Threads, sizeof(TitansSpanMemory<T, K, V>), stream, p, spans);
        }
    }
};

} // namespace

// A walk forward is five products of a chunk with K x V: K A, Q W, Q S, and what W and S get. B takes three of them, A three with
// 2 K columns in the place of V; without momentum it is three, two and two with K columns. So a call that is cut has 8/5 + 6/5 K / V
// walks of multiply-adds in the place of one, or 5/3 + 2/3 K / V, and takes twice as many spans as that; 2.8 and 2.3 where K = V.
// Backward, whose walk is longer, adds less. The product between spans is short beside 4 tokens a row of the state.
Spans titans_spans(const TitansParameters& p) {
    const int64_t K = p.key_dim, V = p.value_dim, rows = titans_rows(p), interval = titans_interval(p.block);
    const bool linear = !(p.clip > 0.0f) && rows <= LargestKeyDim;
    const Cut pays = p.momentum ? Cut{interval, 4 * rows, 16 * V + 12 * K, 5 * V} : Cut{interval, 4 * rows, 10 * V + 4 * K, 3 * V};
    return with_floats(cut(p, linear ? p.multiprocessors : 0, tile_count(p, titans_tile_values(p.number, K)), pays), rows * rows, rows * V);
}

cudaError_t launch_titans_spans_backward(const TitansParameters& p, const Spans& spans, cudaStream_t stream) {
    if (are_whole(p, spans)) return cudaSuccess;
    const cudaError_t status = by_number_and_keys<TitansSpanBackward>(p, spans, stream);
    return status != cudaSuccess ? status : launch_titans_carry(p, spans, true, stream);
}

} // namespace memgen
