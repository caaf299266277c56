// Front door of the Titans memory.
#include "library.h"
#include "titans_layout.h"

namespace memgen {
namespace {

typedef memgen_titans_args Args;

Check sizes(const char* operation, const Args* a) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("heads", a->heads).dimension("layers", a->layers, 1, MostLayers).dimension("block", a->block, 1, 128)
            .dimension("activation", a->activation, MEMGEN_TITANS_SILU, MEMGEN_TITANS_GELU).condition(a->clip >= 0, MEMGEN_INVALID_ARGUMENT, "clip is negative or not a number: expected a length, or 0 for none")
            .segments(a->segments, a->batch, a->tokens);
    for (int64_t l = 0; check.ok() && l <= a->layers; l++) check.dimension("a width", a->dims[l], 1, 2048);
    if (check.ok()) check.product({a->batch, a->tokens + 1, a->heads, a->dims[0] + a->dims[a->layers]}).product({sequence_count(*a), a->heads, TitansSizes(*a).state()});
    return check;
}

// A slice serves every sequence; which of them takes most is not always the longest.
ScratchSize scratch_size(const Args& a, bool backward) {
    size_t slice = 0;
    Args own = a;
    for (int64_t n = 0; n < sequence_count(a); n++) {
        if (n > 0 && sequence_tokens(a, n) == own.tokens) continue;
        own.tokens = sequence_tokens(a, n);
        slice = std::max(slice, backward ? measure<TitansBackwardScratch>(own) : measure<TitansForwardScratch>(own));
    }
    return {plan_size(a), slice};
}

memgen_status run(Check& check, const Args& a, void* workspace, size_t bytes, bool backward) {
    return check.run(a, workspace, bytes, scratch_size(a, backward), backward ? &Kernels::titans_backward : &Kernels::titans_forward, [](int64_t) { return 0; });
}

void weights(Check& check, const Args& a, const char* name, const memgen_tensor* tensors) {
    for (int64_t l = 0; l < a.layers; l++) check.nullable(name, tensors[l], {sequence_count(a), a.heads, a.dims[l], a.dims[l + 1]});
}

Check inputs(const char* operation, const Args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, in = a->dims[0], out = a->dims[a->layers];
    check.required("q", a->q, {B, T, H, in}).required("k", a->k, {B, T, H, in}).required("v", a->v, {B, T, H, out})
        .required("theta", a->theta, {B, T, H, 1}).nullable("alpha", a->alpha, {B, T, H, 1});
    if (a->momentum) check.required("eta", a->eta, {B, T, H, 1});
    weights(check, *a, "initial_weights", a->initial_weights);
    weights(check, *a, "initial_momenta", a->initial_momenta);
    return check;
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_titans_workspace_size(const Args* a, int32_t backward) { return sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }

memgen_status memgen_titans_forward(const Args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    if (!check.ok()) return check.status();
    check.required("o", a->o, {a->batch, a->tokens, a->heads, a->dims[a->layers]});
    weights(check, *a, "final_weights", a->final_weights);
    weights(check, *a, "final_momenta", a->final_momenta);
    return run(check, *a, workspace, bytes, false);
}

memgen_status memgen_titans_backward(const Args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, H = a->heads, in = a->dims[0], out = a->dims[a->layers];
    check.nullable("d_o", a->d_o, {B, T, H, out}).nullable("d_q", a->d_q, {B, T, H, in}).nullable("d_k", a->d_k, {B, T, H, in}).nullable("d_v", a->d_v, {B, T, H, out});
    weights(check, *a, "d_final_weights", a->d_final_weights);
    weights(check, *a, "d_final_momenta", a->d_final_momenta);
    weights(check, *a, "d_initial_weights", a->d_initial_weights);
    weights(check, *a, "d_initial_momenta", a->d_initial_momenta);
    return run(check, *a, workspace, bytes, true);
}
}
