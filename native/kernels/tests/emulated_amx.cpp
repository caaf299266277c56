// The linear maps for AMX with its tiles as loops, on one thread: namespace emulated.
#define MEMGEN_EMULATED_AMX
#include "cpu/isa/linear_amx.cpp"

namespace memgen {

void run_items(int64_t items, int, Work work, void* context) {
    for (int64_t i = 0; i < items; i++) work(context, i, 0);
}

} // namespace memgen
