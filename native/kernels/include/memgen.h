/* Memory.Gen kernels: C interface, version 2.
 *
 * Conventions that hold for every function
 *   Arguments   One struct per operator for forward and backward. struct_size is sizeof of that struct.
 *   Tensors     memgen_tensor: pointer and strides in ELEMENTS, one per axis in the order of the shape
 *               given in the comment; unused entries are ignored. The stride of the last axis must be 1
 *               when that axis is longer than 1; any other stride is free (0 repeats an input; an output
 *               must not overlap itself). A null pointer means "absent" and is allowed only where the
 *               comment says nullable. Tensors without elements may be null.
 *   Numbers     MEMGEN_FLOAT32 in and out; sums and states are float32. Indices are 64 bit. Denormal
 *               numbers (below 1.2e-38) count as zero; the caller's floating-point mode is restored.
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

#define MEMGEN_ABI_VERSION 2

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

/* Which tokens of [B, T] make up which sequence. Where lengths is null every row is one, of T tokens.
 * Else sequence n is the run of lengths[n] tokens that begins at starts[n], counted over all B T tokens row
 * after row; it lies in one row, and no token is part of two. States of an operator that has segments are one
 * a sequence, [N, ..] in the place of [B, ..], and a sequence without tokens hands its state on. Tokens of no
 * sequence are not read, and their outputs and gradients not written. A sequence has the bits that it would
 * have in a call of its own. Host memory, read during the call. */
typedef struct memgen_segments {
    int64_t count;          /* N >= 0 */
    const int64_t* starts;  /* [N] */
    const int64_t* lengths; /* [N], each 0 .. T; nullable */
} memgen_segments;

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
    memgen_segments segments; /* states are [N, H, K, V] with it */
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
 * (forward, 4 tokens) or 2^-40 (backward, 16 tokens) in some channel are exact but slower.
 */
typedef memgen_gated_delta_rule_args memgen_channel_decay_args;

MEMGEN_API int64_t memgen_channel_decay_workspace_size(const memgen_channel_decay_args* args, int32_t backward);
MEMGEN_API int64_t memgen_channel_decay_checkpoint_size(const memgen_channel_decay_args* args);
MEMGEN_API memgen_status memgen_channel_decay_forward(const memgen_channel_decay_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_channel_decay_backward(const memgen_channel_decay_args* args, void* workspace, size_t bytes, void* stream);

/* ---- normalised linear attention -------------------------------------------------------------------------
 * For t = 0, 1, ..:  S += k_t v_t^T;  z += k_t;  o_t = S^T (scale q_t) / (scale q_t . z + epsilon).
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
    void* checkpoints;                /* as for the gated delta rule */

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

/* ---- linear scan --------------------------------------------------------------------------------------------
 * h_t = a_t h_{t-1} + b_t, channel by channel. Error: 1 ulp a step. Backward also reads h.
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
 * delta A in (-inf, 88]; below -87 the decay is e^-87. Error against float64: relative RMS below 5e-6.
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

/* ---- Titans memory: a linear map (layers = 1) or a perceptron (layers 2 to 4) ---------------------------
 * f(x; W) = W_L^T phi(.. phi(W_1^T x)). Tokens come in blocks; for every token t of a block
 *   G_t = gradient of 1/2 |f(k_t; W) - v_t|^2 at the weights W the block started with,
 *   S_t = eta_t S_{t-1} - theta_t G_t,   W_t = (1 - alpha_t) W_{t-1} + S_t,   o_t = f(q_t; W_t).
 * The block is part of the model, not of the computation; a last one may be shorter. Blocks below 16 are
 * exact but no faster than 16. Error against float64: relative RMS below 5e-6 forward and 2e-5 for
 * gradients, as long as the memory itself is stable. Backward needs nothing from forward: it forms the
 * weights at the blocks' starts again, and holds some of them in its workspace.
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
    double clip;                            /* the longest G_t, over all layers together, a longer one being scaled down to it; 0 for none */

    memgen_tensor q;     /* [B, T, H, d_0] */
    memgen_tensor k;     /* [B, T, H, d_0] */
    memgen_tensor v;     /* [B, T, H, d_L] */
    memgen_tensor theta; /* [B, T, H] step size */
    memgen_tensor eta;   /* [B, T, H] momentum */
    memgen_tensor alpha; /* [B, T, H] forgetting, nullable: none */
    memgen_tensor initial_weights[MEMGEN_TITANS_LAYERS]; /* [B, H, d_{l-1}, d_l] nullable: zero */
    memgen_tensor initial_momenta[MEMGEN_TITANS_LAYERS]; /* [B, H, d_{l-1}, d_l] nullable: zero */

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
} memgen_titans_args;

