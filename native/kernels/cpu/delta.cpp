// Front doors of the gated delta rule and of scalar decay.
#include "delta_layout.h"
#include "library.h"

namespace memgen {
namespace {

typedef memgen_gated_delta_rule_args Args;
constexpr int64_t LargestWidth = 4096; // K and V: scratch grows with their product

Check sizes(const char* operation, const Args* a) {
    Check check(operation, a, a ? a->struct_size : 0, sizeof(Args), a ? a->dtype : MEMGEN_FLOAT32);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("heads", a->heads)
            .dimension("key_dim", a->key_dim, 0, LargestWidth).dimension("value_dim", a->value_dim, 0, LargestWidth)
            .product({a->batch, a->tokens, a->heads, a->key_dim + a->value_dim + 1})
            .product({a->batch, a->heads, a->key_dim, a->value_dim});
    return check;
}

ScratchSize scratch_size(const Args& a, bool backward) {
    Arena measure{nullptr};
    if (backward) DeltaBackwardScratch layout(measure, a);
    else DeltaForwardScratch layout(measure, a);
    return {0, measure.used};
}

int64_t workspace_size(const char* operation, const Args* a, int32_t backward) {
    return sizes(operation, a).ok() ? scratch_size(*a, backward != 0).total() : -1;
}

int64_t checkpoint_size(const char* operation, const Args* a) {
    if (!sizes(operation, a).ok()) return -1;
    return a->batch * a->heads * checkpoint_count(a->tokens, checkpoint_interval(a->key_dim, a->value_dim)) * a->key_dim * a->value_dim * static_cast<int64_t>(sizeof(float));
}

Check inputs(const char* operation, const Args* a, bool delta) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim;
    check.required("q", a->q, {B, T, H, K}).required("k", a->k, {B, T, H, K}).required("v", a->v, {B, T, H, V});
    if (delta) check.required("beta", a->beta, {B, T, H, 1});
    else check.condition(!a->beta.data && !a->d_beta.data, MEMGEN_INVALID_ARGUMENT, "beta and d_beta are not null, but this rule has no write strength");
    return check.nullable("initial_state", a->initial_state, {B, H, K, V});
}

memgen_status forward(const char* operation, const Args* a, void* workspace, size_t bytes, bool delta) {
    Check check = inputs(operation, a, delta);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim;
    check.required("o", a->o, {B, T, H, V}).nullable("final_state", a->final_state, {B, H, K, V});
    return check.run(*a, workspace, bytes, scratch_size(*a, false), delta ? &Kernels::gated_delta_rule_forward : &Kernels::scalar_decay_forward);
}

memgen_status backward(const char* operation, const Args* a, void* workspace, size_t bytes, bool delta) {
    Check check = inputs(operation, a, delta);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim;
    check.condition(a->checkpoints || checkpoint_size(operation, a) == 0, MEMGEN_INVALID_ARGUMENT, "checkpoints is null: backward needs what forward wrote there")
        .condition(a->log_decay.data || !a->d_log_decay.data, MEMGEN_INVALID_ARGUMENT, "d_log_decay is not null, but log_decay is")
        .nullable("d_o", a->d_o, {B, T, H, V}).nullable("d_final_state", a->d_final_state, {B, H, K, V})
        .nullable("d_q", a->d_q, {B, T, H, K}).nullable("d_k", a->d_k, {B, T, H, K}).nullable("d_v", a->d_v, {B, T, H, V})
        .nullable("d_initial_state", a->d_initial_state, {B, H, K, V});
    return check.run(*a, workspace, bytes, scratch_size(*a, true), delta ? &Kernels::gated_delta_rule_backward : &Kernels::scalar_decay_backward);
}

} // namespace
} // namespace memgen

extern "C" {
int64_t memgen_gated_delta_rule_workspace_size(const memgen_gated_delta_rule_args* args, int32_t backward) { return memgen::workspace_size(__func__, args, backward); }
int64_t memgen_gated_delta_rule_checkpoint_size(const memgen_gated_delta_rule_args* args) { return memgen::checkpoint_size(__func__, args); }
memgen_status memgen_gated_delta_rule_forward(const memgen_gated_delta_rule_args* args, void* workspace, size_t bytes, void*) { return memgen::forward(__func__, args, workspace, bytes, true); }
memgen_status memgen_gated_delta_rule_backward(const memgen_gated_delta_rule_args* args, void* workspace, size_t bytes, void*) { return memgen::backward(__func__, args, workspace, bytes, true); }
int64_t memgen_scalar_decay_workspace_size(const memgen_scalar_decay_args* args, int32_t backward) { return memgen::workspace_size(__func__, args, backward); }
int64_t memgen_scalar_decay_checkpoint_size(const memgen_scalar_decay_args* args) { return memgen::checkpoint_size(__func__, args); }
memgen_status memgen_scalar_decay_forward(const memgen_scalar_decay_args* args, void* workspace, size_t bytes, void*) { return memgen::forward(__func__, args, workspace, bytes, false); }
memgen_status memgen_scalar_decay_backward(const memgen_scalar_decay_args* args, void* workspace, size_t bytes, void*) { return memgen::backward(__func__, args, workspace, bytes, false); }
}
