// What every operator's front door needs beside its checks: the chosen build, scratch cut into slices.
#pragma once
#include <algorithm>
#include <initializer_list>

#include "front/check.h"
#include "kernels.h"
#include "sequences.h"
#include "threads.h"

namespace memgen {

// Bytes that all workers share, and bytes of each.
struct ScratchSize {
    size_t shared, slice;

    int64_t total() const { return static_cast<int64_t>((shared + 63) / 64 * 64 + (slice + 63) / 64 * 64 * static_cast<size_t>(thread_count())); }
};

// The build in use; null when MEMORY_GEN_ISA names one that this CPU lacks.
const Kernels* kernels();

// Cuts scratch into a shared part and slices for as many workers as there are threads and room.
memgen_status prepare(Check& check, void* workspace, size_t bytes, ScratchSize size, Scratch& scratch);

// The whole of a front door after the checks: scratch, then the kernel.
template <class Args>
memgen_status run(Check& check, const Args* args, void* workspace, size_t bytes, ScratchSize size, void (*Kernels::*kernel)(const Args&, const Scratch&)) {
    Scratch scratch;
    if (prepare(check, workspace, bytes, size, scratch) == MEMGEN_OK) (kernels()->*kernel)(*args, scratch);
    return check.status();
}

// The same for an operator on sequences. size(tokens): what a sequence of that many takes of what all share.
template <class Args, class Size>
memgen_status run(Check& check, const Args* args, void* workspace, size_t bytes, ScratchSize scratch_size, void (*Kernels::*kernel)(const Args&, const Scratch&), Size&& size) {
    Scratch scratch;
    if (prepare(check, workspace, bytes, scratch_size, scratch) != MEMGEN_OK) return check.status();
    const int64_t count = sequence_count(*args);
    Arena arena{scratch.shared};
    SequencePlan plan(arena, count);
    plan.before[0] = 0;
    for (int64_t n = 0; n < count; n++) {
        plan.order[n] = n;
        plan.before[n + 1] = plan.before[n] + size(sequence_tokens(*args, n));
    }
    if (const int64_t* lengths = args->segments.lengths)
        std::sort(plan.order, plan.order + count, [&](int64_t i, int64_t j) { return lengths[i] != lengths[j] ? lengths[i] > lengths[j] : i < j; });
    (kernels()->*kernel)(*args, scratch);
    return check.status();
}

// Bytes of a plan.
template <class Args>
size_t plan_size(const Args& a) {
    Arena arena{nullptr};
    SequencePlan plan(arena, sequence_count(a));
    return arena.used;
}

// Bytes that a layout takes.
template <class Layout, class Args>
size_t measure(const Args& a) {
    Arena arena{nullptr};
    Layout layout(arena, a);
    return arena.used;
}

} // namespace memgen
