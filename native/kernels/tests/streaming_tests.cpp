// Results so large that they are stored past the caches: the same bits as where memory is not aligned, which stores
// them as usual.
#include <memory>
#include <random>

#include "test.h"

namespace {

// Rows of floats that begin `shift` numbers after a multiple of 64 bytes.
class Plain {
public:
    Plain(std::vector<int64_t> shape, int64_t shift, uint32_t seed = 0) : size_(1) {
        for (size_t i = shape.size(); i-- > 0; size_ *= shape[i]) tensor.stride[i] = size_;
        memory_.reset(static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>((size_ + shift) * 4 + 63) / 64 * 64)));
        float* data = memory_.get() + shift;
        std::mt19937 engine(seed);
        std::uniform_real_distribution<float> draw(-1, 1);
        for (int64_t i = 0; i < size_; i++) data[i] = seed ? draw(engine) : std::numeric_limits<float>::quiet_NaN();
        tensor.data = data;
    }

    void append(std::vector<float>& to) const {
        const float* data = static_cast<const float*>(tensor.data);
        to.insert(to.end(), data, data + size_);
    }

    memgen_tensor tensor{};

private:
    struct Free {
        void operator()(float* p) const { std::free(p); }
    };
    int64_t size_;
    std::unique_ptr<float[], Free> memory_;
};

void expect_same_where_not_aligned(const std::function<std::vector<float>(int64_t shift)>& results) {
    std::vector<float> aligned = results(0), shifted = results(1);
    EXPECT(!aligned.empty() && aligned.size() == shifted.size() && !std::memcmp(aligned.data(), shifted.data(), aligned.size() * sizeof(float)));
    for (float x : aligned)
        if (!(x == x)) return report_failure(__FILE__, __LINE__, "an element was not written");
}

constexpr int64_t Rows = 4100, Features = 272; // more than a million numbers
const std::vector<int64_t> shape = {Rows, Features};

