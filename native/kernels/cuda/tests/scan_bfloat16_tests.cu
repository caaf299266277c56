// The scans, the convolution and the operators on rows in bfloat16, each against itself in float32 on the same
// rounded inputs: what differs is the rounding of what is written.
#include "numbers.h"
#include "test.h"

namespace {

using memgen::bfloat16;

constexpr double RoundingLimit = 1.0 / 256; // half the distance of neighbours, relative to the number

// Noise that both types hold, as floats and as bfloat16.
struct Both {
    std::vector<float> single;
    std::vector<bfloat16> half;

    Both() = default;
    Both(int64_t n, double low, double high, uint32_t seed) : single(static_cast<size_t>(n)), half(static_cast<size_t>(n)) {
        Values x = noise(n, low, high, seed);
        for (size_t i = 0; i < x.size(); i++) single[i] = memgen::to_float(half[i] = memgen::rounded<bfloat16>(static_cast<float>(x[i])));
    }
};

memgen_tensor contiguous(void* data, std::vector<int64_t> shape) {
    memgen_tensor x{data, {}};
    int64_t stride = 1;
    for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) x.stride[i] = stride;
    return x;
}

// An input or a result in dtype, and one that is float32 in both calls.
template <class Args>
struct Pair {
    Args single{}, half{};
    std::vector<std::pair<std::vector<float>, std::vector<bfloat16>>> rounded;
    std::vector<std::pair<std::vector<float>, std::vector<float>>> kept;

    Pair() {
        single.struct_size = half.struct_size = sizeof(Args);
        half.dtype = MEMGEN_BFLOAT16;
        rounded.reserve(16), kept.reserve(16);
    }

    void input(memgen_tensor Args::*x, Both& values, std::vector<int64_t> shape) { single.*x = contiguous(values.single.data(), shape), half.*x = contiguous(values.half.data(), shape); }
    void gate(memgen_tensor Args::*x, std::vector<float>& values, std::vector<int64_t> shape) { single.*x = half.*x = contiguous(values.data(), shape); }

    static size_t count(const std::vector<int64_t>& shape) {
        size_t n = 1;
        for (int64_t d : shape) n *= static_cast<size_t>(d);
        return n;
    }
    void result(memgen_tensor Args::*x, std::vector<int64_t> shape) {
        rounded.push_back({std::vector<float>(count(shape)), std::vector<bfloat16>(count(shape))});
        single.*x = contiguous(rounded.back().first.data(), shape), half.*x = contiguous(rounded.back().second.data(), shape);
    }
    void sum(memgen_tensor Args::*x, std::vector<int64_t> shape) {
        kept.push_back({std::vector<float>(count(shape)), std::vector<float>(count(shape))});
        single.*x = contiguous(kept.back().first.data(), shape), half.*x = contiguous(kept.back().second.data(), shape);
    }

    // keeps: whether backward reads what forward rounded, so that sums differ by more than float32 does.
    void compare(bool keeps = false) {
        for (auto& each : rounded)
            for (size_t i = 0; i < each.first.size(); i++)
                EXPECT(std::fabs(memgen::to_float(each.second[i]) - each.first[i]) <= RoundingLimit * (keeps ? std::fmax(1.0f, std::fabs(each.first[i])) : std::fabs(each.first[i])));
        for (auto& each : kept)
            for (size_t i = 0; i < each.first.size(); i++) EXPECT(keeps ? std::fabs(each.first[i] - each.second[i]) <= 8 * RoundingLimit : each.first[i] == each.second[i]);
    }
};

std::vector<float> floats(int64_t n, double low, double high, uint32_t seed) {
    Values x = noise(n, low, high, seed);
    return std::vector<float>(x.begin(), x.end());
}

