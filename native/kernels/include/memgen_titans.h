/* The Titans memory, in the interface of memgen.h, which includes this. */
#ifndef MEMGEN_TITANS_H
#define MEMGEN_TITANS_H

#include "memgen.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Titans memory: a linear map (layers = 1) or a perceptron (layers 2 to 4) ---------------------------
 * f(x; W) = p(x; W) = W_L^T phi(.. phi(W_1^T x)), or with a residual f(x; W) = x + gamma LN(p(x; W)), LN(p) being
 * (p - mean) / sqrt(variance + 1e-6) over its d_L numbers. Tokens come in blocks; for every token t of a block
 *   G_t = gradient of 1/2 |f(k_t; W) - v_t|^2 at the weights W the block started with,
 *   S_t = eta_t S_{t-1} - theta_t G_t,   W_t = (1 - alpha_t) W_{t-1} + alpha_t W* + S_t,   o_t = f(q_t; W_t),
 * W* being the target of the forgetting, or zero.
 * In dtype: q, k, v, o and their gradients.
 * The block is part of the model, not of the computation; a last one may be shorter. Blocks below 16 are
 * exact but no faster than 16. Error against float64: relative RMS below 5e-6 forward and 2e-5 for
 * gradients, as long as the memory itself is stable. Forward writes o, the final state and checkpoints;
 * backward reads all inputs and checkpoints, not o.
 */
#define MEMGEN_TITANS_LAYERS 4
#define MEMGEN_TITANS_SILU 0
#define MEMGEN_TITANS_GELU 1 /* by the error function */

typedef struct memgen_titans_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, tokens, heads;           /* B, T, H: each >= 0 */
    int64_t layers;                         /* L in 1 .. 4 */
    int64_t block;                          /* 1 .. 128 tokens */
    int64_t dims[MEMGEN_TITANS_LAYERS + 1]; /* d_0 .. d_L, each 1 .. 2048; layer l maps d_{l-1} to d_l */
    memgen_segments segments;               /* states are [N, H, d_{l-1}, d_l] with it */
    int64_t activation;                     /* phi: MEMGEN_TITANS_SILU or MEMGEN_TITANS_GELU */
    int64_t reads_block_start;              /* not 0: o_t = f(q_t; W), the weights the block started with */
    int64_t momentum;                       /* 0: none, and neither eta nor a momentum below is used */
    int64_t decays_to_target;               /* 0: forgetting leads to zero, and no target below is used */
    int64_t residual;                       /* 0: f is p, and no gamma below is used; else d_0 = d_L */
    double clip;                            /* the longest G_t, over all layers together, a longer one being scaled down to it; 0 for none */

    memgen_tensor q;     /* [B, T, H, d_0] */
    memgen_tensor k;     /* [B, T, H, d_0] */
    memgen_tensor v;     /* [B, T, H, d_L] */
    memgen_tensor theta; /* [B, T, H] step size */
    memgen_tensor eta;   /* [B, T, H] momentum */
    memgen_tensor alpha; /* [B, T, H] forgetting, nullable: none */
    memgen_tensor initial_weights[MEMGEN_TITANS_LAYERS]; /* [B, H, d_{l-1}, d_l] nullable: zero */
    memgen_tensor initial_momenta[MEMGEN_TITANS_LAYERS]; /* [B, H, d_{l-1}, d_l] nullable: zero */
    memgen_tensor target[MEMGEN_TITANS_LAYERS];          /* [B, H, d_{l-1}, d_l] nullable: zero */
    memgen_tensor gamma; /* [B, H, d_L] */

    memgen_tensor o;     /* [B, T, H, d_L] forward */
    memgen_tensor final_weights[MEMGEN_TITANS_LAYERS];   /* [B, H, d_{l-1}, d_l] forward, nullable */
    memgen_tensor final_momenta[MEMGEN_TITANS_LAYERS];   /* [B, H, d_{l-1}, d_l] forward, nullable */

    memgen_tensor d_o;   /* [B, T, H, d_L] nullable: zero */
    memgen_tensor d_final_weights[MEMGEN_TITANS_LAYERS]; /* nullable: zero */
    memgen_tensor d_final_momenta[MEMGEN_TITANS_LAYERS]; /* nullable: zero */
    memgen_tensor d_q;   /* [B, T, H, d_0] nullable, like all that follow: not written */
    memgen_tensor d_k;   /* [B, T, H, d_0] */
    memgen_tensor d_v;   /* [B, T, H, d_L] */
    memgen_tensor d_theta, d_eta, d_alpha; /* [B, T, H] */
    memgen_tensor d_initial_weights[MEMGEN_TITANS_LAYERS];
    memgen_tensor d_initial_momenta[MEMGEN_TITANS_LAYERS];
    memgen_tensor d_target[MEMGEN_TITANS_LAYERS]; /* not written without decays_to_target */
    memgen_tensor d_gamma; /* not written without residual */

    /* Forward writes, backward reads: weights and momenta inside the sequence, memgen_titans_checkpoint_size
     * bytes, contiguous, 64-byte aligned. Nullable in forward when no backward follows; in backward
     * nullable when that size is 0. */
    void* checkpoints;
} memgen_titans_args;

