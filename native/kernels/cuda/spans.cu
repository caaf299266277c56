// From A and B of all spans to the states between them, in the order of the spans.
#include "matrix_memory.h"
#include "titans_spans.h"

namespace memgen {
namespace {

// Of the first span of a chain's sequence.
__device__ __forceinline__ int64_t first_span(const MemoryParameters& p, const Chain& c, const Spans& spans) {
    int64_t first = 0;
    if (!p.segments.lengths) return c.sequence * spans.of_sequence(p.tokens);
    for (int64_t n = 0; n < c.sequence; n++) first += spans.of_sequence(p.segments.lengths[n]);
    return first;
}

// A a diagonal: a thread for every element of a state.
__global__ void __launch_bounds__(Threads) carry(const MatrixMemoryParameters p, const Spans spans, bool backward) {
    const int64_t size = p.key_dim * p.value_dim, parts = (size + Threads - 1) / Threads, block = static_cast<int64_t>(blockIdx.x);
    const int64_t element = block % parts * Threads + static_cast<int64_t>(threadIdx.x);
    if (element >= size) return;
    const Chain c = chain_of(p, block / parts / p.heads, block / parts % p.heads, 0, p.value_dim);
    const int64_t its = spans.of_sequence(c.tokens), row = element / p.value_dim, decay = spans.decays > 1 ? row : 0;
    const TensorView& from = backward ? p.d_final_state : p.initial_state;
    const float* entering = state_of(from, c);
    float x = entering ? entering[row * from.stride[2] + element % p.value_dim] : 0.0f;
    int64_t span = first_span(p, c, spans) + (backward ? its : 0);
    span_state(p, spans, span, c.head)[element] = x;
    for (int64_t i = 1; i < its; i++) {
        span += backward ? -1 : 1;
        float& state = span_state(p, spans, span, c.head)[element];
        state = x = span_decays(p, spans, span, c.head)[decay] * x + state;
    }
}

// A a matrix: a block for every 32 value columns of a state, in registers; A comes by 32 columns.
constexpr int CarryValues = 32, Depth = 32;

// Turned: what is carried back are gradients, through A of forward, whose rows then are what comes by 32.
template <int K, bool Turned>
struct CarryMemory {
    Tile<float, Turned ? Depth : K, Turned ? K : Depth> decays[2];
    Tile<float, Depth, CarryValues> state[K / Depth];
};

// Rows of a state from `upper` on are not in the call's state, but in `lower`, zeros where it is absent.
template <int K, bool Turned>
__global__ void __launch_bounds__(Threads) delta_carry(const MatrixMemoryParameters p, const Spans spans, bool backward, int upper, const TensorView lower) {
    CarryMemory<K, Turned>& s = *reinterpret_cast<CarryMemory<K, Turned>*>(shared_memory());
    const Chain c = chain_of_block(p, CarryValues);
    const int keys = static_cast<int>(p.key_dim);
    const int64_t its = spans.of_sequence(c.tokens);
    const TensorView& from = backward ? p.d_final_state : p.initial_state;
    const float* entering = state_of(from, c);
    Accumulator<K, CarryValues> state;
    state.zero();
    if (entering) state.load_rows(entering, from.stride[2], upper, c.values);
    if (const float* below = state_of(lower, c)) {
        state.each_pair([&](int row, int column, float& first, float& second) {
            if (row < upper || row >= keys) return;
            const float* x = below + (row - upper) * lower.stride[2] + column;
            first = column < c.values ? x[0] : 0.0f, second = column + 1 < c.values ? x[1] : 0.0f;
        });
    }
    int64_t span = first_span(p, c, spans) + (backward ? its : 0);
    state.store_rows(span_state(p, spans, span, c.head) + c.first_value, p.value_dim, keys, c.values, 1.0f);
    for (int64_t i = 1; i < its; i++) {
        span += backward ? -1 : 1;
        const float* decays = span_decays(p, spans, Turned ? span + 1 : span, c.head);
        float* place = span_state(p, spans, span, c.head) + c.first_value;
        auto load = [&](int d) {
            const int count = keys - d < Depth ? keys - d : Depth;
            if constexpr (Turned) load_rows(s.decays[d / Depth % 2], decays + d * p.key_dim, p.key_dim, count, keys);
            else load_rows(s.decays[d / Depth % 2], decays + d, p.key_dim, d < keys ? keys : 0, count);
            close_copies();
        };
        load(0);
        state.each_pair([&](int row, int column, float& first, float& second) { store_pair(s.state[row / Depth].at(row % Depth, column), first, second); });
        state.load_rows(place, p.value_dim, keys, c.values);
        for (int d = 0; d < K; d += Depth) {
            wait_copies<0>();
            __syncthreads();
            if (d + Depth < K) load(d + Depth);
            if constexpr (Turned) multiply(state, turned(s.decays[d / Depth % 2]), s.state[d / Depth]);
            else multiply(state, s.decays[d / Depth % 2], s.state[d / Depth]);
        }
        state.store_rows(place, p.value_dim, keys, c.values, 1.0f);
        __syncthreads();
    }
}

template <int K, bool Turned>
cudaError_t delta_carry_launch(const MatrixMemoryParameters& p, const Spans& spans, bool backward, int upper, const TensorView& lower, cudaStream_t stream) {
    static_assert(sizeof(CarryMemory<K, Turned>) <= LargestSharedMemory, "does not fit on sm_80");
    return launch(delta_carry<K, Turned>, sequence_count(p) * p.heads * tile_count(p, CarryValues), Threads, sizeof(CarryMemory<K, Turned>), stream, p, spans, backward, upper, lower);
}

template <bool Turned>
cudaError_t delta_carry_by_keys(const MatrixMemoryParameters& p, const Spans& spans, bool backward, int upper, const TensorView& lower, cudaStream_t stream) {
    auto run = p.key_dim <= 32 ? delta_carry_launch<32, Turned> : p.key_dim <= 64 ? delta_carry_launch<64, Turned> : p.key_dim <= 128 ? delta_carry_launch<128, Turned> : delta_carry_launch<256, Turned>;
    return run(p, spans, backward, upper, lower, stream);
}

} // namespace

cudaError_t launch_carry(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream) {
    return launch(carry, sequence_count(p) * p.heads * ((p.key_dim * p.value_dim + Threads - 1) / Threads), Threads, 0, stream, p, spans, backward);
}

cudaError_t launch_delta_carry(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream) {
    return delta_carry_by_keys<false>(p, spans, backward, static_cast<int>(p.key_dim), {}, stream);
}

cudaError_t launch_titans_carry(const TitansParameters& p, const Spans& spans, bool backward, cudaStream_t stream) {
    MatrixMemoryParameters rows{};
    static_cast<MemoryParameters&>(rows) = p;
    const int upper = static_cast<int>(p.key_dim);
    rows.key_dim = titans_rows(p);
    const TensorView lower = !p.momentum ? TensorView{} : backward ? p.d_final_momentum : p.initial_momentum;
    return backward ? delta_carry_by_keys<true>(rows, spans, true, upper, lower, stream) : delta_carry_by_keys<false>(rows, spans, false, upper, lower, stream);
}

} // namespace memgen
