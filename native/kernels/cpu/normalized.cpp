// Front door of normalised linear attention.
#include "front/normalized.h"
#include "delta_layout.h"
#include "library.h"

namespace memgen {
namespace {

// What all share ends backward with a row for a d_o that is absent.
ScratchSize scratch_size(const NormalizedArgs& a, bool backward) {
    memgen_scalar_decay_args s{};
    s.batch = a.batch, s.tokens = a.tokens, s.heads = a.heads, s.key_dim = a.key_dim, s.value_dim = a.value_dim;
    Arena zeros{nullptr}, worker{nullptr};
    zero_row(zeros, a.value_dim);
    SumScratch forward(worker, s, false, true);
    return backward ? ScratchSize{plan_size(a) + measure<DivisorScratch>(a) + zeros.used, linear_backward_slice(s)} : ScratchSize{plan_size(a) + measure<NormalizerScratch>(a), worker.used};
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_linear_attention_normalized_workspace_size(const NormalizedArgs* a, int32_t backward) { return matrix_sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }
int64_t memgen_linear_attention_normalized_checkpoint_size(const NormalizedArgs* a) { return matrix_sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_linear_attention_normalized_forward(const NormalizedArgs* a, void* workspace, size_t bytes, void*) {
    Check check = matrix_sizes(__func__, a);
    normalized_forward(check, a);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, false), &Kernels::linear_attention_normalized_forward, [](int64_t) { return int64_t{0}; }) : check.status();
}

memgen_status memgen_linear_attention_normalized_backward(const NormalizedArgs* a, void* workspace, size_t bytes, void*) {
    Check check = matrix_sizes(__func__, a);
    normalized_backward(check, a, 0);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, true), &Kernels::linear_attention_normalized_backward, [](int64_t) { return int64_t{0}; }) : check.status();
}
}
