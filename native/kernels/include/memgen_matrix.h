/* The memories whose state is a matrix, in the interface of memgen.h, which includes this. */
#ifndef MEMGEN_MATRIX_H
#define MEMGEN_MATRIX_H

#include "memgen.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- gated delta rule -------------------------------------------------------------------------------
 * For t = 0, 1, ..:  S = e^{log_decay_t} S;  S += k_t (beta_t (v_t - S^T k_t))^T;  o_t = S^T (scale q_t).
 * In dtype: q, k, v, o and their gradients.
 * Without log_decay: the delta rule. log_decay in [-inf, 0]; beta in [0, 2] with |k| = 1 keeps S bounded;
 * neither is checked. Error against the same recurrence in float64: relative RMS below 2e-6 forward and
 * 1e-5 for gradients at T = 8192, K = 128, unit keys.
 *
 * Forward writes o, final_state and checkpoints. Backward reads all inputs and checkpoints, not o, and
 * writes every gradient that is not null.
 *
 * States are float32, unless state_dtype says MEMGEN_BFLOAT16, which the library for CUDA takes in forward calls of at most
 * one token a row (T <= 1) without checkpoints: half the memory traffic of decoding. Only what is stored is rounded, to
 * nearest even; the arithmetic stays in float32, and o has read the state before it was rounded.
 */
typedef struct memgen_gated_delta_rule_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, tokens, heads, key_dim, value_dim; /* B, T, H, K, V: each >= 0 */
    memgen_segments segments; /* states are [N, H, K, V] with it */
    double scale;
    memgen_dtype state_dtype; /* of initial_state and final_state */

    memgen_tensor q;             /* [B, T, H, K] */
    memgen_tensor k;             /* [B, T, H, K] */
    memgen_tensor v;             /* [B, T, H, V] */
    memgen_tensor beta;          /* [B, T, H] write strength */
    memgen_tensor log_decay;     /* [B, T, H] nullable: no decay */
    memgen_tensor a;             /* [B, T, H, K] of the generalised delta rule, null for the others; in dtype */
    memgen_tensor b;             /* [B, T, H, K] likewise */
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
    memgen_tensor d_a;             /* [B, T, H, K] */
    memgen_tensor d_b;             /* [B, T, H, K] */
    memgen_tensor d_initial_state; /* [B, H, K, V]; may be d_final_state itself */
} memgen_gated_delta_rule_args;

/* Bytes: of scratch for forward (backward = 0) or backward (1), and of checkpoints. Only the sizes and
 * segments in args are read. -1 when they are invalid. */
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

/* ---- linear attention with a decay for every key channel ------------------------------------------------
 * For t = 0, 1, ..:  S = diag(e^{log_decay_t}) S + k_t v_t^T;  o_t = S^T (scale q_t).
 * The struct of the gated delta rule with log_decay and d_log_decay [B, T, H, K] (last axis contiguous),
 * log_decay required, beta and d_beta null. Runs of tokens whose decays multiply to less than 2^-64
 * (forward, 4 tokens) or 2^-60 (backward, 8 tokens) in some channel are exact but slower.
 */
typedef memgen_gated_delta_rule_args memgen_channel_decay_args;

