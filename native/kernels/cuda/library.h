// What the front doors of the CUDA library share: is there a device, does the workspace do, what came of a launch.
#pragma once
#include "device.h"
#include "front/check.h"

namespace memgen {

// Of the current device; 0 where there is none.
int64_t multiprocessors();

// Whether a call whose arguments passed can be queued; else the check says why not.
bool ready(Check& check, const void* workspace, size_t bytes, int64_t needed);

// The status of a call after its launches. Errors of the kernels themselves come with a later call, as in CUDA.
memgen_status launched(Check& check, cudaError_t found);

} // namespace memgen
