/* What an optimizer does to many tensors, in the interface of memgen.h, which includes this.
 * The arrays of the structs are the host's, and may change when a call has returned; what they point to, and what a struct
 * points to that is no array, is memory of the device. All float32; dtype must say so.
 */
#ifndef MEMGEN_OPTIMIZER_H
#define MEMGEN_OPTIMIZER_H

#include "memgen.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- squared norm of many tensors -------------------------------------------------------------------------------
 * *result = sum of the squares of all elements, summed in double precision in a fixed order. Infinite or
 * NaN when an element is.
 */
typedef struct memgen_squared_norm_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t count;              /* tensors */
    const int64_t* sizes;       /* [count] elements; every tensor is contiguous */
    const float* const* data;   /* [count] a null entry counts as zeros */
    double* result;             /* [1] on the device: on CUDA it is there when the stream has passed */
} memgen_squared_norm_args;

MEMGEN_API int64_t memgen_squared_norm_workspace_size(const memgen_squared_norm_args* args);
MEMGEN_API memgen_status memgen_squared_norm(const memgen_squared_norm_args* args, void* workspace, size_t bytes, void* stream);

/* ---- AdamW over many tensors ---------------------------------------------------------------------------------
 * With g = s * gradient, s = min(1, clip_norm / (sqrt(*squared_norm) + 1e-6)) and step counted from 1:
 *   p -= learning_rate weight_decay p;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *   p -= learning_rate (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
 * Where *squared_norm is infinite or NaN, nothing is changed. Error: 4 ulp of p's change.
 */
typedef struct memgen_adamw_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t count;                  /* tensors */
    const int64_t* sizes;           /* [count] elements; every tensor is contiguous */
    float* const* parameters;       /* [count] read and written */
    const float* const* gradients;  /* [count] a null entry leaves its tensor and moments alone */
    float* const* first_moments;    /* [count] read and written */
    float* const* second_moments;   /* [count] read and written */
    const double* weight_decays;    /* [count] */
    const double* squared_norm;     /* [1] of all gradients, on the device, as memgen_squared_norm writes it; nullable: s = 1 */
    double clip_norm;               /* >= 0, not used without squared_norm */
    double learning_rate, beta1, beta2, epsilon;
    int64_t step;                   /* >= 1 */
} memgen_adamw_args;

MEMGEN_API int64_t memgen_adamw_workspace_size(const memgen_adamw_args* args);
MEMGEN_API memgen_status memgen_adamw_step(const memgen_adamw_args* args, void* workspace, size_t bytes, void* stream);

#ifdef __cplusplus
}
#endif
#endif
