// One token of a Titans memory with inputs in bfloat16, whose states and sums are floats, and states that are written where they lie.
#include "matrix_test.h"
#include "titans_oracle.h"

namespace {

template <class T>
memgen_tensor tensor(const DeviceField<T>& x) {
    const memgen::TensorView v = x.view();
    return {v.data, {v.stride[0], v.stride[1], v.stride[2], v.stride[3]}};
}

// The last token of a problem whose tokens are one block; in a step that ends it, states are written where they were read.
void compare_in_place(TitansProblem p, int64_t pad) {
    typedef memgen::bfloat16 T;
    for (Values* x : {&p.q, &p.k, &p.v})
        for (double& each : *x) each = memgen::to_float(memgen::rounded<T>(static_cast<float>(each)));
    const int64_t B = p.B, R = p.T - 1, H = p.H, in = p.dims.front(), out = p.dims.back();
    auto part = [&](const Values& all, int64_t width, bool last) {
        Values found;
        for (int64_t b = 0; b < B; b++)
            for (int64_t i = (b * p.T + (last ? R : 0)) * H * width; i < (b * p.T + (last ? p.T : R)) * H * width; i++) found.push_back(all[static_cast<size_t>(i)]);
        return found;
    };
    DeviceField<T> q({B, H, in}, pad), k({B, H, in}, pad), v({B, H, out}, pad), past_k({B, R, H, in}, pad), past_v({B, R, H, out}, pad), o({B, H, out}, pad);
    DeviceField<float> gamma({B, H, out}, pad), theta({B, H}), eta({B, H}), alpha({B, H}), past_theta({B, R, H}), past_eta({B, R, H}), past_alpha({B, R, H});
    q.set(part(p.q, in, true)), k.set(part(p.k, in, true)), v.set(part(p.v, out, true)), past_k.set(part(p.k, in, false)), past_v.set(part(p.v, out, false));
    gamma.set(p.gamma), theta.set(part(p.theta, 1, true)), eta.set(part(p.eta, 1, true)), alpha.set(part(p.alpha, 1, true));
    past_theta.set(part(p.theta, 1, false)), past_eta.set(part(p.eta, 1, false)), past_alpha.set(part(p.alpha, 1, false));
    memgen_titans_step_args a{};
    a.struct_size = sizeof a, a.dtype = MEMGEN_BFLOAT16, a.batch = B, a.heads = H, a.layers = static_cast<int64_t>(p.layers()), a.block = p.block, a.read = R, a.momentum = 1, a.clip = p.clip;
    a.activation = p.gelu ? MEMGEN_TITANS_GELU : MEMGEN_TITANS_SILU, a.reads_block_start = p.reads_block_start, a.decays_to_target = p.has_target, a.residual = p.has_residual;
    for (size_t l = 0; l < p.dims.size(); l++) a.dims[l] = p.dims[l];
    a.q = tensor(q), a.k = tensor(k), a.v = tensor(v), a.past_k = tensor(past_k), a.past_v = tensor(past_v), a.o = tensor(o);
    a.gamma = tensor(gamma), a.theta = tensor(theta), a.eta = tensor(eta), a.alpha = tensor(alpha), a.past_theta = tensor(past_theta), a.past_eta = tensor(past_eta), a.past_alpha = tensor(past_alpha);
    std::vector<DeviceField<float>> W(p.layers()), S(p.layers()), target(p.layers());
    for (size_t l = 0; l < p.layers(); l++) {
        for (auto* x : {&W[l], &S[l], &target[l]}) *x = DeviceField<float>({B, H, p.dims[l], p.dims[l + 1]}, pad);
        target[l].set(p.target[l]), a.target[l] = tensor(target[l]);
    }
    std::vector<Values> weights, momenta;
    const Values expected = part(p.o(weights, momenta), out, true);
    for (bool ends : {false, true}) {
        Scratch scratch(memgen_titans_step_workspace_size(&a));
        Values results;
        auto call = [&] {
            for (size_t l = 0; l < p.layers(); l++) {
                W[l].set(p.W[l]), S[l].set(p.S[l]), a.weights[l] = tensor(W[l]), a.momenta[l] = tensor(S[l]);
                a.final_weights[l] = ends ? a.weights[l] : memgen_tensor{}, a.final_momenta[l] = ends ? a.momenta[l] : memgen_tensor{};
            }
            o.clear(), a.o = tensor(o);
            EXPECT_STATUS(MEMGEN_OK, memgen_titans_step(&a, scratch.data, scratch.size, nullptr));
            results = o.values();
            for (auto* states : {&W, &S})
                for (const auto& state : *states)
                    for (double each : state.values()) results.push_back(each);
        };
        EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
        EXPECT_RMS("o", p.text(), o.values(), expected, 4e-3);
        EXPECT(o.padding_untouched());
        for (size_t l = 0; l < p.layers() && ends; l++) {
            EXPECT_RMS("final_weights", p.text(), W[l].values(), weights[l], 5e-6);
            EXPECT_RMS("final_momenta", p.text(), S[l].values(), momenta[l], 5e-6);
            EXPECT(W[l].padding_untouched() && S[l].padding_untouched());
        }
    }
}

} // namespace

TEST(titans_steps_of_bfloat16_in_place) {
    for (const std::vector<int64_t>& widths : std::vector<std::vector<int64_t>>{{3, 5}, {64, 64}, {100, 37}, {16, 24, 16}, {3, 5, 3}, {33, 70, 48, 65}, {8, 8, 8, 8, 8}})
        for (int64_t T : {1, 4, 9, 33}) {
            TitansProblem p(2, T, 2, 40, widths, true, 41);
            p.clip = T == 4 ? 0.3 : 0, p.gelu = T == 9, p.reads_block_start = T == 33;
            for (int64_t pad : {0, 3}) {
                p.has_target = pad > 0, compare_in_place(p, pad);
                if (widths.front() == widths.back()) compare_in_place(p.with_residual(), pad);
            }
        }
    compare_in_place(TitansProblem(1, 128, 1, 128, {300, 40}, true, 42), 0);
}
