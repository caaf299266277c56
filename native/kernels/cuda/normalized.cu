// Front door of normalised linear attention: linear attention whose output is divided, and whose gradients have one part more.
#include "front/normalized.h"
#include "library.h"
#include "normalizer.h"

namespace memgen {
namespace {

MatrixMemoryParameters linear_attention(const NormalizerParameters& p, bool backward) {
    MatrixMemoryParameters m{};
    static_cast<MemoryParameters&>(m) = p;
    m.scale = p.scale, m.multiprocessors = multiprocessors();
    if (backward) m.further_parts = 1;
    else m.divisors = p.divisors;
    return m;
}

NormalizerParameters parameters(const NormalizedArgs& a, void* workspace, bool backward) {
    NormalizerParameters p{memory_parameters(a, workspace),
                           static_cast<float>(a.scale), static_cast<float>(a.epsilon),
                           a.divisors, nullptr, nullptr,
                           view(a.initial_normalizer), view(a.final_normalizer), view(a.d_final_normalizer), view(a.d_initial_normalizer), {}};
    const MatrixMemoryParameters m = linear_attention(p, backward);
    p.spans = backward ? backward_spans(m, Recurrence::Scalar) : forward_spans(m, Recurrence::Scalar);
    return p;
}

// Of the workspace: what linear attention needs, the sums of spans, then the divisors where the caller keeps none, or
// d_divisors and d_o over them.
struct Floats {
    int64_t attention, sums, rows, divided;

    Floats(const NormalizerParameters& p, bool backward)
        : attention(matrix_memory_workspace_floats(linear_attention(p, backward), Recurrence::Scalar, backward)), sums((normalizer_sums(p, backward) + 3) / 4 * 4), rows((p.batch * p.tokens * p.heads + 3) / 4 * 4), divided(backward ? rows * p.value_dim : 0) {}

    int64_t bytes() const { return 4 * (attention + sums + rows + divided); }
};

Check sizes(const char* operation, const NormalizedArgs* a) { return matrix_sizes(operation, a, LargestKeyDim); }
int64_t workspace_bytes(const NormalizedArgs& a, bool backward) { return Floats(parameters(a, nullptr, backward), backward).bytes(); }
int64_t checkpoint_bytes(const NormalizedArgs& a) { return 4 * matrix_memory_checkpoint_floats(linear_attention(parameters(a, nullptr, false), false)); }

cudaError_t forward(NormalizerParameters p, cudaStream_t stream) {
    const Floats floats(p, false);
    p.spans.states = p.workspace + floats.attention;
    if (!p.divisors) p.divisors = p.workspace + floats.attention + floats.sums;
    const cudaError_t found = launch_divisors(p, stream);
    return found != cudaSuccess ? found : launch_scalar_decay_forward(linear_attention(p, false), stream);
}

cudaError_t backward(NormalizerParameters p, cudaStream_t stream) {
    const Floats floats(p, true);
    p.spans.states = p.workspace + floats.attention;
    p.d_divisors = p.workspace + floats.attention + floats.sums, p.divided = p.d_divisors + floats.rows;
    MatrixMemoryParameters m = linear_attention(p, true);
    if (p.d_o.data) m.d_o = {p.divided, {p.tokens * p.heads * p.value_dim, p.heads * p.value_dim, p.value_dim, 1}};
    const cudaError_t found = launch_normalizer_backward(p, further_part(m), stream);
    return found != cudaSuccess ? found : launch_scalar_decay_backward(m, stream);
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_linear_attention_normalized_workspace_size(const NormalizedArgs* a, int32_t backward) { return sizes(__func__, a).ok() ? workspace_bytes(*a, backward != 0) : -1; }
int64_t memgen_linear_attention_normalized_checkpoint_size(const NormalizedArgs* a) { return sizes(__func__, a).ok() ? checkpoint_bytes(*a) : -1; }

memgen_status memgen_linear_attention_normalized_forward(const NormalizedArgs* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(__func__, a);
    normalized_forward(check, a);
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(*a, false) : 0)) return check.status();
    return launched(check, forward(parameters(*a, workspace, false), static_cast<cudaStream_t>(stream)));
}

memgen_status memgen_linear_attention_normalized_backward(const NormalizedArgs* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(__func__, a);
    normalized_backward(check, a, check.ok() ? checkpoint_bytes(*a) : 0);
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(*a, true) : 0)) return check.status();
    return launched(check, backward(parameters(*a, workspace, true), static_cast<cudaStream_t>(stream)));
}
}