TEST(selective_scan_in_bfloat16) {
    typedef memgen_selective_scan_args A;
    const int64_t B = 2, T = 70, C = 37, N = 5;
    Both u(B * T * C, -1, 1, 1), b(B * T * N, -1, 1, 2), c(B * T * N, -1, 1, 3), dy(B * T * C, -1, 1, 4);
    std::vector<float> delta = floats(B * T * C, 0, 0.5, 5), rates = floats(C * N, -2, -0.1, 6), skip = floats(C, -1, 1, 7), state = floats(B * C * N, -1, 1, 8), d_state = floats(B * C * N, -1, 1, 9);
    Pair<A> p;
    for (A* a : {&p.single, &p.half}) a->batch = B, a->tokens = T, a->channels = C, a->state_dim = N;
    p.input(&A::u, u, {B, T, C}), p.input(&A::B, b, {B, T, N}), p.input(&A::C, c, {B, T, N}), p.input(&A::d_y, dy, {B, T, C});
    p.gate(&A::delta, delta, {B, T, C}), p.gate(&A::A, rates, {C, N}), p.gate(&A::D, skip, {C}), p.gate(&A::initial_state, state, {B, C, N}), p.gate(&A::d_final_state, d_state, {B, C, N});
    p.result(&A::y, {B, T, C}), p.result(&A::d_u, {B, T, C}), p.result(&A::d_B, {B, T, N}), p.result(&A::d_C, {B, T, N});
    p.sum(&A::final_state, {B, C, N}), p.sum(&A::d_delta, {B, T, C}), p.sum(&A::d_A, {C, N}), p.sum(&A::d_D, {C}), p.sum(&A::d_initial_state, {B, C, N});
    for (A* a : {&p.single, &p.half}) {
        Scratch kept(memgen_selective_scan_checkpoint_size(a)), scratch(memgen_selective_scan_workspace_size(a, 1));
        a->checkpoints = kept.data;
        EXPECT_STATUS(MEMGEN_OK, memgen_selective_scan_forward(a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_selective_scan_backward(a, scratch.data, scratch.size, nullptr));
    }
    p.compare();
}

TEST(linear_scan_in_bfloat16) {
    typedef memgen_linear_scan_args A;
    const int64_t B = 2, T = 70, C = 37;
    Both b(B * T * C, -1, 1, 1), dh(B * T * C, -1, 1, 2);
    std::vector<float> a = floats(B * T * C, 0, 0.9, 3), state = floats(B * C, -1, 1, 4), d_state = floats(B * C, -1, 1, 5);
    Pair<A> p;
    for (A* each : {&p.single, &p.half}) each->batch = B, each->tokens = T, each->channels = C;
    p.input(&A::b, b, {B, T, C}), p.input(&A::d_h, dh, {B, T, C});
    p.gate(&A::a, a, {B, T, C}), p.gate(&A::initial_state, state, {B, C}), p.gate(&A::d_final_state, d_state, {B, C});
    p.result(&A::h, {B, T, C}), p.result(&A::d_b, {B, T, C});
    p.sum(&A::final_state, {B, C}), p.sum(&A::d_a, {B, T, C}), p.sum(&A::d_initial_state, {B, C});
    for (A* each : {&p.single, &p.half}) {
        EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_forward(each, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_backward(each, nullptr, 0, nullptr));
    }
    p.compare(true);
}

TEST(causal_conv_in_bfloat16) {
    typedef memgen_causal_conv_args A;
    const int64_t B = 2, T = 150, C = 37, W = 4;
    Both x(B * T * C, -1, 1, 1), dy(B * T * C, -1, 1, 2), state(B * (W - 1) * C, -1, 1, 3), d_state(B * (W - 1) * C, -1, 1, 4);
    std::vector<float> weight = floats(C * W, -1, 1, 5), bias = floats(C, -1, 1, 6);
    Pair<A> p;
    for (A* a : {&p.single, &p.half}) a->batch = B, a->tokens = T, a->channels = C, a->width = W;
    p.input(&A::x, x, {B, T, C}), p.input(&A::d_y, dy, {B, T, C}), p.input(&A::initial_state, state, {B, W - 1, C}), p.input(&A::d_final_state, d_state, {B, W - 1, C});
    p.gate(&A::weight, weight, {C, W}), p.gate(&A::bias, bias, {C});
    p.result(&A::y, {B, T, C}), p.result(&A::final_state, {B, W - 1, C}), p.result(&A::d_x, {B, T, C}), p.result(&A::d_initial_state, {B, W - 1, C});
    p.sum(&A::d_weight, {C, W}), p.sum(&A::d_bias, {C});
    for (A* a : {&p.single, &p.half}) {
        Scratch scratch(memgen_causal_conv_workspace_size(a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_causal_conv_forward(a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_causal_conv_backward(a, scratch.data, scratch.size, nullptr));
    }
    p.compare();
}

TEST(rms_norm_in_bfloat16) {
    typedef memgen_rms_norm_args A;
    const int64_t R = 7, N = 300;
    Both x(R * N, -1, 1, 1), gate(R * N, -2, 2, 2), dy(R * N, -1, 1, 3);
    std::vector<float> weight = floats(N, 0, 1, 4);
    Pair<A> p;
    for (A* a : {&p.single, &p.half}) a->rows = R, a->features = N, a->epsilon = 1e-6;
    p.input(&A::x, x, {R, N}), p.input(&A::gate, gate, {R, N}), p.input(&A::d_y, dy, {R, N}), p.gate(&A::weight, weight, {N});
    p.result(&A::y, {R, N}), p.result(&A::d_x, {R, N}), p.result(&A::d_gate, {R, N}), p.sum(&A::d_weight, {N});
    for (A* a : {&p.single, &p.half}) {
        Scratch scratch(memgen_rms_norm_workspace_size(a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_rms_norm_forward(a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_rms_norm_backward(a, scratch.data, scratch.size, nullptr));
    }
    p.compare();
}

TEST(unit_length_and_swiglu_in_bfloat16) {
    typedef memgen_unit_length_args U;
    typedef memgen_swiglu_args S;
    const int64_t R = 7, N = 300;
    Both x(R * N, -1, 1, 1), gate(R * N, -2, 2, 2), dy(R * N, -1, 1, 3);
    Pair<U> unit;
    unit.input(&U::x, x, {R, N}), unit.input(&U::d_y, dy, {R, N}), unit.result(&U::y, {R, N}), unit.result(&U::d_x, {R, N});
    for (U* a : {&unit.single, &unit.half}) {
        a->rows = R, a->features = N, a->epsilon = 1e-6;
        EXPECT_STATUS(MEMGEN_OK, memgen_unit_length_forward(a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_unit_length_backward(a, nullptr, 0, nullptr));
    }
    unit.compare();
    Pair<S> swiglu;
    swiglu.input(&S::gate, gate, {R, N}), swiglu.input(&S::up, x, {R, N}), swiglu.input(&S::d_y, dy, {R, N});
    swiglu.result(&S::y, {R, N}), swiglu.result(&S::d_gate, {R, N}), swiglu.result(&S::d_up, {R, N});
    for (S* a : {&swiglu.single, &swiglu.half}) {
        a->rows = R, a->features = N;
        EXPECT_STATUS(MEMGEN_OK, memgen_swiglu_forward(a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_swiglu_backward(a, nullptr, 0, nullptr));
    }
    swiglu.compare();
}

TEST(cross_entropy_in_bfloat16) {
    typedef memgen_cross_entropy_args A;
    const int64_t R = 5, N = 300, targets[R] = {0, -100, 299, 17, 150};
    Both logits(R * N, -5, 5, 1);
    std::vector<float> upstream = floats(R, -1, 1, 2);
    for (bool backward : {false, true}) {
        Pair<A> p;
        p.input(&A::logits, logits, {R, N}), p.gate(&A::d_losses, upstream, {R, 1}), p.result(&A::d_logits, {R, N}), p.sum(&A::losses, {R, 1});
        for (A* a : {&p.single, &p.half}) {
            a->rows = R, a->classes = N, a->ignored_target = -100, a->gradient_scale = 0.25, a->targets = targets;
            EXPECT_STATUS(MEMGEN_OK, (backward ? memgen_cross_entropy_backward : memgen_cross_entropy_forward)(a, nullptr, 0, nullptr));
        }
        p.compare();
    }
}

TEST(library_for_cuda_names_itself) {
    EXPECT(memgen_abi_version() == MEMGEN_ABI_VERSION);
    EXPECT(!std::strcmp(memgen_device(), "cuda"));
    memgen_swiglu_args a{};
    a.struct_size = sizeof a, a.dtype = static_cast<memgen_dtype>(2);
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_DTYPE, memgen_swiglu_forward(&a, nullptr, 0, nullptr));
    EXPECT(std::strstr(memgen_last_error(), "MEMGEN_BFLOAT16") != nullptr);
}

TEST(operators_without_a_cuda_kernel_say_so) {
    memgen_linear_args a{};
    a.struct_size = sizeof a;
    EXPECT(memgen_linear_workspace_size(&a, 0) == -1);
    EXPECT(std::strstr(memgen_last_error(), "no CUDA kernel") != nullptr);
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_SHAPE, memgen_linear_forward(&a, nullptr, 0, nullptr));
}

} // namespace
