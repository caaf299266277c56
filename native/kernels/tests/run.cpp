#include "test.h"

#include <random>

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

Values noise(int64_t n, double low, double high, uint32_t seed) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> draw(low, high);
    Values x(static_cast<size_t>(n));
    for (double& v : x) v = static_cast<float>(draw(engine));
    return x;
}

int run_tests(const char* title, const std::function<bool(const Test&)>& chosen) {
    int ran = 0;
    for (const Test& test : tests()) {
        if (!chosen(test)) continue;
        current = test.name;
        test.body();
        ran++;
    }
    std::printf("%s: %d tests, %d failures\n", title, ran, failures);
    return failures || !ran ? 1 : 0;
}
