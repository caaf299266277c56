// Runs a CUDA kernel on the host, one fiber a thread, so that its arithmetic, its fragment layouts and
// its barriers can be tested without a device.
//
// A fiber runs until it reaches a barrier or an instruction that its warp executes together; then another
// one runs. Which one is the order: the same results in every order mean that no thread reads what another
// has yet to write. Shared memory is filled with NaN before a block starts and lies in an allocation of
// exactly its size, so AddressSanitizer sees what leaves it. What a device would hang on or leave
// undefined (threads of a warp at different instructions, a barrier that some threads never reach, an
// asynchronous copy that nobody waits for) aborts with one sentence.
//
// Blocks run one after another. Not emulated: memory ordering between blocks, atomics. What no order of the threads shows, races.h finds.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#include "../device.h" // which includes this, and says how much shared memory there is

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorInvalidConfiguration = 9 };
typedef void* cudaStream_t;

namespace memgen {
namespace host {

enum class Order {
    Forward,  // one warp after another, each as far as it can run; its lanes in order
    Reverse,  // the last warp and the last lane first
    Shuffled, // any thread that can run, drawn anew at every switch
};

// The order of the kernels that follow; the seed matters to Shuffled alone.
void set_order(Order order, uint32_t seed = 0);

void run(const dim3& grid, const dim3& block, size_t shared_bytes, const std::function<void()>& thread);

struct Position {
    dim3 thread, block, threads, blocks;
};
const Position& position();
unsigned char* shared();

void block_barrier();
void close_warp_barrier(); // once for a warp

// Every lane of the warp comes here with its own arguments; the last one runs `instruction` over all.
typedef void (*Instruction)(void* const lanes[32]);
void together(Instruction instruction, void* arguments);

// Asynchronous copies of the calling thread. They are made when they are waited for and not before.
void copy_later(void* to, const void* from, int bytes, int valid);
void close_copies();
void wait_copies(int open_groups);

} // namespace host

inline unsigned char* shared_memory() { return host::shared(); }

template <class... P>
cudaError_t launch(void (*kernel)(P...), int64_t blocks, int threads, size_t shared_bytes, cudaStream_t, P... parameters) {
    if (blocks <= 0) return cudaSuccess;
    if (blocks > 0x7fffffff) return cudaErrorInvalidConfiguration;
    if (shared_bytes > LargestSharedMemory) return cudaErrorInvalidValue;
    host::run(dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)), shared_bytes, [&] { kernel(parameters...); });
    return cudaSuccess;
}

} // namespace memgen

#define threadIdx (::memgen::host::position().thread)
#define blockIdx (::memgen::host::position().block)
#define blockDim (::memgen::host::position().threads)
#define gridDim (::memgen::host::position().blocks)

inline __attribute__((always_inline)) void __syncthreads() { ::memgen::host::block_barrier(); }
