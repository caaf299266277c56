// Sequences cut into spans that blocks walk at once, where heads and value tiles are fewer than multiprocessors.
//
// The state behind a span is linear in the state before it, S' = A S + B. First kernels find A and B of every span from S = I
// and S = 0, another carries the states through the spans in their order, and the kernels that walk whole sequences then walk
// spans, each from its own S. Backward the same from the end: dS = A^T dS' + D, and no span needs a state that checkpoints do
// not have, because it begins at one. A is a diagonal of decays, or K x K under the delta rule. The state of a Titans memory of
// one matrix is W above S (titans_spans.h).
#pragma once
#include "launch.h"

namespace memgen {

constexpr int CheckpointTokens = 128; // between the states that forward keeps for backward

__host__ __device__ __forceinline__ int64_t sequence_count(const MemoryParameters& p) { return p.segments.lengths ? p.segments.count : p.batch; }

struct Spans {
    int64_t tokens; // of each but the last of a sequence; a multiple of those between checkpoints unless sequences are whole
    int64_t count;  // of all sequences, or more: of segments only the device knows the lengths
    int64_t decays; // floats of A: one where it is one decay, K by channel, K K under the delta rule
    int64_t floats; // of A and a state, as span_decays and span_state in matrix_memory.h have them
    float* states;  // between spans

    // Those of a sequence; one without tokens still hands its state on.
    __host__ __device__ __forceinline__ int64_t of_sequence(int64_t length) const { return length > tokens ? (length + tokens - 1) / tokens : 1; }
};

// What has to come of a cut for it to pay.
struct Cut {
    int64_t multiple;     // tokens of a span are a multiple of
    int64_t least;        // and at least so many
    int64_t fewest, over; // fewest / over: spans in the place of a sequence of average length
};

// Spans without floats. The same for any parameters of the same sizes.
Spans cut(const MemoryParameters& p, int64_t multiprocessors, int64_t tiles, const Cut& pays);
// With those of A and of a state.
Spans with_floats(Spans spans, int64_t decays, int64_t state);

// How a call is cut, by its sizes and the number of multiprocessors alone. `tiles`: blocks of a head.
Spans spans_of(const MatrixMemoryParameters& p, Recurrence recurrence, int64_t tiles);

__host__ __device__ __forceinline__ bool are_whole(const MemoryParameters& p, const Spans& spans) { return spans.count == sequence_count(p); }

// Of the states before spans, and of one more behind the last.
inline int64_t spans_floats(const MemoryParameters& p, const Spans& spans) { return are_whole(p, spans) ? 0 : (spans.count + 1) * p.heads * spans.floats; }

// Those of a call, in its workspace.
Spans forward_spans(const MatrixMemoryParameters& p, Recurrence recurrence);
Spans backward_spans(const MatrixMemoryParameters& p, Recurrence recurrence);
Spans scores_spans(const MatrixMemoryParameters& p); // behind the parts of value tiles

// Into spans.states: the state before every span, or of `backward` the gradient of the state behind it, one place on. Nothing where
// sequences are whole.
cudaError_t launch_scalar_spans(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream);
cudaError_t launch_channel_spans(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream);
cudaError_t launch_delta_spans(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream);
cudaError_t launch_delta_spans_backward(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream);
cudaError_t launch_channel_delta_spans(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream);
cudaError_t launch_channel_delta_spans_backward(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream);
cudaError_t launch_generalized_delta_spans(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream);
cudaError_t launch_generalized_delta_spans_backward(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream);
// What they end with: from A and B to the states.
cudaError_t launch_carry(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream);
cudaError_t launch_delta_carry(const MatrixMemoryParameters& p, const Spans& spans, bool backward, cudaStream_t stream);
cudaError_t launch_titans_carry(const TitansParameters& p, const Spans& spans, bool backward, cudaStream_t stream);

} // namespace memgen
