// The table of one build: compiled once per instruction set, after every kernel of that build.
#include "kernels.h"

namespace memgen {

namespace MEMGEN_ISA {
#define MEMGEN_DECLARE(name, args) void name(const args&, const Scratch&);
MEMGEN_DECLARE(gated_delta_rule_forward, memgen_gated_delta_rule_args)
MEMGEN_DECLARE(gated_delta_rule_backward, memgen_gated_delta_rule_args)
MEMGEN_DECLARE(scalar_decay_forward, memgen_scalar_decay_args)
MEMGEN_DECLARE(scalar_decay_backward, memgen_scalar_decay_args)
} // namespace MEMGEN_ISA

#define MEMGEN_TEXT(x) #x
#define MEMGEN_NAME(x) MEMGEN_TEXT(x)
#define MEMGEN_JOIN(a, b) a##_##b
#define MEMGEN_TABLE(isa) MEMGEN_JOIN(isa, kernels)

const Kernels MEMGEN_TABLE(MEMGEN_ISA) = {
    MEMGEN_NAME(MEMGEN_ISA),
    MEMGEN_ISA::gated_delta_rule_forward,
    MEMGEN_ISA::gated_delta_rule_backward,
    MEMGEN_ISA::scalar_decay_forward,
    MEMGEN_ISA::scalar_decay_backward,
};

} // namespace memgen
