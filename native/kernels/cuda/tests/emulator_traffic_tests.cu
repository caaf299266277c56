// What accesses cost (host/traffic.h): how it is counted, and that the tiles of the kernels' main sizes meet no bank twice.
// tests/gpu/traffic.py prints the places in the code for the tests below whose names end in _traffic.
#include "host/traffic.h"
#include "memgen.h"
#include "product.h"
#include "titans_test.h"

namespace {

using namespace memgen;
using host::Way;

template <int Stride>
__global__ void strided(float* y) {
    float* s = reinterpret_cast<float*>(shared_memory());
    s[threadIdx.x * Stride] = 1.0f;
    __syncthreads();
    y[threadIdx.x * Stride] = s[0];
}

// Rows of eight matrices, so many floats apart.
template <int Stride>
__global__ void matrices(uint32_t* y) {
    float* s = reinterpret_cast<float*>(shared_memory());
    for (int i = static_cast<int>(threadIdx.x); i < 32 * Stride; i += 32) s[i] = 0.0f;
    __syncthreads();
    uint32_t r[4];
    load_matrices(r, s + threadIdx.x * Stride);
    y[threadIdx.x] = r[0];
}

// The pairs that a warp has of an accumulator's eight rows, so many floats apart, and then side by side.
template <int Stride>
__global__ void pairs(float* y) {
    float* s = reinterpret_cast<float*>(shared_memory());
    store_pair(s + threadIdx.x / 4 * Stride + threadIdx.x % 4 * 2, 1.0f, 2.0f);
    __syncthreads();
    store_pair(y + threadIdx.x * 2, 1.0f, 2.0f);
}

bool costs(Way way, uint64_t accesses, uint64_t taken, uint64_t least) {
    const host::Traffic found = host::traffic(way);
    return found.accesses == accesses && found.taken == taken && found.least == least;
}

// `call` with counting on, unless all is counted already. Matrices and copies must meet no bank twice; what other accesses
// of shared memory take beyond the least is at most `beyond` of it.
template <class Call>
void expect_no_conflicts(const char* what, double beyond, Call call) {
    const bool printing = std::getenv("MEMGEN_TRAFFIC");
    if (!printing) host::count_traffic(true);
    call();
    if (printing) return;
    const host::Traffic matrix = host::traffic(Way::Matrix), copy = host::traffic(Way::SharedCopy), read = host::traffic(Way::SharedRead), write = host::traffic(Way::SharedWrite);
    host::count_traffic(false);
    const uint64_t taken = read.taken + write.taken, least = read.least + write.least;
    auto count = [](uint64_t n) { return static_cast<unsigned long long>(n); };
    if (std::getenv("MEMGEN_PRINT_ERRORS")) std::printf("%s: waves of matrices %llu of %llu, copies %llu of %llu, others %llu of %llu\n", what, count(matrix.taken), count(matrix.least), count(copy.taken), count(copy.least), count(taken), count(least));
    EXPECT(matrix.taken == matrix.least && copy.taken == copy.least);
    EXPECT(static_cast<double>(taken) <= (1 + beyond) * static_cast<double>(least));
}

void expect_no_conflicts(const Shape& p, LaunchMatrixMemory forward, LaunchMatrixMemory backward, double beyond_forward, double beyond_backward) {
    Numbers n = draw(p, 91);
    round_inputs<bfloat16>(n);
    DeviceCall<bfloat16> c(p, n, 0.5, {});
    expect_no_conflicts("forward", beyond_forward, [&] { EXPECT(forward(c.p, nullptr) == cudaSuccess); });
    expect_no_conflicts("backward", beyond_backward, [&] { EXPECT(backward(c.p, nullptr) == cudaSuccess); });
}

} // namespace

