// Front door of attention.
#include "front/attention.h"
#include "attention_layout.h"
#include "library.h"

namespace memgen {
namespace {

ScratchSize scratch_size(const AttentionArgs& a, bool backward) { return {0, backward ? measure<AttentionBackwardScratch>(a) : measure<AttentionForwardScratch>(a)}; }

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_segment_attention_workspace_size(const AttentionArgs* a, int32_t backward) { return attention_sizes(__func__, a, LargestHead).ok() ? scratch_size(*a, backward != 0).total() : -1; }

memgen_status memgen_segment_attention_forward(const AttentionArgs* a, void* workspace, size_t bytes, void*) {
    Check check = attention_sizes(__func__, a, LargestHead);
    attention_inputs(check, a);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, false), &Kernels::segment_attention_forward) : check.status();
}

memgen_status memgen_segment_attention_backward(const AttentionArgs* a, void* workspace, size_t bytes, void*) {
    Check check = attention_sizes(__func__, a, LargestHead);
    attention_backward(check, a);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, true), &Kernels::segment_attention_backward) : check.status();
}
}
