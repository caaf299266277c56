// What both directions of the delta rules' spans share: A and B are found alike, of A as if its columns were values.
#pragma once
#include "delta_chunk.h"

namespace memgen {
namespace {

// A call whose states have a column for every key, and whose values are zero.
inline MatrixMemoryParameters without_values(MatrixMemoryParameters p) {
    p.value_dim = p.key_dim;
    p.v.data = p.d_o.data = nullptr;
    return p;
}

// The unit matrix, or zeros.
template <class State>
__device__ __forceinline__ void enter_unit(State& state, const Chain& c, int keys, bool unit) {
    state.each_pair([&](int row, int column, float& first, float& second) {
        const int diagonal = unit && row < keys ? row - c.first_value : -1;
        first = column == diagonal ? 1.0f : 0.0f, second = column + 1 == diagonal ? 1.0f : 0.0f;
    });
}

// As A, or as the state, of place `span`.
template <class State>
__device__ __forceinline__ void store_span(State& state, const MatrixMemoryParameters& p, const Spans& spans, const Chain& c, int64_t span, bool unit) {
    float* to = unit ? span_decays(p, spans, span, c.head) : span_state(p, spans, span, c.head);
    state.store_rows(to + c.first_value, p.value_dim, static_cast<int>(p.key_dim), c.values, 1.0f);
}

// A of every span and B, by the kernel of a direction, then the states between them.
template <template <class, int> class Launch>
cudaError_t launch_spans(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream) {
    if (are_whole(p, spans)) return cudaSuccess;
    cudaError_t status = by_number_and_keys<Launch>(without_values(p), spans, true, stream);
    if (status == cudaSuccess) status = by_number_and_keys<Launch>(p, spans, false, stream);
    return status != cudaSuccess ? status : launch_delta_carry(p, spans, backward, stream);
}

} // namespace
} // namespace memgen
