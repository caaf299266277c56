// Backward pass of the gated delta rule.
#include "delta_backward.h"

namespace memgen {

cudaError_t launch_gated_delta_rule_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<BackwardOf<true>::Launch>(p, stream); }

} // namespace memgen
