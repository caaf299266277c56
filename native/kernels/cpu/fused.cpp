// Front doors of the convolution, the row-wise operators and the optimizer.
#include "front/optimizer.h"
#include "front/rows.h"
#include "front/scans.h"
#include "fused_layout.h"
#include "library.h"

namespace memgen {
namespace {

ScratchSize scratch_size(const memgen_causal_conv_args& a, bool backward) {
    Arena measure{nullptr};
    ConvScratch layout(measure, a, backward);
    return {plan_size(a) + measure.used, backward ? static_cast<size_t>(conv_slice_floats(a)) * sizeof(float) : 0};
}

// Of RMSNorm and softplus: sums over the rows of every item, for what all rows share.
template <class Args>
ScratchSize sums_scratch(const Args& a, bool backward) {
    return {backward ? static_cast<size_t>(row_items(a.rows) * padded(a.features, 16)) * sizeof(float) : 0, 0};
}

// Chunk table and partial sums of the operators over many tensors.
template <class Args>
ScratchSize tensor_scratch(const Args& a) {
    return {static_cast<size_t>(a.count + 1 + count_chunks(a.count, a.sizes, nullptr)) * 8, 0};
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_causal_conv_workspace_size(const memgen_causal_conv_args* a, int32_t backward) { return sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }

memgen_status memgen_causal_conv_forward(const memgen_causal_conv_args* a, void* workspace, size_t bytes, void*) {
    Check check = forward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, false), &Kernels::causal_conv_forward, ConvItemsOf(*a)) : check.status();
}

memgen_status memgen_causal_conv_backward(const memgen_causal_conv_args* a, void* workspace, size_t bytes, void*) {
    Check check = backward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, true), &Kernels::causal_conv_backward, ConvItemsOf(*a)) : check.status();
}

int64_t memgen_rms_norm_workspace_size(const memgen_rms_norm_args* a, int32_t backward) { return row_sizes(__func__, a).ok() ? sums_scratch(*a, backward != 0).total() : -1; }

memgen_status memgen_rms_norm_forward(const memgen_rms_norm_args* a, void* workspace, size_t bytes, void*) {
    Check check = forward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, sums_scratch(*a, false), &Kernels::rms_norm_forward) : check.status();
}

memgen_status memgen_rms_norm_backward(const memgen_rms_norm_args* a, void* workspace, size_t bytes, void*) {
    Check check = backward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, sums_scratch(*a, true), &Kernels::rms_norm_backward) : check.status();
}

int64_t memgen_unit_length_workspace_size(const memgen_unit_length_args* a, int32_t) { return row_sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_unit_length_forward(const memgen_unit_length_args* a, void* workspace, size_t bytes, void*) {
    Check check = forward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, 0}, &Kernels::unit_length_forward) : check.status();
}

memgen_status memgen_unit_length_backward(const memgen_unit_length_args* a, void* workspace, size_t bytes, void*) {
    Check check = backward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, 0}, &Kernels::unit_length_backward) : check.status();
}

int64_t memgen_swiglu_workspace_size(const memgen_swiglu_args* a, int32_t) { return row_sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_swiglu_forward(const memgen_swiglu_args* a, void* workspace, size_t bytes, void*) {
    Check check = forward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, 0}, &Kernels::swiglu_forward) : check.status();
}

memgen_status memgen_swiglu_backward(const memgen_swiglu_args* a, void* workspace, size_t bytes, void*) {
    Check check = backward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, 0}, &Kernels::swiglu_backward) : check.status();
}

int64_t memgen_softplus_workspace_size(const memgen_softplus_args* a, int32_t backward) { return softplus_sizes(__func__, a).ok() ? sums_scratch(*a, backward != 0).total() : -1; }

memgen_status memgen_softplus_forward(const memgen_softplus_args* a, void* workspace, size_t bytes, void*) {
    Check check = forward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, sums_scratch(*a, false), &Kernels::softplus_forward) : check.status();
}

memgen_status memgen_softplus_backward(const memgen_softplus_args* a, void* workspace, size_t bytes, void*) {
    Check check = backward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, sums_scratch(*a, true), &Kernels::softplus_backward) : check.status();
}

int64_t memgen_rotary_workspace_size(const memgen_rotary_args* a, int32_t) { return sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_rotary_forward(const memgen_rotary_args* a, void* workspace, size_t bytes, void*) {
    Check check = forward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, 0}, &Kernels::rotary_forward) : check.status();
}

memgen_status memgen_rotary_backward(const memgen_rotary_args* a, void* workspace, size_t bytes, void*) {
    Check check = backward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, 0}, &Kernels::rotary_backward) : check.status();
}

int64_t memgen_cross_entropy_workspace_size(const memgen_cross_entropy_args* a, int32_t) { return sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_cross_entropy_forward(const memgen_cross_entropy_args* a, void* workspace, size_t bytes, void*) {
    Check check = forward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, 0}, &Kernels::cross_entropy_forward) : check.status();
}

memgen_status memgen_cross_entropy_backward(const memgen_cross_entropy_args* a, void* workspace, size_t bytes, void*) {
    Check check = backward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, 0}, &Kernels::cross_entropy_backward) : check.status();
}

int64_t memgen_adamw_workspace_size(const memgen_adamw_args* a) { return tensor_sizes(__func__, a).ok() ? tensor_scratch(*a).total() : -1; }

memgen_status memgen_adamw_step(const memgen_adamw_args* a, void* workspace, size_t bytes, void*) {
    Check check = adamw_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, tensor_scratch(*a), &Kernels::adamw_step) : check.status();
}

int64_t memgen_squared_norm_workspace_size(const memgen_squared_norm_args* a) { return tensor_sizes(__func__, a).ok() ? tensor_scratch(*a).total() : -1; }

memgen_status memgen_squared_norm(const memgen_squared_norm_args* a, void* workspace, size_t bytes, void*) {
    Check check = squared_norm_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, tensor_scratch(*a), &Kernels::squared_norm) : check.status();
}
}
