// Linear maps against their definition in double precision.
#include "test.h"

#include <cmath>
#include <cstring>
#include <thread>

#include "kernels.h"
#include "linear_layout.h"

namespace memgen::emulated {

void linear_forward_amx(const memgen_linear_args& a, const memgen::Scratch& scratch);
void linear_backward_amx(const memgen_linear_args& a, const memgen::Scratch& scratch);

} // namespace memgen::emulated

namespace {

struct Maps {
    int64_t R, I;
    std::vector<int64_t> O;
    Values x;
    std::vector<Values> w, d;

    Maps(int64_t R, int64_t I, std::vector<int64_t> O) : R(R), I(I), O(std::move(O)), x(noise(R * I, -1, 1, 1)) {
        for (size_t i = 0; i < this->O.size(); i++) {
            w.push_back(noise(this->O[i] * I, -1, 1, 10 + static_cast<uint32_t>(i)));
            d.push_back(noise(R * this->O[i], -1, 1, 20 + static_cast<uint32_t>(i)));
        }
    }

    // Every number to the nearest of bfloat16.
    Maps rounded() const {
        Maps result = *this;
        auto round = [](Values& values) {
            for (double& value : values) {
                float number = static_cast<float>(value);
                uint32_t bits;
                std::memcpy(&bits, &number, sizeof bits);
                bits += 0x7FFF + (bits >> 16 & 1), bits &= 0xFFFF0000;
                std::memcpy(&number, &bits, sizeof bits);
                value = number;
            }
        };
        round(result.x);
        for (Values& each : result.w) round(each);
        for (Values& each : result.d) round(each);
        return result;
    }

    std::string text() const {
        std::string s = "R" + std::to_string(R) + " I" + std::to_string(I) + " O";
        for (int64_t o : O) s += " " + std::to_string(o);
        return s;
    }

    // sum over k of a[r * ar + k * ak] b[c * bc + k * bk], added to `to`
    static void product(int64_t rows, int64_t columns, int64_t depth, const Values& a, int64_t ar, int64_t ak, const Values& b, int64_t bc, int64_t bk, Values& to) {
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++)
                for (int64_t k = 0; k < depth; k++) to[r * columns + c] += a[r * ar + k * ak] * b[c * bc + k * bk];
    }

    Values y(size_t i) const {
        Values out(R * O[i]);
        product(R, O[i], I, x, I, 1, w[i], I, 1, out);
        return out;
    }

    Values d_weights(size_t i) const {
        Values out(O[i] * I);
        product(O[i], I, R, d[i], 1, O[i], x, 1, I, out);
        return out;
    }

    Values d_x(size_t without) const {
        Values out(R * I);
        for (size_t i = 0; i < O.size(); i++)
            if (i != without) product(R, I, O[i], d[i], O[i], 1, w[i], 1, I, out);
        return out;
    }
};

struct Call {
    memgen_linear_args a{};
    Field x, dx;
    std::vector<Field> w, y, dy, dw;

    explicit Call(const Maps& p) : x({p.R, p.I}, 3), dx({p.R, p.I}, 2) {
        a.struct_size = sizeof a, a.rows = p.R, a.in_features = p.I, a.count = static_cast<int64_t>(p.O.size());
        x.set(p.x);
        a.x = x.tensor, a.d_x = dx.tensor;
        for (size_t i = 0; i < p.O.size(); i++) {
            a.out_features[i] = p.O[i];
            w.emplace_back(std::vector<int64_t>{p.O[i], p.I}, 1), y.emplace_back(std::vector<int64_t>{p.R, p.O[i]}, 5);
            dy.emplace_back(std::vector<int64_t>{p.R, p.O[i]}, 2), dw.emplace_back(std::vector<int64_t>{p.O[i], p.I}, 4);
            w[i].set(p.w[i]), dy[i].set(p.d[i]);
            a.weights[i] = w[i].tensor, a.y[i] = y[i].tensor, a.d_y[i] = dy[i].tensor, a.d_weights[i] = dw[i].tensor;
        }
    }

