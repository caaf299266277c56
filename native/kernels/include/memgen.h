/* Memory.Gen kernels: C interface. The operators stand in memgen_*.h by family, all included below.
 *
 * Conventions that hold for every function
 *   Arguments   One struct per operator for forward and backward. struct_size is sizeof of that struct.
 *   Tensors     memgen_tensor: pointer and strides in ELEMENTS, one per axis in the order of the shape
 *               given in the comment; unused entries are ignored. The stride of the last axis must be 1
 *               when that axis is longer than 1; any other stride is free (0 repeats an input; an output
 *               must not overlap itself). A null pointer means "absent" and is allowed only where the
 *               comment says nullable. Tensors without elements may be null.
 *   Numbers     What the comment of an operator says to be in dtype has that type; everything else is
 *               float32, and so are all sums. Indices are 64 bit. The library for the CPU takes
 *               MEMGEN_FLOAT32 alone. There, denormal numbers (below 1.2e-38) count as zero, and the
 *               caller's floating-point mode is restored.
 *   Device      One library serves one device, which memgen_device names. Every pointer inside a struct
 *               of arguments is memory of that device, those in segments too; the struct is the host's.
 *   Aliasing    Inputs are only read. Outputs must not overlap inputs or each other unless said.
 *   Workspace   Scratch memory of the caller, at least 64-byte aligned, contents undefined before and
 *               after. memgen_<op>_workspace_size(args, backward) gives its size in bytes. On the CPU
 *               that lets every thread of the library work; a smaller one is used by fewer threads, and
 *               one that does not suffice for a single thread is MEMGEN_WORKSPACE_TOO_SMALL.
 *   Stream      CPU: null, and a call returns when the results are written. CUDA: a cudaStream_t on which
 *               the call queues its kernels and nothing else, so that it can be captured in a graph; null
 *               is the legacy default stream. The current device is the caller's. Workspace and tensors
 *               must live until the stream has passed.
 *   Bits        The same inputs give the same bits on every run and for every number of threads.
 *   Threads     Every function may be called from any thread. On the CPU, a call that finds the library's
 *               threads busy with another call runs on its own thread alone.
 *   Errors      No function throws, aborts or allocates tensor memory. Arguments are checked before
 *               anything is written; memgen_last_error() then says in words what was found and expected.
 *   Padding     Memory between the elements of a tensor is neither read as a number nor written.
 *   NaN         A NaN in one sequence stays in the results of that sequence (gradients of shared weights,
 *               which are sums over all, excepted).
 */
#ifndef MEMGEN_H
#define MEMGEN_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define MEMGEN_API __declspec(dllexport)
#else
#define MEMGEN_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define MEMGEN_ABI_VERSION 9

typedef enum memgen_status {
    MEMGEN_OK = 0,
    MEMGEN_INVALID_ARGUMENT = 1,     /* null, negative or contradictory */
    MEMGEN_INVALID_STRUCT_SIZE = 2,  /* struct_size is not this version's */
    MEMGEN_UNSUPPORTED_DTYPE = 3,
    MEMGEN_UNSUPPORTED_STRIDE = 4,   /* last axis is not contiguous */
    MEMGEN_UNSUPPORTED_SHAPE = 5,    /* valid mathematics, but no kernel for it */
    MEMGEN_UNSUPPORTED_HARDWARE = 6, /* no build for this processor, or MEMORY_GEN_ISA names what it lacks */
    MEMGEN_WORKSPACE_TOO_SMALL = 7,
    MEMGEN_INTERNAL_ERROR = 8        /* of the device, in whose words memgen_last_error says it */
} memgen_status;

typedef int32_t memgen_dtype; /* no enum, which only its own values can be read from: any other is refused by name */
enum { MEMGEN_FLOAT32 = 0, MEMGEN_BFLOAT16 = 1 };

typedef struct memgen_tensor {
    void* data;        /* first element, or null */
    int64_t stride[4]; /* elements, one per axis */
} memgen_tensor;

/* Which tokens of [B, T] make up which sequence. Where lengths is null every row is one, of T tokens.
 * Else sequence n is the run of lengths[n] tokens that begins at starts[n], counted over all B T tokens row
 * after row; it lies in one row, and no token is part of two. States of an operator that has segments are one
 * a sequence, [N, ..] in the place of [B, ..], and a sequence without tokens hands its state on. Tokens of no
 * sequence are not read, and their outputs and gradients not written. A sequence has the bits that it would
 * have in a call of its own, except of memories with a matrix state on CUDA: a call of few heads and sequences
 * is cut along its tokens there, and where it is cut depends on its sizes. Contradictory segments are an error
 * on the CPU, and undefined behaviour on CUDA, where the call does not see them. */
typedef struct memgen_segments {
    int64_t count;          /* N >= 0 */
    const int64_t* starts;  /* [N] */
    const int64_t* lengths; /* [N], each 0 .. T; nullable */
} memgen_segments;

/* Version of this interface in the loaded library; a caller built for another version must not go on. */
MEMGEN_API int32_t memgen_abi_version(void);
/* "cpu" or "cuda": where the pointers in arguments must point. */
MEMGEN_API const char* memgen_device(void);
/* Static text for a status, never null. */
MEMGEN_API const char* memgen_status_string(memgen_status status);
/* What was wrong in the last failing call of the calling thread; valid until its next call; "" if none. */
MEMGEN_API const char* memgen_last_error(void);
/* The build that ran the last call of the calling thread ("" before any): "baseline", "avx2", "avx512", "amx"; "sm_80", "sm_90". */
MEMGEN_API const char* memgen_last_impl(void);
/* The build in use. CPU: chosen once; MEMORY_GEN_ISA=baseline|avx2|avx512|amx forces one (amx: that of
 * avx512 with linear maps in the tiles of AMX, where Linux lets the process have them), and one that the CPU
 * lacks makes every operator return MEMGEN_UNSUPPORTED_HARDWARE. CUDA: that for the current device. "none"
 * where nothing serves. */
MEMGEN_API const char* memgen_isa(void);
/* Makes a CUDA device the current one of the calling thread; previous (nullable): which one was. Of the CPU there is 0 alone. */
MEMGEN_API memgen_status memgen_use_device(int32_t device, int32_t* previous);
/* Threads of the CPU that one call may use, the calling thread included. Starts as MEMORY_GEN_THREADS, else
 * as the number of CPUs. set: 1 .. 1024. On CUDA there is 1, whatever is set. */
MEMGEN_API int32_t memgen_get_threads(void);
MEMGEN_API memgen_status memgen_set_threads(int32_t count);

#ifdef __cplusplus
}
#endif

#include "memgen_attention.h"
#include "memgen_matrix.h"
#include "memgen_optimizer.h"
#include "memgen_rows.h"
#include "memgen_scans.h"
#include "memgen_titans.h"

#endif
