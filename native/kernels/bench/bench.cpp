// Times of the kernels beside the machine's own peaks, in one run:
//   kernel_bench            peaks and every operator on the shapes of the project's benchmark
//   kernel_bench peak       only the peaks
//   kernel_bench NAME       only operators whose name contains NAME
// One JSON object a line. Times are the best of a few runs; shares are of the FMA peak measured here.
// With one thread (MEMORY_GEN_THREADS=1) CPU time is taken, which other processes disturb less.
#include <chrono>
#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "bench.h"

double now(int threads) {
    if (threads == 1) return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double milliseconds(const std::function<void()>& body) {
    double best = 1e30, total = 0;
    for (int run = 0; run < 3 || (run < 30 && total < 300); run++) {
        double start = now(memgen_get_threads());
        body();
        double ms = now(memgen_get_threads()) - start;
        if (run > 0 && ms < best) best = ms;
        total += ms;
    }
    return best;
}

int main(int argc, char** argv) {
    const char* only = argc > 1 ? argv[1] : "";
    int threads = memgen_get_threads();
    double one = fma_peak(1), all = fma_peak(threads), copy = copy_peak(threads);
    std::printf("{\"isa\": \"%s\", \"threads\": %d, \"fma_gflops_one_thread\": %.1f, \"fma_gflops\": %.1f, \"copy_gbytes\": %.1f}\n", memgen_isa(), threads, one, all, copy);
    if (!std::strcmp(only, "peak")) return 0;
    bench_delta(only, all);
    bench_titans(only, all);
    bench_linear(only, all);
    bench_fused(only, copy);
    return 0;
}
