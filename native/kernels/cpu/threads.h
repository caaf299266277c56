// The library's own threads. Work is cut into items whose results do not depend on who runs them, so
// every result has the same bits for any number of threads.
#pragma once
#include <cstdint>

namespace memgen {

typedef void (*Work)(void* context, int64_t item, int worker);

// Runs work(context, item, worker) for item = 0 .. items-1 on at most `workers` threads, the caller
// being worker 0, and returns when all are done. When another caller holds the threads, the work runs
// on the calling thread alone.
void run_items(int64_t items, int workers, Work work, void* context);

int thread_count();
void set_thread_count(int count);

template <class Function>
void for_items(int64_t items, int workers, Function&& function) {
    run_items(items, workers, [](void* context, int64_t item, int worker) { (*static_cast<Function*>(context))(item, worker); }, &function);
}

} // namespace memgen
