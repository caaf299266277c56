// What the tests of CUDA kernels share: launches in every thread order.
#pragma once
#include "host/emulator.h"
#include "test.h"

struct alignas(16) Aligned16 {
    float x[4];
};

// Runs `call` with the threads of a block in several orders and expects the same bits in `results`.
template <class Results>
void expect_same_bits_in_all_orders(const char* file, int line, const std::function<void()>& call, Results& results) {
    using memgen::host::Order;
    Results first;
    struct { Order order; uint32_t seed; } orders[] = {{Order::Forward, 0}, {Order::Reverse, 0}, {Order::Shuffled, 1}, {Order::Shuffled, 2}};
    for (auto& each : orders) {
        memgen::host::set_order(each.order, each.seed);
        call();
        if (&each == &orders[0]) first = results;
        else if (std::memcmp(first.data(), results.data(), first.size() * sizeof(first[0]))) report_failure(file, line, "results differ with the order of the threads");
    }
    memgen::host::set_order(Order::Forward);
}

#define EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results) expect_same_bits_in_all_orders(__FILE__, __LINE__, call, results)
