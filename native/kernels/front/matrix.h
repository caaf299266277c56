// Arguments of the gated delta rule, scalar decay, channel decay, the channel delta rule and the generalised one.
#pragma once
#include "front/check.h"
#include "front/limits.h"

namespace memgen {
namespace {

// What the operators that share a struct differ in.
struct MatrixRule {
    bool delta, channel;
    bool generalized = false; // the generalised delta rule, whose delta is false
    bool scores = false;      // channel decay's memory read along its other axis
};

// The sizes of a memory whose state is a matrix.
inline void memory_sizes(Check& check, int64_t batch, int64_t tokens, int64_t heads, int64_t keys, int64_t values, const memgen_segments& segments, int64_t sequences, int64_t largest_keys) {
    check.dimension("batch", batch).dimension("tokens", tokens).dimension("heads", heads)
        .dimension("key_dim", keys, 0, largest_keys).dimension("value_dim", values, 0, LargestWidth)
        .product({batch, tokens, heads, keys + values + 1})
        .segments(segments, batch, tokens)
        .product({sequences, heads, keys, values});
}

// Of the gated delta rule's arguments, or of normalised linear attention's. (Lists in braces stay out of the template: nvcc 11.8 garbles them.)
template <class Args>
inline Check matrix_sizes(const char* operation, const Args* a, int64_t largest_keys = LargestWidth) {
    Check check = open(operation, a);
    if (check.ok()) memory_sizes(check, a->batch, a->tokens, a->heads, a->key_dim, a->value_dim, a->segments, sequence_count(*a), largest_keys);
    return check;
}

inline void matrix_inputs(Check& check, const MatrixRule& rule, const memgen_gated_delta_rule_args& a) {
    const int64_t B = a.batch, T = a.tokens, H = a.heads, K = a.key_dim, V = a.value_dim;
    if (!check.ok()) return;
    check.required("q", a.q, {B, T, H, rule.scores ? V : K}).required("k", a.k, {B, T, H, K}).required("v", a.v, {B, T, H, V});
    if (rule.delta) check.required("beta", a.beta, {B, T, H, 1});
    else check.condition(!a.beta.data && !a.d_beta.data, MEMGEN_INVALID_ARGUMENT, "beta and d_beta are not null, but this rule has no write strength");
    if (rule.generalized) check.required("a", a.a, {B, T, H, K}).required("b", a.b, {B, T, H, K});
    else check.condition(!a.a.data && !a.b.data && !a.d_a.data && !a.d_b.data, MEMGEN_INVALID_ARGUMENT, "a, b, d_a and d_b are not all null, but this is not the generalised delta rule");
    if (rule.channel) check.required("log_decay", a.log_decay, {B, T, H, K}).nullable("d_log_decay", a.d_log_decay, {B, T, H, K});
    check.nullable("initial_state", a.initial_state, {sequence_count(a), H, K, V});
}

// The states are float32, or what a step keeps.
inline void state_type(Check& check, const memgen_gated_delta_rule_args& a, bool step) {
    if (!check.ok() || a.state_dtype == MEMGEN_FLOAT32 || (a.state_dtype == MEMGEN_BFLOAT16 && library.bfloat16 && step)) return;
    check.status(fail(MEMGEN_UNSUPPORTED_DTYPE, check.operation(), "state_dtype is %d, expected MEMGEN_FLOAT32 (0)%s", static_cast<int>(a.state_dtype),
                      library.bfloat16 ? ", or MEMGEN_BFLOAT16 (1) in forward of at most one token a row without checkpoints" : ""));
}

inline void matrix_forward(Check& check, const MatrixRule& rule, const memgen_gated_delta_rule_args* a) {
    if (!check.ok()) return;
    state_type(check, *a, a->tokens <= 1 && !a->checkpoints && !rule.scores);
    matrix_inputs(check, rule, *a);
    check.required("o", a->o, {a->batch, a->tokens, a->heads, rule.scores ? a->key_dim : a->value_dim}).nullable("final_state", a->final_state, {sequence_count(*a), a->heads, a->key_dim, a->value_dim});
}

// checkpoint_bytes: what the library keeps of this call.
inline void matrix_backward(Check& check, const MatrixRule& rule, const memgen_gated_delta_rule_args* a, int64_t checkpoint_bytes) {
    if (!check.ok()) return;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim, N = sequence_count(*a);
    state_type(check, *a, false);
    matrix_inputs(check, rule, *a);
    check.condition(a->checkpoints || checkpoint_bytes == 0, MEMGEN_INVALID_ARGUMENT, "checkpoints is null: backward needs what forward wrote there")
        .condition(a->log_decay.data || !a->d_log_decay.data, MEMGEN_INVALID_ARGUMENT, "d_log_decay is not null, but log_decay is")
        .nullable("d_o", a->d_o, {B, T, H, V}).nullable("d_final_state", a->d_final_state, {N, H, K, V})
        .nullable("d_q", a->d_q, {B, T, H, K}).nullable("d_k", a->d_k, {B, T, H, K}).nullable("d_v", a->d_v, {B, T, H, V})
        .nullable("d_a", a->d_a, {B, T, H, K}).nullable("d_b", a->d_b, {B, T, H, K})
        .nullable("d_initial_state", a->d_initial_state, {N, H, K, V});
}

} // namespace
} // namespace memgen