/* Bytes: of scratch for forward (backward = 0) or backward (1), and of checkpoints. Only the sizes, segments,
 * momentum, decays_to_target and residual in args are read. -1 when they are invalid. */
MEMGEN_API int64_t memgen_titans_workspace_size(const memgen_titans_args* args, int32_t backward);
MEMGEN_API int64_t memgen_titans_checkpoint_size(const memgen_titans_args* args);
MEMGEN_API memgen_status memgen_titans_forward(const memgen_titans_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_titans_backward(const memgen_titans_args* args, void* workspace, size_t bytes, void* stream);

/* ---- one token of a Titans memory ------------------------------------------------------------------------
 * What memgen_titans_forward makes of the last of `read` + 1 tokens that begin a block: the same sums, of which only those
 * are formed that this token needs. What it leaves is wanted where it ends the block; it may be written where
 * weights and momenta lie. Error: as there. In dtype: q, k, v, past_k, past_v and o.
 */
typedef struct memgen_titans_step_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, heads;                   /* B, H: each >= 0 */
    int64_t layers;                         /* L in 1 .. 4 */
    int64_t block;                          /* 1 .. 128 tokens */
    int64_t read;                           /* R, tokens of the block before this one: 0 .. block - 1 */
    int64_t dims[MEMGEN_TITANS_LAYERS + 1]; /* as in memgen_titans_args, like the six that follow */
    int64_t activation;
    int64_t reads_block_start;
    int64_t momentum;
    int64_t decays_to_target;
    int64_t residual;
    double clip;

    memgen_tensor q, k;                     /* [B, H, d_0] */
    memgen_tensor v;                        /* [B, H, d_L] */
    memgen_tensor theta, eta, alpha;        /* [B, H]; eta with momentum, alpha nullable: no forgetting */
    memgen_tensor past_k;                   /* [B, R, H, d_0], the block's tokens before, oldest first */
    memgen_tensor past_v;                   /* [B, R, H, d_L] */
    memgen_tensor past_theta, past_eta, past_alpha; /* [B, R, H], where there is one of this token */
    memgen_tensor weights[MEMGEN_TITANS_LAYERS];    /* [B, H, d_{l-1}, d_l] that the block started with */
    memgen_tensor momenta[MEMGEN_TITANS_LAYERS];    /* [B, H, d_{l-1}, d_l] nullable: zero */
    memgen_tensor target[MEMGEN_TITANS_LAYERS];     /* [B, H, d_{l-1}, d_l] nullable: zero */
    memgen_tensor gamma;                    /* [B, H, d_L] */

    memgen_tensor o;                        /* [B, H, d_L] */
    memgen_tensor final_weights[MEMGEN_TITANS_LAYERS]; /* [B, H, d_{l-1}, d_l] nullable: not written */
    memgen_tensor final_momenta[MEMGEN_TITANS_LAYERS]; /* [B, H, d_{l-1}, d_l] nullable: not written */
} memgen_titans_step_args;

MEMGEN_API int64_t memgen_titans_step_workspace_size(const memgen_titans_step_args* args);
MEMGEN_API memgen_status memgen_titans_step(const memgen_titans_step_args* args, void* workspace, size_t bytes, void* stream);

#ifdef __cplusplus
}
#endif
#endif
