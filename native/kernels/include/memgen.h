/* Memory.Gen kernels: C interface, version 1.
 *
 * Conventions that hold for every function
 *   Arguments   One struct per operator for forward and backward. struct_size is sizeof of that struct.
 *   Tensors     memgen_tensor: pointer and strides in ELEMENTS, one per axis in the order of the shape
 *               given in the comment; unused entries are ignored. The stride of the last axis must be 1
 *               when that axis is longer than 1; any other stride is free (0 repeats an input; an output
 *               must not overlap itself). A null pointer means "absent" and is allowed only where the
 *               comment says nullable. Tensors without elements may be null.
 *   Numbers     MEMGEN_FLOAT32 in and out; sums and states are float32. Indices are 64 bit.
 *   Aliasing    Inputs are only read. Outputs must not overlap inputs or each other unless said.
 *   Workspace   Scratch memory of the caller, at least 64-byte aligned, contents undefined before and
 *               after. memgen_<op>_workspace_size(args, backward) gives the size that lets every thread
 *               of the library work; a smaller one is used by fewer threads, and one that does not
 *               suffice for a single thread is MEMGEN_WORKSPACE_TOO_SMALL.
 *   Stream      Reserved for devices; null on the CPU. Calls return when the results are written.
 *   Bits        The same inputs give the same bits on every run and for every number of threads.
 *   Threads     Every function may be called from any thread. A call that finds the library's threads
 *               busy with another call runs on its own thread alone.
 *   Errors      No function throws, aborts or allocates tensor memory. Arguments are checked before
 *               anything is written; memgen_last_error() then says in words what was found and expected.
 *   Padding     Memory between the elements of a tensor is neither read as a number nor written.
 *   NaN         A NaN in one batch row stays in the results of that row (gradients of shared weights,
 *               which are sums over rows, excepted).
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

#define MEMGEN_ABI_VERSION 1

typedef enum memgen_status {
    MEMGEN_OK = 0,
    MEMGEN_INVALID_ARGUMENT = 1,     /* null, negative or contradictory */
    MEMGEN_INVALID_STRUCT_SIZE = 2,  /* struct_size is not this version's */
    MEMGEN_UNSUPPORTED_DTYPE = 3,
    MEMGEN_UNSUPPORTED_STRIDE = 4,   /* last axis is not contiguous */
    MEMGEN_UNSUPPORTED_SHAPE = 5,    /* valid mathematics, but no kernel for it */
    MEMGEN_UNSUPPORTED_HARDWARE = 6, /* MEMORY_GEN_ISA names what this CPU lacks */
    MEMGEN_WORKSPACE_TOO_SMALL = 7,
    MEMGEN_INTERNAL_ERROR = 8
} memgen_status;

typedef enum memgen_dtype { MEMGEN_FLOAT32 = 0 } memgen_dtype;

typedef struct memgen_tensor {
    float* data;       /* first element, or null */
    int64_t stride[4]; /* elements, one per axis */
} memgen_tensor;

/* Version of this interface in the loaded library; a caller built for another version must not go on. */
MEMGEN_API int32_t memgen_abi_version(void);
/* Static text for a status, never null. */
MEMGEN_API const char* memgen_status_string(memgen_status status);
/* What was wrong in the last failing call of the calling thread; valid until its next call; "" if none. */
MEMGEN_API const char* memgen_last_error(void);
/* "baseline", "avx2" or "avx512": the build that ran the last call of the calling thread ("" before any). */
MEMGEN_API const char* memgen_last_impl(void);
/* The build in use, chosen from the CPU once; MEMORY_GEN_ISA=baseline|avx2|avx512 forces one. A forced
 * build that the CPU lacks makes every operator return MEMGEN_UNSUPPORTED_HARDWARE. */
MEMGEN_API const char* memgen_isa(void);
/* Threads that one call may use, the calling thread included. Starts as MEMORY_GEN_THREADS, else as the
 * number of CPUs. set: 1 .. 1024. */
MEMGEN_API int32_t memgen_get_threads(void);
MEMGEN_API memgen_status memgen_set_threads(int32_t count);

