// Front doors of the scans.
#include "front/scans.h"
#include "library.h"
#include "scan_layout.h"

namespace memgen {
namespace {

// Nothing is shared by the tokens of a linear scan.
int64_t none(int64_t) { return 0; }

ScratchSize scratch_size(const memgen_selective_scan_args& a, bool backward) {
    if (backward) return {plan_size(a) + measure<ScanSharedScratch>(a), measure<ScanBackwardScratch>(a)};
    return {plan_size(a), measure<ScanForwardScratch>(a)};
}

// Checkpoints of one group of channels by the tokens of its sequence.
auto checkpoints_of(const memgen_selective_scan_args& a) {
    return [interval = scan_segment(a)](int64_t tokens) { return checkpoint_count(tokens, interval); };
}

int64_t checkpoint_bytes(const memgen_selective_scan_args& a) {
    return over_sequences(a, checkpoints_of(a)) * scan_groups(a) * ScanGroup * a.state_dim * static_cast<int64_t>(sizeof(float));
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_linear_scan_workspace_size(const memgen_linear_scan_args* a, int32_t) { return sizes(__func__, a).ok() ? static_cast<int64_t>(plan_size(*a)) : -1; }

memgen_status memgen_linear_scan_forward(const memgen_linear_scan_args* a, void* workspace, size_t bytes, void*) {
    Check check = forward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {plan_size(*a), 0}, &Kernels::linear_scan_forward, none) : check.status();
}

memgen_status memgen_linear_scan_backward(const memgen_linear_scan_args* a, void* workspace, size_t bytes, void*) {
    Check check = backward_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {plan_size(*a), 0}, &Kernels::linear_scan_backward, none) : check.status();
}

int64_t memgen_selective_scan_workspace_size(const memgen_selective_scan_args* a, int32_t backward) { return sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }
int64_t memgen_selective_scan_checkpoint_size(const memgen_selective_scan_args* a) { return sizes(__func__, a).ok() ? checkpoint_bytes(*a) : -1; }

memgen_status memgen_selective_scan_forward(const memgen_selective_scan_args* a, void* workspace, size_t bytes, void*) {
    Check check = sizes(__func__, a);
    forward_arguments(check, a);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, false), &Kernels::selective_scan_forward, checkpoints_of(*a)) : check.status();
}

memgen_status memgen_selective_scan_backward(const memgen_selective_scan_args* a, void* workspace, size_t bytes, void*) {
    Check check = sizes(__func__, a);
    backward_arguments(check, a, check.ok() ? checkpoint_bytes(*a) : 0);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, true), &Kernels::selective_scan_backward, checkpoints_of(*a)) : check.status();
}
}
