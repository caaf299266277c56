#include "memgen_scalars.h"

#include <chrono>
#include <mutex>

namespace {

struct Kept {
    void* scalar;
    int64_t since;
};

std::mutex guard; // of all below
void (*dispose_kept)(void*) = nullptr;
int64_t patience = 0;
Kept kept[MEMGEN_KEPT_SCALARS];
uint64_t oldest = 0, next = 0;

int64_t now() { return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

} // namespace

extern "C" {

void memgen_keep_scalars(void (*dispose)(void*), int64_t nanoseconds) {
    std::lock_guard<std::mutex> lock(guard);
    dispose_kept = dispose;
    patience = nanoseconds;
}

void THSTorch_dispose_scalar(void* scalar) {
    constexpr int Most = 2; // so that what has gathered shrinks, and no call takes long
    void* ready[Most];
    int count = 0;
    const int64_t time = now();
    std::unique_lock<std::mutex> lock(guard);
    while (count < Most && oldest < next && (next - oldest == MEMGEN_KEPT_SCALARS || time - kept[oldest % MEMGEN_KEPT_SCALARS].since >= patience))
        ready[count++] = kept[oldest++ % MEMGEN_KEPT_SCALARS].scalar;
    kept[next++ % MEMGEN_KEPT_SCALARS] = {scalar, time};
    void (*dispose)(void*) = dispose_kept;
    lock.unlock();
    for (int i = 0; dispose && i < count; i++) dispose(ready[i]);
}
}