TEST(emulator_counts_traffic) {
    std::vector<Aligned16> x(64), y(64);
    auto count = [&](auto kernel, size_t shared, auto... arguments) {
        host::count_traffic(true);
        EXPECT(launch(kernel, 1, 32, shared, nullptr, arguments...) == cudaSuccess);
    };
    count(strided<1>, 4096, y[0].x);
    EXPECT(costs(Way::SharedWrite, 1, 1, 1) && costs(Way::SharedRead, 1, 1, 1)); // one word for all
    count(strided<2>, 4096, y[0].x);
    EXPECT(costs(Way::SharedWrite, 1, 2, 1));
    count(matrices<36>, 32 * 36 * 4, reinterpret_cast<uint32_t*>(y[0].x));
    EXPECT(costs(Way::Matrix, 4, 4, 4));
    count(matrices<32>, 32 * 36 * 4, reinterpret_cast<uint32_t*>(y[0].x));
    EXPECT(costs(Way::Matrix, 4, 32, 4));
    count(pairs<40>, 4096, y[0].x);
    EXPECT(costs(Way::SharedWrite, 1, 2, 2));
    const host::Traffic written = host::traffic(Way::Write);
    EXPECT(written.accesses == 1 && written.least == 8 && written.taken <= 9); // y begins at 16 bytes
    count(pairs<36>, 4096, y[0].x);
    EXPECT(costs(Way::SharedWrite, 1, 4, 2));
    host::count_traffic(false);
}

TEST(gated_delta_rule_traffic) { expect_no_conflicts(Shape{1, 64, 1, 128, 128, true, true, true}, launch_gated_delta_rule_forward, launch_gated_delta_rule_backward, 0.0, 0.01); }
TEST(scalar_decay_traffic) { expect_no_conflicts(Shape{1, 64, 1, 128, 128, false, true, true}, launch_scalar_decay_forward, launch_scalar_decay_backward, 0.0, 0.02); }
TEST(channel_decay_traffic) {
    Shape p{1, 64, 1, 128, 128, false, true, true};
    p.channel = true;
    expect_no_conflicts(p, launch_channel_decay_forward, launch_channel_decay_backward, 0.0, 0.0);
}
TEST(channel_delta_rule_traffic) {
    Shape p{1, 64, 1, 128, 128, true, true, true};
    p.channel = true;
    expect_no_conflicts(p, launch_channel_delta_rule_forward, launch_channel_delta_rule_backward, 0.03, 0.02); // the scores of keys, which the solve reads by fours
}
TEST(generalized_delta_rule_traffic) {
    Shape p{1, 64, 1, 64, 64, false, true, true};
    p.channel = p.generalized = true;
    expect_no_conflicts(p, launch_generalized_delta_rule_forward, launch_generalized_delta_rule_backward, 0.06, 0.04); // likewise, with the scores of what is recalled beside them
}
TEST(titans_traffic) {
    Titans p{1, 64, 1, 128, 128, 32};
    TitansCall<bfloat16> c(p, draw(p, p.B, 92), {});
    expect_no_conflicts("both", 0.05, [&] { c.run(); });
}
TEST(selective_scan_traffic) {
    const int64_t T = 64, C = 128, N = 16;
    auto halves = [](int64_t n, uint32_t seed) {
        std::vector<bfloat16> x(static_cast<size_t>(n));
        const Values drawn = noise(n, -1, 1, seed);
        for (size_t i = 0; i < x.size(); i++) x[i] = rounded<bfloat16>(static_cast<float>(drawn[i]));
        return x;
    };
    auto u = halves(T * C, 1), b = halves(T * N, 2), c = halves(T * N, 3), dy = halves(T * C, 4), y = u, d_u = u, d_b = b, d_c = c;
    std::vector<float> delta(T * C, 0.1f), rates(C * N, -1.0f), d_delta(T * C), d_rates(C * N);
    memgen_selective_scan_args a{};
    a.struct_size = sizeof a, a.dtype = MEMGEN_BFLOAT16, a.batch = 1, a.tokens = T, a.channels = C, a.state_dim = N;
    auto tokens = [&](void* data, int64_t width) { return memgen_tensor{data, {T * width, width, 1}}; };
    a.u = tokens(u.data(), C), a.delta = tokens(delta.data(), C), a.B = tokens(b.data(), N), a.C = tokens(c.data(), N), a.y = tokens(y.data(), C), a.d_y = tokens(dy.data(), C);
    a.A = {rates.data(), {N, 1}}, a.d_A = {d_rates.data(), {N, 1}};
    a.d_u = tokens(d_u.data(), C), a.d_delta = tokens(d_delta.data(), C), a.d_B = tokens(d_b.data(), N), a.d_C = tokens(d_c.data(), N);
    Scratch kept(memgen_selective_scan_checkpoint_size(&a)), scratch(memgen_selective_scan_workspace_size(&a, 1));
    a.checkpoints = kept.data;
    expect_no_conflicts("both", 0.0, [&] {
        EXPECT_STATUS(MEMGEN_OK, memgen_selective_scan_forward(&a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_selective_scan_backward(&a, scratch.data, scratch.size, nullptr));
    });
}
