/* Attention in the interface of memgen.h, which includes this. */
#ifndef MEMGEN_ATTENTION_H
#define MEMGEN_ATTENTION_H

#include "memgen.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- softmax attention over keys of several kinds -------------------------------------------------------
 * o_t = sum_s p_s v_s with p the softmax of scale q_t . k_s over the keys that query t sees, of all kinds
 * together; 0 where it sees none. Query head h reads key head h G / H. Tokens are counted from the first of
 * the call, those of the past are negative, and a row knows those from -lengths on. Query t sees
 *   window   all keys of tokens first .. t: first = t - window + 1, or, where blocked, the token with which
 *            the chunk before its own begins;
 *   slots    of its chunk floor((read + t) / chunk), those that are present;
 *   fading   tokens last, last - fading_stride, .. (fading_count of them): last = first - 1, or
 *            t - fading_offset where that is not negative;
 *   prefix   all, by prefix_q where that is given.
 * Keys that a query does not see must be finite numbers all the same. Error against float64: relative RMS
 * below 2e-6 forward and 1e-5 for gradients at scores below 100.
 *
 * In dtype: queries, keys, values, o and their gradients.
 * Forward writes o and logs. Backward reads all inputs, o and logs, and writes every gradient that is not
 * null. One thread takes all queries of a key head in backward, so that more than B G threads do not help.
 */
typedef struct memgen_segment_attention_args {
    size_t struct_size;
    memgen_dtype dtype;
    int64_t batch, tokens, heads, key_heads; /* B, T, H, G: each >= 0, H a multiple of G */
    int64_t key_dim, value_dim;              /* K, V in 0 .. 1024 */
    int64_t keys_per_token;                  /* n >= 1, of the window and its past */
    int64_t past;                            /* L >= 0 tokens before the first */
    int64_t window;                          /* >= 0 tokens, 0 for none; not used where blocked */
    int64_t blocked;                         /* not 0: the window begins with the chunk before */
    int64_t chunk;                           /* tokens of a chunk; 0 where nothing depends on it */
    int64_t chunks, slots;                   /* C, M: slots of every chunk, M = 0 for none */
    int64_t fading_count, fading_stride, fading_offset, fading_past; /* 0 for none; >= 1; -1: before the window; F */
    int64_t prefix;                          /* P >= 0 keys */
    double scale;
    const int64_t* read;    /* [B] tokens of its chunk that a row has read, 0 .. chunk - 1; nullable: 0 */
    const int64_t* lengths; /* [B] tokens that a row has before the first; nullable: all of the past */
    const uint8_t* present; /* [B, C, M] contiguous, 0 for a slot without a key; nullable: all */

    memgen_tensor q;        /* [B, T, H, K] */
    memgen_tensor prefix_q; /* [B, T, H, K] nullable: q */
    memgen_tensor k;        /* [B, n (L + T), G, K] */
    memgen_tensor v;        /* [B, n (L + T), G, V] */
    memgen_tensor slot_k;   /* [B, C M, G, K] */
    memgen_tensor slot_v;   /* [B, C M, G, V] */
    memgen_tensor fading_k; /* [B, F + T, G, K] */
    memgen_tensor fading_v; /* [B, F + T, G, V] */
    memgen_tensor prefix_k; /* [B, P, G, K] */
    memgen_tensor prefix_v; /* [B, P, G, V] */

    memgen_tensor o;        /* [B, T, H, V] forward writes, backward reads */
    float* logs;            /* [B, T, H] contiguous: log2 of the sum of e^score; forward writes (nullable), backward reads */

    memgen_tensor d_o;      /* [B, T, H, V] */
    memgen_tensor d_q;      /* [B, T, H, K] nullable, like all that follow: not written */
    memgen_tensor d_prefix_q;
    memgen_tensor d_k, d_v;
    memgen_tensor d_slot_k, d_slot_v;
    memgen_tensor d_fading_k, d_fading_v;
    memgen_tensor d_prefix_k, d_prefix_v;
} memgen_segment_attention_args;

MEMGEN_API int64_t memgen_segment_attention_workspace_size(const memgen_segment_attention_args* args, int32_t backward);
MEMGEN_API memgen_status memgen_segment_attention_forward(const memgen_segment_attention_args* args, void* workspace, size_t bytes, void* stream);
MEMGEN_API memgen_status memgen_segment_attention_backward(const memgen_segment_attention_args* args, void* workspace, size_t bytes, void* stream);

#ifdef __cplusplus
}
#endif
#endif
