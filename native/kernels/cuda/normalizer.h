// Launches of what normalised linear attention has beside linear attention.
#pragma once
#include "spans.h"

namespace memgen {

// As for scalar decay without gates; normalizers are [N, H, K].
struct NormalizerParameters : MemoryParameters {
    float scale, epsilon;
    float* divisors;   // [B, T, H]: forward writes it, backward reads it
    float* d_divisors; // [B, T, H], and d_o over its divisors, [B, T, H, V] of `number`: backward writes both
    void* divided;
    TensorView initial_normalizer, final_normalizer, d_final_normalizer, d_initial_normalizer;
    Spans spans;       // of linear attention; instead of states, what each adds to the normalizer and to its gradient
};

inline int64_t normalizer_sums(const NormalizerParameters& p, bool backward) { return are_whole(p, p.spans) ? 0 : (backward ? 2 : 1) * (p.spans.count + 1) * p.heads * p.key_dim; }

cudaError_t launch_divisors(const NormalizerParameters& p, cudaStream_t stream);
// part: 2 K + 2 floats for every token and head, of which it writes its shares of d_q and d_k.
cudaError_t launch_normalizer_backward(const NormalizerParameters& p, float* part, cudaStream_t stream);

} // namespace memgen
