// That the emulator finds what a device would not forgive, in the numbers that come out.
#include "cuda_test.h"
#include "faulty_kernels.h"

TEST(emulator_finds_a_missing_barrier) {
    std::vector<float> x(64), y(64, NAN);
    for (int i = 0; i < 64; i++) x[i] = static_cast<float>(i);
    EXPECT_SAME_BITS_IN_ALL_ORDERS([&] { launch(reversed<true>, 1, 64, 64 * sizeof(float), nullptr, static_cast<const float*>(x.data()), y.data()); }, y);
    for (int i = 0; i < 64; i++) EXPECT(y[i] == static_cast<float>(63 - i));
    launch(reversed<false>, 1, 64, 64 * sizeof(float), nullptr, static_cast<const float*>(x.data()), y.data());
    bool found = false;
    for (float each : y) found |= each != each;
    EXPECT(found);
}

TEST(emulator_finds_a_missing_wait) {
    std::vector<Aligned16> x(32), y(32);
    for (int i = 0; i < 128; i++) x[i / 4].x[i % 4] = static_cast<float>(i + 1);
    launch(copied<true>, 1, 32, 512, nullptr, static_cast<const float*>(x[0].x), y[0].x);
    for (int i = 0; i < 128; i++) EXPECT(y[i / 4].x[i % 4] == (i < 4 ? 0.0f : static_cast<float>(i + 1)));
    launch(copied<false>, 1, 32, 512, nullptr, static_cast<const float*>(x[0].x), y[0].x);
    for (int i = 0; i < 128; i++) EXPECT(y[i / 4].x[i % 4] != y[i / 4].x[i % 4]);
}

TEST(emulator_finds_a_copy_into_what_is_still_read) {
    std::vector<Aligned16> x(33), y(32);
    for (int i = 0; i < 33; i++) x[i].x[0] = static_cast<float>(i);
    auto read = [&](void (*kernel)(const float*, float*)) {
        launch(kernel, 1, 32, 512, nullptr, static_cast<const float*>(x[0].x), y[0].x);
        bool all = true;
        for (int i = 0; i < 32; i++) all &= y[i].x[0] == static_cast<float>(31 - i);
        return all;
    };
    EXPECT(read(copied_again<true>) && !read(copied_again<false>));
}
