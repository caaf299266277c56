// The causal convolution with its SiLU: a thread is a channel and takes tiles of tokens with the last inputs in
// registers. Backward forms the sums before the SiLU again; d_weight and d_bias are summed tile after tile by each
// block, then over blocks, in that order.
#include "front/scans.h"
#include "library.h"
#include "sequences.h"

namespace memgen {
namespace {

typedef memgen_causal_conv_args Args;

constexpr int Channels = 128;  // of a block
constexpr int TileTokens = 64; // of one thread at a time
constexpr int64_t MostTeams = 32;

// Blocks that share the tiles of a sequence's group of channels.
int64_t teams(const Args& a) {
    const int64_t sequences = sequence_count(a) > 0 ? sequence_count(a) : 1, each = (a.batch * a.tokens / sequences + TileTokens - 1) / TileTokens;
    return each < 1 ? 1 : each > MostTeams ? MostTeams : each;
}

int64_t channel_blocks(const Args& a) { return (a.channels + Channels - 1) / Channels; }

struct Place {
    int64_t n, c, team;
};

__device__ __forceinline__ Place place_of(const Args& a, int64_t teams) {
    const int64_t blocks = (a.channels + Channels - 1) / Channels, group = blockIdx.x / teams;
    return {group / blocks, group % blocks * Channels + threadIdx.x, blockIdx.x % teams};
}

// Input at time t of the sequence, which is before its first token where t < 0.
template <class T>
__device__ __forceinline__ float input_at(const Args& a, const Sequence& s, const Place& p, int64_t t) {
    if (t >= 0) return to_float(token_of<T>(a.x, s, t)[p.c]);
    return a.initial_state.data ? to_float(row_of<T>(a.initial_state, p.n)[(t + a.width - 1) * a.initial_state.stride[1] + p.c]) : 0.0f;
}

// The weights of the last W tokens, oldest first, or of the next W; those beyond the width are never used.
template <int W>
__device__ __forceinline__ void load_weights(const Args& a, const Place& p, bool turned, float (&weights)[W]) {
    const float* from = static_cast<const float*>(a.weight.data) + p.c * a.weight.stride[0];
#pragma unroll
    for (int j = 0; j < W; j++) weights[j] = j >= W - a.width ? from[turned ? W - 1 - j : j - (W - a.width)] : 0.0f;
}

template <int W>
__device__ __forceinline__ void push(float (&window)[W], float newest) {
#pragma unroll
    for (int j = 0; j + 1 < W; j++) window[j] = window[j + 1];
    window[W - 1] = newest;
}

// The inputs before time t.
template <class T, int W>
__device__ __forceinline__ void fill(const Args& a, const Sequence& s, const Place& p, int64_t t, float (&window)[W]) {
#pragma unroll
    for (int j = 1; j < W; j++) window[j] = j > W - a.width ? input_at<T>(a, s, p, t - W + j) : 0.0f;
}

template <int W>
__device__ __forceinline__ float weighted(const Args& a, const float (&weights)[W], const float (&window)[W], float sum) {
#pragma unroll
    for (int j = 0; j < W; j++)
        if (j >= W - a.width) sum += weights[j] * window[j];
    return sum;
}

template <class T, int W>
__global__ void __launch_bounds__(Channels) forward_kernel(const Args a, int64_t teams) {
    const Place p = place_of(a, teams);
    if (p.c >= a.channels) return;
    const Sequence s = sequence_of(a, p.n);
    float weights[W], window[W];
    load_weights(a, p, false, weights);
    const float bias = a.bias.data ? static_cast<const float*>(a.bias.data)[p.c] : 0.0f;
    for (int64_t t0 = p.team * TileTokens; t0 < s.tokens; t0 += teams * TileTokens) {
        fill<T>(a, s, p, t0, window);
        const int64_t end = t0 + TileTokens < s.tokens ? t0 + TileTokens : s.tokens;
        for (int64_t t = t0; t < end; t++) {
            push(window, to_float(token_of<T>(a.x, s, t)[p.c]));
            const float z = weighted(a, weights, window, bias);
            token_of<T>(a.y, s, t)[p.c] = rounded<T>(z / (1.0f + expf(-z)));
        }
    }
    if (p.team != 0 || !a.final_state.data) return;
    for (int64_t i = 0; i < a.width - 1; i++) row_of<T>(a.final_state, p.n)[i * a.final_state.stride[1] + p.c] = rounded<T>(input_at<T>(a, s, p, s.tokens - (a.width - 1) + i));
}

// [sequences, teams, width + 1, C]: parts of d_weight, then of d_bias
__device__ __forceinline__ float* part_of(const Args& a, float* parts, int64_t team, int64_t j) { return parts + (team * (a.width + 1) + j) * a.channels; }

// With z the sum before the SiLU: d_z_t = d_y_t silu'(z_t), d_x_t = sum_j weight_j d_z_{t + W - 1 - j}. A tile goes W - 1
// tokens on, for the d_z that its inputs reach; the first one begins as much earlier, with the inputs of the state.
template <class T, int W>
__global__ void __launch_bounds__(Channels) backward_kernel(const Args a, int64_t teams, float* parts) {
    const Place p = place_of(a, teams);
    if (p.c >= a.channels) return;
    const Sequence s = sequence_of(a, p.n);
    const int64_t before = a.width - 1;
    float weights[W], turned[W], window[W], upstream[W], d_weight[W], d_bias = 0.0f;
    load_weights(a, p, false, weights);
    load_weights(a, p, true, turned);
    const float bias = a.bias.data ? static_cast<const float*>(a.bias.data)[p.c] : 0.0f;
#pragma unroll
    for (int j = 0; j < W; j++) d_weight[j] = 0.0f;
    for (int64_t t0 = p.team * TileTokens; t0 < s.tokens || (t0 == 0 && p.team == 0); t0 += teams * TileTokens) {
        const int64_t end = t0 + TileTokens < s.tokens ? t0 + TileTokens : s.tokens, first = t0 == 0 ? -before : t0;
        fill<T>(a, s, p, t0, window);
#pragma unroll
        for (int j = 0; j < W; j++) upstream[j] = 0.0f; // d_z of the last W tokens, oldest first
        for (int64_t t = t0; t < end + before; t++) {
            float d_z = 0.0f;
            if (t < s.tokens) {
                push(window, to_float(token_of<T>(a.x, s, t)[p.c]));
                const float z = weighted(a, weights, window, bias), sigmoid = 1.0f / (1.0f + expf(-z));
                d_z = a.d_y.data ? to_float(token_of<T>(a.d_y, s, t)[p.c]) * sigmoid * (1.0f + z * (1.0f - sigmoid)) : 0.0f;
                if (t < end) {
                    d_bias += d_z;
#pragma unroll
                    for (int j = 0; j < W; j++)
                        if (j >= W - a.width) d_weight[j] += d_z * window[j];
                }
            }
            push(upstream, d_z);
            const int64_t to = t - before; // the input whose readers have all gone by
            if (to < first) continue;
            float sum = weighted(a, turned, upstream, 0.0f);
            const int64_t tail = to - (s.tokens - before);
            if (tail >= 0 && a.d_final_state.data) sum += to_float(row_of<T>(a.d_final_state, p.n)[tail * a.d_final_state.stride[1] + p.c]);
            if (to >= 0) {
                if (a.d_x.data) token_of<T>(a.d_x, s, to)[p.c] = rounded<T>(sum);
            } else if (a.d_initial_state.data) {
                row_of<T>(a.d_initial_state, p.n)[(to + before) * a.d_initial_state.stride[1] + p.c] = rounded<T>(sum);
            }
        }
    }
    if (!parts) return;
    const int64_t team = p.n * teams + p.team;
#pragma unroll
    for (int j = 0; j < W; j++)
        if (j >= W - a.width) part_of(a, parts, team, j - (W - a.width))[p.c] = d_weight[j];
    part_of(a, parts, team, a.width)[p.c] = d_bias;
}

__global__ void __launch_bounds__(Channels) sums_kernel(const Args a, int64_t all_teams, float* parts) {
    const int64_t blocks = (a.channels + Channels - 1) / Channels, j = blockIdx.x / blocks, c = blockIdx.x % blocks * Channels + threadIdx.x;
    if (c >= a.channels) return;
    float sum = 0.0f;
    for (int64_t team = 0; team < all_teams; team++) sum += part_of(a, parts, team, j)[c];
    if (j == a.width) {
        if (a.d_bias.data) static_cast<float*>(a.d_bias.data)[c] = sum;
    } else if (a.d_weight.data) {
        static_cast<float*>(a.d_weight.data)[c * a.d_weight.stride[0] + j] = sum;
    }
}

int64_t workspace_bytes(const Args& a, bool backward) { return backward ? sequence_count(a) * teams(a) * (a.width + 1) * a.channels * 4 : 0; }

template <class T, int W>
cudaError_t run(const Args& a, void* workspace, bool backward, cudaStream_t stream) {
    const int64_t own_teams = teams(a), blocks = sequence_count(a) * channel_blocks(a) * own_teams;
    if (!backward) return launch(forward_kernel<T, W>, blocks, Channels, 0, stream, a, own_teams);
    float* parts = a.d_weight.data || a.d_bias.data ? static_cast<float*>(workspace) : nullptr;
    cudaError_t found = launch(backward_kernel<T, W>, blocks, Channels, 0, stream, a, own_teams, parts);
    if (found != cudaSuccess || (!a.d_weight.data && !a.d_bias.data)) return found;
    return launch(sums_kernel, (a.width + 1) * channel_blocks(a), Channels, 0, stream, a, sequence_count(a) * own_teams, parts);
}

memgen_status run(Check& check, const Args* a, void* workspace, size_t bytes, bool backward, void* stream) {
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(*a, backward) : 0)) return check.status();
    const cudaStream_t queue = static_cast<cudaStream_t>(stream);
    const bool narrow = a->width <= 4;
    if (a->dtype == MEMGEN_BFLOAT16) return launched(check, narrow ? run<bfloat16, 4>(*a, workspace, backward, queue) : run<bfloat16, 16>(*a, workspace, backward, queue));
    return launched(check, narrow ? run<float, 4>(*a, workspace, backward, queue) : run<float, 16>(*a, workspace, backward, queue));
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_causal_conv_workspace_size(const Args* a, int32_t backward) { return sizes(__func__, a).ok() ? workspace_bytes(*a, backward != 0) : -1; }

memgen_status memgen_causal_conv_forward(const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = forward_arguments(__func__, a);
    return run(check, a, workspace, bytes, false, stream);
}

memgen_status memgen_causal_conv_backward(const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = backward_arguments(__func__, a);
    return run(check, a, workspace, bytes, true, stream);
}
}
