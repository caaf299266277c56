// Launches of the CUDA kernels. Arguments are checked by the caller; every pointer is to device memory.
// The same functions run the grid on the emulator where the sources are compiled for the host.
#pragma once
#include "device.h"
#include "memgen.h"

namespace memgen {

enum class Number { Float32, BFloat16 };

// Pointer and strides in elements, one per axis; the last axis is contiguous. Null: absent.
struct TensorView {
    void* data;
    int64_t stride[4];
};

inline TensorView view(const memgen_tensor& x) { return {x.data, {x.stride[0], x.stride[1], x.stride[2], x.stride[3]}}; }

// Which tokens make up which sequence: the rows of [B, T] where lengths is null, else as memgen_segments.
struct SegmentsView {
    int64_t count;
    const int64_t* starts;
    const int64_t* lengths;
};

// What every memory has whose state is a matrix. q, k, v, o and their gradients are of `number`, everything else float.
struct MemoryParameters {
    Number number;
    int64_t batch, tokens, heads, key_dim, value_dim; // key_dim at most LargestKeyDim
    SegmentsView segments;
    TensorView q, k, v, initial_state;
    TensorView o, final_state;
    TensorView d_o, d_final_state, d_q, d_k, d_v, d_initial_state;
    float* checkpoints; // forward writes it where it is not null, 16-byte aligned
    float* workspace;   // 16-byte aligned
};

template <class Args>
Number number_of(const Args& a) { return a.dtype == MEMGEN_BFLOAT16 ? Number::BFloat16 : Number::Float32; }

// Those of the memories whose arguments give them these names; Titans' are in lists.
template <class Args>
MemoryParameters memory_parameters(const Args& a, void* workspace) {
    return {number_of(a),
            a.batch, a.tokens, a.heads, a.key_dim, a.value_dim,
            {a.segments.count, a.segments.starts, a.segments.lengths},
            view(a.q), view(a.k), view(a.v), view(a.initial_state),
            view(a.o), view(a.final_state),
            view(a.d_o), view(a.d_final_state), view(a.d_q), view(a.d_k), view(a.d_v), view(a.d_initial_state),
            static_cast<float*>(a.checkpoints), static_cast<float*>(workspace)};
}

// Linear attention, scalar decay, channel decay, delta rule, gated delta rule, channel delta rule and the generalised one; shapes and
// meaning as in memgen_gated_delta_rule_args.
struct MatrixMemoryParameters : MemoryParameters {
    float scale;
    TensorView beta, log_decay, d_beta, d_log_decay;
    // Of normalised linear attention, which takes the kernels of scalar decay: what o is divided by, [B, T, H] or null; and
    // the parts of d_q and d_k that lie beside those of value tiles.
    const float* divisors;
    int64_t further_parts;
    int64_t multiprocessors; // of the device; where heads are fewer, sequences are split (spans.h)
    Number state;            // of initial_state and final_state; not float in a step alone
    TensorView a, b, d_a, d_b; // of the generalised delta rule, of `number`
};

enum class Recurrence { Delta, Scalar, Channel, ChannelDelta, Generalized };
__host__ __device__ __forceinline__ constexpr bool by_channel(Recurrence recurrence) { return recurrence >= Recurrence::Channel; }
// A token's transition is a matrix, not a diagonal.
__host__ __device__ __forceinline__ constexpr bool is_delta(Recurrence recurrence) { return recurrence != Recurrence::Scalar && recurrence != Recurrence::Channel; }

// The Titans memory of one matrix, whose state is the weights; meaning as in memgen_titans_args. Backward makes its own
// checkpoints, in the workspace.
struct TitansParameters : MemoryParameters {
    int64_t block;
    bool reads_block_start, momentum;
    float clip; // only where one value tile has all columns
    TensorView theta, eta, alpha, initial_momentum, final_momentum;
    TensorView d_theta, d_eta, d_alpha, d_final_momentum, d_initial_momentum;
    int64_t multiprocessors; // of the device; where heads are fewer, sequences are split (spans.h)
};

constexpr int64_t LargestKeyDim = 256;
constexpr int64_t LargestFloatKeyDim = 128; // in float32, where decays are by channel and of Titans: more does not fit in shared memory
// Of a rule: of the generalised one half as many fit.
__host__ __device__ __forceinline__ constexpr int64_t largest_keys(Recurrence rule, bool floats) {
    return (floats && by_channel(rule) ? LargestFloatKeyDim : LargestKeyDim) / (rule == Recurrence::Generalized ? 2 : 1);
}

// Elements of checkpoints, and of the workspace. They depend on the sizes, on number and multiprocessors alone,
// not on where the segments lie.
int64_t matrix_memory_checkpoint_floats(const MatrixMemoryParameters& p);
int64_t matrix_memory_workspace_floats(const MatrixMemoryParameters& p, Recurrence recurrence, bool backward);
// Where in backward's workspace of scalar decay the part lies that is not a value tile's: 2 K + 2 floats for every token and head.
float* further_part(const MatrixMemoryParameters& p);

cudaError_t launch_scalar_decay_forward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_scalar_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_gated_delta_rule_forward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_gated_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream);

// A call of at most one token a sequence, forward without checkpoints, for any rule: the delta rule where
// beta is not null, the generalised one where a is not, log_decay by head or by channel. The forward launches above and below take it themselves.
cudaError_t launch_matrix_memory_step(const MatrixMemoryParameters& p, bool channel_decay, cudaStream_t stream);

// log_decay and d_log_decay are [B, T, H, K]. Of float there is none above LargestFloatKeyDim (cudaErrorInvalidValue).
cudaError_t launch_channel_decay_forward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_channel_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream);
// Its memory read along its other axis: q is [B, T, H, V] and o [B, T, H, K]. Elements of the workspace, and the launch with as many.
int64_t channel_scores_workspace_floats(const MatrixMemoryParameters& p);
cudaError_t launch_channel_scores(const MatrixMemoryParameters& p, cudaStream_t stream);
// The same under the delta rule.
cudaError_t launch_channel_delta_rule_forward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_channel_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream);
// The generalised delta rule. There is none above largest_keys (cudaErrorInvalidValue), except of a step.
cudaError_t launch_generalized_delta_rule_forward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_generalized_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream);

// Value columns of a block, which a clip needs to have all in one.
int64_t titans_tile_values(Number number, int64_t key_dim);
// Elements of the workspace. They depend on the sizes, block, clip, number and multiprocessors alone.
int64_t titans_workspace_floats(const TitansParameters& p, bool backward);

cudaError_t launch_titans_forward(const TitansParameters& p, cudaStream_t stream);
cudaError_t launch_titans_backward(const TitansParameters& p, cudaStream_t stream);

// The Titans memory of any number of layers and any widths. Elements of its workspace, and its launches with as many, 16-byte
// aligned.
int64_t titans_mlp_workspace_floats(const memgen_titans_args& a, bool backward);
cudaError_t launch_titans_mlp(const memgen_titans_args& a, bool backward, float* workspace, cudaStream_t stream);

// One token of it, of any number of layers.
int64_t titans_step_workspace_floats(const memgen_titans_step_args& a);
cudaError_t launch_titans_step(const memgen_titans_step_args& a, float* workspace, cudaStream_t stream);

} // namespace memgen
