// Launches of attention; arguments are checked by the caller.
#pragma once
#include "device.h"
#include "memgen.h"

namespace memgen {

cudaError_t launch_attention_forward(const memgen_segment_attention_args& a, cudaStream_t stream);
// inner: [B, T, H] floats, which it writes and reads.
cudaError_t launch_attention_backward(const memgen_segment_attention_args& a, float* inner, cudaStream_t stream);

} // namespace memgen
