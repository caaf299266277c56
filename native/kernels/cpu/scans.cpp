// Front doors of the scans.
#include "library.h"
#include "scan_layout.h"

namespace memgen {
namespace {

Check sizes(const char* operation, const memgen_linear_scan_args* a) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("channels", a->channels).product({a->batch, a->tokens + 1, a->channels})
            .segments(a->segments, a->batch, a->tokens).product({sequence_count(*a), a->channels});
    return check;
}

Check sizes(const char* operation, const memgen_selective_scan_args* a) {
    Check check = open(operation, a);
    if (check.ok())
        check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("channels", a->channels).dimension("state_dim", a->state_dim, 0, 1024)
            .product({a->batch, a->tokens + 1, a->channels + 1, a->state_dim + 1})
            .segments(a->segments, a->batch, a->tokens).product({sequence_count(*a), a->channels + 1, a->state_dim + 1});
    return check;
}

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

Check inputs(const char* operation, const memgen_selective_scan_args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, T = a->tokens, C = a->channels, N = a->state_dim;
    return check.required("u", a->u, {B, T, C}).required("delta", a->delta, {B, T, C}).required("A", a->A, {C, N}).required("B", a->B, {B, T, N}).required("C", a->C, {B, T, N})
        .nullable("D", a->D, {C}).nullable("initial_state", a->initial_state, {sequence_count(*a), C, N});
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_linear_scan_workspace_size(const memgen_linear_scan_args* a, int32_t) { return sizes(__func__, a).ok() ? static_cast<int64_t>(plan_size(*a)) : -1; }

memgen_status memgen_linear_scan_forward(const memgen_linear_scan_args* a, void* workspace, size_t bytes, void*) {
    Check check = sizes(__func__, a);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, C = a->channels, N = sequence_count(*a);
    check.required("a", a->a, {B, T, C}).required("b", a->b, {B, T, C}).nullable("initial_state", a->initial_state, {N, C}).required("h", a->h, {B, T, C}).nullable("final_state", a->final_state, {N, C});
    return check.run(*a, workspace, bytes, {plan_size(*a), 0}, &Kernels::linear_scan_forward, none);
}

memgen_status memgen_linear_scan_backward(const memgen_linear_scan_args* a, void* workspace, size_t bytes, void*) {
    Check check = sizes(__func__, a);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, C = a->channels, N = sequence_count(*a);
    check.required("a", a->a, {B, T, C}).nullable("initial_state", a->initial_state, {N, C}).required("h", a->h, {B, T, C}).nullable("d_h", a->d_h, {B, T, C}).nullable("d_final_state", a->d_final_state, {N, C})
        .nullable("d_a", a->d_a, {B, T, C}).nullable("d_b", a->d_b, {B, T, C}).nullable("d_initial_state", a->d_initial_state, {N, C});
    return check.run(*a, workspace, bytes, {plan_size(*a), 0}, &Kernels::linear_scan_backward, none);
}

int64_t memgen_selective_scan_workspace_size(const memgen_selective_scan_args* a, int32_t backward) { return sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }
int64_t memgen_selective_scan_checkpoint_size(const memgen_selective_scan_args* a) { return sizes(__func__, a).ok() ? checkpoint_bytes(*a) : -1; }

memgen_status memgen_selective_scan_forward(const memgen_selective_scan_args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    if (!check.ok()) return check.status();
    check.required("y", a->y, {a->batch, a->tokens, a->channels}).nullable("final_state", a->final_state, {sequence_count(*a), a->channels, a->state_dim});
    return check.run(*a, workspace, bytes, scratch_size(*a, false), &Kernels::selective_scan_forward, checkpoints_of(*a));
}

memgen_status memgen_selective_scan_backward(const memgen_selective_scan_args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, C = a->channels, N = a->state_dim, S = sequence_count(*a);
    check.condition(a->checkpoints || checkpoint_bytes(*a) == 0, MEMGEN_INVALID_ARGUMENT, "checkpoints is null: backward needs what forward wrote there")
        .nullable("d_y", a->d_y, {B, T, C}).nullable("d_final_state", a->d_final_state, {S, C, N}).nullable("d_u", a->d_u, {B, T, C}).nullable("d_delta", a->d_delta, {B, T, C})
        .nullable("d_A", a->d_A, {C, N}).nullable("d_B", a->d_B, {B, T, N}).nullable("d_C", a->d_C, {B, T, N}).nullable("d_D", a->d_D, {C}).nullable("d_initial_state", a->d_initial_state, {S, C, N});
    return check.run(*a, workspace, bytes, scratch_size(*a, true), &Kernels::selective_scan_backward, checkpoints_of(*a));
}
}
