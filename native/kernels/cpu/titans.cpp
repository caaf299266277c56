// Front door of the Titans memory.
#include "front/titans.h"
#include "library.h"
#include "titans_layout.h"

namespace memgen {
namespace {

typedef memgen_titans_args Args;

Check sizes(const char* operation, const Args* a) {
    Check check = titans_sizes(operation, a);
    return check.ok() ? check.product({sequence_count(*a), a->heads, TitansSizes(*a).state()}) : check;
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

int64_t checkpoint_bytes(const Args& a) { return over_sequences(a, TitansCheckpoints(a)) * a.heads * TitansSizes(a).state() * static_cast<int64_t>(sizeof(float)); }

memgen_status run(Check& check, const Args* a, void* workspace, size_t bytes, bool backward) {
    if (!check.ok()) return check.status();
    return run(check, a, workspace, bytes, scratch_size(*a, backward), backward ? &Kernels::titans_backward : &Kernels::titans_forward, TitansCheckpoints(*a));
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_titans_workspace_size(const Args* a, int32_t backward) { return sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }

int64_t memgen_titans_checkpoint_size(const Args* a) { return sizes(__func__, a).ok() ? checkpoint_bytes(*a) : -1; }

memgen_status memgen_titans_forward(const Args* a, void* workspace, size_t bytes, void*) {
    Check check = sizes(__func__, a);
    titans_forward(check, a);
    return run(check, a, workspace, bytes, false);
}

memgen_status memgen_titans_backward(const Args* a, void* workspace, size_t bytes, void*) {
    Check check = sizes(__func__, a);
    titans_backward(check, a, check.ok() ? checkpoint_bytes(*a) : 0);
    return run(check, a, workspace, bytes, true);
}
}
