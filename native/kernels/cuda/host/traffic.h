// Counts what the accesses of an emulated kernel would cost the memory of a device, where races.h watches them.
//
// The lanes of a warp that reach the same place in the code for the same time since the last barrier of the block make one
// access. In shared memory it takes as many waves as different words meet in one of the 32 banks, of 8 bytes a lane for each half
// of the warp and of 16 for each quarter, unless all is one wave; the least is one for every 128 bytes that are different. In the tensors it takes a sector for every 32 bytes that it touches; the least is that for its bytes
// side by side. Lanes that skip a round which others take are put together with what those do later: where a branch is not the
// warp's, read the counts with that in mind. What the host's compiler reads in one piece counts as one piece.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace memgen {
namespace host {

enum class Way { Matrix, SharedRead, SharedWrite, SharedCopy, Read, Write, Copy }; // Matrix: ldmatrix; SharedCopy, Copy: both ends of an asynchronous one
constexpr int Ways = 7;

struct Traffic {
    uint64_t accesses, taken, least; // accesses of warps; waves or sectors
};

#ifdef MEMGEN_RACES

void count_traffic(bool on); // from zero
Traffic traffic(Way way);
void print_traffic(FILE* to); // a line for every place in the code that makes accesses, as traffic.py reads them

void note_access(Way way, const void* p, size_t bytes, const void* code); // of the running thread
void note_matrices(const void* const rows[32], const void* code);        // of its warp
void close_traffic();                                                     // a barrier: nothing before it joins what follows

#else

inline void note_access(Way, const void*, size_t, const void*) {}
inline void note_matrices(const void* const[32], const void*) {}
inline void close_traffic() {}

#endif

} // namespace host
} // namespace memgen
