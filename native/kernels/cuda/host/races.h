// Watches what the threads of an emulated kernel read and write, where the kernels are compiled with MEMGEN_SANITIZE=races: gcc's
// instrumentation for threads then calls what races.cpp defines. Two accesses of one address by two threads, one of them a write,
// need a barrier of the block between them, or of the warp where both are of one; between two blocks nothing helps. An access is
// aligned to its size, and leaves alone what an asynchronous copy is still to write. What does otherwise aborts with one sentence.
#pragma once
#include <cstddef>

namespace memgen {
namespace host {

// Where the running thread is: how many barriers its block and its warp have passed.
struct Moment {
    unsigned block, thread, barriers, warp_barriers;
};

#ifdef MEMGEN_RACES

constexpr bool WatchesRaces = true;
Moment moment();                                        // of the emulator
bool running();                                         // whether a kernel is
bool is_private(const void* p);                         // on the running thread's own stack, or the emulator's
[[noreturn]] void fail(const char* what);               // names block and thread

void watch_block(const void* shared, size_t bytes);     // a block begins, and this is its shared memory
void forget_launch();
void watch(const void* p, size_t bytes, bool write, const void* code);
void watch_copy(const void* p, size_t bytes, bool done); // of the running thread, into p

#else

constexpr bool WatchesRaces = false;
inline void watch_block(const void*, size_t) {}
inline void forget_launch() {}
inline void watch(const void*, size_t, bool, const void*) {}
inline void watch_copy(const void*, size_t, bool) {}

#endif

} // namespace host
} // namespace memgen
