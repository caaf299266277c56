// Arguments of attention.
#pragma once
#include "front/check.h"

namespace memgen {
namespace {

typedef memgen_segment_attention_args AttentionArgs;

inline bool has_window(const AttentionArgs& a) { return a.blocked || a.window > 0; }

// What read and lengths hold, where the front door can look at it.
inline void attention_rows(Check& check, const AttentionArgs* a) {
    for (int64_t b = 0; check.ok() && a->read && b < a->batch; b++)
        check.condition(a->read[b] >= 0 && a->read[b] < a->chunk, MEMGEN_INVALID_ARGUMENT, "an entry of read is not within a chunk");
    for (int64_t b = 0; check.ok() && a->slots > 0 && a->tokens > 0 && b < a->batch; b++)
        check.condition(((a->read ? a->read[b] : 0) + a->tokens - 1) / a->chunk < a->chunks, MEMGEN_INVALID_ARGUMENT, "chunks is too small: queries are in later ones");
    for (int64_t b = 0; check.ok() && a->lengths && b < a->batch; b++) check.condition(a->lengths[b] >= 0, MEMGEN_INVALID_ARGUMENT, "an entry of lengths is negative");
}

inline Check attention_sizes(const char* operation, const AttentionArgs* a, int64_t largest) {
    Check check = open(operation, a);
    if (!check.ok()) return check;
    check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("heads", a->heads).dimension("key_heads", a->key_heads)
        .dimension("key_dim", a->key_dim, 0, largest).dimension("value_dim", a->value_dim, 0, largest)
        .dimension("keys_per_token", a->keys_per_token, 1).dimension("past", a->past).dimension("window", a->window)
        .dimension("chunk", a->chunk).dimension("chunks", a->chunks).dimension("slots", a->slots)
        .dimension("fading_count", a->fading_count).dimension("fading_past", a->fading_past).dimension("prefix", a->prefix);
    if (!check.ok()) return check;
    if (a->fading_count > 0) check.dimension("fading_stride", a->fading_stride, 1).dimension("fading_offset", a->fading_offset, -1);
    check.condition(a->key_heads > 0 ? a->heads % a->key_heads == 0 : a->heads == 0, MEMGEN_INVALID_ARGUMENT, "heads is no multiple of key_heads")
        .condition(a->chunk > 0 || (!a->blocked && a->slots == 0 && !a->read), MEMGEN_INVALID_ARGUMENT, "chunk is 0, but blocked, slots or read depend on it")
        .product({a->batch, a->tokens + 1, a->heads + 1, a->key_dim + a->value_dim + 1});
    if (!check.ok()) return check;
    // One after the other, so that no sum leaves the range before its product is looked at.
    check.condition(a->past < (int64_t(1) << 40) && a->tokens < (int64_t(1) << 40) && a->fading_past < (int64_t(1) << 40) && a->keys_per_token < (int64_t(1) << 20) && a->prefix < (int64_t(1) << 40),
                    MEMGEN_UNSUPPORTED_SHAPE, "there are more keys than memory can hold")
        .product({a->batch, a->keys_per_token, a->past + a->tokens, a->key_heads, a->key_dim + a->value_dim})
        .product({a->batch, a->chunks, a->slots, a->key_heads, a->key_dim + a->value_dim});
    if (library.reads_arguments) attention_rows(check, a);
    return check;
}

inline void attention_inputs(Check& check, const AttentionArgs* a) {
    if (!check.ok()) return;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, G = a->key_heads, K = a->key_dim, V = a->value_dim;
    check.required("q", a->q, {B, T, H, K}).nullable("prefix_q", a->prefix_q, {B, T, H, K}).required("o", a->o, {B, T, H, V});
    auto pair = [&](bool used, const char* keys, const char* values, const memgen_tensor& k, const memgen_tensor& v, int64_t count) {
        if (used) check.required(keys, k, {B, count, G, K}).required(values, v, {B, count, G, V});
    };
    pair(has_window(*a), "k", "v", a->k, a->v, a->keys_per_token * (a->past + T));
    pair(a->slots > 0, "slot_k", "slot_v", a->slot_k, a->slot_v, a->chunks * a->slots);
    pair(a->fading_count > 0, "fading_k", "fading_v", a->fading_k, a->fading_v, a->fading_past + T);
    pair(a->prefix > 0, "prefix_k", "prefix_v", a->prefix_k, a->prefix_v, a->prefix);
}

inline void attention_backward(Check& check, const AttentionArgs* a) {
    attention_inputs(check, a);
    if (!check.ok()) return;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, G = a->key_heads, K = a->key_dim, V = a->value_dim;
    const int64_t window = a->keys_per_token * (a->past + T), slots = a->chunks * a->slots, fading = a->fading_past + T;
    check.condition(a->logs || B * T * H == 0, MEMGEN_INVALID_ARGUMENT, "logs is null: backward needs what forward wrote there")
        .required("d_o", a->d_o, {B, T, H, V}).nullable("d_q", a->d_q, {B, T, H, K}).nullable("d_prefix_q", a->d_prefix_q, {B, T, H, K})
        .nullable("d_k", a->d_k, {B, window, G, K}).nullable("d_v", a->d_v, {B, window, G, V})
        .nullable("d_slot_k", a->d_slot_k, {B, slots, G, K}).nullable("d_slot_v", a->d_slot_v, {B, slots, G, V})
        .nullable("d_fading_k", a->d_fading_k, {B, fading, G, K}).nullable("d_fading_v", a->d_fading_v, {B, fading, G, V})
        .nullable("d_prefix_k", a->d_prefix_k, {B, a->prefix, G, K}).nullable("d_prefix_v", a->d_prefix_v, {B, a->prefix, G, V});
}

} // namespace
} // namespace memgen
