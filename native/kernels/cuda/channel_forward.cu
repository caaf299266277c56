// Forward pass of channel decay.
#include "channel_forward.h"

namespace memgen {

cudaError_t launch_channel_decay_forward(const MatrixMemoryParameters& p, cudaStream_t stream) {
    return is_step(p) ? launch_matrix_memory_step(p, true, stream) : by_number_and_keys<ChannelForward<Recurrence::Channel>::Launch>(p, stream);
}

} // namespace memgen
