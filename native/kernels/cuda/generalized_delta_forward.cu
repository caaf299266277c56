// Forward pass of the generalised delta rule.
#include "channel_forward.h"

namespace memgen {

cudaError_t launch_generalized_delta_rule_forward(const MatrixMemoryParameters& p, cudaStream_t stream) {
    return is_step(p) ? launch_matrix_memory_step(p, true, stream) : by_number_and_keys<ChannelForward<Recurrence::Generalized>::Launch>(p, stream);
}

} // namespace memgen
