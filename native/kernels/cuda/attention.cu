// Front door of attention.
#include "attention.h"
#include "front/attention.h"
#include "library.h"

namespace memgen {
namespace {

constexpr int64_t LargestHeadDim = 256;

int64_t workspace_bytes(const AttentionArgs& a, bool backward) { return backward ? 4 * a.batch * a.tokens * a.heads : 0; }

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_segment_attention_workspace_size(const AttentionArgs* a, int32_t backward) { return attention_sizes(__func__, a, LargestHeadDim).ok() ? workspace_bytes(*a, backward != 0) : -1; }

memgen_status memgen_segment_attention_forward(const AttentionArgs* a, void* workspace, size_t bytes, void* stream) {
    Check check = attention_sizes(__func__, a, LargestHeadDim);
    attention_inputs(check, a);
    if (!ready(check, workspace, bytes, 0)) return check.status();
    return launched(check, launch_attention_forward(*a, static_cast<cudaStream_t>(stream)));
}

memgen_status memgen_segment_attention_backward(const AttentionArgs* a, void* workspace, size_t bytes, void* stream) {
    Check check = attention_sizes(__func__, a, LargestHeadDim);
    attention_backward(check, a);
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(*a, true) : 0)) return check.status();
    return launched(check, launch_attention_backward(*a, static_cast<float*>(workspace), static_cast<cudaStream_t>(stream)));
}
}
