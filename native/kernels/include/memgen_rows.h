/* What works on rows, in the interface of memgen.h, which includes this. */
#ifndef MEMGEN_ROWS_H
#define MEMGEN_ROWS_H

#include "memgen.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- linear maps of the same rows -----------------------------------------------------------------------
 * y_i = x W_i^T for every i: one pass over x for all of them. Leading axes are taken together as rows.
 * d_x = sum_i d_y_i W_i;  d_weights_i = d_y_i^T x. Every tensor is in dtype. Error: relative RMS 1e-6
 * at I = 1024. The build amx multiplies floats as sums of three numbers of bfloat16, to the same error; but
 * of what is below 1e-33 there remains an absolute one of 1e-38, and an infinity gives NaN.
 * With products of MEMGEN_BFLOAT16 the operands of each product are rounded to that first (to the nearest,
 * ties to even) and their products summed in float32: relative RMS 0.004, in half the time; where
 * memgen_multiplies_bfloat16 is 0, and of fewer than 8 rows, they stay as they are.
 */
#define MEMGEN_MOST_MAPS 8

typedef struct memgen_linear_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t rows, in_features, count;        /* R, I >= 0; count 1 .. MEMGEN_MOST_MAPS */
    int64_t out_features[MEMGEN_MOST_MAPS];  /* O_i >= 0 */
    memgen_dtype products;                   /* MEMGEN_FLOAT32, or MEMGEN_BFLOAT16 to round operands */

    memgen_tensor x;                           /* [R, I] */
    memgen_tensor weights[MEMGEN_MOST_MAPS];   /* [O_i, I] */
    memgen_tensor y[MEMGEN_MOST_MAPS];         /* [R, O_i] forward */

    memgen_tensor d_y[MEMGEN_MOST_MAPS];       /* [R, O_i] backward, nullable: zero */
    memgen_tensor d_x;                         /* [R, I] nullable, like all that follow: not written */
    memgen_tensor d_weights[MEMGEN_MOST_MAPS]; /* [O_i, I] */
} memgen_linear_args;

