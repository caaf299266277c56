// A and B of the spans of the generalised delta rule. Of its own because compilers take their time over these kernels.
#include "channel_delta_spans.h"

namespace memgen {

cudaError_t launch_generalized_delta_spans(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) { return launch_spans<ChannelDeltaSpan<Recurrence::Generalized>::Launch>(p, spans, false, stream); }

} // namespace memgen
