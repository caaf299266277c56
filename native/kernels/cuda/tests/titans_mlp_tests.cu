// The Titans memory of several layers on the emulator against its token recurrence.
#include "titans_mlp_recurrence.h"

namespace {

template <class T>
struct MlpCall {
    DeviceField<T> q, k, v, o, d_o, dq, dk, dv;
    DeviceField<float> theta, eta, alpha, gamma, d_theta, d_eta, d_alpha, d_gamma;
    std::vector<DeviceField<float>> w, s, target, w_end, s_end, d_w, d_s, d_w0, d_s0, d_target;
    memgen_titans_args a{};

    template <class Element>
    static memgen_tensor tensor(const DeviceField<Element>& x) {
        const memgen::TensorView view = x.view();
        memgen_tensor t{view.data, {}};
        std::copy(view.stride, view.stride + 4, t.stride);
        return t;
    }

    MlpCall(const Mlp& p, const MlpNumbers& n, const Layout& layout) {
        const int64_t sequences = layout.lengths.empty() ? p.B : static_cast<int64_t>(layout.lengths.size());
        const std::vector<int64_t> keys{p.B, p.T, p.H, p.dims.front()}, values{p.B, p.T, p.H, p.dims.back()}, gates{p.B, p.T, p.H};
        for (DeviceField<T>* x : {&q, &k, &dq, &dk}) *x = DeviceField<T>(keys, p.padding);
        for (DeviceField<T>* x : {&v, &o, &d_o, &dv}) *x = DeviceField<T>(values, p.padding);
        for (DeviceField<float>* x : {&theta, &d_theta}) *x = DeviceField<float>(gates);
        q.set(n.q), k.set(n.k), v.set(n.v), d_o.set(n.d_o), theta.set(n.theta);
        if (p.alpha) alpha = DeviceField<float>(gates), d_alpha = DeviceField<float>(gates), alpha.set(n.alpha);
        if (p.residual) gamma = DeviceField<float>({sequences, p.H, p.dims.back()}, p.padding), d_gamma = DeviceField<float>({sequences, p.H, p.dims.back()}, p.padding), gamma.set(n.gamma);
        if (p.momentum) eta = DeviceField<float>(gates), d_eta = DeviceField<float>(gates), eta.set(n.eta);
        a.struct_size = sizeof a, a.dtype = sizeof(T) == 4 ? MEMGEN_FLOAT32 : MEMGEN_BFLOAT16;
        a.batch = p.B, a.tokens = p.T, a.heads = p.H, a.layers = p.layers(), a.block = p.block;
        a.activation = p.gelu ? MEMGEN_TITANS_GELU : MEMGEN_TITANS_SILU, a.reads_block_start = p.reads_block_start, a.momentum = p.momentum, a.decays_to_target = p.target, a.residual = p.residual, a.clip = p.clip;
        if (!layout.lengths.empty()) a.segments = {sequences, layout.starts.data(), layout.lengths.data()};
        std::copy(p.dims.begin(), p.dims.end(), a.dims);
        for (auto* all : {&w, &s, &target, &w_end, &s_end, &d_w, &d_s, &d_w0, &d_s0, &d_target}) all->resize(static_cast<size_t>(p.layers()));
        for (int64_t l = 0; l < p.layers(); l++) {
            const std::vector<int64_t> shape{sequences, p.H, p.dims[l], p.dims[l + 1]};
            auto made = [&](DeviceField<float>& x, bool there) {
                if (there) x = DeviceField<float>(shape, p.padding);
                return there;
            };
            if (made(w[l], true)) w[l].set(n.w[l]);
            if (made(s[l], p.momentum && p.initial_momenta)) s[l].set(n.s[l]);
            if (made(target[l], p.target)) target[l].set(n.target[l]);
            if (made(d_w[l], p.ends)) d_w[l].set(n.d_w[l]);
            if (made(d_s[l], p.ends && p.momentum)) d_s[l].set(n.d_s[l]);
            made(w_end[l], p.ends), made(s_end[l], p.ends && p.momentum), made(d_w0[l], true), made(d_s0[l], p.momentum), made(d_target[l], p.target);
            a.initial_weights[l] = tensor(w[l]), a.initial_momenta[l] = tensor(s[l]), a.final_weights[l] = tensor(w_end[l]), a.final_momenta[l] = tensor(s_end[l]);
            a.target[l] = tensor(target[l]), a.d_target[l] = tensor(d_target[l]);
            a.d_final_weights[l] = tensor(d_w[l]), a.d_final_momenta[l] = tensor(d_s[l]), a.d_initial_weights[l] = tensor(d_w0[l]), a.d_initial_momenta[l] = tensor(d_s0[l]);
        }
        a.q = tensor(q), a.k = tensor(k), a.v = tensor(v), a.theta = tensor(theta), a.eta = tensor(eta), a.alpha = tensor(alpha), a.o = tensor(o), a.d_o = tensor(d_o);
        a.d_q = tensor(dq), a.d_k = tensor(dk), a.d_v = tensor(dv), a.d_theta = tensor(d_theta), a.d_eta = tensor(d_eta), a.d_alpha = tensor(d_alpha), a.gamma = tensor(gamma), a.d_gamma = tensor(d_gamma);
    }

