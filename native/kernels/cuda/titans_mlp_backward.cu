// Launches of the backward pass of the Titans memory of any number of layers, and its workspace.
#include "titans_mlp_backward.h"

#include "front/check.h"
#include "launch.h"

namespace memgen {
namespace {

// The first states of a chain's part are those before the blocks of an interval, the last one is the gradient.
template <class T>
__global__ void __launch_bounds__(Threads) titans_mlp_backward(const __grid_constant__ memgen_titans_args a, const __grid_constant__ MlpWorkspace w) {
    TitansMlpBackward<T> p{titans_mlp_of_block<T, MlpBackwardShared<T>>(a, w, true)};
    const int64_t tokens = p.sequence.tokens;
    float* d_state = w.state(w.states - 1, p.s.sizes);
    p.read_state(a.d_final_weights, a.d_final_momenta, d_state);
    p.read_target();
    for (int l = 1; p.s.target && l <= p.layers(); l++) for_elements(p.width(l - 1), p.width(l), [&](int i, int j) { p.d_target(l).at(i, j) = 0.0f; });
    if (p.s.sizes.residual) p.for_d_factor([](int, float& x) { x = 0.0f; });
    for (int64_t first = tokens > 0 ? (tokens - 1) / w.interval * w.interval : -1; first >= 0; first -= w.interval) {
        const int64_t end = first + w.interval < tokens ? first + w.interval : tokens, last = (end - 1 - first) / a.block;
        auto state = [&](int64_t index) { return w.state(index, p.s.sizes); };
        if (first > 0) p.copy_state(titans_mlp_checkpoint(p, w, first), state(0));
        else p.read_state(a.initial_weights, a.initial_momenta, state(0));
        for (int64_t i = 0; i < last; i++) {
            p.enter(first + i * a.block);
            p.inner_gradients(state(i));
            p.carry(state(i), state(i + 1));
        }
        for (int64_t i = last; i >= 0; i--) p.leave(first + i * a.block, state(i), d_state);
    }
    p.write_state(d_state, a.d_initial_weights, a.d_initial_momenta);
    for (int l = 1; p.s.target && l <= p.layers(); l++)
        p.for_matrix(a.d_target[l - 1], p.d_target(l), [](float* tensor, float& x) {
            if (tensor) *tensor = x;
        });
}

// Blocks between checkpoints: those of all chains and the states within an interval then take least together.
int64_t interval_blocks(const memgen_titans_args& a) {
    int64_t blocks = 1;
    while (blocks * blocks * a.block * sequence_count(a) < a.batch * a.tokens && sequence_count(a) > 0) blocks++;
    return blocks;
}

// Checkpoints first, then the chains. The forward pass that leaves the checkpoints has their parts before backward does.
template <class T>
MlpWorkspace workspace_of(const memgen_titans_args& a, float* workspace, int64_t* floats) {
    const int64_t state = MlpSizes(a).state(), interval = interval_blocks(a) * a.block, states = interval / a.block + 1;
    const int64_t checkpoints = checkpoint_places(a.batch * a.tokens, interval) * a.heads * state;
    const int64_t again = titans_mlp_forward_floats(a), own = states * state + 2 * MlpSizes(a).targets() + mlp_scratch<MlpBackwardShared<T>>(a, true).workspace_floats, chain = again > own ? again : own;
    if (floats) *floats = checkpoints + sequence_count(a) * a.heads * chain;
    return {workspace ? workspace + checkpoints : nullptr, chain, states, workspace, interval};
}

template <class T>
cudaError_t run(const memgen_titans_args& a, float* workspace, cudaStream_t stream) {
    const MlpWorkspace w = workspace_of<T>(a, workspace, nullptr);
    if (a.tokens > w.interval) {
        memgen_titans_args again = a; // for the checkpoints alone
        again.o.data = nullptr;
        for (int l = 0; l < MostLayers; l++) again.final_weights[l].data = again.final_momenta[l].data = nullptr;
        const cudaError_t status = launch_titans_mlp_forward(again, {w.chains, w.chain, 1, w.checkpoints, w.interval}, stream);
        if (status != cudaSuccess) return status;
    }
    return launch(titans_mlp_backward<T>, sequence_count(a) * a.heads, Threads, mlp_shared_bytes<MlpBackwardShared<T>>(a, true), stream, a, w);
}

} // namespace

int64_t titans_mlp_workspace_floats(const memgen_titans_args& a, bool backward) {
    int64_t floats = sequence_count(a) * a.heads * titans_mlp_forward_floats(a);
    if (backward && number_of(a) == Number::BFloat16) workspace_of<bfloat16>(a, nullptr, &floats);
    else if (backward) workspace_of<float>(a, nullptr, &floats);
    return floats;
}

cudaError_t launch_titans_mlp(const memgen_titans_args& a, bool backward, float* workspace, cudaStream_t stream) {
    if (backward) return number_of(a) == Number::BFloat16 ? run<bfloat16>(a, workspace, stream) : run<float>(a, workspace, stream);
    return launch_titans_mlp_forward(a, {workspace, titans_mlp_forward_floats(a), 1, nullptr, a.block}, stream);
}

} // namespace memgen
