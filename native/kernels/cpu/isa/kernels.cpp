// The table of one build: compiled once per instruction set, like every file in this folder.
#include "kernels.h"

namespace memgen {

namespace MEMGEN_ISA {
#define MEMGEN_DECLARE(name, args) void name(const args&, const Scratch&);
MEMGEN_KERNELS(MEMGEN_DECLARE)
} // namespace MEMGEN_ISA

#define MEMGEN_TEXT(x) #x
#define MEMGEN_NAME(x) MEMGEN_TEXT(x)
#define MEMGEN_JOIN(a, b) a##_##b
#define MEMGEN_TABLE(isa) MEMGEN_JOIN(isa, kernels)
#define MEMGEN_ENTRY(name, args) MEMGEN_ISA::name,

const Kernels MEMGEN_TABLE(MEMGEN_ISA) = {MEMGEN_NAME(MEMGEN_ISA), MEMGEN_KERNELS(MEMGEN_ENTRY)};

} // namespace memgen
