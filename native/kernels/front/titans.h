// Arguments of the Titans memory.
#pragma once
#include "front/check.h"

namespace memgen {
namespace {

constexpr int64_t LargestBlock = 128, LargestLayerWidth = 2048;

template <class Args>
void residual_widths(Check& check, const Args& a) {
    if (check.ok() && a.residual) check.condition(a.dims[0] == a.dims[a.layers], MEMGEN_INVALID_ARGUMENT, "residual is set, but the first and the last width differ: expected the same, for outputs are added to inputs");
}

inline Check titans_sizes(const char* operation, const memgen_titans_args* a) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("heads", a->heads).dimension("layers", a->layers, 1, MEMGEN_TITANS_LAYERS).dimension("block", a->block, 1, LargestBlock)
            .dimension("activation", a->activation, MEMGEN_TITANS_SILU, MEMGEN_TITANS_GELU).condition(a->clip >= 0, MEMGEN_INVALID_ARGUMENT, "clip is negative or not a number: expected a length, or 0 for none")
            .segments(a->segments, a->batch, a->tokens);
    for (int64_t l = 0; check.ok() && l <= a->layers; l++) check.dimension("a width", a->dims[l], 1, LargestLayerWidth);
    residual_widths(check, *a);
    return check.ok() ? check.product({a->batch, a->tokens + 1, a->heads, a->dims[0] + a->dims[a->layers]}) : check;
}

inline void titans_weights(Check& check, const memgen_titans_args& a, const char* name, const memgen_tensor* tensors) {
    for (int64_t l = 0; l < a.layers; l++) check.nullable(name, tensors[l], {sequence_count(a), a.heads, a.dims[l], a.dims[l + 1]});
}

inline void titans_inputs(Check& check, const memgen_titans_args& a) {
    const int64_t B = a.batch, T = a.tokens, H = a.heads, in = a.dims[0], out = a.dims[a.layers];
    check.required("q", a.q, {B, T, H, in}).required("k", a.k, {B, T, H, in}).required("v", a.v, {B, T, H, out})
        .required("theta", a.theta, {B, T, H, 1}).nullable("alpha", a.alpha, {B, T, H, 1});
    if (a.momentum) check.required("eta", a.eta, {B, T, H, 1});
    titans_weights(check, a, "initial_weights", a.initial_weights);
    titans_weights(check, a, "initial_momenta", a.initial_momenta);
    if (a.decays_to_target) titans_weights(check, a, "target", a.target);
    if (a.residual) check.required("gamma", a.gamma, {sequence_count(a), H, out});
}

inline void titans_forward(Check& check, const memgen_titans_args* a) {
    if (!check.ok()) return;
    titans_inputs(check, *a);
    check.required("o", a->o, {a->batch, a->tokens, a->heads, a->dims[a->layers]});
    titans_weights(check, *a, "final_weights", a->final_weights);
    titans_weights(check, *a, "final_momenta", a->final_momenta);
}

// checkpoint_bytes: what the library keeps of this call.
inline void titans_backward(Check& check, const memgen_titans_args* a, int64_t checkpoint_bytes) {
    if (!check.ok()) return;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, in = a->dims[0], out = a->dims[a->layers];
    titans_inputs(check, *a);
    check.condition(a->checkpoints || checkpoint_bytes == 0, MEMGEN_INVALID_ARGUMENT, "checkpoints is null: backward needs what forward wrote there");
    check.nullable("d_o", a->d_o, {B, T, H, out}).nullable("d_q", a->d_q, {B, T, H, in}).nullable("d_k", a->d_k, {B, T, H, in}).nullable("d_v", a->d_v, {B, T, H, out});
    titans_weights(check, *a, "d_final_weights", a->d_final_weights);
    titans_weights(check, *a, "d_final_momenta", a->d_final_momenta);
    titans_weights(check, *a, "d_initial_weights", a->d_initial_weights);
    titans_weights(check, *a, "d_initial_momenta", a->d_initial_momenta);
    if (a->decays_to_target) titans_weights(check, *a, "d_target", a->d_target);
    if (a->residual) check.nullable("d_gamma", a->d_gamma, {sequence_count(*a), H, out});
}

inline Check titans_step_sizes(const char* operation, const memgen_titans_step_args* a) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("heads", a->heads).dimension("layers", a->layers, 1, MEMGEN_TITANS_LAYERS).dimension("block", a->block, 1, LargestBlock).dimension("read", a->read, 0, a->block - 1)
            .dimension("activation", a->activation, MEMGEN_TITANS_SILU, MEMGEN_TITANS_GELU).condition(a->clip >= 0, MEMGEN_INVALID_ARGUMENT, "clip is negative or not a number: expected a length, or 0 for none");
    for (int64_t l = 0; check.ok() && l <= a->layers; l++) check.dimension("a width", a->dims[l], 1, LargestLayerWidth);
    residual_widths(check, *a);
    for (int64_t l = 0; check.ok() && l < a->layers; l++) check.product({a->batch, a->heads, a->dims[l], a->dims[l + 1]});
    return check.ok() ? check.product({a->batch, a->block, a->heads, a->dims[0] + a->dims[a->layers]}) : check;
}

inline Check titans_step_arguments(const char* operation, const memgen_titans_step_args* a) {
    Check check = titans_step_sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, R = a->read, H = a->heads, in = a->dims[0], out = a->dims[a->layers];
    check.required("q", a->q, {B, H, in}).required("k", a->k, {B, H, in}).required("v", a->v, {B, H, out}).required("theta", a->theta, {B, H, 1}).nullable("alpha", a->alpha, {B, H, 1})
        .required("past_k", a->past_k, {B, R, H, in}).required("past_v", a->past_v, {B, R, H, out}).required("past_theta", a->past_theta, {B, R, H, 1});
    if (a->momentum) check.required("eta", a->eta, {B, H, 1}).required("past_eta", a->past_eta, {B, R, H, 1});
    if (a->alpha.data) check.required("past_alpha", a->past_alpha, {B, R, H, 1});
    for (int64_t l = 0; l < a->layers; l++) {
        const int64_t rows = a->dims[l], columns = a->dims[l + 1];
        check.required("an entry of weights", a->weights[l], {B, H, rows, columns}).nullable("an entry of momenta", a->momenta[l], {B, H, rows, columns})
            .nullable("an entry of final_weights", a->final_weights[l], {B, H, rows, columns}).nullable("an entry of final_momenta", a->final_momenta[l], {B, H, rows, columns});
        if (a->decays_to_target) check.nullable("an entry of target", a->target[l], {B, H, rows, columns});
    }
    if (a->residual) check.required("gamma", a->gamma, {B, H, out});
    return check.required("o", a->o, {B, H, out});
}

} // namespace
} // namespace memgen
