#include "library.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace memgen {
namespace {

thread_local char error_text[256] = "";
thread_local const char* last_impl = "";

struct Choice {
    const Kernels* kernels;
    const char* problem; // null when kernels is set
};

bool has(const char* isa) {
#if defined(__x86_64__)
    if (!std::strcmp(isa, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (!std::strcmp(isa, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
    return !std::strcmp(isa, "baseline");
}

Choice choose() {
    const char* forced = std::getenv("MEMORY_GEN_ISA");
    if (forced && !*forced) forced = nullptr;
#if defined(__x86_64__)
    const Kernels* builds[] = {&avx512_kernels, &avx2_kernels, &baseline_kernels};
#else
    const Kernels* builds[] = {&baseline_kernels};
#endif
    for (const Kernels* build : builds) {
        if (forced && std::strcmp(forced, build->name)) continue;
        if (has(build->name)) return {build, nullptr};
        if (forced) return {nullptr, "this CPU lacks the instruction set that MEMORY_GEN_ISA names"};
    }
    return {nullptr, "MEMORY_GEN_ISA is none of baseline, avx2, avx512 (for this processor family)"};
}

const Choice& choice() {
    static const Choice chosen = choose();
    return chosen;
}

int64_t elements(std::initializer_list<int64_t> shape) {
    int64_t n = 1;
    for (int64_t d : shape)
        if (__builtin_mul_overflow(n, d, &n)) return -1;
    return n;
}

} // namespace

const Kernels* kernels() { return choice().kernels; }

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
    else if (dtype != MEMGEN_FLOAT32)
        status_ = fail(MEMGEN_UNSUPPORTED_DTYPE, operation, "dtype is %d, expected MEMGEN_FLOAT32 (0)", static_cast<int>(dtype));
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
    for (int64_t n = 0; ok() && n < segments.count; n++) {
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

memgen_status Check::prepare(void* workspace, size_t bytes, ScratchSize size, Scratch& scratch) {
    if (!ok()) return status_;
    const Choice& build = choice();
    if (!build.kernels) return status_ = fail(MEMGEN_UNSUPPORTED_HARDWARE, operation_, "%s", build.problem);
    size_t shared = (size.shared + 63) / 64 * 64, threads = static_cast<size_t>(thread_count()), room = threads;
    scratch.slice = (size.slice + 63) / 64 * 64;
    if (shared + scratch.slice > 0) {
        if (!workspace || bytes < shared + scratch.slice)
            return status_ = fail(MEMGEN_WORKSPACE_TOO_SMALL, operation_, "workspace has %zu bytes, one thread needs %zu", workspace ? bytes : 0, shared + scratch.slice);
        if (reinterpret_cast<uintptr_t>(workspace) % 64) return status_ = fail(MEMGEN_INVALID_ARGUMENT, operation_, "workspace is not aligned to 64 bytes");
        if (scratch.slice > 0) room = (bytes - shared) / scratch.slice;
    }
    scratch.shared = static_cast<char*>(workspace);
    scratch.slices = workspace ? scratch.shared + shared : nullptr;
    scratch.workers = static_cast<int>(room < threads ? room : threads);
    last_impl = build.kernels->name;
    return MEMGEN_OK;
}

} // namespace memgen

extern "C" {

int32_t memgen_abi_version(void) { return MEMGEN_ABI_VERSION; }
const char* memgen_device(void) { return "cpu"; }

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
const char* memgen_last_impl(void) { return memgen::last_impl; }
const char* memgen_isa(void) { return memgen::kernels() ? memgen::kernels()->name : "none"; }
int32_t memgen_get_threads(void) { return memgen::thread_count(); }

memgen_status memgen_set_threads(int32_t count) {
    if (count < 1 || count > 1024) return memgen::fail(MEMGEN_INVALID_ARGUMENT, "memgen_set_threads", "count is %d, expected 1 to 1024", count);
    memgen::set_thread_count(count);
    return MEMGEN_OK;
}
}
