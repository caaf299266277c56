// Front doors of the memories with a matrix state.
#include "front/matrix.h"
#include "launch.h"
#include "library.h"

namespace memgen {
namespace {

typedef memgen_gated_delta_rule_args Args;

struct Rule : MatrixRule {
    Recurrence recurrence;
    cudaError_t (*forward)(const MatrixMemoryParameters&, cudaStream_t);
    cudaError_t (*backward)(const MatrixMemoryParameters&, cudaStream_t);
};

const Rule gated_delta_rule = {{true, false}, Recurrence::Delta, launch_gated_delta_rule_forward, launch_gated_delta_rule_backward};
const Rule scalar_decay = {{false, false}, Recurrence::Scalar, launch_scalar_decay_forward, launch_scalar_decay_backward};
const Rule channel_decay = {{false, true}, Recurrence::Channel, launch_channel_decay_forward, launch_channel_decay_backward};
const Rule channel_scores = {{false, true, false, true}, Recurrence::Channel, launch_channel_scores, nullptr};
const Rule channel_delta_rule = {{true, true}, Recurrence::ChannelDelta, launch_channel_delta_rule_forward, launch_channel_delta_rule_backward};
const Rule generalized_delta_rule = {{false, true, true}, Recurrence::Generalized, launch_generalized_delta_rule_forward, launch_generalized_delta_rule_backward};

MatrixMemoryParameters parameters(const Args& a, void* workspace) {
    return {memory_parameters(a, workspace),
            static_cast<float>(a.scale),
            view(a.beta), view(a.log_decay), view(a.d_beta), view(a.d_log_decay), nullptr, 0, multiprocessors(),
            a.state_dtype == MEMGEN_BFLOAT16 ? Number::BFloat16 : Number::Float32,
            view(a.a), view(a.b), view(a.d_a), view(a.d_b)};
}

Check sizes(const char* operation, const Rule& rule, const Args* a) {
    Check check = matrix_sizes(operation, a);
    return check.ok() ? check.dimension("key_dim", a->key_dim, 0, largest_keys(rule.recurrence, a->dtype == MEMGEN_FLOAT32)) : check;
}

int64_t workspace_bytes(const Rule& rule, const Args& a, bool backward) {
    if (rule.scores) return 4 * channel_scores_workspace_floats(parameters(a, nullptr));
    return 4 * matrix_memory_workspace_floats(parameters(a, nullptr), rule.recurrence, backward);
}
int64_t checkpoint_bytes(const Args& a) { return 4 * matrix_memory_checkpoint_floats(parameters(a, nullptr)); }

int64_t workspace_size(const char* operation, const Rule& rule, const Args* a, int32_t backward) { return sizes(operation, rule, a).ok() ? workspace_bytes(rule, *a, backward != 0) : -1; }
int64_t checkpoint_size(const char* operation, const Rule& rule, const Args* a) { return sizes(operation, rule, a).ok() ? checkpoint_bytes(*a) : -1; }

memgen_status forward(const char* operation, const Rule& rule, const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(operation, rule, a);
    matrix_forward(check, rule, a);
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(rule, *a, false) : 0)) return check.status();
    const MatrixMemoryParameters p = parameters(*a, workspace);
    const cudaStream_t queue = static_cast<cudaStream_t>(stream);
    const bool step = !rule.scores && (p.state == Number::BFloat16 || (a->tokens == 1 && !a->segments.lengths && !a->checkpoints));
    return launched(check, step ? launch_matrix_memory_step(p, rule.channel, queue) : rule.forward(p, queue));
}

memgen_status backward(const char* operation, const Rule& rule, const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(operation, rule, a);
    matrix_backward(check, rule, a, check.ok() ? checkpoint_bytes(*a) : 0);
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(rule, *a, true) : 0)) return check.status();
    return launched(check, rule.backward(parameters(*a, workspace), static_cast<cudaStream_t>(stream)));
}

} // namespace
} // namespace memgen

#define MEMGEN_FRONT_DOOR(op)                                                                                                                                         \
    int64_t memgen_##op##_workspace_size(const memgen_##op##_args* a, int32_t backward) { return memgen::workspace_size(__func__, memgen::op, a, backward); }          \
    int64_t memgen_##op##_checkpoint_size(const memgen_##op##_args* a) { return memgen::checkpoint_size(__func__, memgen::op, a); }                                    \
    memgen_status memgen_##op##_forward(const memgen_##op##_args* a, void* w, size_t bytes, void* stream) { return memgen::forward(__func__, memgen::op, a, w, bytes, stream); } \
    memgen_status memgen_##op##_backward(const memgen_##op##_args* a, void* w, size_t bytes, void* stream) { return memgen::backward(__func__, memgen::op, a, w, bytes, stream); }

extern "C" {
MEMGEN_FRONT_DOOR(gated_delta_rule)
MEMGEN_FRONT_DOOR(scalar_decay)
MEMGEN_FRONT_DOOR(channel_decay)
MEMGEN_FRONT_DOOR(channel_delta_rule)
MEMGEN_FRONT_DOOR(generalized_delta_rule)

int64_t memgen_channel_scores_workspace_size(const memgen_channel_scores_args* a, int32_t backward) { return memgen::workspace_size(__func__, memgen::channel_scores, a, backward); }
memgen_status memgen_channel_scores_forward(const memgen_channel_scores_args* a, void* w, size_t bytes, void* stream) { return memgen::forward(__func__, memgen::channel_scores, a, w, bytes, stream); }
}
