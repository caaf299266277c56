// Front door of the Titans memory: kernels for one matrix, whose columns they divide among blocks, kernels for everything else, and
// those of one token.
#include "front/titans.h"
#include "launch.h"
#include "library.h"

namespace memgen {
namespace {

typedef memgen_titans_args Args;

TitansParameters parameters(const Args& a, void* workspace) {
    return {{number_of(a),
             a.batch, a.tokens, a.heads, a.dims[0], a.dims[1],
             {a.segments.count, a.segments.starts, a.segments.lengths},
             view(a.q), view(a.k), view(a.v), view(a.initial_weights[0]),
             view(a.o), view(a.final_weights[0]),
             view(a.d_o), view(a.d_final_weights[0]), view(a.d_q), view(a.d_k), view(a.d_v), view(a.d_initial_weights[0]),
             nullptr, static_cast<float*>(workspace)},
            a.block, a.reads_block_start != 0, a.momentum != 0, static_cast<float>(a.clip),
            view(a.theta), view(a.eta), view(a.alpha), view(a.initial_momenta[0]), view(a.final_momenta[0]),
            view(a.d_theta), view(a.d_eta), view(a.d_alpha), view(a.d_final_momenta[0]), view(a.d_initial_momenta[0]), multiprocessors()};
}

// Whether the kernels of one matrix serve a call.
bool one_matrix(const Args& a) {
    const Number number = number_of(a);
    return a.layers == 1 && !a.decays_to_target && !a.residual && a.dims[0] <= (number == Number::Float32 ? LargestFloatKeyDim : LargestKeyDim) && (!(a.clip > 0) || a.dims[1] <= titans_tile_values(number, a.dims[0]));
}

Check sizes(const char* operation, const Args* a) {
    Check check = titans_sizes(operation, a);
    int64_t elements = 0;
    for (int64_t l = 1; check.ok() && l <= a->layers; l++) elements += a->dims[l - 1] * a->dims[l];
    // More than the workspace: states, and the matrices of a block of tokens.
    return check.ok() ? check.product({sequence_count(*a) + a->batch * a->tokens, a->heads, 32, elements + LargestBlock * LargestLayerWidth * MEMGEN_TITANS_LAYERS}) : check;
}

int64_t workspace_bytes(const Args& a, bool backward) {
    if (!one_matrix(a)) return 4 * titans_mlp_workspace_floats(a, backward);
    return 4 * titans_workspace_floats(parameters(a, nullptr), backward);
}

Check step_sizes(const char* operation, const memgen_titans_step_args* a) {
    Check check = titans_step_sizes(operation, a);
    return check.ok() ? check.product({a->batch, a->heads, 16, LargestBlock * LargestLayerWidth * MEMGEN_TITANS_LAYERS}) : check; // more than the workspace
}

memgen_status run(Check& check, const Args* a, bool backward, void* workspace, size_t bytes, void* on) {
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(*a, backward) : 0)) return check.status();
    cudaStream_t stream = static_cast<cudaStream_t>(on);
    if (!one_matrix(*a)) return launched(check, launch_titans_mlp(*a, backward, static_cast<float*>(workspace), stream));
    return launched(check, (backward ? launch_titans_backward : launch_titans_forward)(parameters(*a, workspace), stream));
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_titans_workspace_size(const Args* a, int32_t backward) { return sizes(__func__, a).ok() ? workspace_bytes(*a, backward != 0) : -1; }

int64_t memgen_titans_checkpoint_size(const Args* a) { return sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_titans_forward(const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(__func__, a);
    titans_forward(check, a);
    return run(check, a, false, workspace, bytes, stream);
}

memgen_status memgen_titans_backward(const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(__func__, a);
    titans_backward(check, a, 0);
    return run(check, a, true, workspace, bytes, stream);
}

int64_t memgen_titans_step_workspace_size(const memgen_titans_step_args* a) { return step_sizes(__func__, a).ok() ? 4 * titans_step_workspace_floats(*a) : -1; }

memgen_status memgen_titans_step(const memgen_titans_step_args* a, void* workspace, size_t bytes, void* stream) {
    Check check = step_sizes(__func__, a);
    if (check.ok()) check = titans_step_arguments(__func__, a);
    if (!ready(check, workspace, bytes, check.ok() ? 4 * titans_step_workspace_floats(*a) : 0)) return check.status();
    return launched(check, launch_titans_step(*a, static_cast<float*>(workspace), static_cast<cudaStream_t>(stream)));
}
}