    void run() {
        for (bool backward : {false, true}) {
            const int64_t bytes = memgen_titans_workspace_size(&a, backward);
            std::unique_ptr<void, void (*)(void*)> workspace(std::aligned_alloc(64, static_cast<size_t>(bytes / 64 + 1) * 64), std::free);
            std::memset(workspace.get(), 0xff, static_cast<size_t>(bytes));
            EXPECT_STATUS(MEMGEN_OK, (backward ? memgen_titans_backward : memgen_titans_forward)(&a, workspace.get(), static_cast<size_t>(bytes), nullptr));
        }
    }

    Values results() const {
        Values all;
        auto add = [&](const Values& x) { all.insert(all.end(), x.begin(), x.end()); };
        for (const DeviceField<T>* x : {&o, &dq, &dk, &dv}) add(x->values());
        for (const DeviceField<float>* x : {&d_theta, &d_eta, &d_alpha, &d_gamma}) add(x->values());
        for (auto* states : {&w_end, &s_end, &d_w0, &d_s0, &d_target})
            for (const DeviceField<float>& x : *states) add(x.values());
        return all;
    }
    bool padding_untouched() const {
        bool all = o.padding_untouched() && dq.padding_untouched() && dk.padding_untouched() && dv.padding_untouched() && d_gamma.padding_untouched();
        for (auto* states : {&w_end, &s_end, &d_w0, &d_s0, &d_target})
            for (const DeviceField<float>& x : *states) all = all && x.padding_untouched();
        return all;
    }
};

// Of what is float in a call in bfloat16, whose products keep sixteen bits of every number.
template <class T>
struct FloatLimits {
    static constexpr double Forward = sizeof(T) == 2 ? 1e-4 : Limits<T>::Forward, Gradient = sizeof(T) == 2 ? 1e-4 : Limits<T>::Gradient;
};

template <class T>
void compare_one(const Mlp& p, MlpNumbers n, const Layout& layout) {
    for (Values* x : {&n.q, &n.k, &n.v, &n.d_o})
        for (double& each : *x) each = memgen::to_float(memgen::rounded<T>(static_cast<float>(each)));
    reference(p, layout, n);
    MlpCall<T> c(p, n, layout);
    c.run();
    const std::string at = (sizeof(T) == 4 ? "float " : "bfloat16 ") + p.text();
    auto check = [&](const char* what, const auto& field, Values expected, double limit) {
        Values actual = field.values();
        if (actual.empty()) return; // absent
        drop_unwritten(actual, expected);
        EXPECT_RMS(what, at, actual, expected, limit);
    };
    check("o", c.o, n.o, Limits<T>::Forward);
    check("d_q", c.dq, n.dq, Limits<T>::Gradient), check("d_k", c.dk, n.dk, Limits<T>::Gradient), check("d_v", c.dv, n.dv, Limits<T>::Gradient);
    check("d_theta", c.d_theta, n.d_theta, FloatLimits<T>::Gradient), check("d_eta", c.d_eta, n.d_eta, FloatLimits<T>::Gradient), check("d_alpha", c.d_alpha, n.d_alpha, FloatLimits<T>::Gradient), check("d_gamma", c.d_gamma, n.d_gamma, FloatLimits<T>::Gradient);
    for (size_t l = 0; l < n.w.size(); l++) {
        check("final_weights", c.w_end[l], n.w_end[l], FloatLimits<T>::Forward), check("final_momenta", c.s_end[l], n.s_end[l], FloatLimits<T>::Forward);
        check("d_initial_weights", c.d_w0[l], n.d_w0[l], FloatLimits<T>::Gradient), check("d_initial_momenta", c.d_s0[l], n.d_s0[l], FloatLimits<T>::Gradient);
        check("d_target", c.d_target[l], n.d_target[l], FloatLimits<T>::Gradient);
    }
    EXPECT(c.padding_untouched());
}

// Forgetting leads to zero, then to a target.
template <class T>
void compare(Mlp p, const MlpNumbers& n, const Layout& layout = {}) {
    for (bool target : {false, true}) p.target = target, compare_one<T>(p, n, layout);
}

// Of no token, of one, around a block, beyond three of them.
template <class T>
void lengths() {
    for (int64_t T_ : {0, 1, 5, 6, 7, 23}) {
        Mlp p{2, T_, 1, 6, {5, 7, 3}};
        p.padding = T_ % 4;
        compare<T>(p, draw(p, p.B, 71));
    }
}

// Blocks of one token and of the most, widths beyond a tile and beyond 256, two to four layers; and what of one matrix the
// kernels with value tiles leave over.
template <class T>
void shapes() {
    for (Mlp p : {Mlp{1, 9, 2, 1, {4, 6, 5}}, Mlp{1, 131, 1, 128, {3, 5, 2}}, Mlp{1, 70, 1, 67, {4, 3, 6}}, Mlp{1, 20, 1, 16, {66, 70, 65}}, Mlp{1, 10, 1, 8, {10, 300, 9}}, Mlp{1, 11, 2, 4, {6, 9, 7, 5}}, Mlp{1, 9, 1, 4, {3, 5, 4, 6, 2}}, Mlp{1, 9, 1, 4, {260, 5}}}) {
        p.padding = p.dims[0] == 66 ? 4 : 3, p.initial_momenta = p.block != 67, p.ends = p.block != 8;
        compare<T>(p, draw(p, p.B, 72));
    }
}

// So many blocks that their weights are formed again from checkpoints.
template <class T>
void long_chains() {
    for (int64_t T_ : {19, 20, 33}) {
        Mlp p{1, T_, 1, 2, {3, 5, 4}};
        compare<T>(p, draw(p, p.B, 73));
    }
}

template <class T>
void variants() {
    for (int bits = 1; bits < 16; bits++) {
        Mlp p{1, 11, 2, 4, {5, 8, 6}};
        p.gelu = bits & 1, p.reads_block_start = bits & 2, p.momentum = !(bits & 4), p.alpha = !(bits & 8);
        compare<T>(p, draw(p, p.B, 74));
    }
    for (std::vector<int64_t> dims : {std::vector<int64_t>{5, 8, 6}, std::vector<int64_t>{3, 4, 6, 2}}) {
        Mlp p{1, 11, 2, 4, dims};
        p.reads_block_start = dims.size() > 3;
        MlpNumbers n = draw(p, p.B, 75);
        for (p.clip = 8; n.clipped < 6;) p.clip /= 2, n.clipped = 0, reference(p, {}, n);
        EXPECT(n.clipped < 22); // of 22 tokens: some are clipped, some are not
        compare<T>(p, n);
    }
}

// Of one to four layers, within a tile and beyond one; from checkpoints, in segments, of no token.
template <class T>
void residuals() {
    for (Mlp p : {Mlp{2, 23, 1, 6, {5, 5}}, Mlp{1, 40, 1, 1, {12, 12}}, Mlp{1, 131, 1, 128, {8, 8}}, Mlp{1, 20, 1, 16, {66, 70, 66}}, Mlp{1, 19, 1, 8, {130, 130}}, Mlp{1, 33, 1, 2, {20, 9, 20}}, Mlp{1, 11, 2, 4, {6, 9, 7, 6}}, Mlp{1, 9, 1, 4, {12, 9, 10, 11, 12}}, Mlp{2, 0, 1, 4, {3, 3}}}) {
        p.residual = true, p.padding = p.dims[0] == 66 ? 4 : 3, p.initial_momenta = p.block != 6, p.ends = p.block != 8;
        compare<T>(p, draw(p, p.B, 79));
    }
    for (int bits = 1; bits < 16; bits++) {
        Mlp p{1, 11, 2, 4, bits % 3 == 0 ? std::vector<int64_t>{6, 6} : std::vector<int64_t>{6, 8, 6}};
        p.residual = true, p.gelu = bits & 1, p.reads_block_start = bits & 2, p.momentum = !(bits & 4), p.alpha = !(bits & 8), p.clip = bits & 1 ? 0.5 : 0;
        compare<T>(p, draw(p, p.B, 80));
    }
    Layout layout{{30, 0, 0, 11, 22}, {9, 11, 0, 11, 5}};
    Mlp p{1, 41, 2, 4, {5, 9, 5}};
    p.residual = true;
    compare<T>(p, draw(p, 5, 81), layout);
}

template <class T>
void gate_limits() {
    Mlp p{1, 11, 2, 4, {5, 8, 6}};
    for (int which = 0; which < TitansGateEnds; which++) {
        MlpNumbers n = draw(p, p.B, 78);
        set_to_end(n, which);
        compare<T>(p, n);
    }
}

template <class T>
void segments() {
    Layout layout{{30, 0, 0, 11, 22}, {9, 11, 0, 11, 5}};
    Mlp p{1, 41, 2, 4, {5, 9, 4}};
    compare<T>(p, draw(p, 5, 76), layout);
}

template <class T>
void same_bits() {
    for (int64_t out : {5, 6}) {
        Mlp p{1, 21, 1, 8, {6, 70, out}};
        p.clip = 2, p.target = true, p.residual = out == 6;
        MlpCall<T> c(p, draw(p, p.B, 77), {});
        Values results;
        auto call = [&] { c.run(), results = c.results(); };
        EXPECT_SAME_BITS_IN_ALL_ORDERS(call, results);
    }
}

} // namespace

TEST(titans_mlp_lengths) { lengths<float>(), lengths<memgen::bfloat16>(); }
TEST(titans_mlp_shapes_float) { shapes<float>(); }
TEST(titans_mlp_shapes_bfloat16) { shapes<memgen::bfloat16>(); }
TEST(titans_mlp_long_chains) { long_chains<float>(), long_chains<memgen::bfloat16>(); }
TEST(titans_mlp_variants_float) { variants<float>(); }
TEST(titans_mlp_variants_bfloat16) { variants<memgen::bfloat16>(); }
TEST(titans_mlp_residuals_float) { residuals<float>(); }
TEST(titans_mlp_residuals_bfloat16) { residuals<memgen::bfloat16>(); }
TEST(titans_mlp_gate_limits) { gate_limits<float>(), gate_limits<memgen::bfloat16>(); }
TEST(titans_mlp_segments) { segments<float>(), segments<memgen::bfloat16>(); }
TEST(titans_mlp_same_bits_in_all_orders) { same_bits<float>(), same_bits<memgen::bfloat16>(); }
