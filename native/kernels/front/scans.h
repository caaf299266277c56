// Arguments of the scans and of the causal convolution.
#pragma once
#include "front/check.h"
#include "front/limits.h"

namespace memgen {
namespace {

inline Check sizes(const char* operation, const memgen_linear_scan_args* a) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("channels", a->channels).product({a->batch, a->tokens + 1, a->channels})
            .segments(a->segments, a->batch, a->tokens).product({sequence_count(*a), a->channels});
    return check;
}

inline Check forward_arguments(const char* operation, const memgen_linear_scan_args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, T = a->tokens, C = a->channels, N = sequence_count(*a);
    return check.required("a", a->a, {B, T, C}).required("b", a->b, {B, T, C}).nullable("initial_state", a->initial_state, {N, C}).required("h", a->h, {B, T, C}).nullable("final_state", a->final_state, {N, C});
}

inline Check backward_arguments(const char* operation, const memgen_linear_scan_args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, T = a->tokens, C = a->channels, N = sequence_count(*a);
    return check.required("a", a->a, {B, T, C}).nullable("initial_state", a->initial_state, {N, C}).required("h", a->h, {B, T, C}).nullable("d_h", a->d_h, {B, T, C}).nullable("d_final_state", a->d_final_state, {N, C})
        .nullable("d_a", a->d_a, {B, T, C}).nullable("d_b", a->d_b, {B, T, C}).nullable("d_initial_state", a->d_initial_state, {N, C});
}

inline Check sizes(const char* operation, const memgen_selective_scan_args* a, int64_t largest = LargestStates) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("channels", a->channels).dimension("state_dim", a->state_dim, 0, largest)
            .product({a->batch, a->tokens + 1, a->channels + 1, a->state_dim + 1})
            .segments(a->segments, a->batch, a->tokens).product({sequence_count(*a), a->channels + 1, a->state_dim + 1});
    return check;
}

inline void inputs(Check& check, const memgen_selective_scan_args& a) {
    const int64_t B = a.batch, T = a.tokens, C = a.channels, N = a.state_dim;
    check.required("u", a.u, {B, T, C}).required("delta", a.delta, {B, T, C}).required("A", a.A, {C, N}).required("B", a.B, {B, T, N}).required("C", a.C, {B, T, N})
        .nullable("D", a.D, {C}).nullable("initial_state", a.initial_state, {sequence_count(a), C, N});
}

inline void forward_arguments(Check& check, const memgen_selective_scan_args* a) {
    if (!check.ok()) return;
    inputs(check, *a);
    check.required("y", a->y, {a->batch, a->tokens, a->channels}).nullable("final_state", a->final_state, {sequence_count(*a), a->channels, a->state_dim});
}

// checkpoint_bytes: what the library keeps of this call.
inline void backward_arguments(Check& check, const memgen_selective_scan_args* a, int64_t checkpoint_bytes) {
    if (!check.ok()) return;
    const int64_t B = a->batch, T = a->tokens, C = a->channels, N = a->state_dim, S = sequence_count(*a);
    inputs(check, *a);
    check.condition(a->checkpoints || checkpoint_bytes == 0, MEMGEN_INVALID_ARGUMENT, "checkpoints is null: backward needs what forward wrote there")
        .nullable("d_y", a->d_y, {B, T, C}).nullable("d_final_state", a->d_final_state, {S, C, N}).nullable("d_u", a->d_u, {B, T, C}).nullable("d_delta", a->d_delta, {B, T, C})
        .nullable("d_A", a->d_A, {C, N}).nullable("d_B", a->d_B, {B, T, N}).nullable("d_C", a->d_C, {B, T, N}).nullable("d_D", a->d_D, {C}).nullable("d_initial_state", a->d_initial_state, {S, C, N});
}

inline Check sizes(const char* operation, const memgen_causal_conv_args* a) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("channels", a->channels).dimension("width", a->width, 1, LargestConvWidth).product({a->batch, a->tokens + a->width, a->channels + a->width})
            .segments(a->segments, a->batch, a->tokens).product({sequence_count(*a), a->width, a->channels + a->width});
    return check;
}

inline void inputs(Check& check, const memgen_causal_conv_args& a) {
    check.required("x", a.x, {a.batch, a.tokens, a.channels}).required("weight", a.weight, {a.channels, a.width}).nullable("bias", a.bias, {a.channels}).nullable("initial_state", a.initial_state, {sequence_count(a), a.width - 1, a.channels});
}

inline Check forward_arguments(const char* operation, const memgen_causal_conv_args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    inputs(check, *a);
    return check.required("y", a->y, {a->batch, a->tokens, a->channels}).nullable("final_state", a->final_state, {sequence_count(*a), a->width - 1, a->channels});
}

inline Check backward_arguments(const char* operation, const memgen_causal_conv_args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    inputs(check, *a);
    return check.nullable("d_y", a->d_y, {a->batch, a->tokens, a->channels}).nullable("d_final_state", a->d_final_state, {sequence_count(*a), a->width - 1, a->channels})
        .nullable("d_x", a->d_x, {a->batch, a->tokens, a->channels}).nullable("d_weight", a->d_weight, {a->channels, a->width}).nullable("d_bias", a->d_bias, {a->channels})
        .nullable("d_initial_state", a->d_initial_state, {sequence_count(*a), a->width - 1, a->channels});
}

} // namespace
} // namespace memgen