/* ---- gated delta rule -------------------------------------------------------------------------------
 * For t = 0, 1, ..:  S = e^{log_decay_t} S;  S += k_t (beta_t (v_t - S^T k_t))^T;  o_t = S^T (scale q_t).
 * Without log_decay: the delta rule. log_decay in [-inf, 0]; beta in [0, 2] with |k| = 1 keeps S bounded;
 * neither is checked. Error against the same recurrence in float64: relative RMS below 2e-6 forward and
 * 1e-5 for gradients at T = 8192, K = 128, unit keys.
 *
 * Forward writes o, final_state and checkpoints. Backward reads all inputs and checkpoints, not o, and
 * writes every gradient that is not null.
 */
typedef struct memgen_gated_delta_rule_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, tokens, heads, key_dim, value_dim; /* B, T, H, K, V: each >= 0 */
    double scale;

    memgen_tensor q;             /* [B, T, H, K] */
    memgen_tensor k;             /* [B, T, H, K] */
    memgen_tensor v;             /* [B, T, H, V] */
    memgen_tensor beta;          /* [B, T, H] write strength */
    memgen_tensor log_decay;     /* [B, T, H] nullable: no decay */
    memgen_tensor initial_state; /* [B, H, K, V] nullable: zero */

    memgen_tensor o;             /* [B, T, H, V] forward */
    memgen_tensor final_state;   /* [B, H, K, V] forward, nullable; may be initial_state itself */
    /* Forward writes, backward reads: states inside the sequence, memgen_gated_delta_rule_checkpoint_size
     * bytes, contiguous, 64-byte aligned. Nullable in forward when no backward follows; in backward
     * nullable when that size is 0. */
    void* checkpoints;

    memgen_tensor d_o;             /* [B, T, H, V] nullable: zero */
    memgen_tensor d_final_state;   /* [B, H, K, V] nullable: zero */
    memgen_tensor d_q;             /* [B, T, H, K] nullable, like all that follow: not written */
    memgen_tensor d_k;             /* [B, T, H, K] */
    memgen_tensor d_v;             /* [B, T, H, V] */
    memgen_tensor d_beta;          /* [B, T, H] */
    memgen_tensor d_log_decay;     /* [B, T, H] */
    memgen_tensor d_initial_state; /* [B, H, K, V]; may be d_final_state itself */
} memgen_gated_delta_rule_args;

/* Bytes: of scratch for forward (backward = 0) or backward (1), and of checkpoints. Only the sizes in
 * args are read. -1 when they are invalid. */
MEMGEN_API int64_t memgen_gated_delta_rule_workspace_size(const memgen_gated_delta_rule_args* args, int32_t backward);
MEMGEN_API int64_t memgen_gated_delta_rule_checkpoint_size(const memgen_gated_delta_rule_args* args);
MEMGEN_API memgen_status memgen_gated_delta_rule_forward(const memgen_gated_delta_rule_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_gated_delta_rule_backward(const memgen_gated_delta_rule_args* args, void* workspace, size_t bytes, void* stream);

/* ---- linear attention with one decay a head -----------------------------------------------------------
 * For t = 0, 1, ..:  S = e^{log_decay_t} S + k_t v_t^T;  o_t = S^T (scale q_t).
 * Without log_decay: linear attention. Everything else as for the gated delta rule; the same struct,
 * with beta and d_beta null.
 */
typedef memgen_gated_delta_rule_args memgen_scalar_decay_args;

MEMGEN_API int64_t memgen_scalar_decay_workspace_size(const memgen_scalar_decay_args* args, int32_t backward);
MEMGEN_API int64_t memgen_scalar_decay_checkpoint_size(const memgen_scalar_decay_args* args);
MEMGEN_API memgen_status memgen_scalar_decay_forward(const memgen_scalar_decay_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_scalar_decay_backward(const memgen_scalar_decay_args* args, void* workspace, size_t bytes, void* stream);

#ifdef __cplusplus
}
#endif
#endif
