// Attention in bfloat16 on the emulator against the plain softmax in double precision.
#include "attention_oracle.h"
#include "matrix_test.h"

TEST(segment_attention_in_bfloat16) {
    for (const auto& shape : attention_shapes()) {
        if (shape.T == 0 || shape.V == 0) continue;
        AttentionProblem p(shape);
        // Scores of a size that leaves several keys a weight: where one has all of it, d_q and d_k are differences in which
        // the rounding of o, which backward reads, is all there is.
        for (int queries : {int(Q), int(PrefixQ)})
            for (double& each : p.x[queries]) each /= std::sqrt(static_cast<double>(std::max<int64_t>(p.K, 1)));
        for (Values& x : p.x)
            for (double& each : x) each = memgen::to_float(memgen::rounded<memgen::bfloat16>(static_cast<float>(each)));
        for (double& each : p.d_o) each = memgen::to_float(memgen::rounded<memgen::bfloat16>(static_cast<float>(each)));
        p.solve();

        typedef DeviceField<memgen::bfloat16> Half;
        memgen_segment_attention_args a{};
        p.describe(a);
        a.dtype = MEMGEN_BFLOAT16;
        std::vector<float> logs(static_cast<size_t>(p.B * p.T * p.H));
        a.logs = logs.data();
        std::vector<Half> x, d;
        auto tensor = [](const Half& field) {
            const memgen::TensorView view = field.view();
            memgen_tensor t{view.data, {}};
            std::copy(view.stride, view.stride + 4, t.stride);
            return t;
        };
        for (size_t i = 0; i < p.shapes.size(); i++) x.emplace_back(p.shapes[i], static_cast<int64_t>(i % 3) * 4), d.emplace_back(p.shapes[i], 1), x[i].set(p.x[i]);
        Half o({p.B, p.T, p.H, p.V}, 8), d_o({p.B, p.T, p.H, p.V});
        d_o.set(p.d_o);
        a.o = tensor(o), a.d_o = tensor(d_o);
        for (int i = 0; i < Inputs; i++)
            if (i != PrefixQ || p.own_prefix) *inputs_of(a)[i] = tensor(x[i]), *gradients_of(a)[i] = tensor(d[i]);
        Scratch backward(memgen_segment_attention_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_segment_attention_forward(&a, nullptr, 0, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_segment_attention_backward(&a, backward.data, backward.size, nullptr));
        EXPECT_RMS("o", text(p), o.values(), p.o, 5e-3);
        for (int i = 0; i < Inputs; i++)
            if (p.uses(i)) EXPECT_RMS(("gradient " + std::to_string(i)).c_str(), text(p), d[i].values(), p.d[i], 5e-3);
        EXPECT(o.padding_untouched());
    }
}
