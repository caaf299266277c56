#include "test.h"

// cuda_tests NAME runs one test on the emulator, without a name all of them.
int main(int argc, char** argv) {
    return run_tests("cuda kernels", [&](const Test& test) { return argc < 2 || !std::strcmp(argv[1], test.name); });
}