MEMGEN_API int64_t memgen_titans_workspace_size(const memgen_titans_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_titans_forward(const memgen_titans_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_titans_backward(const memgen_titans_args* args, void* workspace, size_t bytes, void* stream);

/* ---- causal convolution, depthwise --------------------------------------------------------------------
 * y[b, t, c] = silu(bias[c] + sum_j weight[c, j] x[b, t - W + 1 + j, c]); inputs before t = 0 come from
 * initial_state. final_state is the last W - 1 inputs, those of initial_state included when T < W - 1.
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

/* ---- linear maps of the same rows -----------------------------------------------------------------------
 * y_i = x W_i^T for every i: one pass over x for all of them. Leading axes are taken together as rows.
 * d_x = sum_i d_y_i W_i;  d_weights_i = d_y_i^T x. Error: relative RMS 1e-6 at I = 1024.
 */
#define MEMGEN_MOST_MAPS 8

typedef struct memgen_linear_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t rows, in_features, count;        /* R, I >= 0; count 1 .. MEMGEN_MOST_MAPS */
    int64_t out_features[MEMGEN_MOST_MAPS];  /* O_i >= 0 */

    memgen_tensor x;                           /* [R, I] */
    memgen_tensor weights[MEMGEN_MOST_MAPS];   /* [O_i, I] */
    memgen_tensor y[MEMGEN_MOST_MAPS];         /* [R, O_i] forward */

    memgen_tensor d_y[MEMGEN_MOST_MAPS];       /* [R, O_i] backward, nullable: zero */
    memgen_tensor d_x;                         /* [R, I] nullable, like all that follow: not written */
    memgen_tensor d_weights[MEMGEN_MOST_MAPS]; /* [O_i, I] */
} memgen_linear_args;

MEMGEN_API int64_t memgen_linear_workspace_size(const memgen_linear_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_linear_forward(const memgen_linear_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_linear_backward(const memgen_linear_args* args, void* workspace, size_t bytes, void* stream);

/* ---- RMSNorm, optionally gated -----------------------------------------------------------------------
 * y = x / sqrt(mean(x^2) + epsilon) * weight, times silu(gate) where gate is given; the mean runs over a
 * row. Leading axes are taken together as rows. Error: relative 1e-6 of a row's largest value.
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
 * y = x / sqrt(sum(x^2) + epsilon) for every row. Error: relative 1e-6 of a row's largest value.
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
 * y = silu(gate) * up. Error: 4 ulp.
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

/* ---- cross entropy over a vocabulary -----------------------------------------------------------------------
 * loss[r] = log(sum_n e^{logits[r, n]}) - logits[r, target[r]]; 0 where target[r] is ignored_target.
 * Forward can write the gradient in the same pass: d_logits = gradient_scale (softmax - onehot), zero in
 * ignored rows. Backward is for an upstream gradient per row that is known later.
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

/* ---- AdamW over many tensors ---------------------------------------------------------------------------------
 * With g = gradient_scale * gradient and step counted from 1:
 *   p -= learning_rate weight_decay p;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *   p -= learning_rate (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
 * Error: 4 ulp of p's change.
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
    double learning_rate, beta1, beta2, epsilon, gradient_scale;
    int64_t step;                   /* >= 1 */
} memgen_adamw_args;

MEMGEN_API int64_t memgen_adamw_workspace_size(const memgen_adamw_args* args);
MEMGEN_API memgen_status memgen_adamw_step(const memgen_adamw_args* args, void* workspace, size_t bytes, void* stream);

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
    double* result;
} memgen_squared_norm_args;

MEMGEN_API int64_t memgen_squared_norm_workspace_size(const memgen_squared_norm_args* args);
MEMGEN_API memgen_status memgen_squared_norm(const memgen_squared_norm_args* args, void* workspace, size_t bytes, void* stream);

#ifdef __cplusplus
}
#endif

#include "memgen_attention.h"

#endif
