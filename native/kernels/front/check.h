// What the front doors of all libraries share: the first problem of a call, in words.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "memgen.h"

namespace memgen {

// What a library serves; each defines its own.
struct Library {
    const char* device; // what memgen_device says
    bool bfloat16;      // beside float32
    bool reads_arguments; // whether a front door can look at what arguments point to
};
extern const Library library;

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

    // Each segment in one row, and no more tokens in all than there are.
    Check& segments(const memgen_segments& segments, int64_t batch, int64_t tokens);

    // The first problem, from outside.
    Check& status(memgen_status found) {
        status_ = found;
        return *this;
    }

    bool ok() const { return status_ == MEMGEN_OK; }
    memgen_status status() const { return status_; }
    const char* operation() const { return operation_; }

private:
    const char* operation_;
    memgen_status status_ = MEMGEN_OK;
};

namespace { // every build for an instruction set has its own copy

// A check of what all structs begin with.
template <class Args>
Check open(const char* operation, const Args* a) {
    return Check(operation, a, a ? a->struct_size : 0, sizeof(Args), a ? a->dtype : MEMGEN_FLOAT32);
}

// Sequences of a call: its rows, or the segments that it names.
template <class Args>
int64_t sequence_count(const Args& a) { return a.segments.lengths ? a.segments.count : a.batch; }

} // namespace
} // namespace memgen
