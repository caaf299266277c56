// Operators that have no CUDA kernel: every call says so, and the caller takes another form.
#include "front/check.h"

namespace {

memgen_status absent(const char* operation) { return memgen::fail(MEMGEN_UNSUPPORTED_SHAPE, operation, "there is no CUDA kernel for this operator"); }

} // namespace

extern "C" {

int32_t memgen_multiplies_bfloat16(void) { return 0; }

int64_t memgen_linear_workspace_size(const memgen_linear_args*, int32_t) {
    absent(__func__);
    return -1;
}

memgen_status memgen_linear_forward(const memgen_linear_args*, void*, size_t, void*) { return absent(__func__); }
memgen_status memgen_linear_backward(const memgen_linear_args*, void*, size_t, void*) { return absent(__func__); }
}
