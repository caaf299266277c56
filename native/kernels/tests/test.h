// The few things every kernel test needs: named tests, tensors with hostile padding, a comparison.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "memgen.h"
#ifdef MEMGEN_EMULATED
#include "host/emulator.h"
#endif

typedef std::vector<double> Values;

struct Test {
    const char* name;
    std::function<void()> body;
};

std::vector<Test>& tests();
void report_failure(const char* file, int line, const std::string& message);
// Runs those of the tests that are chosen, prints how they went under the title, and returns what main returns.
int run_tests(const char* title, const std::function<bool(const Test&)>& chosen);

struct Register {
    Register(const char* name, std::function<void()> body) { tests().push_back({name, std::move(body)}); }
};

#define TEST(name)                                  \
    static void name();                             \
    static const Register name##_registered(#name, name); \
    static void name()

#define EXPECT(condition) \
    do {                  \
        if (!(condition)) report_failure(__FILE__, __LINE__, #condition); \
    } while (0)

#define EXPECT_STATUS(expected, call)                                                                                        \
    do {                                                                                                                     \
        memgen_status status_ = (call);                                                                                      \
        if (status_ != (expected))                                                                                           \
            report_failure(__FILE__, __LINE__, std::string(#call " gave ") + memgen_status_string(status_) + ": " + memgen_last_error()); \
    } while (0)

// Values of reproducible noise in [low, high). Not here but in run.cpp: nvcc 11.8 does not read the <random> of gcc 12.
Values noise(int64_t n, double low, double high, uint32_t seed);

// A float tensor whose rows are padded and whose memory outside the elements is a marked NaN.
// `swapped` stores axis 2 before axis 1 ([B, H, T, K] in memory for [B, T, H, K]).
class Field {
public:
    Field() { tensor.data = nullptr; }

    explicit Field(std::vector<int64_t> shape, int64_t padding = 0, bool swapped = false) : shape_(std::move(shape)) {
        std::vector<size_t> order;
        for (size_t i = 0; i < shape_.size(); i++) order.push_back(i);
        if (swapped && order.size() >= 3) std::swap(order[1], order[2]);
        int64_t stride = 1;
        for (size_t i = order.size(); i-- > 0;) {
            tensor.stride[order[i]] = stride;
            stride *= shape_[order[i]];
            if (i + 1 == order.size()) stride += padding;
        }
        // A vector's storage is aligned to 16 bytes only; kernels must cope.
        memory_.assign(static_cast<size_t>(stride + padding + 1), marker());
        tensor.data = memory_.data();
    }

    Field(const Field&) = delete;
    Field(Field&& other) noexcept { *this = std::move(other); }
    Field& operator=(Field&& other) noexcept {
        shape_ = std::move(other.shape_);
        memory_ = std::move(other.memory_);
        tensor = other.tensor;
        tensor.data = memory_.empty() ? nullptr : memory_.data();
        return *this;
    }

    int64_t size() const {
        if (!tensor.data) return 0;
        int64_t n = 1;
        for (int64_t d : shape_) n *= d;
        return n;
    }

    float& at(int64_t index) {
        int64_t offset = 0;
        for (size_t i = shape_.size(); i-- > 0;) {
            offset += index % shape_[i] * tensor.stride[i];
            index /= shape_[i];
        }
        return memory_[static_cast<size_t>(offset)];
    }

    Field& set(const Values& values) {
        for (int64_t i = 0; i < size(); i++) at(i) = static_cast<float>(values[static_cast<size_t>(i)]);
        return *this;
    }

    Values values() {
        Values x(static_cast<size_t>(size()));
        for (int64_t i = 0; i < size(); i++) x[static_cast<size_t>(i)] = at(i);
        return x;
    }

    // True when this element was never written.
    bool untouched(int64_t index) {
        float mark = marker();
        return !std::memcmp(&at(index), &mark, sizeof mark);
    }

    // True when nothing outside the elements was written.
    bool padding_untouched() {
        std::vector<bool> element(memory_.size());
        for (int64_t i = 0; i < size(); i++) element[static_cast<size_t>(&at(i) - memory_.data())] = true;
        float mark = marker();
        for (size_t i = 0; i < memory_.size(); i++)
            if (!element[i] && std::memcmp(&memory_[i], &mark, sizeof mark)) return false;
        return true;
    }

    memgen_tensor tensor{};

private:
    static float marker() {
        uint32_t bits = 0x7fc0beefu;
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }

    std::vector<int64_t> shape_;
    std::vector<float> memory_;
};

// max |a - b| / max(1, max |b|); infinite when a NaN is anywhere.
inline double difference(const Values& actual, const Values& expected) {
    double worst = 0, scale = 1;
    for (size_t i = 0; i < expected.size(); i++) {
        double d = std::fabs(actual[i] - expected[i]);
        if (!(d <= std::numeric_limits<double>::max())) return std::numeric_limits<double>::infinity();
        worst = std::fmax(worst, d);
        scale = std::fmax(scale, std::fabs(expected[i]));
    }
    return worst / scale;
}

inline void expect_close(const char* file, int line, const char* what, const std::string& at, const Values& actual, const Values& expected, double limit) {
    double found = actual.size() == expected.size() ? difference(actual, expected) : std::numeric_limits<double>::infinity();
    if (!(found <= limit)) {
        char text[256];
        std::snprintf(text, sizeof text, "%s at %s: error %.3g, limit %.3g", what, at.c_str(), found, limit);
        report_failure(file, line, text);
    }
}

#define EXPECT_CLOSE(what, at, actual, expected, limit) expect_close(__FILE__, __LINE__, what, at, actual, expected, limit)

// Central differences of a loss in double precision with respect to x, which `loss` reads.
inline Values numeric_gradient(Values& x, const std::function<double()>& loss, double h = 1e-5) {
    Values gradient(x.size());
    for (size_t i = 0; i < x.size(); i++) {
        double value = x[i];
        x[i] = value + h;
        double up = loss();
        x[i] = value - h;
        gradient[i] = (up - loss()) / (2 * h);
        x[i] = value;
    }
    return gradient;
}

inline double inner(const Values& a, const Values& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++) sum += a[i] * b[i];
    return sum;
}

// Runs `call` with several thread counts, or on the emulator with the threads of a block in several orders, and
// expects `results` to have the same bits every time.
inline void expect_same_bits(const char* file, int line, const std::function<void()>& call, const std::vector<Field*>& results) {
    int32_t before = memgen_get_threads();
    std::vector<Values> first;
    for (int threads : {1, 2, 3, 2}) {
#ifdef MEMGEN_EMULATED
        using memgen::host::Order;
        memgen::host::set_order(threads == 1 ? Order::Forward : threads == 2 ? Order::Reverse : Order::Shuffled, 1);
#endif
        memgen_set_threads(threads);
        call();
        for (size_t i = 0; i < results.size(); i++) {
            if (first.size() <= i) first.push_back(results[i]->values());
            else if (first[i] != results[i]->values()) report_failure(file, line, "results differ with the number of threads");
        }
    }
#ifdef MEMGEN_EMULATED
    memgen::host::set_order(memgen::host::Order::Forward);
#endif
    memgen_set_threads(before);
}

#define EXPECT_SAME_BITS(call, ...) expect_same_bits(__FILE__, __LINE__, call, __VA_ARGS__)

constexpr double ForwardLimit = 2e-5, GradientLimit = 1e-4;

// Scratch memory, aligned as the interface asks.
class Scratch {
public:
    explicit Scratch(int64_t bytes) : size(bytes < 0 ? 0 : static_cast<size_t>(bytes)), data(size ? std::aligned_alloc(64, (size + 63) / 64 * 64) : nullptr) {
        if (data) std::memset(data, 0xff, size); // NaN wherever a kernel reads what it did not write
    }
    ~Scratch() { std::free(data); }
    Scratch(const Scratch&) = delete;

    size_t size;
    void* data;
};

inline bool same_bits(Field& a, Field& b) {
    for (int64_t i = 0; i < a.size(); i++)
        if (std::memcmp(&a.at(i), &b.at(i), sizeof(float))) return false;
    return true;
}
