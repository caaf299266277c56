// Arguments of the optimizer, which works on many tensors.
#pragma once
#include "front/check.h"

namespace memgen {
namespace {

// How many tensors there are, and their sizes.
template <class Args>
Check tensor_sizes(const char* operation, const Args* a) {
    Check check = open(operation, a);
    if (!check.ok()) return check;
    check.condition(a->dtype == MEMGEN_FLOAT32, MEMGEN_UNSUPPORTED_DTYPE, "dtype is not MEMGEN_FLOAT32 (0)")
        .dimension("count", a->count).condition(a->count <= 0 || a->sizes, MEMGEN_INVALID_ARGUMENT, "sizes is null");
    for (int64_t i = 0; check.ok() && i < a->count; i++) check.dimension("a tensor's size", a->sizes[i]);
    return check;
}

inline Check adamw_arguments(const char* operation, const memgen_adamw_args* a) {
    Check check = tensor_sizes(operation, a);
    if (!check.ok()) return check;
    check.condition(a->count == 0 || (a->parameters && a->gradients && a->first_moments && a->second_moments && a->weight_decays), MEMGEN_INVALID_ARGUMENT, "an array of tensors is null")
        .condition(!a->squared_norm || a->clip_norm >= 0.0, MEMGEN_INVALID_ARGUMENT, "clip_norm is negative or NaN")
        .dimension("step", a->step, 1);
    for (int64_t i = 0; check.ok() && i < a->count; i++)
        check.condition(a->sizes[i] == 0 || !a->gradients[i] || (a->parameters[i] && a->first_moments[i] && a->second_moments[i]), MEMGEN_INVALID_ARGUMENT, "a tensor with a gradient has a null parameter or moment");
    return check;
}

inline Check squared_norm_arguments(const char* operation, const memgen_squared_norm_args* a) {
    Check check = tensor_sizes(operation, a);
    return check.ok() ? check.condition(a->count == 0 || a->data, MEMGEN_INVALID_ARGUMENT, "data is null").condition(a->result, MEMGEN_INVALID_ARGUMENT, "result is null") : check;
}

} // namespace
} // namespace memgen
