// What every operator's front door needs: the chosen build, checked arguments, scratch cut into slices.
#pragma once
#include <initializer_list>

#include "kernels.h"
#include "threads.h"

namespace memgen {

// Records the message for memgen_last_error and returns the status. `operation` is the C function's name.
memgen_status fail(memgen_status status, const char* operation, const char* format, ...) __attribute__((format(printf, 3, 4)));

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

    // Cuts scratch into slices for as many workers as there are threads and room.
    memgen_status prepare(void* workspace, size_t bytes, size_t slice, Scratch& scratch);

    bool ok() const { return status_ == MEMGEN_OK; }
    memgen_status status() const { return status_; }
    const char* operation() const { return operation_; }

private:
    const char* operation_;
    memgen_status status_ = MEMGEN_OK;
};

// The build in use; null when MEMORY_GEN_ISA names one that this CPU lacks.
const Kernels* kernels();
void ran(const Kernels* kernels);

inline int64_t round_slice(size_t bytes) { return static_cast<int64_t>((bytes + 63) / 64 * 64); }

} // namespace memgen
