// The emulator itself: shuffles, and fragment layouts against plain products.
#include "cuda_test.h"
#include "faulty_kernels.h"

using namespace memgen;

namespace {

// Row r of a [rows, 64] input summed by warp r: lane pairs, then a butterfly.
__global__ void sum_of_rows(const float* x, float* sums) {
    const int lane = static_cast<int>(threadIdx.x) % 32, row = static_cast<int>(blockIdx.x * 4 + threadIdx.x / 32);
    float sum = x[row * 64 + lane] + x[row * 64 + 32 + lane];
    for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
    if (lane == 0) sums[row] = sum;
}

template <class T>
struct Operands {
    Tile<T, 32, 64> a;
    Tile<T, 64, 32> a_turned;
    Tile<T, 64, 96> b;
    Tile<T, 96, 64> b_turned;
};

template <class T>
__global__ void products(const T* a, const T* b, float* c) {
    Operands<T>& s = *reinterpret_cast<Operands<T>*>(shared_memory());
    load_rows(s.a, a, 64, 32, 64);
    load_rows(s.b, b, 96, 64, 96);
    close_copies();
    wait_copies<0>();
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < 32 * 64; i += Threads) *s.a_turned.at(i % 64, i / 64) = *s.a.at(i / 64, i % 64);
    for (int i = static_cast<int>(threadIdx.x); i < 64 * 96; i += Threads) *s.b_turned.at(i % 96, i / 96) = *s.b.at(i / 96, i % 96);
    __syncthreads();
    Accumulator<32, 96> x[4];
    for (auto& each : x) each.zero();
    multiply(x[0], s.a, s.b);
    multiply(x[1], turned(s.a_turned), s.b);
    multiply(x[2], s.a, turned(s.b_turned));
    multiply(x[3], turned(s.a_turned), turned(s.b_turned));
    for (int i = 0; i < 4; i++) x[i].store_rows(c + i * 32 * 96, 96, 32, 96, 1.0f);
}

} // namespace

TEST(emulator_shuffles) {
    Values noise_ = noise(8 * 64, -1, 1, 1);
    std::vector<float> x(noise_.begin(), noise_.end()), y(8, NAN);
    EXPECT_SAME_BITS_IN_ALL_ORDERS([&] { launch(sum_of_rows, 2, 128, 0, nullptr, static_cast<const float*>(x.data()), y.data()); }, y);
    for (int r = 0; r < 8; r++) {
        double sum = 0;
        for (int i = 0; i < 64; i++) sum += x[r * 64 + i];
        EXPECT(std::fabs(sum - y[r]) < 1e-5);
    }
}

TEST(emulator_refuses_more_shared_memory_than_there_is) {
    std::vector<float> x(64), y(64);
    EXPECT(launch(reversed<true>, 1, 64, LargestSharedMemory + 16, nullptr, static_cast<const float*>(x.data()), y.data()) == cudaErrorInvalidValue);
}

namespace {

template <class T>
void products_are_right() {
    Values a = noise(32 * 64, -1, 1, 2), b = noise(64 * 96, -1, 1, 3), c(4 * 32 * 96, 0.0);
    std::vector<T> left(a.size()), right(b.size());
    for (size_t i = 0; i < a.size(); i++) left[i] = rounded<T>(static_cast<float>(a[i])), a[i] = to_float(left[i]);
    for (size_t i = 0; i < b.size(); i++) right[i] = rounded<T>(static_cast<float>(b[i])), b[i] = to_float(right[i]);
    for (int n = 0; n < 4; n++)
        for (int i = 0; i < 32; i++)
            for (int j = 0; j < 96; j++)
                for (int k = 0; k < 64; k++) c[(n * 32 + i) * 96 + j] += a[i * 64 + k] * b[k * 96 + j];
    std::vector<float> y(c.size(), NAN);
    EXPECT_SAME_BITS_IN_ALL_ORDERS([&] { launch(products<T>, 1, Threads, sizeof(Operands<T>), nullptr, static_cast<const T*>(left.data()), static_cast<const T*>(right.data()), y.data()); }, y);
    EXPECT_CLOSE("products", "", Values(y.begin(), y.end()), c, 2e-6);
}

} // namespace

TEST(products_of_float_tiles) { products_are_right<float>(); }
TEST(products_of_bfloat16_tiles) { products_are_right<bfloat16>(); }

TEST(emulator_is_one_device) {
    int32_t previous = -1;
    EXPECT_STATUS(MEMGEN_OK, memgen_use_device(0, &previous));
    EXPECT(previous == 0);
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_use_device(1, nullptr));
    EXPECT(std::strstr(memgen_last_error(), "device 1"));
}
