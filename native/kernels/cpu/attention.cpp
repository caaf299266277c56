// Front door of attention.
#include "attention_layout.h"
#include "library.h"

namespace memgen {
namespace {

typedef memgen_segment_attention_args Args;

Check sizes(const char* operation, const Args* a) {
    Check check = open(operation, a);
    if (!check.ok()) return check;
    check.dimension("batch", a->batch).dimension("tokens", a->tokens).dimension("heads", a->heads).dimension("key_heads", a->key_heads)
        .dimension("key_dim", a->key_dim, 0, LargestHead).dimension("value_dim", a->value_dim, 0, LargestHead)
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
    for (int64_t b = 0; check.ok() && a->read && b < a->batch; b++)
        check.condition(a->read[b] >= 0 && a->read[b] < a->chunk, MEMGEN_INVALID_ARGUMENT, "an entry of read is not within a chunk");
    for (int64_t b = 0; check.ok() && a->slots > 0 && a->tokens > 0 && b < a->batch; b++)
        check.condition(((a->read ? a->read[b] : 0) + a->tokens - 1) / a->chunk < a->chunks, MEMGEN_INVALID_ARGUMENT, "chunks is too small: queries are in later ones");
    for (int64_t b = 0; check.ok() && a->lengths && b < a->batch; b++) check.condition(a->lengths[b] >= 0, MEMGEN_INVALID_ARGUMENT, "an entry of lengths is negative");
    return check;
}

bool has_window(const Args& a) { return a.blocked || a.window > 0; }

Check inputs(const char* operation, const Args* a) {
    Check check = sizes(operation, a);
    if (!check.ok()) return check;
    const int64_t B = a->batch, T = a->tokens, H = a->heads, G = a->key_heads, K = a->key_dim, V = a->value_dim;
    check.required("q", a->q, {B, T, H, K}).nullable("prefix_q", a->prefix_q, {B, T, H, K}).required("o", a->o, {B, T, H, V});
    auto pair = [&](bool used, const char* names[2], const memgen_tensor& k, const memgen_tensor& v, int64_t keys) {
        if (used) check.required(names[0], k, {B, keys, G, K}).required(names[1], v, {B, keys, G, V});
    };
    const char *window[] = {"k", "v"}, *slots[] = {"slot_k", "slot_v"}, *fading[] = {"fading_k", "fading_v"}, *prefix[] = {"prefix_k", "prefix_v"};
    pair(has_window(*a), window, a->k, a->v, a->keys_per_token * (a->past + T));
    pair(a->slots > 0, slots, a->slot_k, a->slot_v, a->chunks * a->slots);
    pair(a->fading_count > 0, fading, a->fading_k, a->fading_v, a->fading_past + T);
    pair(a->prefix > 0, prefix, a->prefix_k, a->prefix_v, a->prefix);
    return check;
}

ScratchSize scratch_size(const Args& a, bool backward) { return {0, backward ? measure<AttentionBackwardScratch>(a) : measure<AttentionForwardScratch>(a)}; }

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_segment_attention_workspace_size(const Args* a, int32_t backward) { return sizes(__func__, a).ok() ? scratch_size(*a, backward != 0).total() : -1; }

memgen_status memgen_segment_attention_forward(const Args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, scratch_size(*a, false), &Kernels::segment_attention_forward) : check.status();
}

memgen_status memgen_segment_attention_backward(const Args* a, void* workspace, size_t bytes, void*) {
    Check check = inputs(__func__, a);
    if (!check.ok()) return check.status();
    const int64_t B = a->batch, T = a->tokens, H = a->heads, G = a->key_heads, K = a->key_dim, V = a->value_dim;
    const int64_t window = a->keys_per_token * (a->past + T), slots = a->chunks * a->slots, fading = a->fading_past + T;
    check.condition(a->logs || B * T * H == 0, MEMGEN_INVALID_ARGUMENT, "logs is null: backward needs what forward wrote there")
        .required("d_o", a->d_o, {B, T, H, V}).nullable("d_q", a->d_q, {B, T, H, K}).nullable("d_prefix_q", a->d_prefix_q, {B, T, H, K})
        .nullable("d_k", a->d_k, {B, window, G, K}).nullable("d_v", a->d_v, {B, window, G, V})
        .nullable("d_slot_k", a->d_slot_k, {B, slots, G, K}).nullable("d_slot_v", a->d_slot_v, {B, slots, G, V})
        .nullable("d_fading_k", a->d_fading_k, {B, fading, G, K}).nullable("d_fading_v", a->d_fading_v, {B, fading, G, V})
        .nullable("d_prefix_k", a->d_prefix_k, {B, a->prefix, G, K}).nullable("d_prefix_v", a->d_prefix_v, {B, a->prefix, G, V});
    return run(check, a, workspace, bytes, scratch_size(*a, true), &Kernels::segment_attention_backward);
}
}
