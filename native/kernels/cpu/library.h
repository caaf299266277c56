// What every operator's front door needs: the chosen build, checked arguments, scratch cut into slices.
#pragma once
#include <algorithm>
#include <initializer_list>

#include "kernels.h"
#include "sequences.h"
#include "threads.h"

namespace memgen {

// Records the message for memgen_last_error and returns the status. `operation` is the C function's name.
memgen_status fail(memgen_status status, const char* operation, const char* format, ...) __attribute__((format(printf, 3, 4)));

// Bytes that all workers share, and bytes of each.
struct ScratchSize {
    size_t shared, slice;

    int64_t total() const { return static_cast<int64_t>((shared + 63) / 64 * 64 + (slice + 63) / 64 * 64 * static_cast<size_t>(thread_count())); }
};

// The build in use; null when MEMORY_GEN_ISA names one that this CPU lacks.
const Kernels* kernels();

// Checks one call. The first problem found is kept; later checks do nothing.
class Check {
public:
    Check(const char* operation, const void* args, size_t struct_size, size_t expected_size, memgen_dtype dtype);

    Check& dimension(const char* name, int64_t value, int64_t smallest = 0, int64_t largest = INT64_MAX);
    Check& product(std::initializer_list<int64_t> shape);
    Check& condition(bool holds, memgen_status status, const char* message);
    // Required: absent is an error unless the tensor has no elements.
    Check& required(const char* name, const memgen_tensor& tensor, std::initializer_list<int64_t> shape);
    Check& nullable(const char* name, const memgen_tensor& tensor, std::initializer_list<int64_t> shape);

    // Each segment in one row, and no more tokens in all than there are.
    Check& segments(const memgen_segments& segments, int64_t batch, int64_t tokens);

    // Cuts scratch into a shared part and slices for as many workers as there are threads and room.
    memgen_status prepare(void* workspace, size_t bytes, ScratchSize size, Scratch& scratch);

    // The whole of a front door after the checks: scratch, then the kernel.
    template <class Args>
    memgen_status run(const Args& args, void* workspace, size_t bytes, ScratchSize size, void (*Kernels::*kernel)(const Args&, const Scratch&)) {
        Scratch scratch;
        if (prepare(workspace, bytes, size, scratch) == MEMGEN_OK) (kernels()->*kernel)(args, scratch);
        return status_;
    }

    // The same for an operator on sequences. size(tokens): what a sequence of that many takes of what all share.
    template <class Args, class Size>
    memgen_status run(const Args& args, void* workspace, size_t bytes, ScratchSize scratch_size, void (*Kernels::*kernel)(const Args&, const Scratch&), Size&& size) {
        Scratch scratch;
        if (prepare(workspace, bytes, scratch_size, scratch) != MEMGEN_OK) return status_;
        Arena arena{scratch.shared};
        SequencePlan plan(arena, sequence_count(args));
        plan.before[0] = 0;
        for (int64_t n = 0; n < sequence_count(args); n++) {
            plan.order[n] = n;
            plan.before[n + 1] = plan.before[n] + size(sequence_tokens(args, n));
        }
        if (const int64_t* lengths = args.segments.lengths)
            std::sort(plan.order, plan.order + args.segments.count, [&](int64_t i, int64_t j) { return lengths[i] != lengths[j] ? lengths[i] > lengths[j] : i < j; });
        (kernels()->*kernel)(args, scratch);
        return status_;
    }

    bool ok() const { return status_ == MEMGEN_OK; }
    memgen_status status() const { return status_; }
    const char* operation() const { return operation_; }

private:
    const char* operation_;
    memgen_status status_ = MEMGEN_OK;
};

// A check of what all structs begin with.
template <class Args>
Check open(const char* operation, const Args* a) {
    return Check(operation, a, a ? a->struct_size : 0, sizeof(Args), a ? a->dtype : MEMGEN_FLOAT32);
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
