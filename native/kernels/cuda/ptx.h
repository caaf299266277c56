// The instructions that C++ has no name for, each with its definition on the device and in the emulator.
//
// Fragments of mma m16n8k16, lane = 4 g + t (PTX ISA, "Matrix Fragments for mma.m16n8k16"):
//   A [16, 16]  a0: row g, columns 2t 2t+1   a1: row g+8   a2: row g, columns 2t+8 2t+9   a3: row g+8
//   B [16, 8]   b0: rows 2t 2t+1, column g   b1: rows 2t+8 2t+9
//   C [16, 8]   c0 c1: row g, columns 2t 2t+1   c2 c3: row g+8
#pragma once
#include "numbers.h"

namespace memgen {

#ifdef __CUDACC__

__device__ __forceinline__ void sync_warp() { __syncwarp(); }

// 2^x, and 0 below 2^-126: in one instruction, where exp2f takes four for the numbers down there.
__device__ __forceinline__ float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// The value of the lane whose number differs by `mask`.
__device__ __forceinline__ float shuffle_xor(float x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }
__device__ __forceinline__ uint32_t shuffle_xor(uint32_t x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }
// The value of the lane `distance` below; the lowest lanes keep their own.
__device__ __forceinline__ float shuffle_up(float x, int distance) { return __shfl_up_sync(0xffffffffu, x, distance); }
__device__ __forceinline__ float shuffle_down(float x, int distance) { return __shfl_down_sync(0xffffffffu, x, distance); }
__device__ __forceinline__ float shuffle(float x, int lane) { return __shfl_sync(0xffffffffu, x, lane); }

__device__ __forceinline__ unsigned shared_address(const void* p) { return static_cast<unsigned>(__cvta_generic_to_shared(p)); }

// Four 8 x 8 matrices of 16-bit elements; lane l names the row l % 8 of matrix l / 8, 16 aligned bytes.
// Register i holds of matrix i the elements (g, 2t) and (g, 2t+1).
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
// The same of the transposed matrices.
__device__ __forceinline__ void load_matrices_turned(uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}

// C += A B, bfloat16 with float sums.
__device__ __forceinline__ void multiply_accumulate(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// 16 bytes to shared memory, the first `valid` (0 or 16) read and the rest zero. Visible after
// wait_copies and a barrier.
__device__ __forceinline__ void copy_async(void* to, const void* from, int valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid) : "memory");
}
// Closes the group of the copies since the last one.
__device__ __forceinline__ void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most `Open` of the closed groups of this thread are under way.
template <int Open>
__device__ __forceinline__ void wait_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(Open) : "memory"); }

#else

void sync_warp();
inline float power_of_two(float x) { return exp2f(x); }
float shuffle_xor(float x, int mask);
inline uint32_t shuffle_xor(uint32_t x, int mask) { return bits_of_float(shuffle_xor(float_of_bits(x), mask)); }
float shuffle_up(float x, int distance);
float shuffle_down(float x, int distance);
float shuffle(float x, int lane);
void load_matrices(uint32_t (&r)[4], const void* row);
void load_matrices_turned(uint32_t (&r)[4], const void* row);
void multiply_accumulate(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
inline void copy_async(void* to, const void* from, int valid) { host::copy_later(to, from, 16, valid); }
inline void close_copies() { host::close_copies(); }
template <int Open>
inline void wait_copies() { host::wait_copies(Open); }

#endif

} // namespace memgen
