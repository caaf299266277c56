// A and B of the spans of the channel delta rule. Of its own because compilers take their time over these kernels.
#include "channel_delta_spans.h"

namespace memgen {

cudaError_t launch_channel_delta_spans(const MatrixMemoryParameters& p, const Spans& spans, cudaStream_t stream) { return launch_spans<ChannelDeltaSpan<Recurrence::ChannelDelta>::Launch>(p, spans, false, stream); }

} // namespace memgen
