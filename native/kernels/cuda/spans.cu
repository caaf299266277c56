// From A and B of all spans to the states between them, a thread for every element of a state.
#include "matrix_memory.h"

namespace memgen {
namespace {

__global__ void __launch_bounds__(Threads) carry(const MatrixMemoryParameters p, const Spans spans, bool backward) {
    const int64_t size = p.key_dim * p.value_dim, parts = (size + Threads - 1) / Threads, block = static_cast<int64_t>(blockIdx.x);
    const int64_t element = block % parts * Threads + static_cast<int64_t>(threadIdx.x), head = block / parts % p.heads;
    if (element >= size) return;
    const Chain c = chain_of(p, block / parts / p.heads, head, 0, p.value_dim);
    const int64_t its = spans.of_sequence(c.tokens), row = element / p.value_dim, column = element % p.value_dim;
    int64_t first = c.sequence * its;
    if (p.segments.lengths) {
        first = 0;
        for (int64_t n = 0; n < c.sequence; n++) first += spans.of_sequence(p.segments.lengths[n]);
    }
    const TensorView& from = backward ? p.d_final_state : p.initial_state;
    const float* entering = state_of(from, c);
    float x = entering ? entering[row * from.stride[2] + column] : 0.0f;
    // The place that x enters, and those that it is carried on to.
    int64_t span = backward ? first + its : first;
    span_state(p, spans, span, head)[element] = x;
    for (int64_t i = 1; i < its; i++) {
        span += backward ? -1 : 1;
        float* place = span_state(p, spans, span, head);
        x = place[size + (spans.decays > 1 ? row : 0)] * x + place[element];
        place[element] = x;
    }
}

} // namespace

cudaError_t launch_carry(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream) {
    return launch(carry, sequence_count(p) * p.heads * ((p.key_dim * p.value_dim + Threads - 1) / Threads), Threads, 0, stream, p, spans, backward);
}

} // namespace memgen
