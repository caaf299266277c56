// What a kernel's source needs from CUDA, from the toolkit's headers or from the emulator on the host.
//
// Kernels are written once. nvcc compiles them for the device; any C++17 compiler compiles them for the
// emulator (host/emulator.h), where the tests run them.
#pragma once
#include <cstddef>
#include <cstdint>

namespace memgen {

// Bytes of shared memory that a block may ask for on the smallest of the devices, sm_80. What a kernel needs is asserted
// where it is launched.
constexpr size_t LargestSharedMemory = 163 * 1024;

} // namespace memgen

#ifdef __CUDACC__
#include <cuda_runtime.h>

namespace memgen {

// The block's dynamic shared memory.
__device__ __forceinline__ unsigned char* shared_memory() {
    extern __shared__ __align__(128) unsigned char memgen_shared_memory[];
    return memgen_shared_memory;
}

// Kernel over a grid of blocks. More than 48 KiB of shared memory has to be allowed by name: always as much as there is, because
// another thread may be about to launch the same kernel with more than this call has. What goes wrong is returned, and not left for
// the next who asks CUDA for its last error.
template <class... P>
cudaError_t launch(void (*kernel)(P...), int64_t blocks, int threads, size_t shared_bytes, cudaStream_t stream, P... parameters) {
    if (blocks <= 0) return cudaSuccess;
    if (blocks > 0x7fffffff) return cudaErrorInvalidConfiguration;
    const void* function = reinterpret_cast<const void*>(kernel);
    cudaError_t found = cudaSuccess;
    if (shared_bytes > 48 * 1024) found = cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(LargestSharedMemory));
    void* pointers[] = {const_cast<void*>(static_cast<const void*>(&parameters))...};
    if (found == cudaSuccess) found = cudaLaunchKernel(function, dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)), pointers, shared_bytes, stream);
    if (found != cudaSuccess) cudaGetLastError();
    return found;
}

} // namespace memgen
#else
#include "host/emulator.h"
#endif
