// Launches of the CUDA kernels. Arguments are checked by the caller; every pointer is to device memory.
// The same functions run the grid on the emulator where the sources are compiled for the host.
#pragma once
#include "device.h"

namespace memgen {

enum class Number { Float32, BFloat16 };

// Pointer and strides in elements, one per axis; the last axis is contiguous. Null: absent.
struct TensorView {
    void* data;
    int64_t stride[4];
};

// Which tokens make up which sequence: the rows of [B, T] where lengths is null, else as memgen_segments.
struct SegmentsView {
    int64_t count;
    const int64_t* starts;
    const int64_t* lengths;
};

// Linear attention, scalar decay, channel decay, delta rule and gated delta rule; shapes and meaning as in
// memgen_gated_delta_rule_args. q, k, v, o and their gradients are of `number`, everything else float.
struct MatrixMemoryParameters {
    Number number;
    int64_t batch, tokens, heads, key_dim, value_dim; // key_dim at most LargestKeyDim
    SegmentsView segments;
    float scale;
    TensorView q, k, v, beta, log_decay, initial_state;
    TensorView o, final_state;
    TensorView d_o, d_final_state, d_q, d_k, d_v, d_beta, d_log_decay, d_initial_state;
    float* checkpoints; // forward writes it where it is not null, 16-byte aligned
    float* workspace;   // backward, 16-byte aligned
};

constexpr int64_t LargestKeyDim = 256;

// Elements of checkpoints, and of the workspace of backward. They depend on the sizes and on number alone,
// not on where the segments lie.
int64_t matrix_memory_checkpoint_floats(const MatrixMemoryParameters& p);
int64_t matrix_memory_workspace_floats(const MatrixMemoryParameters& p, bool channel_decay);

cudaError_t launch_scalar_decay_forward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_scalar_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_gated_delta_rule_forward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_gated_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream);


// A call of at most one token a sequence, forward without checkpoints, for any rule: the delta rule where
// beta is not null, log_decay by head or by channel. The forward launches above and below take it themselves.
cudaError_t launch_matrix_memory_step(const MatrixMemoryParameters& p, bool channel_decay, cudaStream_t stream);

// log_decay and d_log_decay are [B, T, H, K]. Of float there is no backward kernel above K = 128
// (cudaErrorInvalidValue), and forward above K = 128, like backward of bfloat16, needs the shared memory of sm_90.
cudaError_t launch_channel_decay_forward(const MatrixMemoryParameters& p, cudaStream_t stream);
cudaError_t launch_channel_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream);

} // namespace memgen
