// Sequences cut into spans that blocks walk at once, where heads and value tiles are fewer than multiprocessors.
//
// The state behind a span is linear in the state before it, S' = A S + B, with A a diagonal of decays. One kernel finds A and
// B of every span from S = 0, a second carries the states through the spans in their order, a few a head, and the kernels
// that walk whole sequences then walk spans, each from its own S. Backward the same from the end: dS = A dS' + D, and no
// span needs a state that checkpoints do not have, because it begins at one.
#pragma once
#include "launch.h"

namespace memgen {

constexpr int CheckpointTokens = 128; // between the states that forward keeps for backward

__host__ __device__ __forceinline__ int64_t sequence_count(const MemoryParameters& p) { return p.segments.lengths ? p.segments.count : p.batch; }

struct Spans {
    int64_t tokens; // of each but the last of a sequence; a multiple of CheckpointTokens unless sequences are whole
    int64_t count;  // of all sequences, or more: of segments only the device knows the lengths
    int64_t decays; // in A: one, or one a key channel
    float* states;  // between spans, as span_state in matrix_memory.h has them

    // Those of a sequence; one without tokens still hands its state on.
    __host__ __device__ __forceinline__ int64_t of_sequence(int64_t length) const { return length > tokens ? (length + tokens - 1) / tokens : 1; }
};

// Of a state between spans and its decays, in floats.
__host__ __device__ __forceinline__ int64_t span_floats(const MemoryParameters& p, const Spans& spans) { return (p.key_dim * p.value_dim + spans.decays + 3) / 4 * 4; }

inline Spans whole_sequences(const MemoryParameters& p) { return {p.tokens, sequence_count(p), 0, nullptr}; }

// Depends on sizes and the number of multiprocessors alone. The first kernel costs less than half of the one that follows, so
// that two spans in the place of one already pay. `tiles`: blocks of a head.
inline Spans spans_of(const MatrixMemoryParameters& p, Recurrence recurrence, int64_t tiles) {
    const int64_t sequences = sequence_count(p), blocks = sequences * p.heads * tiles, all = p.batch * p.tokens;
    const int64_t wanted = recurrence == Recurrence::Delta || blocks == 0 ? 1 : p.multiprocessors / blocks; // of a sequence of average length
    if (wanted < 2) return whole_sequences(p);
    const int64_t average = (all + sequences * wanted - 1) / (sequences * wanted), tokens = (average + CheckpointTokens - 1) / CheckpointTokens * CheckpointTokens;
    if (tokens >= p.tokens) return whole_sequences(p);
    Spans spans{tokens, 0, recurrence == Recurrence::Channel ? p.key_dim : 1, nullptr};
    spans.count = p.segments.lengths ? sequences + all / tokens : sequences * spans.of_sequence(p.tokens);
    return spans;
}

__host__ __device__ __forceinline__ bool are_whole(const MemoryParameters& p, const Spans& spans) { return spans.count == sequence_count(p); }

// Of the states before spans, and of one more behind the last.
inline int64_t spans_floats(const MemoryParameters& p, const Spans& spans) { return are_whole(p, spans) ? 0 : (spans.count + 1) * p.heads * span_floats(p, spans); }

// Those of a call with its workspace.
Spans forward_spans(const MatrixMemoryParameters& p, Recurrence recurrence);
Spans backward_spans(const MatrixMemoryParameters& p, Recurrence recurrence);

// Into spans.states: the state before every span, or of `backward` the gradient of the state behind it, one place on. Nothing where
// sequences are whole.
cudaError_t launch_scalar_spans(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream);
cudaError_t launch_channel_spans(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream);
// What both end with: from A and B to the states.
cudaError_t launch_carry(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream);

} // namespace memgen
