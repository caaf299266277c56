// What one build for an instruction set offers, and how an operator is handed to it.
#pragma once
#include "layout.h"
#include "memgen.h"

// Every kernel: its name and its argument struct.
#define MEMGEN_KERNELS(X)                                         \
    X(gated_delta_rule_forward, memgen_gated_delta_rule_args)     \
    X(gated_delta_rule_backward, memgen_gated_delta_rule_args)    \
    X(scalar_decay_forward, memgen_scalar_decay_args)             \
    X(scalar_decay_backward, memgen_scalar_decay_args)            \
    X(channel_decay_forward, memgen_channel_decay_args)           \
    X(channel_decay_backward, memgen_channel_decay_args)          \
    X(channel_scores_forward, memgen_channel_scores_args)         \
    X(channel_delta_rule_forward, memgen_channel_delta_rule_args)    \
    X(channel_delta_rule_backward, memgen_channel_delta_rule_args)   \
    X(generalized_delta_rule_forward, memgen_generalized_delta_rule_args)    \
    X(generalized_delta_rule_backward, memgen_generalized_delta_rule_args)   \
    X(linear_attention_normalized_forward, memgen_linear_attention_normalized_args)   \
    X(linear_attention_normalized_backward, memgen_linear_attention_normalized_args)  \
    X(linear_scan_forward, memgen_linear_scan_args)               \
    X(linear_scan_backward, memgen_linear_scan_args)              \
    X(selective_scan_forward, memgen_selective_scan_args)         \
    X(selective_scan_backward, memgen_selective_scan_args)        \
    X(titans_forward, memgen_titans_args)                         \
    X(titans_backward, memgen_titans_args)                        \
    X(titans_step, memgen_titans_step_args)                       \
    X(segment_attention_forward, memgen_segment_attention_args)   \
    X(segment_attention_backward, memgen_segment_attention_args)  \
    X(causal_conv_forward, memgen_causal_conv_args)               \
    X(causal_conv_backward, memgen_causal_conv_args)              \
    X(linear_forward, memgen_linear_args)                         \
    X(linear_backward, memgen_linear_args)                        \
    X(rms_norm_forward, memgen_rms_norm_args)                     \
    X(rms_norm_backward, memgen_rms_norm_args)                    \
    X(unit_length_forward, memgen_unit_length_args)               \
    X(unit_length_backward, memgen_unit_length_args)              \
    X(swiglu_forward, memgen_swiglu_args)                         \
    X(swiglu_backward, memgen_swiglu_args)                        \
    X(softplus_forward, memgen_softplus_args)                     \
    X(softplus_backward, memgen_softplus_args)                    \
    X(rotary_forward, memgen_rotary_args)                         \
    X(rotary_backward, memgen_rotary_args)                        \
    X(cross_entropy_forward, memgen_cross_entropy_args)           \
    X(cross_entropy_backward, memgen_cross_entropy_args)          \
    X(adamw_step, memgen_adamw_args)                              \
    X(squared_norm, memgen_squared_norm_args)

namespace memgen {

// Scratch of one call: a part for all, then `workers` slices of `slice` bytes each.
struct Scratch {
    char* shared;
    char* slices;
    size_t slice;
    int workers;

    char* of(int worker) const { return slices + slice * static_cast<size_t>(worker); }
};

struct Kernels {
    const char* name;
#define MEMGEN_ENTRY_POINTER(name, args) void (*name)(const args&, const Scratch&);
    MEMGEN_KERNELS(MEMGEN_ENTRY_POINTER)
#undef MEMGEN_ENTRY_POINTER
};

extern const Kernels baseline_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

// Whether the build in use is that for AVX-512 with linear maps in the tiles of AMX.
bool multiplies_in_tiles();

} // namespace memgen
