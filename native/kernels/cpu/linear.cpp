// Front door of the linear maps.
#include "library.h"
#include "linear_layout.h"

namespace memgen {
namespace {

typedef memgen_linear_args Args;

Check sizes(const char* operation, const Args* a) {
    Check check = open(operation, a);
    if (!check.ok()) return check;
    check.dimension("rows", a->rows).dimension("in_features", a->in_features).dimension("count", a->count, 1, MEMGEN_MOST_MAPS)
        .condition(a->products == MEMGEN_FLOAT32 || a->products == MEMGEN_BFLOAT16, MEMGEN_UNSUPPORTED_DTYPE, "products is neither MEMGEN_FLOAT32 (0) nor MEMGEN_BFLOAT16 (1)");
    for (int64_t i = 0; check.ok() && i < a->count; i++)
        check.dimension("an entry of out_features", a->out_features[i]).product({a->rows + DepthBlock, a->out_features[i] + PanelColumns}).product({a->out_features[i] + PanelColumns, a->in_features + PanelColumns});
    return check.product({a->rows + DepthBlock, a->in_features + PanelColumns});
}

ScratchSize scratch_size(const Args& a, bool backward) {
    Arena measure{nullptr};
    LinearScratch layout(measure, a, backward);
    return {measure.used, static_cast<size_t>(linear_slice_floats(a, backward)) * sizeof(float)};
}

Check inputs(const char* operation, const Args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    check.required("x", a->x, {a->rows, a->in_features});
    for (int64_t i = 0; i < a->count; i++) check.required("an entry of weights", a->weights[i], {a->out_features[i], a->in_features});
    return check;
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_linear_workspace_size(const memgen_linear_args* a, int32_t backward) { return sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }

memgen_status memgen_linear_forward(const memgen_linear_args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    for (int64_t i = 0; check.ok() && i < a->count; i++) check.required("an entry of y", a->y[i], {a->rows, a->out_features[i]});
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, false), &Kernels::linear_forward) : check.status();
}

memgen_status memgen_linear_backward(const memgen_linear_args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    if (!check.ok()) return check.status();
    check.nullable("d_x", a->d_x, {a->rows, a->in_features});
    for (int64_t i = 0; i < a->count; i++)
        check.nullable("an entry of d_y", a->d_y[i], {a->rows, a->out_features[i]}).nullable("an entry of d_weights", a->d_weights[i], {a->out_features[i], a->in_features});
    return run(check, a, workspace, bytes, scratch_size(*a, true), &Kernels::linear_backward);
}

} // extern "C"
