#pragma once
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "memgen.h"

double fma_peak(int threads);  // GFLOP/s of the widest multiply-add this CPU has
double copy_peak(int threads); // GB/s, read and written bytes together
double now(int threads);       // ms
double milliseconds(const std::function<void()>& body);
void bench_delta(const char* only, double peak);
void bench_fused(const char* only, double copy);
void bench_titans(const char* only, double peak);
void bench_linear(const char* only, double peak);

// A contiguous tensor of noise that begins with a cache line, as torch's do, or nothing.
struct Array {
    std::vector<float> memory;
    float* numbers = nullptr;
    memgen_tensor tensor{};

    Array() = default;
    explicit Array(std::vector<int64_t> shape, float low = -1, float high = 1) {
        int64_t stride = 1;
        for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) tensor.stride[i] = stride;
        static std::mt19937 engine(1);
        std::uniform_real_distribution<float> draw(low, high);
        memory.resize(static_cast<size_t>(stride) + 16);
        for (float& x : memory) x = draw(engine);
        tensor.data = numbers = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
    }
};

struct Workspace {
    struct Line {
        char bytes[64];
    };
    explicit Workspace(int64_t bytes) : size(static_cast<size_t>(bytes)), memory(size / 64 + 2) {
        data = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
    }
    size_t size;
    std::vector<Line> memory;
    void* data;
};
