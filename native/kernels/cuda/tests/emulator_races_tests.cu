// That the emulator finds what only a device might not forgive (host/races.h).
#include <sys/wait.h>
#include <unistd.h>

#include "cuda_test.h"
#include "faulty_kernels.h"

namespace {

// Whether a call ends the process: in a copy of it, whose last words nobody reads.
template <class Call>
bool aborts(Call&& call) {
    const pid_t child = fork();
    if (child == 0) {
        std::fclose(stderr);
        call();
        _exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && status != 0;
}

} // namespace

TEST(emulator_finds_races) {
    std::vector<Aligned16> x(64), y(64);
    auto runs = [&](void (*kernel)(const float*, float*), int blocks, int threads) { return !aborts([&] { launch(kernel, blocks, threads, 1024, nullptr, static_cast<const float*>(x[0].x), y[0].x); }); };
    EXPECT(runs(reversed<true>, 1, 64) && !runs(reversed<false>, 1, 64));
    EXPECT(runs(reversed<true>, 1, 64) && !runs(reversed<true>, 2, 64)); // both blocks write the same numbers
    EXPECT(runs(handed_down<true>, 1, 32) && !runs(handed_down<false>, 1, 32));
    EXPECT(runs(copied<true>, 1, 32) && !runs(copied<false>, 1, 32));
    EXPECT(runs(copied_again<true>, 1, 32) && !runs(copied_again<false>, 1, 32));
    EXPECT(runs(two_barriers<true>, 1, 64) && !runs(two_barriers<false>, 1, 64));
    EXPECT(runs(in_fours<true>, 1, 8) && !runs(in_fours<false>, 1, 8));
}
