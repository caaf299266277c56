// What one build for an instruction set offers, and how an operator is handed to it.
#pragma once
#include "layout.h"
#include "memgen.h"

namespace memgen {

// Scratch of one call: `workers` slices of `slice` bytes each.
struct Scratch {
    char* base;
    size_t slice;
    int workers;

    char* of(int worker) const { return base + slice * static_cast<size_t>(worker); }
};

struct Kernels {
    const char* name;
    void (*gated_delta_rule_forward)(const memgen_gated_delta_rule_args&, const Scratch&);
    void (*gated_delta_rule_backward)(const memgen_gated_delta_rule_args&, const Scratch&);
    void (*scalar_decay_forward)(const memgen_scalar_decay_args&, const Scratch&);
    void (*scalar_decay_backward)(const memgen_scalar_decay_args&, const Scratch&);
};

extern const Kernels baseline_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

} // namespace memgen
