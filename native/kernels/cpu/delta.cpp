// Front doors of the gated delta rule, scalar decay and channel decay.
#include "delta_layout.h"
#include "library.h"

namespace memgen {
namespace {

typedef memgen_gated_delta_rule_args Args;

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

// The three operators that share a struct.
struct Rule {
    bool delta, channel;
    void (*Kernels::*forward)(const Args&, const Scratch&);
    void (*Kernels::*backward)(const Args&, const Scratch&);
};

const Rule gated_delta_rule = {true, false, &Kernels::gated_delta_rule_forward, &Kernels::gated_delta_rule_backward};
const Rule scalar_decay = {false, false, &Kernels::scalar_decay_forward, &Kernels::scalar_decay_backward};
const Rule channel_decay = {false, true, &Kernels::channel_decay_forward, &Kernels::channel_decay_backward};

ScratchSize scratch_size(const Rule& rule, const Args& a, bool backward) {
    if (rule.channel) return {plan_size(a), backward ? measure<ChannelBackwardScratch>(a) : measure<ChannelForwardScratch>(a)};
    return {plan_size(a), backward ? measure<DeltaBackwardScratch>(a) : measure<DeltaForwardScratch>(a)};
}

int64_t workspace_size(const char* operation, const Rule& rule, const Args* a, int32_t backward) {
    return sizes(operation, a).ok() ? scratch_size(rule, *a, backward != 0).total() : -1;
}

int64_t checkpoint_size(const char* operation, const Args* a) {
    if (!sizes(operation, a).ok()) return -1;
    return over_sequences(*a, CheckpointsOf{*a}) * a->heads * a->key_dim * a->value_dim * static_cast<int64_t>(sizeof(float));
}

Check inputs(const char* operation, const Rule& rule, const Args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim;
    check.required("q", a->q, {B, T, H, K}).required("k", a->k, {B, T, H, K}).required("v", a->v, {B, T, H, V});
    if (rule.delta) check.required("beta", a->beta, {B, T, H, 1});
    else check.condition(!a->beta.data && !a->d_beta.data, MEMGEN_INVALID_ARGUMENT, "beta and d_beta are not null, but this rule has no write strength");
    if (rule.channel) check.required("log_decay", a->log_decay, {B, T, H, K}).nullable("d_log_decay", a->d_log_decay, {B, T, H, K});
    return check.nullable("initial_state", a->initial_state, {sequence_count(*a), H, K, V});
}

memgen_status forward(const char* operation, const Args* a, void* workspace, size_t bytes, const Rule& rule) {
    Check check = inputs(operation, rule, a);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim;
    check.required("o", a->o, {B, T, H, V}).nullable("final_state", a->final_state, {sequence_count(*a), H, K, V});
    return check.run(*a, workspace, bytes, scratch_size(rule, *a, false), rule.forward, CheckpointsOf{*a});
}

memgen_status backward(const char* operation, const Args* a, void* workspace, size_t bytes, const Rule& rule) {
    Check check = inputs(operation, rule, a);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim, N = sequence_count(*a);
    check.condition(a->checkpoints || checkpoint_size(operation, a) == 0, MEMGEN_INVALID_ARGUMENT, "checkpoints is null: backward needs what forward wrote there")
        .condition(a->log_decay.data || !a->d_log_decay.data, MEMGEN_INVALID_ARGUMENT, "d_log_decay is not null, but log_decay is")
        .nullable("d_o", a->d_o, {B, T, H, V}).nullable("d_final_state", a->d_final_state, {N, H, K, V})
        .nullable("d_q", a->d_q, {B, T, H, K}).nullable("d_k", a->d_k, {B, T, H, K}).nullable("d_v", a->d_v, {B, T, H, V})
        .nullable("d_initial_state", a->d_initial_state, {N, H, K, V});
    return check.run(*a, workspace, bytes, scratch_size(rule, *a, true), rule.backward, CheckpointsOf{*a});
}

} // namespace
} // namespace memgen

#define MEMGEN_FRONT_DOOR(op)                                                                                                                                                                           \
    int64_t memgen_##op##_workspace_size(const memgen_##op##_args* args, int32_t backward) { return memgen::workspace_size(__func__, memgen::op, args, backward); }                                         \
    int64_t memgen_##op##_checkpoint_size(const memgen_##op##_args* args) { return memgen::checkpoint_size(__func__, args); }                                                                               \
    memgen_status memgen_##op##_forward(const memgen_##op##_args* args, void* workspace, size_t bytes, void*) { return memgen::forward(__func__, args, workspace, bytes, memgen::op); }   \
    memgen_status memgen_##op##_backward(const memgen_##op##_args* args, void* workspace, size_t bytes, void*) { return memgen::backward(__func__, args, workspace, bytes, memgen::op); }

extern "C" {
MEMGEN_FRONT_DOOR(gated_delta_rule)
MEMGEN_FRONT_DOOR(scalar_decay)
MEMGEN_FRONT_DOOR(channel_decay)
}