TEST(large_rows_past_the_caches) {
    expect_same_where_not_aligned([](int64_t shift) {
        Plain x(shape, shift, 1), gate(shape, shift, 2), w({Features}, shift, 3), dy(shape, shift, 4), y(shape, shift), dx(shape, shift), dg(shape, shift), dw({Features}, shift);
        std::vector<float> all;
        memgen_rms_norm_args a{};
        a.struct_size = sizeof a, a.rows = Rows, a.features = Features, a.epsilon = 1e-6, a.x = x.tensor, a.weight = w.tensor, a.gate = gate.tensor, a.y = y.tensor;
        a.d_y = dy.tensor, a.d_x = dx.tensor, a.d_weight = dw.tensor, a.d_gate = dg.tensor;
        Scratch scratch(memgen_rms_norm_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_rms_norm_forward(&a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_rms_norm_backward(&a, scratch.data, scratch.size, nullptr));
        for (Plain* p : {&y, &dx, &dg, &dw}) p->append(all);
        memgen_unit_length_args u{};
        u.struct_size = sizeof u, u.rows = Rows, u.features = Features, u.epsilon = 1e-6, u.x = x.tensor, u.y = y.tensor, u.d_y = dy.tensor, u.d_x = dx.tensor;
        EXPECT_STATUS(MEMGEN_OK, memgen_unit_length_forward(&u, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_unit_length_backward(&u, nullptr, 0, nullptr));
        for (Plain* p : {&y, &dx}) p->append(all);
        memgen_swiglu_args s{};
        s.struct_size = sizeof s, s.rows = Rows, s.features = Features, s.gate = gate.tensor, s.up = x.tensor, s.y = y.tensor, s.d_y = dy.tensor, s.d_gate = dg.tensor, s.d_up = dx.tensor;
        EXPECT_STATUS(MEMGEN_OK, memgen_swiglu_forward(&s, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_swiglu_backward(&s, nullptr, 0, nullptr));
        for (Plain* p : {&y, &dx, &dg}) p->append(all);
        memgen_softplus_args f{};
        f.struct_size = sizeof f, f.rows = Rows, f.features = Features, f.x = x.tensor, f.y = y.tensor, f.d_y = dy.tensor, f.d_x = dx.tensor, f.d_bias = dw.tensor;
        Scratch sums(memgen_softplus_workspace_size(&f, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_softplus_forward(&f, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_softplus_backward(&f, sums.data, sums.size, nullptr));
        for (Plain* p : {&y, &dx, &dw}) p->append(all);
        memgen_rotary_args t{};
        t.struct_size = sizeof t, t.rows = Rows, t.heads = 2, t.features = 128, t.places = 3, t.cosines = w.tensor, t.sines = gate.tensor, t.x = x.tensor, t.y = y.tensor, t.d_y = dy.tensor, t.d_x = dx.tensor;
        t.cosines.stride[0] = 64, t.cosines.stride[1] = 1;
        EXPECT_STATUS(MEMGEN_OK, memgen_rotary_forward(&t, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_rotary_backward(&t, nullptr, 0, nullptr));
        for (Plain* p : {&y, &dx}) p->append(all);
        return all;
    });
}

TEST(large_maps_past_the_caches) {
    expect_same_where_not_aligned([](int64_t shift) {
        const int64_t few = 16;
        Plain x(shape, shift, 1), w({few, Features}, shift, 2), out({Rows, few}, shift, 3), dx(shape, shift), back({Features, few}, shift, 4), first({3, few}, shift, 5), y(shape, shift), before({Rows, 3}, shift);
        memgen_linear_args a{}, b{};
        a.struct_size = sizeof a, a.rows = Rows, a.in_features = Features, a.count = 2, a.x = x.tensor, a.d_x = dx.tensor;
        for (int i = 0; i < 2; i++) a.out_features[i] = few, a.weights[i] = w.tensor, a.d_y[i] = out.tensor;
        Scratch scratch(memgen_linear_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_linear_backward(&a, scratch.data, scratch.size, nullptr));
        b.struct_size = sizeof b, b.rows = Rows, b.in_features = few, b.count = 2, b.x = out.tensor;
        b.out_features[0] = 3, b.weights[0] = first.tensor, b.y[0] = before.tensor, b.out_features[1] = Features, b.weights[1] = back.tensor, b.y[1] = y.tensor;
        Scratch forward(memgen_linear_workspace_size(&b, 0));
        EXPECT_STATUS(MEMGEN_OK, memgen_linear_forward(&b, forward.data, forward.size, nullptr));
        std::vector<float> all;
        for (Plain* p : {&dx, &y}) p->append(all);
        return all;
    });
}

TEST(large_convolutions_past_the_caches) {
    expect_same_where_not_aligned([](int64_t shift) {
        const int64_t batch = 2, tokens = Rows / 2, width = 4;
        const std::vector<int64_t> rows = {batch, tokens, Features}, tail = {batch, width - 1, Features};
        Plain x(rows, shift, 1), w({Features, width}, shift, 2), state(tail, shift, 3), dy(rows, shift, 4), y(rows, shift), dx(rows, shift), dw({Features, width}, shift), dstate(tail, shift + 1);
        memgen_causal_conv_args a{};
        a.struct_size = sizeof a, a.batch = batch, a.tokens = tokens, a.channels = Features, a.width = width, a.x = x.tensor, a.weight = w.tensor, a.initial_state = state.tensor, a.y = y.tensor;
        a.d_y = dy.tensor, a.d_x = dx.tensor, a.d_weight = dw.tensor, a.d_initial_state = dstate.tensor;
        Scratch scratch(memgen_causal_conv_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_causal_conv_forward(&a, scratch.data, scratch.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_causal_conv_backward(&a, scratch.data, scratch.size, nullptr));
        std::vector<float> all;
        for (Plain* p : {&y, &dx, &dw, &dstate}) p->append(all);
        return all;
    });
}

} // namespace