MEMGEN_API int64_t memgen_channel_decay_workspace_size(const memgen_channel_decay_args* args, int32_t backward);
MEMGEN_API int64_t memgen_channel_decay_checkpoint_size(const memgen_channel_decay_args* args);
MEMGEN_API memgen_status memgen_channel_decay_forward(const memgen_channel_decay_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_channel_decay_backward(const memgen_channel_decay_args* args, void* workspace, size_t bytes, void* stream);

/* ---- the same memory, read along its other axis -------------------------------------------------------------
 * For t = 0, 1, ..:  S = diag(e^{log_decay_t}) S + k_t v_t^T;  o_t = S (scale q_t): how well a query meets each row.
 * The struct of channel decay, but q [B, T, H, V] and o [B, T, H, K], and forward alone (backward is 0), of which nothing is kept:
 * gradients are forward and backward passes of channel decay in other roles. Decays are multiplied, never divided by.
 */
typedef memgen_gated_delta_rule_args memgen_channel_scores_args;

MEMGEN_API int64_t memgen_channel_scores_workspace_size(const memgen_channel_scores_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_channel_scores_forward(const memgen_channel_scores_args* args, void* workspace, size_t bytes, void* stream);

/* ---- the delta rule with a decay for every key channel (Kimi Delta Attention) ------------------------------
 * For t = 0, 1, ..:  S = diag(e^{log_decay_t}) S;  S += k_t (beta_t (v_t - S^T k_t))^T;  o_t = S^T (scale q_t).
 * The struct of the gated delta rule with log_decay and d_log_decay [B, T, H, K] (last axis contiguous), log_decay
 * and beta required. Runs of 8 tokens whose decays multiply to less than 2^-60 in some channel are exact but
 * slower in backward on the CPU; forward has no such bound, nor has the library for CUDA.
 */
typedef memgen_gated_delta_rule_args memgen_channel_delta_rule_args;

MEMGEN_API int64_t memgen_channel_delta_rule_workspace_size(const memgen_channel_delta_rule_args* args, int32_t backward);
MEMGEN_API int64_t memgen_channel_delta_rule_checkpoint_size(const memgen_channel_delta_rule_args* args);
MEMGEN_API memgen_status memgen_channel_delta_rule_forward(const memgen_channel_delta_rule_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_channel_delta_rule_backward(const memgen_channel_delta_rule_args* args, void* workspace, size_t bytes, void* stream);

/* ---- the generalised delta rule (RWKV-7) -------------------------------------------------------------------
 * For t = 0, 1, ..:  r_t = S^T a_t;  S = diag(e^{log_decay_t}) S + b_t r_t^T + k_t v_t^T;  o_t = S^T (scale q_t).
 * r_t reads the state before its decay. The struct of the gated delta rule with a, b and log_decay [B, T, H, K] (last axis
 * contiguous) required, d_log_decay [B, T, H, K], beta and d_beta null. log_decay in [-inf, 0]; S stays bounded while
 * diag(e^{log_decay}) + b a^T lengthens nothing; neither is checked. Decays are multiplied, never divided by, in forward;
 * runs of 8 tokens whose decays multiply to less than 2^-60 in some channel are exact but slower in backward on the CPU.
 */
typedef memgen_gated_delta_rule_args memgen_generalized_delta_rule_args;

MEMGEN_API int64_t memgen_generalized_delta_rule_workspace_size(const memgen_generalized_delta_rule_args* args, int32_t backward);
MEMGEN_API int64_t memgen_generalized_delta_rule_checkpoint_size(const memgen_generalized_delta_rule_args* args);
MEMGEN_API memgen_status memgen_generalized_delta_rule_forward(const memgen_generalized_delta_rule_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_generalized_delta_rule_backward(const memgen_generalized_delta_rule_args* args, void* workspace, size_t bytes, void* stream);

/* ---- normalised linear attention -------------------------------------------------------------------------
 * For t = 0, 1, ..:  S += k_t v_t^T;  z += k_t;  o_t = S^T (scale q_t) / (scale q_t . z + epsilon).
 * In dtype: q, k, v, o and their gradients.
 * For non-negative q and k (a feature map that is applied outside): a divisor near zero is the caller's.
 * Error against float64: relative RMS below 2e-6 forward, 1e-5 for gradients.
 * Backward also reads o and divisors, which forward wrote.
 */
typedef struct memgen_linear_attention_normalized_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, tokens, heads, key_dim, value_dim; /* B, T, H, K, V: each >= 0 */
    memgen_segments segments; /* states are [N, H, K, V] and [N, H, K] with it */
    double scale, epsilon;

    memgen_tensor q;                  /* [B, T, H, K] */
    memgen_tensor k;                  /* [B, T, H, K] */
    memgen_tensor v;                  /* [B, T, H, V] */
    memgen_tensor initial_state;      /* [B, H, K, V] nullable: zero */
    memgen_tensor initial_normalizer; /* [B, H, K] nullable: zero */

    memgen_tensor o;                  /* [B, T, H, V] forward writes, backward reads */
    memgen_tensor final_state;        /* [B, H, K, V] forward, nullable; may be initial_state itself */
    memgen_tensor final_normalizer;   /* [B, H, K] forward, nullable; may be initial_normalizer itself */
    float* divisors;                  /* [B, T, H] contiguous; forward writes (nullable), backward reads */
    void* checkpoints;                /* as for the gated delta rule; nothing on the CPU */

    memgen_tensor d_o;                /* [B, T, H, V] nullable: zero */
    memgen_tensor d_final_state;      /* [B, H, K, V] nullable: zero */
    memgen_tensor d_final_normalizer; /* [B, H, K] nullable: zero */
    memgen_tensor d_q;                /* [B, T, H, K] nullable, like all that follow: not written */
    memgen_tensor d_k;                /* [B, T, H, K] */
    memgen_tensor d_v;                /* [B, T, H, V] */
    memgen_tensor d_initial_state;      /* [B, H, K, V]; may be d_final_state itself */
    memgen_tensor d_initial_normalizer; /* [B, H, K]; may be d_final_normalizer itself */
} memgen_linear_attention_normalized_args;

MEMGEN_API int64_t memgen_linear_attention_normalized_workspace_size(const memgen_linear_attention_normalized_args* args, int32_t backward);
MEMGEN_API int64_t memgen_linear_attention_normalized_checkpoint_size(const memgen_linear_attention_normalized_args* args);
MEMGEN_API memgen_status memgen_linear_attention_normalized_forward(const memgen_linear_attention_normalized_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_linear_attention_normalized_backward(const memgen_linear_attention_normalized_args* args, void* workspace, size_t bytes, void* stream);

#ifdef __cplusplus
}
#endif
#endif
