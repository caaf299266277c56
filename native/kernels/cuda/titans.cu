// Front door of the Titans memory, of which there are kernels for one matrix.
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
            view(a.d_theta), view(a.d_eta), view(a.d_alpha), view(a.d_final_momenta[0]), view(a.d_initial_momenta[0])};
}

Check sizes(const char* operation, const Args* a) {
    Check check = titans_sizes(operation, a);
    if (!check.ok()) return check;
    const Number number = number_of(*a);
    check.condition(a->layers == 1, MEMGEN_UNSUPPORTED_SHAPE, "there is no CUDA kernel for a memory of several layers yet")
        .dimension("the width of keys", a->dims[0], 1, number == Number::Float32 ? LargestFloatKeyDim : LargestKeyDim);
    if (a->clip > 0) check.dimension("the width of values under a clip", a->dims[1], 1, titans_tile_values(number, a->dims[0]));
    return check.product({sequence_count(*a) + a->batch * a->tokens, a->heads, 2, a->dims[0], a->dims[1]});
}

int64_t workspace_bytes(const Args& a) { return 4 * titans_workspace_floats(parameters(a, nullptr)); }

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_titans_workspace_size(const Args* a, int32_t backward) { return !sizes(__func__, a).ok() ? -1 : backward ? workspace_bytes(*a) : 0; }

memgen_status memgen_titans_forward(const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(__func__, a);
    titans_forward(check, a);
    if (!ready(check, workspace, bytes, 0)) return check.status();
    return launched(check, launch_titans_forward(parameters(*a, workspace), static_cast<cudaStream_t>(stream)));
}

memgen_status memgen_titans_backward(const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(__func__, a);
    titans_backward(check, a);
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(*a) : 0)) return check.status();
    return launched(check, launch_titans_backward(parameters(*a, workspace), static_cast<cudaStream_t>(stream)));
}
}