/* 1 where the build in use and this CPU multiply bfloat16 numbers, else 0. */
MEMGEN_API int32_t memgen_multiplies_bfloat16(void);
MEMGEN_API int64_t memgen_linear_workspace_size(const memgen_linear_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_linear_forward(const memgen_linear_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_linear_backward(const memgen_linear_args* args, void* workspace, size_t bytes, void* stream);

/* ---- RMSNorm, optionally gated -----------------------------------------------------------------------
 * y = x / sqrt(mean(x^2) + epsilon) * weight, times silu(gate) where gate is given; the mean runs over a
 * row. Leading axes are taken together as rows. Error: relative 1e-6 of a row's largest value.
 * In dtype: x, gate, y and their gradients.
 */
typedef struct memgen_rms_norm_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t rows, features; /* R, N >= 0 */
    double epsilon;

    memgen_tensor x;        /* [R, N] */
    memgen_tensor weight;   /* [N] nullable: one */
    memgen_tensor gate;     /* [R, N] nullable: no gate */
    memgen_tensor y;        /* [R, N] forward; may be x or gate itself when no backward follows */

    memgen_tensor d_y;      /* [R, N] backward */
    memgen_tensor d_x;      /* [R, N] nullable, like all that follow: not written; may be d_y itself */
    memgen_tensor d_weight; /* [N] */
    memgen_tensor d_gate;   /* [R, N] */
} memgen_rms_norm_args;

MEMGEN_API int64_t memgen_rms_norm_workspace_size(const memgen_rms_norm_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_rms_norm_forward(const memgen_rms_norm_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_rms_norm_backward(const memgen_rms_norm_args* args, void* workspace, size_t bytes, void* stream);

/* ---- unit length ----------------------------------------------------------------------------------------
 * y = x / sqrt(sum(x^2) + epsilon) for every row, all in dtype. Error: relative 1e-6 of a row's largest value.
 */
typedef struct memgen_unit_length_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t rows, features; /* R, N >= 0 */
    double epsilon;

    memgen_tensor x;   /* [R, N] */
    memgen_tensor y;   /* [R, N] forward; may be x itself when no backward follows */
    memgen_tensor d_y; /* [R, N] backward */
    memgen_tensor d_x; /* [R, N] backward; may be d_y itself */
} memgen_unit_length_args;

MEMGEN_API int64_t memgen_unit_length_workspace_size(const memgen_unit_length_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_unit_length_forward(const memgen_unit_length_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_unit_length_backward(const memgen_unit_length_args* args, void* workspace, size_t bytes, void* stream);

/* ---- SwiGLU -----------------------------------------------------------------------------------------------
 * y = silu(gate) * up, all in dtype. Error: 4 ulp.
 */
typedef struct memgen_swiglu_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t rows, features; /* R, N >= 0 */

    memgen_tensor gate;   /* [R, N]; gate and up may be halves of one tensor */
    memgen_tensor up;     /* [R, N] */
    memgen_tensor y;      /* [R, N] forward; may be gate or up itself when no backward follows */

    memgen_tensor d_y;    /* [R, N] backward */
    memgen_tensor d_gate; /* [R, N] nullable: not written; may be gate itself, or d_y */
    memgen_tensor d_up;   /* [R, N] nullable: not written; may be up itself */
} memgen_swiglu_args;

MEMGEN_API int64_t memgen_swiglu_workspace_size(const memgen_swiglu_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_swiglu_forward(const memgen_swiglu_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_swiglu_backward(const memgen_swiglu_args* args, void* workspace, size_t bytes, void* stream);

/* ---- softplus ---------------------------------------------------------------------------------------------
 * y = log(1 + e^(x + bias)), the bias the same in every row. Float32 alone: it makes steps and decays. Error: 4 ulp.
 */
typedef struct memgen_softplus_args {
    size_t struct_size;
    memgen_dtype dtype; /* MEMGEN_FLOAT32 */
    int64_t rows, features; /* R, N >= 0 */

    memgen_tensor x;      /* [R, N] */
    memgen_tensor bias;   /* [N] nullable: zero */
    memgen_tensor y;      /* [R, N] forward; may be x itself when no backward follows */

    memgen_tensor d_y;    /* [R, N] backward */
    memgen_tensor d_x;    /* [R, N] nullable, like what follows: not written; may be d_y itself */
    memgen_tensor d_bias; /* [N] */
} memgen_softplus_args;

MEMGEN_API int64_t memgen_softplus_workspace_size(const memgen_softplus_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_softplus_forward(const memgen_softplus_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_softplus_backward(const memgen_softplus_args* args, void* workspace, size_t bytes, void* stream);

/* ---- rotary positions -------------------------------------------------------------------------------------
 * Feature pairs (i, i + D/2) of every head of a row turn by the row's angles, forward by them and backward by
 * their negatives: y_i = x_i cos - x_(i + D/2) sin, y_(i + D/2) = x_i sin + x_(i + D/2) cos. Row r has the angles
 * of place r mod P: sequences whose tokens stand at the same places share them. Error: 2 ulp of the longest pair.
 * In dtype: x, y and their gradients. The angles are float32.
 */
typedef struct memgen_rotary_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t rows, heads, features, places; /* R, H >= 0; D >= 0, even; P >= 1 where R is */

    memgen_tensor cosines; /* [P, D/2] */
    memgen_tensor sines;   /* [P, D/2] */
    memgen_tensor x;       /* [R, H*D] */
    memgen_tensor y;       /* [R, H*D] forward; may be x itself */

    memgen_tensor d_y;     /* [R, H*D] backward */
    memgen_tensor d_x;     /* [R, H*D] backward; may be d_y itself */
} memgen_rotary_args;

MEMGEN_API int64_t memgen_rotary_workspace_size(const memgen_rotary_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_rotary_forward(const memgen_rotary_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_rotary_backward(const memgen_rotary_args* args, void* workspace, size_t bytes, void* stream);

/* ---- cross entropy over a vocabulary -----------------------------------------------------------------------
 * loss[r] = log(sum_n e^{logits[r, n]}) - logits[r, target[r]]; 0 where target[r] is ignored_target.
 * Forward can write the gradient in the same pass: d_logits = gradient_scale (softmax - onehot), zero in
 * ignored rows. Backward is for an upstream gradient per row that is known later.
 * In dtype: logits and d_logits.
 * A target outside [0, N) that is not ignored_target gives a NaN loss and NaN gradients in its row.
 * Error: 1e-6 of the row's largest |logit|.
 */
typedef struct memgen_cross_entropy_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t rows, classes; /* R >= 0, N >= 1 */
    int64_t ignored_target;
    double gradient_scale; /* forward; usually 1 / number of counted rows */

    memgen_tensor logits;   /* [R, N] */
    const int64_t* targets; /* [R] contiguous */
    memgen_tensor losses;   /* [R] forward */
    memgen_tensor d_losses; /* [R] backward */
    memgen_tensor d_logits; /* [R, N] backward; forward: nullable; may be logits itself */
} memgen_cross_entropy_args;

MEMGEN_API int64_t memgen_cross_entropy_workspace_size(const memgen_cross_entropy_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_cross_entropy_forward(const memgen_cross_entropy_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_cross_entropy_backward(const memgen_cross_entropy_args* args, void* workspace, size_t bytes, void* stream);

#ifdef __cplusplus
}
#endif
#endif
