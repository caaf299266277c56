// Front door of normalised linear attention.
#include "delta_layout.h"
#include "front/matrix.h"
#include "library.h"

namespace memgen {
namespace {

typedef memgen_linear_attention_normalized_args Args;

Check sizes(const char* operation, const Args* a) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("heads", a->heads)
            .dimension("key_dim", a->key_dim, 0, LargestWidth).dimension("value_dim", a->value_dim, 0, LargestWidth)
            .product({a->batch, a->tokens, a->heads, a->key_dim + a->value_dim + 1})
            .segments(a->segments, a->batch, a->tokens)
            .product({sequence_count(*a), a->heads, a->key_dim, a->value_dim});
    return check;
}

int64_t checkpoint_bytes(const Args& a) {
    return over_sequences(a, CheckpointsOf{a}) * a.heads * a.key_dim * a.value_dim * static_cast<int64_t>(sizeof(float));
}

// Those of linear attention, which hold a row of keys too.
ScratchSize scratch_size(const Args& a, bool backward) {
    memgen_scalar_decay_args s{};
    s.batch = a.batch, s.tokens = a.tokens, s.heads = a.heads, s.key_dim = a.key_dim, s.value_dim = a.value_dim;
    return {plan_size(a), backward ? measure<DeltaBackwardScratch>(s) : measure<DeltaForwardScratch>(s)};
}

Check inputs(const char* operation, const Args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim;
    return check.required("q", a->q, {B, T, H, K}).required("k", a->k, {B, T, H, K}).required("v", a->v, {B, T, H, V}).required("o", a->o, {B, T, H, V})
        .nullable("initial_state", a->initial_state, {sequence_count(*a), H, K, V}).nullable("initial_normalizer", a->initial_normalizer, {sequence_count(*a), H, K});
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_linear_attention_normalized_workspace_size(const Args* a, int32_t backward) { return sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }
int64_t memgen_linear_attention_normalized_checkpoint_size(const Args* a) { return sizes(__func__, a).ok() ? checkpoint_bytes(*a) : -1; }

memgen_status memgen_linear_attention_normalized_forward(const Args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    if (!check.ok()) return check.status();
    const int64_t N = sequence_count(*a);
    check.nullable("final_state", a->final_state, {N, a->heads, a->key_dim, a->value_dim}).nullable("final_normalizer", a->final_normalizer, {N, a->heads, a->key_dim});
    return run(check, a, workspace, bytes, scratch_size(*a, false), &Kernels::linear_attention_normalized_forward, CheckpointsOf{*a});
}

memgen_status memgen_linear_attention_normalized_backward(const Args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim, N = sequence_count(*a);
    check.condition(a->checkpoints || checkpoint_bytes(*a) == 0, MEMGEN_INVALID_ARGUMENT, "checkpoints is null: backward needs what forward wrote there")
        .condition(a->divisors || B * T * H == 0, MEMGEN_INVALID_ARGUMENT, "divisors is null: backward needs what forward wrote there")
        .nullable("d_o", a->d_o, {B, T, H, V}).nullable("d_final_state", a->d_final_state, {N, H, K, V}).nullable("d_final_normalizer", a->d_final_normalizer, {N, H, K})
        .nullable("d_q", a->d_q, {B, T, H, K}).nullable("d_k", a->d_k, {B, T, H, K}).nullable("d_v", a->d_v, {B, T, H, V})
        .nullable("d_initial_state", a->d_initial_state, {N, H, K, V}).nullable("d_initial_normalizer", a->d_initial_normalizer, {N, H, K});
    return run(check, a, workspace, bytes, scratch_size(*a, true), &Kernels::linear_attention_normalized_backward, CheckpointsOf{*a});
}
}
