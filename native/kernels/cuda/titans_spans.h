// Spans of the Titans memory of one matrix (spans.h). Its gradients are taken at the weights that a block started with, so W and S
// behind whole blocks are linear in both before them, and the state that spans hand on is W above S: A has 2 K rows and columns, or K
// without momentum. Forward finds A as if its columns were values of tokens without any, by the kernel of the walk; backward goes
// through the same A. A clip is not linear: with one, sequences are whole.
#pragma once
#include "spans.h"

namespace memgen {

__host__ __device__ __forceinline__ int64_t titans_rows(const TitansParameters& p) { return p.momentum ? 2 * p.key_dim : p.key_dim; }

// How forward and backward are cut.
Spans titans_spans(const TitansParameters& p);

// Forward by spans whose states lie there.
cudaError_t launch_titans_forward(const TitansParameters& p, const Spans& spans, cudaStream_t stream);
// Into spans.states, where forward has left A of all spans: the gradient of the state behind every span, one place on. Nothing
// where sequences are whole.
cudaError_t launch_titans_spans_backward(const TitansParameters& p, const Spans& spans, cudaStream_t stream);

} // namespace memgen