    void run() {
        Scratch forward(memgen_linear_workspace_size(&a, 0)), backward(memgen_linear_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_linear_forward(&a, forward.data, forward.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_linear_backward(&a, backward.data, backward.size, nullptr));
    }

    // In tiles that are loops: what a CPU with AMX does.
    void emulate() {
        auto each = [&](bool backward, auto kernel) {
            memgen::Arena shared{nullptr};
            memgen::LinearScratch layout(shared, a, backward);
            Scratch memory(static_cast<int64_t>(shared.used) + memgen::linear_slice_floats(a, backward) * 4);
            std::memset(memory.data, 0xFF, memory.size); // NaN
            char* base = static_cast<char*>(memory.data);
            kernel(a, memgen::Scratch{base, base + shared.used, 0, 1});
        };
#if defined(__x86_64__)
        each(false, memgen::emulated::linear_forward_amx);
        each(true, memgen::emulated::linear_backward_amx);
#endif
    }
};

void expect_products(Call& c, const Maps& p, bool emulated = false) {
    emulated ? c.emulate() : c.run();
    for (size_t i = 0; i < p.O.size(); i++) {
        EXPECT_CLOSE("y", p.text(), c.y[i].values(), p.y(i), ForwardLimit);
        EXPECT_CLOSE("d_weights", p.text(), c.dw[i].values(), p.d_weights(i), ForwardLimit);
        EXPECT(c.y[i].padding_untouched() && c.dw[i].padding_untouched());
    }
    EXPECT_CLOSE("d_x", p.text(), c.dx.values(), p.d_x(p.O.size()), ForwardLimit);
    EXPECT(c.dx.padding_untouched());
}

// No row, feature or output, fewer rows than a tile, blocks, panels and groups that end early, odd depths, parts of both
// sides of a gradient of weights, steps of a gradient of inputs one after the other.
std::vector<Maps> shapes() {
    return {Maps(1, 5, {3}), Maps(7, 33, {4, 9}), Maps(8, 16, {32, 1}), Maps(9, 40, {65, 3, 7}), Maps(300, 70, {33, 2}), Maps(523, 17, {40}), Maps(0, 4, {6}), Maps(20, 0, {6, 2}),
            Maps(20, 9, {0, 5}), Maps(20, 9, {0}), Maps(96, 64, {64, 32}), Maps(161, 65, {2, 62, 1, 35}), Maps(3, 130, {70, 0, 2, 2, 2, 2, 2, 17}), Maps(520, 40, {256, 4, 0, 4, 261, 3, 1, 8}), Maps(9, 290, {300, 1400}), Maps(70, 256, {900})};
}

TEST(linear) {
    for (const Maps& p : shapes()) {
        Call c(p);
        expect_products(c, p);
    }
}

TEST(linear_in_bfloat16) {
    for (const Maps& p : shapes()) {
        Call c(p);
        c.a.products = MEMGEN_BFLOAT16;
        expect_products(c, memgen_multiplies_bfloat16() && p.R >= 8 ? p.rounded() : p);
    }
}

TEST(linear_in_emulated_tiles) {
    if (!memgen_multiplies_bfloat16()) return;
    for (memgen_dtype products : {MEMGEN_FLOAT32, MEMGEN_BFLOAT16})
        for (const Maps& p : shapes()) {
            if (p.R < memgen::FewRows) continue;
            Call c(p);
            c.a.products = products;
            expect_products(c, products == MEMGEN_BFLOAT16 ? p.rounded() : p, true);
        }
}

// Were one of the products left out of which that of two floats is summed in tiles, the error would be five times as much.
TEST(linear_rounds_as_floats_do) {
    for (double scale : {1.0, 1e15, 1e-15})
        for (bool emulated : {false, true}) {
            if (emulated && !memgen_multiplies_bfloat16()) continue;
            Maps p(64, 32, {48});
            for (double& x : p.x) x *= scale;
            for (double& d : p.d[0]) d *= scale;
            Call c(p);
            for (size_t i = 0; i < p.x.size(); i++) p.x[i] = static_cast<float>(p.x[i]);
            for (size_t i = 0; i < p.d[0].size(); i++) p.d[0][i] = static_cast<float>(p.d[0][i]);
            for (size_t i = 0; i < p.w[0].size(); i++) p.w[0][i] = static_cast<float>(p.w[0][i]);
            emulated ? c.emulate() : c.run();
            auto error = [](const Values& actual, const Values& expected) {
                double difference = 0, size = 0;
                for (size_t i = 0; i < expected.size(); i++) difference += (actual[i] - expected[i]) * (actual[i] - expected[i]), size += expected[i] * expected[i];
                return std::sqrt(difference / size);
            };
            EXPECT(error(c.y[0].values(), p.y(0)) < 1.5e-7);
            EXPECT(error(c.dx.values(), p.d_x(1)) < 1.5e-7);
            EXPECT(error(c.dw[0].values(), p.d_weights(0)) < 2e-7);
        }
}

TEST(linear_keeps_nan_in_its_row) {
    constexpr uint64_t AllSet = ~uint64_t(0) >> 1; // rounded as a number is, one of all bits would be none any more
    double full;
    std::memcpy(&full, &AllSet, sizeof full);
    for (memgen_dtype products : {MEMGEN_FLOAT32, MEMGEN_BFLOAT16})
        for (double nan : {static_cast<double>(NAN), full}) {
            Maps p(130, 31, {40});
            p.x[100 * 31 + 30] = nan;
            Call c(p);
            c.a.products = products;
            c.run();
            const Values y = c.y[0].values();
            for (int64_t i = 0; i < 130 * 40; i++) EXPECT(std::isnan(y[i]) == (i / 40 == 100));
        }
}

TEST(linear_without_some_gradients) {
    for (memgen_dtype products : {MEMGEN_FLOAT32, MEMGEN_BFLOAT16}) {
        Maps between(50, 24, {5, 3, 12, 6});
        Call call(between);
        call.a.products = products;
        if (products == MEMGEN_BFLOAT16 && memgen_multiplies_bfloat16()) between = between.rounded();
        call.a.d_weights[1].data = call.a.d_y[2].data = nullptr;
        call.run();
        EXPECT_CLOSE("d_weights", between.text(), call.dw[0].values(), between.d_weights(0), ForwardLimit);
        EXPECT_CLOSE("d_weights", between.text(), call.dw[3].values(), between.d_weights(3), ForwardLimit);
        EXPECT_CLOSE("d_x", between.text(), call.dx.values(), between.d_x(2), ForwardLimit);
    }
    for (int64_t rows : {5, 50}) {
        Maps p(rows, 24, {10, 7});
        Call c(p);
        c.a.d_y[0].data = nullptr;
        c.a.d_weights[1].data = nullptr;
        c.run();
        EXPECT_CLOSE("d_x", p.text(), c.dx.values(), p.d_x(0), ForwardLimit);
        EXPECT_CLOSE("d_weights", p.text(), c.dw[0].values(), Values(10 * 24), 0);
        c.a.d_y[1].data = nullptr;
        c.run();
        EXPECT_CLOSE("d_x", p.text(), c.dx.values(), Values(static_cast<size_t>(rows * 24)), 0);
    }
}

TEST(linear_same_bits_for_any_number_of_threads) {
    for (memgen_dtype products : {MEMGEN_FLOAT32, MEMGEN_BFLOAT16})
        for (int64_t rows : {3, 1000})
            for (int64_t outputs : {3, 90, 2000}) {
                Maps p(rows, 70, {outputs, 90});
                Call c(p);
                c.a.products = products;
                EXPECT_SAME_BITS([&] { c.run(); }, {&c.y[0], &c.y[1], &c.dx, &c.dw[0], &c.dw[1]});
            }
}

// One of them at a time has the library's threads, which come to a round late or not at all; the others do without.
TEST(linear_same_bits_from_many_callers) {
    Maps p(1, 70, {2000});
    Call alone(p);
    alone.run();
    const int32_t before = memgen_get_threads();
    memgen_set_threads(4);
    std::vector<Call> calls;
    for (int i = 0; i < 3; i++) calls.emplace_back(p);
    std::vector<int> failures(calls.size());
    std::vector<std::thread> callers;
    for (size_t i = 0; i < calls.size(); i++)
        callers.emplace_back([&, i] {
            Scratch scratch(memgen_linear_workspace_size(&calls[i].a, 0));
            for (int round = 0; round < 500; round++) {
                calls[i].y[0].set(Values(2000));
                if (memgen_linear_forward(&calls[i].a, scratch.data, scratch.size, nullptr) != MEMGEN_OK || calls[i].y[0].values() != alone.y[0].values()) failures[i]++;
            }
        });
    for (std::thread& caller : callers) caller.join();
    memgen_set_threads(before);
    for (int failed : failures) EXPECT(failed == 0);
}

TEST(linear_refuses_wrong_arguments) {
    Maps p(4, 4, {4});
    Call c(p);
    c.a.count = MEMGEN_MOST_MAPS + 1;
    EXPECT(memgen_linear_workspace_size(&c.a, 0) == -1);
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, memgen_linear_forward(&c.a, nullptr, 0, nullptr));
    c.a.count = 1, c.a.products = 2;
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, memgen_linear_forward(&c.a, nullptr, 0, nullptr));
    c.a.products = MEMGEN_FLOAT32, c.a.weights[0].data = nullptr;
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_linear_forward(&c.a, nullptr, 0, nullptr));
}

} // namespace
