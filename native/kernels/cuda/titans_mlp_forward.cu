// Forward pass of the Titans memory of any number of layers, a block for every head of a sequence; equations in titans_mlp.h.
#include "front/check.h"
#include "launch.h"
#include "titans_mlp.h"

namespace memgen {
namespace {

template <class T>
__global__ void __launch_bounds__(Threads) titans_mlp_forward(const __grid_constant__ memgen_titans_args a, const __grid_constant__ MlpWorkspace w) {
    TitansMlp<T> p = titans_mlp_of_block<T, MlpShared<T>>(a, w, false);
    float* state = w.state(0, p.s.sizes);
    bool ends = false; // whether anybody wants the state after the last token
    for (int l = 0; l < p.layers(); l++) ends = ends || a.final_weights[l].data || a.final_momenta[l].data;
    p.read_state(a.initial_weights, a.initial_momenta, state);
    p.read_target();
    for (int64_t start = 0; start < p.sequence.tokens; start += a.block) {
        if (w.checkpoints && start > 0 && start % w.interval == 0) p.copy_state(state, titans_mlp_checkpoint(p, w, start));
        p.enter(start);
        p.inner_gradients(state);
        if (a.o.data) { // not where backward wants the checkpoints alone
            p.read_layers(state, p.layers());
            if (p.s.sizes.residual) p.write_residual();
        }
        if (ends || start + a.block < p.sequence.tokens) p.carry(state, state);
    }
    p.write_state(state, a.final_weights, a.final_momenta);
}

template <class T>
cudaError_t run(const memgen_titans_args& a, const MlpWorkspace& w, cudaStream_t stream) {
    return launch(titans_mlp_forward<T>, sequence_count(a) * a.heads, Threads, mlp_shared_bytes<MlpShared<T>>(a, false), stream, a, w);
}

} // namespace

int64_t titans_mlp_forward_floats(const memgen_titans_args& a) {
    const MlpScratch scratch = number_of(a) == Number::BFloat16 ? mlp_scratch<MlpShared<bfloat16>>(a, false) : mlp_scratch<MlpShared<float>>(a, false);
    return MlpSizes(a).state() + MlpSizes(a).targets() + scratch.workspace_floats;
}

cudaError_t launch_titans_mlp_forward(const memgen_titans_args& a, const MlpWorkspace& w, cudaStream_t stream) {
    return number_of(a) == Number::BFloat16 ? run<bfloat16>(a, w, stream) : run<float>(a, w, stream);
}

} // namespace memgen
