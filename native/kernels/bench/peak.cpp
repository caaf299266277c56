#include <thread>

#include "bench.h"

namespace {

volatile float sink;

#define MEMGEN_FMA_LOOP(lanes)                                                            \
    typedef float Vector __attribute__((vector_size(lanes * 4)));                         \
    Vector x[12], m = Vector{} + 0.999f, c = Vector{} + 0.001f;                           \
    for (int i = 0; i < 12; i++) x[i] = Vector{} + static_cast<float>(i);                 \
    for (long r = 0; r < 8000000; r++) {                                                  \
        _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) x[i] = x[i] * m + c;        \
    }                                                                                     \
    for (int i = 1; i < 12; i++) x[0] += x[i];                                            \
    sink = x[0][0];                                                                       \
    return 2.0 * lanes * 12 * 8000000

double fma_baseline() { MEMGEN_FMA_LOOP(4); }
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) double fma_avx2() { MEMGEN_FMA_LOOP(8); }
__attribute__((target("avx512f,fma"))) double fma_avx512() { MEMGEN_FMA_LOOP(16); }
#endif

// For half a second: after a rest, two threads can be no faster than one for tens of milliseconds.
double best_rate(int threads, const std::function<double(int)>& work) {
    double best = 0;
    for (double begin = now(threads); now(threads) - begin < 500;) {
        std::vector<double> done(static_cast<size_t>(threads));
        std::vector<std::thread> others;
        double start = now(threads);
        for (int i = 1; i < threads; i++) others.emplace_back([&, i] { done[static_cast<size_t>(i)] = work(i); });
        double total = done[0] = work(0);
        for (std::thread& t : others) t.join();
        double seconds = 1e-3 * (now(threads) - start);
        for (int i = 1; i < threads; i++) total += done[static_cast<size_t>(i)];
        if (total / seconds > best) best = total / seconds;
    }
    return best / 1e9;
}

} // namespace

double fma_peak(int threads) {
    return best_rate(threads, [](int) {
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx512f")) return fma_avx512();
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return fma_avx2();
#endif
        return fma_baseline();
    });
}

double copy_peak(int threads) {
    const size_t bytes = size_t{96} << 20;
    std::vector<char> from(bytes, 1), to(bytes, 2);
    return best_rate(threads, [&](int i) {
        size_t part = bytes / static_cast<size_t>(threads);
        __builtin_memcpy(to.data() + part * static_cast<size_t>(i), from.data() + part * static_cast<size_t>(i), part);
        return 2.0 * static_cast<double>(part);
    });
}
