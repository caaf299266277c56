// Front doors of the gated delta rule, scalar decay, channel decay and its scores, the channel delta rule and the generalised one.
#include "delta_layout.h"
#include "front/matrix.h"
#include "library.h"

namespace memgen {
namespace {

typedef memgen_gated_delta_rule_args Args;

struct Rule : MatrixRule {
    void (*Kernels::*forward)(const Args&, const Scratch&);
    void (*Kernels::*backward)(const Args&, const Scratch&);
};

const Rule gated_delta_rule = {{true, false}, &Kernels::gated_delta_rule_forward, &Kernels::gated_delta_rule_backward};
const Rule scalar_decay = {{false, false}, &Kernels::scalar_decay_forward, &Kernels::scalar_decay_backward};
const Rule channel_decay = {{false, true}, &Kernels::channel_decay_forward, &Kernels::channel_decay_backward};
const Rule channel_scores = {{false, true, false, true}, &Kernels::channel_scores_forward, nullptr};
const Rule channel_delta_rule = {{true, true}, &Kernels::channel_delta_rule_forward, &Kernels::channel_delta_rule_backward};
const Rule generalized_delta_rule = {{false, true, true}, &Kernels::generalized_delta_rule_forward, &Kernels::generalized_delta_rule_backward};

ScratchSize scratch_size(const Rule& rule, const Args& a, bool backward) {
    if (rule.scores) return {plan_size(a), measure<ChannelScoresScratch>(turned(a))};
    if (rule.generalized) return {plan_size(a), backward ? measure<GeneralizedBackwardScratch>(a) : measure<GeneralizedForwardScratch>(a)};
    if (rule.channel && rule.delta) return {plan_size(a), backward ? measure<ChannelBackwardScratch<true>>(a) : measure<ChannelDeltaForwardScratch>(a)};
    if (rule.channel) return {plan_size(a), backward ? measure<ChannelBackwardScratch<false>>(a) : measure<ChannelForwardScratch>(a)};
    if (!backward) return {plan_size(a), measure<DeltaForwardScratch>(a)};
    Arena zeros{nullptr};
    if (!rule.delta) zero_row(zeros, a.value_dim);
    return {plan_size(a) + zeros.used, std::max(measure<DeltaBackwardScratch>(a), rule.delta ? 0 : linear_backward_slice(a))};
}

int64_t workspace_size(const char* operation, const Rule& rule, const Args* a, int32_t backward) {
    return matrix_sizes(operation, a).ok() ? scratch_size(rule, *a, backward != 0).total() : -1;
}

int64_t checkpoint_bytes(const Args& a) { return over_sequences(a, CheckpointsOf{a}) * a.heads * a.key_dim * a.value_dim * static_cast<int64_t>(sizeof(float)); }

int64_t checkpoint_size(const char* operation, const Args* a) { return matrix_sizes(operation, a).ok() ? checkpoint_bytes(*a) : -1; }

memgen_status forward(const char* operation, const Args* a, void* workspace, size_t bytes, const Rule& rule) {
    Check check = matrix_sizes(operation, a);
    matrix_forward(check, rule, a);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(rule, *a, false), rule.forward, CheckpointsOf{*a}) : check.status();
}

memgen_status backward(const char* operation, const Args* a, void* workspace, size_t bytes, const Rule& rule) {
    Check check = matrix_sizes(operation, a);
    matrix_backward(check, rule, a, check.ok() ? checkpoint_bytes(*a) : 0);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(rule, *a, true), rule.backward, CheckpointsOf{*a}) : check.status();
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
MEMGEN_FRONT_DOOR(channel_delta_rule)
MEMGEN_FRONT_DOOR(generalized_delta_rule)

int64_t memgen_channel_scores_workspace_size(const memgen_channel_scores_args* args, int32_t backward) { return memgen::workspace_size(__func__, memgen::channel_scores, args, backward); }
memgen_status memgen_channel_scores_forward(const memgen_channel_scores_args* args, void* workspace, size_t bytes, void*) { return memgen::forward(__func__, args, workspace, bytes, memgen::channel_scores); }
}
