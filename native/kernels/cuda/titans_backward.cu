// Launches of the backward pass of the Titans memory of one matrix, and its workspace.
#include "titans_backward.h"

namespace memgen {
namespace {

template <class T, int K, int V>
__global__ void __launch_bounds__(Threads) titans_backward(const TitansParameters p, const Spans spans) {
    TitansBackwardMemory<T, K, V>& s = *reinterpret_cast<TitansBackwardMemory<T, K, V>*>(shared_memory());
    {
        Chain c;
        if (!span_of_block(c, p, V, spans)) return;
        if (threadIdx.x == 0) s.chain = c;
    }
    __syncthreads();
    const int64_t floats = (titans_places(p.block) + 2) * place_floats<K, V>();
    TitansBackward<T, K, V> backward{p, s, s.chain, spans, Workspace(p, s.chain, tile_count(p, V), 2 * p.key_dim + TitansSums, floats)};
    backward.walk();
}

template <class T>
__global__ void __launch_bounds__(Threads) sum_titans_tiles(const TitansParameters p, const Spans spans, int64_t tiles) {
    Chain c;
    if (!span_of_block(c, p, p.value_dim, spans)) return;
    sum_parts<T>(p, c, tiles, 2 * p.key_dim + TitansSums, [&](int64_t i, int64_t& stride) -> float* {
        const TensorView& to = i == 0 ? p.d_theta : i == 1 ? p.d_eta : p.d_alpha;
        stride = to.stride[1];
        return tokens_of<float>(to, c);
    });
}

int64_t padded_keys(int64_t key_dim) { return key_dim <= 32 ? 32 : key_dim <= 64 ? 64 : key_dim <= 128 ? 128 : 256; }

int64_t checkpoint_floats(const TitansParameters& p) {
    const int64_t interval = titans_interval(p.block);
    return ((p.batch * p.tokens + interval - 1) / interval * p.heads * 2 * p.key_dim * p.value_dim + 3) / 4 * 4;
}

// What tiles and blocks have of the workspace, behind the checkpoints and before the states between spans.
int64_t tile_floats(const TitansParameters& p, const Spans& spans) {
    const int64_t V = titans_tile_values(p.number, p.key_dim), block_floats = (titans_places(p.block) + 2) * 2 * padded_keys(p.key_dim) * V, tiles = tile_count(p, V);
    return Workspace::floats(p, spans.count * p.heads * tiles, tiles, 2 * p.key_dim + TitansSums, block_floats);
}

template <class T, int K>
struct TitansBackwardLaunch {
    static cudaError_t run(const TitansParameters& call, cudaStream_t stream) {
        if constexpr (sizeof(T) == 4 && K > LargestFloatKeyDim) {
            return cudaErrorInvalidValue;
        } else {
            constexpr int V = titans_values<T, K>();
            static_assert(sizeof(TitansBackwardMemory<T, K, V>) <= LargestSharedMemory, "does not fit on sm_80");
            TitansParameters p = call;
            p.checkpoints = call.workspace, p.workspace = call.workspace + checkpoint_floats(call);
            TitansParameters again = p; // for the checkpoints alone
            again.o.data = again.final_state.data = again.final_momentum.data = nullptr;
            Spans spans = titans_spans(p);
            spans.states = p.workspace + tile_floats(p, spans);
            const int64_t chains = spans.count * p.heads, tiles = tile_count(p, V);
            cudaError_t status = p.tokens > titans_interval(p.block) ? launch_titans_forward(again, spans, stream) : cudaSuccess;
            if (status == cudaSuccess) status = launch_titans_spans_backward(p, spans, stream);
            if (status == cudaSuccess) status = launch(titans_backward<T, K, V>, chains * tiles, Threads, sizeof(TitansBackwardMemory<T, K, V>), stream, p, spans);
            return status != cudaSuccess || tiles < 2 ? status : launch(sum_titans_tiles<T>, chains, Threads, 0, stream, p, spans, tiles);
        }
    }
};

} // namespace

int64_t titans_tile_values(Number number, int64_t key_dim) { return number == Number::BFloat16 && padded_keys(key_dim) <= 128 ? titans_values<bfloat16, 128>() : titans_values<float, 32>(); }

int64_t titans_workspace_floats(const TitansParameters& p, bool backward) {
    const Spans spans = titans_spans(p);
    return (backward ? checkpoint_floats(p) + tile_floats(p, spans) : 0) + spans_floats(p, spans);
}

cudaError_t launch_titans_backward(const TitansParameters& p, cudaStream_t stream) {
    if (p.clip > 0.0f && p.value_dim > titans_tile_values(p.number, p.key_dim)) return cudaErrorInvalidValue;
    return by_number_and_keys<TitansBackwardLaunch>(p, stream);
}

} // namespace memgen
