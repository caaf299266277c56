/* How long TorchSharp's scalars live: see runtime/Memory.Gen.Runtime/Kernels/ScalarLifetime.cs. Only the library for the CPU has this. */
#ifndef MEMGEN_SCALARS_H
#define MEMGEN_SCALARS_H

#include "memgen.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MEMGEN_KEPT_SCALARS 262144 /* most that are given back and not freed yet */

/* What frees a scalar in the end, and how many nanoseconds after it was given back at the soonest; sooner only where
 * MEMGEN_KEPT_SCALARS are kept. To be called before the first is given back, and from any thread.
 */
MEMGEN_API void memgen_keep_scalars(void (*dispose)(void* scalar), int64_t nanoseconds);

/* In the place of TorchSharp's function of this name: keeps the scalar, and frees up to two whose time has come, oldest
 * first. From any thread; nothing is freed before memgen_keep_scalars was called.
 */
MEMGEN_API void THSTorch_dispose_scalar(void* scalar);

#ifdef __cplusplus
}
#endif
#endif
