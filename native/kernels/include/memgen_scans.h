/* The scans and the causal convolution, in the interface of memgen.h, which includes this. */
#ifndef MEMGEN_SCANS_H
#define MEMGEN_SCANS_H

#include "memgen.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- linear scan --------------------------------------------------------------------------------------------
 * h_t = a_t h_{t-1} + b_t, channel by channel. In dtype: b, h and their gradients. Error: 1 ulp a step; a
 * step never begins with the rounded h of the one before. Backward also reads h.
 */
typedef struct memgen_linear_scan_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, tokens, channels; /* B, T, C: each >= 0 */
    memgen_segments segments;        /* states are [N, C] with it */

    memgen_tensor a;               /* [B, T, C] */
    memgen_tensor b;               /* [B, T, C]; backward does not read it */
    memgen_tensor initial_state;   /* [B, C] nullable: zero */

    memgen_tensor h;               /* [B, T, C] forward writes, backward reads; may be b itself */
    memgen_tensor final_state;     /* [B, C] forward, nullable */

    memgen_tensor d_h;             /* [B, T, C] nullable: zero */
    memgen_tensor d_final_state;   /* [B, C] nullable: zero */
    memgen_tensor d_a;             /* [B, T, C] nullable, like all that follow: not written */
    memgen_tensor d_b;             /* [B, T, C] */
    memgen_tensor d_initial_state; /* [B, C] */
} memgen_linear_scan_args;

MEMGEN_API int64_t memgen_linear_scan_workspace_size(const memgen_linear_scan_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_linear_scan_forward(const memgen_linear_scan_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_linear_scan_backward(const memgen_linear_scan_args* args, void* workspace, size_t bytes, void* stream);

/* ---- selective scan (Mamba-1) ---------------------------------------------------------------------------------
 * x_n = e^{delta A_n} x_n + delta u B_n;  y = sum_n C_n x_n + D u, for every channel c and state n.
 * In dtype: u, B, C, y and their gradients.
 * delta A in (-inf, 88]; below -87 the decay is e^-87 or less. Error against float64: relative RMS below 5e-6.
 */
typedef struct memgen_selective_scan_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, tokens, channels, state_dim; /* B, T, C >= 0; N in 0 .. 1024 */
    memgen_segments segments; /* states are [segments.count, C, N] with it */

    memgen_tensor u;               /* [B, T, C] */
    memgen_tensor delta;           /* [B, T, C] after softplus */
    memgen_tensor A;               /* [C, N] */
    memgen_tensor B;               /* [B, T, N] */
    memgen_tensor C;               /* [B, T, N] */
    memgen_tensor D;               /* [C] nullable: zero */
    memgen_tensor initial_state;   /* [B, C, N] nullable: zero */

    memgen_tensor y;               /* [B, T, C] forward */
    memgen_tensor final_state;     /* [B, C, N] forward, nullable */
    void* checkpoints;             /* memgen_selective_scan_checkpoint_size bytes; otherwise as for the gated delta rule */

    memgen_tensor d_y;             /* [B, T, C] nullable: zero */
    memgen_tensor d_final_state;   /* [B, C, N] nullable: zero */
    memgen_tensor d_u;             /* [B, T, C] nullable, like all that follow: not written */
    memgen_tensor d_delta;         /* [B, T, C] */
    memgen_tensor d_A;             /* [C, N] */
    memgen_tensor d_B;             /* [B, T, N] */
    memgen_tensor d_C;             /* [B, T, N] */
    memgen_tensor d_D;             /* [C] */
    memgen_tensor d_initial_state; /* [B, C, N] */
} memgen_selective_scan_args;

MEMGEN_API int64_t memgen_selective_scan_workspace_size(const memgen_selective_scan_args* args, int32_t backward);
MEMGEN_API int64_t memgen_selective_scan_checkpoint_size(const memgen_selective_scan_args* args);
MEMGEN_API memgen_status memgen_selective_scan_forward(const memgen_selective_scan_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_selective_scan_backward(const memgen_selective_scan_args* args, void* workspace, size_t bytes, void* stream);

/* ---- causal convolution, depthwise --------------------------------------------------------------------
 * y[b, t, c] = silu(bias[c] + sum_j weight[c, j] x[b, t - W + 1 + j, c]); inputs before t = 0 come from
 * initial_state. final_state is the last W - 1 inputs, those of initial_state included when T < W - 1.
 * In dtype: x, y, both states, which hold inputs, and the gradients of these.
 * Error: 4 ulp of the sum's terms.
 */
typedef struct memgen_causal_conv_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, tokens, channels, width; /* B, T, C >= 0; W in 1 .. 16 */
    memgen_segments segments;               /* states are [N, W - 1, C] with it */

    memgen_tensor x;             /* [B, T, C] */
    memgen_tensor weight;        /* [C, W] */
    memgen_tensor bias;          /* [C] nullable: zero */
    memgen_tensor initial_state; /* [B, W - 1, C] nullable: zero */

    memgen_tensor y;             /* [B, T, C] forward */
    memgen_tensor final_state;   /* [B, W - 1, C] forward, nullable; must not be initial_state */

    memgen_tensor d_y;             /* [B, T, C] backward, nullable: zero */
    memgen_tensor d_final_state;   /* [B, W - 1, C] nullable: zero */
    memgen_tensor d_x;             /* [B, T, C] nullable, like all that follow: not written */
    memgen_tensor d_weight;        /* [C, W] */
    memgen_tensor d_bias;          /* [C] */
    memgen_tensor d_initial_state; /* [B, W - 1, C] */
} memgen_causal_conv_args;

MEMGEN_API int64_t memgen_causal_conv_workspace_size(const memgen_causal_conv_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_causal_conv_forward(const memgen_causal_conv_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_causal_conv_backward(const memgen_causal_conv_args* args, void* workspace, size_t bytes, void* stream);

#ifdef __cplusplus
}
#endif
#endif
