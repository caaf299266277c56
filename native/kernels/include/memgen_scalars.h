/* How long TorchSharp's scalars live: see runtime/Memory.Gen.Runtime/Kernels/ScalarLifetime.cs. Only the library for the CPU has this. */
#ifndef MEMGEN_SCALARS_H
#define MEMGEN_SCALARS_H

#include "memgen.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MEMGEN_KEPT_SCALARS 262144 /* given back and not freed yet: some 10 MB at most */

/* What frees a scalar in the end. To be called before the first is given back, and from any thread. */
MEMGEN_API void memgen_keep_scalars(void (*dispose)(void* scalar));

/* In the place of TorchSharp's function of this name: frees the scalar that was given back MEMGEN_KEPT_SCALARS calls ago.
 * From any thread; nothing is freed before memgen_keep_scalars was called.
 */
MEMGEN_API void THSTorch_dispose_scalar(void* scalar);

#ifdef __cplusplus
}
#endif
#endif
