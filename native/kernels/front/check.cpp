#include "front/check.h"

#include <cstdarg>
#include <cstdio>

namespace memgen {
namespace {

thread_local char error_text[256] = "";

int64_t elements(std::initializer_list<int64_t> shape) {
    int64_t n = 1;
    for (int64_t d : shape)
        if (__builtin_mul_overflow(n, d, &n)) return -1;
    return n;
}

} // namespace

memgen_status fail(memgen_status status, const char* operation, const char* format, ...) {
    int written = std::snprintf(error_text, sizeof error_text, "%s: ", operation);
    va_list list;
    va_start(list, format);
    std::vsnprintf(error_text + written, sizeof error_text - static_cast<size_t>(written), format, list);
    va_end(list);
    return status;
}

Check::Check(const char* operation, const void* args, size_t struct_size, size_t expected_size, memgen_dtype dtype) : operation_(operation) {
    error_text[0] = 0;
    if (!args) status_ = fail(MEMGEN_INVALID_ARGUMENT, operation, "args is null");
    else if (struct_size != expected_size)
        status_ = fail(MEMGEN_INVALID_STRUCT_SIZE, operation, "struct_size is %zu, expected %zu: caller and library are of different versions", struct_size, expected_size);
    else if (dtype != MEMGEN_FLOAT32 && !(library.bfloat16 && dtype == MEMGEN_BFLOAT16))
        status_ = fail(MEMGEN_UNSUPPORTED_DTYPE, operation, "dtype is %d, expected MEMGEN_FLOAT32 (0)%s", static_cast<int>(dtype), library.bfloat16 ? " or MEMGEN_BFLOAT16 (1)" : "");
}

Check& Check::dimension(const char* name, int64_t value, int64_t smallest, int64_t largest) {
    if (!ok()) return *this;
    if (value < smallest || value > largest)
        status_ = value < smallest ? fail(MEMGEN_INVALID_ARGUMENT, operation_, "%s is %lld, expected at least %lld", name, static_cast<long long>(value), static_cast<long long>(smallest))
                                   : fail(MEMGEN_UNSUPPORTED_SHAPE, operation_, "%s is %lld, this kernel goes up to %lld", name, static_cast<long long>(value), static_cast<long long>(largest));
    return *this;
}

Check& Check::product(std::initializer_list<int64_t> shape) {
    int64_t n = ok() ? elements(shape) : 0;
    if (n < 0 || n > INT64_MAX / 64) status_ = fail(MEMGEN_UNSUPPORTED_SHAPE, operation_, "the shape has more elements than memory can hold");
    return *this;
}

Check& Check::condition(bool holds, memgen_status status, const char* message) {
    if (ok() && !holds) status_ = fail(status, operation_, "%s", message);
    return *this;
}

Check& Check::segments(const memgen_segments& segments, int64_t batch, int64_t tokens) {
    if (!ok() || !segments.lengths) return *this;
    dimension("segments.count", segments.count).condition(segments.starts, MEMGEN_INVALID_ARGUMENT, "segments.starts is null, but segments.lengths is not");
    int64_t left = ok() ? batch * tokens : 0;
    for (int64_t n = 0; library.reads_arguments && ok() && n < segments.count; n++) {
        int64_t start = segments.starts[n], length = segments.lengths[n];
        bool fits = length == 0 || (length > 0 && length <= left && start >= 0 && start < batch * tokens && start % tokens + length <= tokens);
        if (!fits)
            status_ = fail(MEMGEN_INVALID_ARGUMENT, operation_, "segment %lld has %lld tokens from %lld on, expected a run within one of %lld rows of %lld, no token twice",
                           static_cast<long long>(n), static_cast<long long>(length), static_cast<long long>(start), static_cast<long long>(batch), static_cast<long long>(tokens));
        left -= length;
    }
    return *this;
}

Check& Check::required(const char* name, const memgen_tensor& tensor, std::initializer_list<int64_t> shape) {
    if (ok() && !tensor.data && elements(shape) != 0) status_ = fail(MEMGEN_INVALID_ARGUMENT, operation_, "%s is null", name);
    return nullable(name, tensor, shape);
}

Check& Check::nullable(const char* name, const memgen_tensor& tensor, std::initializer_list<int64_t> shape) {
    if (!ok() || !tensor.data) return *this;
    int64_t last = *(shape.end() - 1), stride = tensor.stride[shape.size() - 1];
    if (last > 1 && stride != 1)
        status_ = fail(MEMGEN_UNSUPPORTED_STRIDE, operation_, "%s: the stride of its last axis is %lld, expected 1 (make it contiguous)", name, static_cast<long long>(stride));
    return *this;
}

} // namespace memgen

extern "C" {

int32_t memgen_abi_version(void) { return MEMGEN_ABI_VERSION; }
const char* memgen_device(void) { return memgen::library.device; }

const char* memgen_status_string(memgen_status status) {
    switch (status) {
    case MEMGEN_OK: return "ok";
    case MEMGEN_INVALID_ARGUMENT: return "invalid argument";
    case MEMGEN_INVALID_STRUCT_SIZE: return "argument struct of another version";
    case MEMGEN_UNSUPPORTED_DTYPE: return "unsupported dtype";
    case MEMGEN_UNSUPPORTED_STRIDE: return "unsupported stride";
    case MEMGEN_UNSUPPORTED_SHAPE: return "unsupported shape";
    case MEMGEN_UNSUPPORTED_HARDWARE: return "unsupported hardware";
    case MEMGEN_WORKSPACE_TOO_SMALL: return "workspace too small";
    case MEMGEN_INTERNAL_ERROR: return "internal error";
    }
    return "unknown status";
}

const char* memgen_last_error(void) { return memgen::error_text; }

} // extern "C"
