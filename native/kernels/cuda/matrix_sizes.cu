// Sizes of what the matrix memories keep and need, and where in a workspace they lie.
#include "matrix_backward.h"

namespace memgen {
namespace {

// As the kernels have them.
int64_t padded_keys(const MatrixMemoryParameters& p) { return p.key_dim <= 32 ? 32 : p.key_dim <= 64 ? 64 : p.key_dim <= 128 ? 128 : 256; }
int64_t forward_tile(const MatrixMemoryParameters& p) { return padded_keys(p) == 256 && p.number == Number::Float32 ? 32 : 64; }
int64_t backward_tile(const MatrixMemoryParameters& p, bool channels) { return (padded_keys(p) == 256 ? 64 : 128) / (p.number == Number::Float32 ? 2 : 1) / (channels ? 2 : 1); }

// Of backward's workspace, before the states between spans.
int64_t backward_floats(const MatrixMemoryParameters& p, bool channels, const Spans& spans) {
    const int64_t K = padded_keys(p), V = backward_tile(p, channels), tiles = tile_count(p, V);
    const int64_t own = channels && K == 256 ? Chunk * K : 0; // DecayGradients
    return Workspace::floats(p, spans.count * p.heads * tiles, tiles + p.further_parts, part_width(p, channels), Places * K * V + own);
}

} // namespace

int64_t matrix_memory_checkpoint_floats(const MatrixMemoryParameters& p) {
    return (p.batch * p.tokens + CheckpointTokens - 1) / CheckpointTokens * p.heads * p.key_dim * p.value_dim;
}

Spans forward_spans(const MatrixMemoryParameters& p, Recurrence recurrence) {
    Spans spans = spans_of(p, recurrence, tile_count(p, forward_tile(p)));
    spans.states = p.workspace;
    return spans;
}

Spans backward_spans(const MatrixMemoryParameters& p, Recurrence recurrence) {
    const bool channels = recurrence == Recurrence::Channel;
    Spans spans = spans_of(p, recurrence, tile_count(p, backward_tile(p, channels)));
    spans.states = p.workspace + backward_floats(p, channels, spans);
    return spans;
}

int64_t matrix_memory_workspace_floats(const MatrixMemoryParameters& p, Recurrence recurrence, bool backward) {
    if (!backward) return spans_floats(p, forward_spans(p, recurrence));
    const Spans spans = backward_spans(p, recurrence);
    return backward_floats(p, recurrence == Recurrence::Channel, spans) + spans_floats(p, spans);
}

float* further_part(const MatrixMemoryParameters& p) { return p.workspace + tile_count(p, backward_tile(p, false)) * part_floats(p, part_width(p, false)); }

} // namespace memgen
