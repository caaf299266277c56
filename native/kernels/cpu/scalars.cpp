#include "memgen_scalars.h"

#include <atomic>

namespace {

std::atomic<void (*)(void*)> dispose_kept{nullptr};
std::atomic<uint64_t> given_back{0};
std::atomic<void*> kept[MEMGEN_KEPT_SCALARS];

} // namespace

extern "C" {

void memgen_keep_scalars(void (*dispose)(void*)) { dispose_kept = dispose; }

void THSTorch_dispose_scalar(void* scalar) {
    void* oldest = kept[given_back.fetch_add(1, std::memory_order_relaxed) % MEMGEN_KEPT_SCALARS].exchange(scalar);
    if (void (*dispose)(void*) = dispose_kept; dispose && oldest) dispose(oldest);
}
}
