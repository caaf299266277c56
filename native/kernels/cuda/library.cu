#include "library.h"

#include <cstdint>

namespace memgen {

const Library library = {"cuda", true, false};

namespace {

thread_local const char* last_impl = "";

// The build that the current device runs, or null.
#ifdef __CUDACC__
const char* build() {
    int device = 0, major = 0, shared = 0;
    if (cudaGetDevice(&device) != cudaSuccess || cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
        cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) != cudaSuccess) {
        cudaGetLastError(); // or it would be the next launch's
        return nullptr;
    }
    if (major < 8 || static_cast<size_t>(shared) < LargestSharedMemory) return nullptr; // sm_86, sm_89 and sm_120 have 99 KiB
    return major >= 9 ? "sm_90" : "sm_80";
}
const char* words(cudaError_t error) { return cudaGetErrorString(error); }

cudaError_t use_device(int device, int& previous) {
    cudaError_t found = cudaGetDevice(&previous);
    if (found == cudaSuccess && device != previous) found = cudaSetDevice(device);
    if (found != cudaSuccess) cudaGetLastError(); // or it would be the next launch's
    return found;
}
#else
const char* build() { return "host"; }
const char* words(cudaError_t) { return "the emulator does not do that"; }

cudaError_t use_device(int device, int& previous) {
    previous = 0;
    return device == 0 ? cudaSuccess : cudaErrorInvalidValue;
}
#endif

} // namespace

int64_t multiprocessors() {
#ifdef __CUDACC__
    int device = 0, count = 0;
    if (cudaGetDevice(&device) == cudaSuccess && cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device) == cudaSuccess) return count;
    cudaGetLastError(); // or it would be the next launch's
    return 0;
#else
    return 132; // as an H100 has
#endif
}

bool ready(Check& check, const void* workspace, size_t bytes, int64_t needed) {
    if (!check.ok()) return false;
    const char* runs = build();
    if (!runs) check.condition(false, MEMGEN_UNSUPPORTED_HARDWARE, "the current CUDA device, if there is one, is older than sm_80 or has less than 163 KiB of shared memory for a block");
    else if (needed > 0 && (!workspace || bytes < static_cast<size_t>(needed)))
        check.status(fail(MEMGEN_WORKSPACE_TOO_SMALL, check.operation(), "workspace has %zu bytes, the call needs %lld", workspace ? bytes : 0, static_cast<long long>(needed)));
    else check.condition(needed == 0 || reinterpret_cast<uintptr_t>(workspace) % 64 == 0, MEMGEN_INVALID_ARGUMENT, "workspace is not aligned to 64 bytes");
    if (check.ok()) last_impl = runs;
    return check.ok();
}

memgen_status launched(Check& check, cudaError_t found) {
    return found == cudaSuccess ? MEMGEN_OK : check.status(fail(MEMGEN_INTERNAL_ERROR, check.operation(), "CUDA did not take the launch: %s", words(found))).status();
}

} // namespace memgen

extern "C" {

const char* memgen_last_impl(void) { return memgen::last_impl; }

const char* memgen_isa(void) {
    const char* runs = memgen::build();
    return runs ? runs : "none";
}

memgen_status memgen_use_device(int32_t device, int32_t* previous) {
    int before = 0;
    const cudaError_t found = memgen::use_device(device, before);
    if (found != cudaSuccess) return memgen::fail(MEMGEN_INVALID_ARGUMENT, "memgen_use_device", "CUDA does not take device %d: %s", device, memgen::words(found));
    if (previous) *previous = before;
    return MEMGEN_OK;
}

int32_t memgen_get_threads(void) { return 1; }

memgen_status memgen_set_threads(int32_t count) {
    return count >= 1 && count <= 1024 ? MEMGEN_OK : memgen::fail(MEMGEN_INVALID_ARGUMENT, "memgen_set_threads", "count is %d, expected 1 to 1024", count);
}
}
