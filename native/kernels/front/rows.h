// Arguments of the operators on rows.
#pragma once
#include "front/check.h"

namespace memgen {
namespace {

// Apart from the template, in which nvcc 11 mistakes the list for an expression.
inline void rows_fit(Check& check, int64_t rows, int64_t features) { check.product({rows, features + 16}); }

// Rows and features: those of RMSNorm, unit length, SwiGLU and softplus.
template <class Args>
Check row_sizes(const char* operation, const Args* a) {
    Check check = open(operation, a);
    if (check.ok()) rows_fit(check.dimension("rows", a->rows).dimension("features", a->features), a->rows, a->features);
    return check;
}

inline Check sizes(const char* operation, const memgen_cross_entropy_args* a) {
    Check check = open(operation, a);
    if (check.ok()) check.dimension("rows", a->rows).dimension("classes", a->classes, 1).product({a->rows, a->classes});
    return check;
}

inline Check forward_arguments(const char* operation, const memgen_rms_norm_args* a) {
    Check check = row_sizes(operation, a);
    if (!check.ok()) return check;
    return check.required("x", a->x, {a->rows, a->features}).nullable("weight", a->weight, {a->features}).nullable("gate", a->gate, {a->rows, a->features}).required("y", a->y, {a->rows, a->features});
}

inline Check backward_arguments(const char* operation, const memgen_rms_norm_args* a) {
    Check check = row_sizes(operation, a);
    if (!check.ok()) return check;
    return check.required("x", a->x, {a->rows, a->features}).nullable("weight", a->weight, {a->features}).nullable("gate", a->gate, {a->rows, a->features}).required("d_y", a->d_y, {a->rows, a->features})
        .condition(a->gate.data || !a->d_gate.data, MEMGEN_INVALID_ARGUMENT, "d_gate is not null, but gate is")
        .nullable("d_x", a->d_x, {a->rows, a->features}).nullable("d_weight", a->d_weight, {a->features}).nullable("d_gate", a->d_gate, {a->rows, a->features});
}

inline Check forward_arguments(const char* operation, const memgen_unit_length_args* a) {
    Check check = row_sizes(operation, a);
    return check.ok() ? check.required("x", a->x, {a->rows, a->features}).required("y", a->y, {a->rows, a->features}) : check;
}

inline Check backward_arguments(const char* operation, const memgen_unit_length_args* a) {
    Check check = row_sizes(operation, a);
    return check.ok() ? check.required("x", a->x, {a->rows, a->features}).required("d_y", a->d_y, {a->rows, a->features}).required("d_x", a->d_x, {a->rows, a->features}) : check;
}

inline Check forward_arguments(const char* operation, const memgen_swiglu_args* a) {
    Check check = row_sizes(operation, a);
    return check.ok() ? check.required("gate", a->gate, {a->rows, a->features}).required("up", a->up, {a->rows, a->features}).required("y", a->y, {a->rows, a->features}) : check;
}

inline Check backward_arguments(const char* operation, const memgen_swiglu_args* a) {
    Check check = row_sizes(operation, a);
    if (!check.ok()) return check;
    return check.required("gate", a->gate, {a->rows, a->features}).required("up", a->up, {a->rows, a->features}).required("d_y", a->d_y, {a->rows, a->features})
        .nullable("d_gate", a->d_gate, {a->rows, a->features}).nullable("d_up", a->d_up, {a->rows, a->features});
}

inline Check softplus_sizes(const char* operation, const memgen_softplus_args* a) {
    Check check = row_sizes(operation, a);
    return check.ok() ? check.condition(a->dtype == MEMGEN_FLOAT32, MEMGEN_UNSUPPORTED_DTYPE, "dtype is not float32") : check;
}

inline Check forward_arguments(const char* operation, const memgen_softplus_args* a) {
    Check check = softplus_sizes(operation, a);
    return check.ok() ? check.required("x", a->x, {a->rows, a->features}).nullable("bias", a->bias, {a->features}).required("y", a->y, {a->rows, a->features}) : check;
}

inline Check backward_arguments(const char* operation, const memgen_softplus_args* a) {
    Check check = softplus_sizes(operation, a);
    if (!check.ok()) return check;
    return check.required("x", a->x, {a->rows, a->features}).nullable("bias", a->bias, {a->features}).required("d_y", a->d_y, {a->rows, a->features})
        .nullable("d_x", a->d_x, {a->rows, a->features}).nullable("d_bias", a->d_bias, {a->features});
}

inline Check sizes(const char* operation, const memgen_rotary_args* a) {
    Check check = open(operation, a);
    if (!check.ok()) return check;
    check.dimension("rows", a->rows).dimension("heads", a->heads).dimension("features", a->features).dimension("places", a->places, a->rows > 0);
    check.product({a->heads, a->features}).product({a->rows, a->heads, a->features});
    return check.condition(a->features % 2 == 0, MEMGEN_INVALID_ARGUMENT, "features is odd");
}

inline Check turned_arguments(const char* operation, const memgen_rotary_args* a, const char* from_name, const memgen_tensor& from, const char* to_name, const memgen_tensor& to) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    return check.required("cosines", a->cosines, {a->places, a->features / 2}).required("sines", a->sines, {a->places, a->features / 2})
        .required(from_name, from, {a->rows, a->heads * a->features}).required(to_name, to, {a->rows, a->heads * a->features});
}

inline Check forward_arguments(const char* operation, const memgen_rotary_args* a) { return turned_arguments(operation, a, "x", a->x, "y", a->y); }

inline Check backward_arguments(const char* operation, const memgen_rotary_args* a) { return turned_arguments(operation, a, "d_y", a->d_y, "d_x", a->d_x); }

inline Check forward_arguments(const char* operation, const memgen_cross_entropy_args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    return check.required("logits", a->logits, {a->rows, a->classes}).condition(a->targets || a->rows == 0, MEMGEN_INVALID_ARGUMENT, "targets is null")
        .required("losses", a->losses, {a->rows, 1}).nullable("d_logits", a->d_logits, {a->rows, a->classes});
}

inline Check backward_arguments(const char* operation, const memgen_cross_entropy_args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    return check.required("logits", a->logits, {a->rows, a->classes}).condition(a->targets || a->rows == 0, MEMGEN_INVALID_ARGUMENT, "targets is null")
        .required("d_losses", a->d_losses, {a->rows, 1}).required("d_logits", a->d_logits, {a->rows, a->classes});
}

} // namespace
} // namespace memgen
