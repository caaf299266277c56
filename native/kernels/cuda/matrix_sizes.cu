// Where sequences are cut, the sizes of what the matrix memories keep and need, and where in a workspace it lies.
#include "matrix_backward.h"

namespace memgen {
namespace {

Spans whole_sequences(const MemoryParameters& p) { return {p.tokens, sequence_count(p), 0, 0, nullptr}; }

// As the kernels have them.
int64_t padded_keys(const MatrixMemoryParameters& p) { return p.key_dim <= 32 ? 32 : p.key_dim <= 64 ? 64 : p.key_dim <= 128 ? 128 : 256; }
int64_t backward_tile(const MatrixMemoryParameters& p, Recurrence recurrence) {
    return channel_values(recurrence, padded_keys(p), p.number == Number::Float32);
}
int64_t forward_tile(const MatrixMemoryParameters& p, Recurrence recurrence) { return by_channel(recurrence) ? backward_tile(p, recurrence) : padded_keys(p) == 256 && p.number == Number::Float32 ? 32 : 64; }

// Of backward's workspace, before the states between spans.
int64_t backward_floats(const MatrixMemoryParameters& p, Recurrence recurrence, const Spans& spans) {
    const int64_t K = padded_keys(p), V = backward_tile(p, recurrence), tiles = tile_count(p, V);
    return Workspace::floats(p, spans.count * p.heads * tiles, tiles + p.further_parts, part_width(p, recurrence), block_floats(recurrence, p.number == Number::Float32 ? 4 : 2, K, V));
}

// Of channel scores, before the states between spans: their output is in parts where there are several value tiles.
int64_t scores_floats(const MatrixMemoryParameters& p) { return Workspace::floats(p, 0, tile_count(p, forward_tile(p, Recurrence::Channel)), p.key_dim, 0); }

} // namespace

// What a span costs beside the walk through it: less than half of one for decays, so that two spans in the place of one already
// pay. Under a delta rule K + V columns in the place of V, and a K x K x V product between spans, which is short beside 4 K
// tokens; it takes twice as many spans as walks.
Spans spans_of(const MatrixMemoryParameters& p, Recurrence recurrence, int64_t tiles) {
    const int64_t K = p.key_dim, V = p.value_dim;
    if (is_delta(recurrence)) return with_floats(cut(p, p.multiprocessors, tiles, {CheckpointTokens, 4 * K, 2 * (2 * V + K), V}), K * K, K * V);
    return with_floats(cut(p, p.multiprocessors, tiles, {CheckpointTokens, 0, 0, 1}), recurrence == Recurrence::Channel ? K : 1, K * V);
}

Spans cut(const MemoryParameters& p, int64_t multiprocessors, int64_t tiles, const Cut& pays) {
    const int64_t sequences = sequence_count(p), blocks = sequences * p.heads * tiles, all = p.batch * p.tokens;
    const int64_t wanted = blocks == 0 ? 1 : multiprocessors / blocks; // of a sequence of average length
    if (wanted < 2) return whole_sequences(p);
    const int64_t even = (all + sequences * wanted - 1) / (sequences * wanted), least = even < pays.least ? pays.least : even;
    const int64_t tokens = (least + pays.multiple - 1) / pays.multiple * pays.multiple;
    if (tokens >= p.tokens || all * pays.over < pays.fewest * sequences * tokens) return whole_sequences(p);
    Spans spans{tokens, 0, 0, 0, nullptr};
    spans.count = p.segments.lengths ? sequences + all / tokens : sequences * spans.of_sequence(p.tokens);
    return spans;
}

Spans with_floats(Spans spans, int64_t decays, int64_t state) {
    spans.decays = decays, spans.floats = ((decays + 3) / 4 + (state + 3) / 4) * 4;
    return spans;
}

int64_t matrix_memory_checkpoint_floats(const MatrixMemoryParameters& p) {
    return (p.batch * p.tokens + CheckpointTokens - 1) / CheckpointTokens * p.heads * p.key_dim * p.value_dim;
}

Spans forward_spans(const MatrixMemoryParameters& p, Recurrence recurrence) {
    Spans spans = spans_of(p, recurrence, tile_count(p, forward_tile(p, recurrence)));
    spans.states = p.workspace;
    return spans;
}

Spans backward_spans(const MatrixMemoryParameters& p, Recurrence recurrence) {
    Spans spans = spans_of(p, recurrence, tile_count(p, backward_tile(p, recurrence)));
    if (p.workspace) spans.states = p.workspace + backward_floats(p, recurrence, spans);
    return spans;
}

int64_t matrix_memory_workspace_floats(const MatrixMemoryParameters& p, Recurrence recurrence, bool backward) {
    if (!backward) return spans_floats(p, forward_spans(p, recurrence));
    const Spans spans = backward_spans(p, recurrence);
    return backward_floats(p, recurrence, spans) + spans_floats(p, spans);
}

Spans scores_spans(const MatrixMemoryParameters& p) {
    Spans spans = forward_spans(p, Recurrence::Channel);
    if (p.workspace) spans.states += scores_floats(p);
    return spans;
}

int64_t channel_scores_workspace_floats(const MatrixMemoryParameters& p) { return scores_floats(p) + spans_floats(p, scores_spans(p)); }

float* further_part(const MatrixMemoryParameters& p) { return p.workspace + tile_count(p, backward_tile(p, Recurrence::Scalar)) * part_floats(p, part_width(p, Recurrence::Scalar)); }

} // namespace memgen
