// Backward pass of scalar decay. Of its own because compilers take their time over these kernels.
#include "delta_backward.h"

namespace memgen {

cudaError_t launch_scalar_decay_backward(const MatrixMemoryParameters& p, cudaStream_t stream) { return by_number_and_keys<BackwardOf<false>::Launch>(p, stream); }

} // namespace memgen
