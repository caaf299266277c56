#include "test.h"

namespace {
int failures = 0;
const char* current = "";
} // namespace

std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

void report_failure(const char* file, int line, const std::string& message) {
    failures++;
    std::printf("%s:%d: %s: %s\n", file, line, current, message.c_str());
}

// kernel_tests NAME runs one test, without a name all of them. With MEMORY_GEN_ISA naming a build that
// this CPU lacks, the one test that runs asserts that operators say so.
int main(int argc, char** argv) {
    int ran = 0;
    bool usable = std::strcmp(memgen_isa(), "none") != 0;
    for (const Test& test : tests()) {
        bool about_hardware = !std::strcmp(test.name, "hardware_is_refused_by_name");
        if (about_hardware == usable || (usable && argc > 1 && std::strcmp(argv[1], test.name))) continue;
        current = test.name;
        test.body();
        ran++;
    }
    std::printf("%s: %d tests, %d failures\n", memgen_isa(), ran, failures);
    return failures || !ran ? 1 : 0;
}
