#include "test.h"

// kernel_tests NAME runs one test, without a name all of them. With MEMORY_GEN_ISA naming a build that
// this CPU lacks, the one test that runs asserts that operators say so.
int main(int argc, char** argv) {
    bool usable = std::strcmp(memgen_isa(), "none") != 0;
    return run_tests(memgen_isa(), [&](const Test& test) {
        bool about_hardware = !std::strcmp(test.name, "hardware_is_refused_by_name");
        return about_hardware != usable && (!usable || argc < 2 || !std::strcmp(argv[1], test.name));
    });
}
