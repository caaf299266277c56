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

// cuda_tests NAME runs one test on the emulator, without a name all of them.
int main(int argc, char** argv) {
    int ran = 0;
    for (const Test& test : tests()) {
        if (argc > 1 && std::strcmp(argv[1], test.name)) continue;
        current = test.name;
        test.body();
        ran++;
    }
    std::printf("cuda kernels on the host: %d tests, %d failures\n", ran, failures);
    return failures || !ran ? 1 : 0;
}
