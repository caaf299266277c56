// Forward pass of the Titans memory: block after block, no weight of a single token is ever formed.
#include "kernels.h"
#include "sequences.h"
#include "threads.h"
#include "titans_block.h"

namespace memgen {
namespace {

// f of query i.
void write_output(const TitansSizes& z, const TitansRead& r, int64_t i, float* o) {
    const int64_t row = i * z.width[z.layers];
    const float* Z = r.X[z.layers] + row;
    if (!z.residual) __builtin_memcpy(o, Z, sizeof(float) * static_cast<size_t>(z.outputs));
    else for_vectors(z.outputs, [&](int64_t j, auto part) { store(o + j, load(r.X[0] + row + j) + load(r.gamma + j) * load(Z + j), part); });
}

void run_chain(const memgen_titans_args& a, int64_t h, char* slice) {
    Arena arena{slice};
    TitansForwardScratch s(arena, a);
    const TitansSizes& z = s.sizes;
    TitansTokens chain{a, h, 0, 0};
    read_state(chain, z, a.initial_weights, a.initial_momenta, s.state);
    read_constants(chain, z, s.read);
    bool ends = false; // whether anybody wants the state after the last token
    for (int64_t l = 0; l < z.layers; l++) ends = ends || a.final_weights[l].data || a.final_momenta[l].data;
    const int64_t blocks = titans_blocks(a), interval = titans_interval(a), checkpoints = TitansCheckpoints(a)(a.tokens);
    for (int64_t block = 0; block < blocks; block++) {
        TitansTokens x = block_of(chain, block);
        if (a.checkpoints && block > 0 && block % interval == 0) __builtin_memcpy(titans_checkpoint(a, z, h, checkpoints, block / interval), s.state, sizeof(float) * static_cast<size_t>(z.state()));
        TitansAhead ahead(block_of(chain, block + 1), {&a.k, &a.q}, {&a.v});
        read_gates(x, z, s.writes);
        inner_gradients(x, z, s.writes, s.read, s.state, ahead);
        read_memory(x, z, s.writes, s.read, s.state, ahead);
        const int64_t width = z.width[z.layers];
        if (!z.residual && x.n == z.block && z.outputs == width) read_layer(x, z, s.writes, s.read, z.layers, s.state, x.row(a.o, 0), a.o.stride[1], ahead);
        else {
            read_last(x, z, s.writes, s.read, s.state, ahead);
            for (int64_t i = 0; i < x.n; i++) write_output(z, s.read, i, x.row(a.o, i));
        }
        if (ends || block + 1 < blocks) carry_memory(x, z, s.writes, s.read, s.state, s.state, ahead);
    }
    write_state(chain, z, s.state, a.final_weights, a.final_momenta);
}

} // namespace

namespace MEMGEN_ISA {
void titans_forward(const memgen_titans_args& a, const Scratch& scratch) {
    Arena arena{scratch.shared};
    const SequencePlan plan(arena, sequence_count(a));
    for_items(sequence_count(a) * a.heads, scratch.workers, [&](int64_t item, int worker) { run_chain(sequence(a, plan, plan.order[item / a.heads]), item % a.heads, scratch.of(worker)); });
}
} // namespace MEMGEN_ISA

} // namespace memgen
