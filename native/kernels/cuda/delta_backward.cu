// Backward pass of the gated delta rule, and the sizes of what backward passes need.
#include "delta_backward.h"

namespace memgen {

cudaError_t launch_gated_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<BackwardOf<true>::Launch>(p, stream); }

int64_t matrix_memory_checkpoint_floats(const MatrixMemoryParameters& p) {
    return (p.batch * p.tokens + CheckpointTokens - 1) / CheckpointTokens * p.heads * p.key_dim * p.value_dim;
}

namespace {

int64_t padded_keys(const MatrixMemoryParameters& p) { return p.key_dim <= 32 ? 32 : p.key_dim <= 64 ? 64 : p.key_dim <= 128 ? 128 : 256; }
int64_t tile_values(const MatrixMemoryParameters& p, bool channel_decay) { return (padded_keys(p) == 256 ? 64 : 128) / (p.number == Number::Float32 ? 2 : 1) / (channel_decay ? 2 : 1); }

} // namespace

int64_t matrix_memory_workspace_floats(const MatrixMemoryParameters& p, bool channel_decay) {
    const int64_t K = padded_keys(p), V = tile_values(p, channel_decay), tiles = tile_count(p, V);
    const int64_t own = channel_decay && K == 256 ? Chunk * K : 0; // DecayGradients
    return Workspace::floats(p, tiles, tiles + p.further_parts, part_width(p, channel_decay), Places * K * V + own);
}

float* further_part(const MatrixMemoryParameters& p) { return p.workspace + tile_count(p, tile_values(p, false)) * part_floats(p, part_width(p, false)); }

} // namespace memgen
