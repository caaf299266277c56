// Arguments of normalised linear attention.
#pragma once
#include "front/matrix.h"

namespace memgen {
namespace {

typedef memgen_linear_attention_normalized_args NormalizedArgs;

inline void normalized_inputs(Check& check, const NormalizedArgs* a) {
    if (!check.ok()) return;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim;
    check.required("q", a->q, {B, T, H, K}).required("k", a->k, {B, T, H, K}).required("v", a->v, {B, T, H, V}).required("o", a->o, {B, T, H, V})
        .nullable("initial_state", a->initial_state, {sequence_count(*a), H, K, V}).nullable("initial_normalizer", a->initial_normalizer, {sequence_count(*a), H, K});
}

inline void normalized_forward(Check& check, const NormalizedArgs* a) {
    normalized_inputs(check, a);
    if (!check.ok()) return;
    const int64_t N = sequence_count(*a);
    check.nullable("final_state", a->final_state, {N, a->heads, a->key_dim, a->value_dim}).nullable("final_normalizer", a->final_normalizer, {N, a->heads, a->key_dim});
}

// checkpoint_bytes: what the library keeps of this call.
inline void normalized_backward(Check& check, const NormalizedArgs* a, int64_t checkpoint_bytes) {
    normalized_inputs(check, a);
    if (!check.ok()) return;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, K = a->key_dim, V = a->value_dim, N = sequence_count(*a);
    check.condition(a->checkpoints || checkpoint_bytes == 0, MEMGEN_INVALID_ARGUMENT, "checkpoints is null: backward needs what forward wrote there")
        .condition(a->divisors || B * T * H == 0, MEMGEN_INVALID_ARGUMENT, "divisors is null: backward needs what forward wrote there")
        .nullable("d_o", a->d_o, {B, T, H, V}).nullable("d_final_state", a->d_final_state, {N, H, K, V}).nullable("d_final_normalizer", a->d_final_normalizer, {N, H, K})
        .nullable("d_q", a->d_q, {B, T, H, K}).nullable("d_k", a->d_k, {B, T, H, K}).nullable("d_v", a->d_v, {B, T, H, V})
        .nullable("d_initial_state", a->d_initial_state, {N, H, K, V}).nullable("d_initial_normalizer", a->d_initial_normalizer, {N, H, K});
}

} // namespace
} // namespace memgen
