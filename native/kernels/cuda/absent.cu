// Operators that have no CUDA kernel yet: every call says so, and the caller takes another form.
#include "front/check.h"

namespace {

memgen_status absent(const char* operation) { return memgen::fail(MEMGEN_UNSUPPORTED_SHAPE, operation, "there is no CUDA kernel for this operator yet"); }

} // namespace

#define MEMGEN_ABSENT_FUNCTION(name, args) \
    memgen_status memgen_##name(const args*, void*, size_t, void*) { return absent(__func__); }
#define MEMGEN_ABSENT_SIZE(name, args, ...)               \
    int64_t memgen_##name(const args* __VA_ARGS__) {      \
        absent(__func__);                                 \
        return -1;                                        \
    }
#define MEMGEN_ABSENT(op)                                                     \
    MEMGEN_ABSENT_SIZE(op##_workspace_size, memgen_##op##_args, , int32_t)    \
    MEMGEN_ABSENT_FUNCTION(op##_forward, memgen_##op##_args)                  \
    MEMGEN_ABSENT_FUNCTION(op##_backward, memgen_##op##_args)

extern "C" {
MEMGEN_ABSENT(linear)
MEMGEN_ABSENT_SIZE(adamw_workspace_size, memgen_adamw_args)
MEMGEN_ABSENT_FUNCTION(adamw_step, memgen_adamw_args)
MEMGEN_ABSENT_SIZE(squared_norm_workspace_size, memgen_squared_norm_args)
MEMGEN_ABSENT_FUNCTION(squared_norm, memgen_squared_norm_args)
}
