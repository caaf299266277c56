// Forward pass of the Titans memory: block after block, no weight of a single token is ever formed.
#include "kernels.h"
#include "threads.h"
#include "titans_block.h"

namespace memgen {
namespace {

void run_chain(const memgen_titans_args& a, int64_t b, int64_t h, char* slice) {
    Arena arena{slice};
    TitansForwardScratch s(arena, a);
    const TitansSizes& z = s.sizes;
    TitansTokens chain{a, b, h, 0, 0};
    read_weights(chain, z, a.initial_weights, s.W);
    read_weights(chain, z, a.initial_momenta, s.S);
    for (int64_t t = 0, index = 0; t < a.tokens; t += a.block, index++) {
        if (a.checkpoints && index > 0 && index % titans_interval(a) == 0) save_checkpoint(a, z, s.W, s.S, titans_checkpoint(a, b, h, index / titans_interval(a) - 1));
        TitansTokens x{a, b, h, t, a.tokens - t < a.block ? a.tokens - t : a.block};
        read_gates(x, z, s.block);
        inner_gradients(x, z, s.block, s.W);
        read_memory(x, z, s.block, s.W, s.S);
        for (int64_t i = 0; i < x.n; i++) __builtin_memcpy(x.row(a.o, i), s.block.Z[z.layers] + i * z.width[z.layers], sizeof(float) * static_cast<size_t>(a.dims[z.layers]));
        carry_memory(x, z, s.block, s.W, s.S, s.W, s.S);
    }
    write_weights(chain, z, s.W, a.final_weights);
    write_weights(chain, z, s.S, a.final_momenta);
}

} // namespace

namespace MEMGEN_ISA {
void titans_forward(const memgen_titans_args& a, const Scratch& scratch) {
    for_items(a.batch * a.heads, scratch.workers, [&](int64_t item, int worker) { run_chain(a, item / a.heads, item % a.heads, scratch.of(worker)); });
}
} // namespace MEMGEN_ISA

} // namespace memgen
