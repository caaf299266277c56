#include "test.h"
#ifdef MEMGEN_RACES
#include "host/traffic.h"
#endif

// cuda_tests NAME runs one test on the emulator, without a name all of them. Where it watches every access, MEMGEN_TRAFFIC
// has it print what those of the tests cost (host/traffic.h).
int main(int argc, char** argv) {
#ifdef MEMGEN_RACES
    const bool counts = std::getenv("MEMGEN_TRAFFIC");
    if (counts) memgen::host::count_traffic(true);
#endif
    const int result = run_tests("cuda kernels", [&](const Test& test) { return argc < 2 || !std::strcmp(argv[1], test.name); });
#ifdef MEMGEN_RACES
    if (counts) memgen::host::print_traffic(stdout);
#endif
    return result;
}
