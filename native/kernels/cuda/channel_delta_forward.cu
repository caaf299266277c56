// Forward pass of the channel delta rule. Of its own because compilers take their time over these kernels.
#include "channel_forward.h"

namespace memgen {

cudaError_t launch_channel_delta_rule_forward(const MatrixMemoryParameters& p, cudaStream_t stream) {
    return is_step(p) ? launch_matrix_memory_step(p, true, stream) : by_number_and_keys<ChannelForward<Recurrence::ChannelDelta>::Launch>(p, stream);
}

} // namespace memgen
