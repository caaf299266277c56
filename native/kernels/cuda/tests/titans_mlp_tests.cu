// The Titans memory of several layers on the emulator against its token recurrence in double precision, with a weight for every
// token, whose gradients come from a tape of all its operations.
#include "matrix_test.h"
#include "tape.h"

namespace {

typedef std::vector<Traced> TracedValues;

struct Mlp {
    int64_t B, T, H, block;
    std::vector<int64_t> dims;
    bool gelu = false, reads_block_start = false, momentum = true, alpha = true, initial_momenta = true, ends = true, target = false, residual = false;
    double clip = 0;
    int64_t padding = 0;

    int64_t layers() const { return static_cast<int64_t>(dims.size()) - 1; }
    std::string text() const {
        std::string s = "T" + std::to_string(T) + " block" + std::to_string(block) + " widths";
        for (int64_t d : dims) s += " " + std::to_string(d);
        return s + (gelu ? " gelu" : "") + (reads_block_start ? " reads block start" : "") + (momentum ? "" : " no momentum") + (alpha ? "" : " no forgetting") + (target ? " toward a target" : "") + (residual ? " with a residual" : "") + (clip > 0 ? " clipped" : "");
    }
};

// States are one a sequence, layer after layer.
struct MlpNumbers {
    Values q, k, v, theta, eta, alpha, gamma, d_o;        // given
    std::vector<Values> w, s, target, d_w, d_s;           // given, by layer
    Values o, dq, dk, dv, d_theta, d_eta, d_alpha, d_gamma; // found
    std::vector<Values> w_end, s_end, d_w0, d_s0, d_target; // found, by layer
    int64_t clipped = 0;                                  // tokens that were
};

MlpNumbers draw(const Mlp& p, int64_t sequences, uint32_t seed) {
    MlpNumbers n;
    const int64_t rows = p.B * p.T * p.H, in = p.dims.front(), out = p.dims.back();
    const double unit = std::sqrt(3.0 / static_cast<double>(in));
    n.q = noise(rows * in, -1, 1, seed), n.k = noise(rows * in, -unit, unit, seed + 1), n.v = noise(rows * out, -1, 1, seed + 2), n.d_o = noise(rows * out, -1, 1, seed + 3);
    n.theta = noise(rows, 0, 0.6 / static_cast<double>(std::min<int64_t>(p.block, 8)), seed + 4), n.eta = noise(rows, 0, 0.9, seed + 5), n.alpha = noise(rows, 0, 0.3, seed + 6);
    n.gamma = noise(sequences * p.H * out, 0.2, 0.6, seed + 7);
    if (p.residual) { // as TitansProblem::with_residual
        for (double& x : n.k) x /= unit;
        for (Values* x : {&n.theta, &n.alpha})
            for (double& each : *x) each /= 10;
    }
    for (int64_t l = 1; l <= p.layers(); l++) {
        const int64_t size = sequences * p.H * p.dims[l - 1] * p.dims[l];
        const double scale = 1.2 / std::sqrt(static_cast<double>(p.dims[l - 1]));
        const uint32_t own = seed + 10 * static_cast<uint32_t>(l);
        n.w.push_back(noise(size, -scale, scale, own)), n.s.push_back(p.initial_momenta ? noise(size, -0.1 * scale, 0.1 * scale, own + 1) : Values(static_cast<size_t>(size)));
        n.target.push_back(noise(size, -scale, scale, own + 4));
        n.d_w.push_back(p.ends ? noise(size, -1, 1, own + 2) : Values(static_cast<size_t>(size))), n.d_s.push_back(p.ends ? noise(size, -1, 1, own + 3) : Values(static_cast<size_t>(size)));
    }
    return n;
}

struct TracedCurve {
    Traced value, slope;
};

TracedCurve curve(const Mlp& p, const Traced& u) {
    if (p.gelu) {
        const Traced below = (erf(u * Traced(std::sqrt(0.5))) + 1) * 0.5, density = exp(u * u * -0.5) * (1 / std::sqrt(2 * 3.14159265358979323846));
        return {u * below, below + u * density};
    }
    const Traced s = Traced(1) / (exp(u * -1.0) + 1);
    return {u * s, s * (u * (Traced(1) - s) + 1)};
}

// One row through the layers: what enters each, and the slopes under it; last what leaves.
struct Pass {
    std::vector<TracedValues> inputs, slopes;
};

Pass pass(const Mlp& p, TracedValues x, const std::vector<TracedValues>& w) {
    Pass found;
    for (int64_t l = 0; l < p.layers(); l++) {
        found.inputs.push_back(x);
        TracedValues out(static_cast<size_t>(p.dims[l + 1])), slopes(out.size());
        for (size_t j = 0; j < out.size(); j++) {
            for (size_t i = 0; i < x.size(); i++) out[j] = out[j] + x[i] * w[l][i * out.size() + j];
            if (l + 1 == p.layers()) continue;
            const TracedCurve c = curve(p, out[j]);
            out[j] = c.value, slopes[j] = c.slope;
        }
        found.slopes.push_back(slopes);
        x = out;
    }
    found.inputs.push_back(x);
    return found;
}

Traced product(const TracedValues& x, const TracedValues& y) {
    Traced sum = 0;
    for (size_t i = 0; i < x.size(); i++) sum = sum + x[i] * y[i];
    return sum;
}

Traced mean(const TracedValues& x) { return product(x, TracedValues(x.size(), 1.0 / static_cast<double>(x.size()))); }

// LN(p), and 1 / sqrt(variance + epsilon).
struct Norm {
    TracedValues normal;
    Traced scale;
};

Norm norm(TracedValues p) {
    const Traced middle = mean(p);
    for (Traced& x : p) x = x - middle;
    const Traced scale = Traced(1) / sqrt(product(p, p) * (1.0 / static_cast<double>(p.size())) + 1e-6);
    for (Traced& x : p) x = x * scale;
    return {p, scale};
}

// f(x) from the network's output p.
TracedValues output(const Mlp& p, const TracedValues& x, TracedValues of, const TracedValues& gamma) {
    if (!p.residual) return of;
    of = norm(of).normal;
    for (size_t j = 0; j < of.size(); j++) of[j] = x[j] + gamma[j] * of[j];
    return of;
}

// The gradient of 1/2 |f(k) - v|^2 with respect to the network's output p.
TracedValues error(const Mlp& p, const TracedValues& k, const TracedValues& of, const TracedValues& v, const TracedValues& gamma) {
    TracedValues d = output(p, k, of, gamma);
    for (size_t j = 0; j < d.size(); j++) d[j] = d[j] - v[j];
    if (!p.residual) return d;
    const Norm found = norm(of);
    for (size_t j = 0; j < d.size(); j++) d[j] = gamma[j] * d[j];
    const Traced middle = mean(d), along = product(d, found.normal) * (1.0 / static_cast<double>(d.size()));
    for (size_t j = 0; j < d.size(); j++) d[j] = found.scale * (d[j] - middle - along * found.normal[j]);
    return d;
}

// One head of one sequence: token t of it is row `row(t)` of the tensors, and it has state `state` of those of each layer.
template <class Row>
void reference_chain(const Mlp& p, int64_t tokens, Row row, int64_t state, MlpNumbers& n) {
    const int64_t L = p.layers(), in = p.dims.front(), out = p.dims.back();
    auto part = [](const Values& x, int64_t index, int64_t size) {
        TracedValues found;
        for (int64_t i = 0; i < size; i++) found.push_back(Traced::input(x[static_cast<size_t>(index * size + i)]));
        return found;
    };
    auto leave = [](const TracedValues& from, int64_t index, const std::vector<double>& gradients, Values& to) {
        for (size_t i = 0; i < from.size(); i++) to[static_cast<size_t>(index) * from.size() + i] = gradients[static_cast<size_t>(from[i].place)];
    };
    std::vector<TracedValues> w, s, target, q, k, v, outputs;
    TracedValues theta, eta, alpha;
    for (int64_t l = 0; l < L; l++) w.push_back(part(n.w[l], state, p.dims[l] * p.dims[l + 1])), s.push_back(part(n.s[l], state, p.dims[l] * p.dims[l + 1])), target.push_back(part(n.target[l], state, p.dims[l] * p.dims[l + 1]));
    const std::vector<TracedValues> w0 = w, s0 = s;
    const TracedValues gamma = part(n.gamma, state, out);
    std::vector<TracedValues> start;
    for (int64_t t = 0; t < tokens; t++) {
        q.push_back(part(n.q, row(t), in)), k.push_back(part(n.k, row(t), in)), v.push_back(part(n.v, row(t), out));
        theta.push_back(part(n.theta, row(t), 1)[0]), eta.push_back(part(n.eta, row(t), 1)[0]), alpha.push_back(part(n.alpha, row(t), 1)[0]);
        if (t % p.block == 0) start = w;
        const Pass forward = pass(p, k.back(), start);
        std::vector<TracedValues> deltas(static_cast<size_t>(L));
        Traced square = 0;
        for (int64_t l = L - 1; l >= 0; l--) {
            const size_t above = static_cast<size_t>(p.dims[l + 1]);
            deltas[l] = l == L - 1 ? error(p, k.back(), forward.inputs[L], v.back(), gamma) : TracedValues(above);
            for (size_t j = 0; l < L - 1 && j < above; j++) {
                for (int64_t e = 0; e < p.dims[l + 2]; e++) deltas[l][j] = deltas[l][j] + start[l + 1][j * p.dims[l + 2] + e] * deltas[l + 1][e];
                deltas[l][j] = deltas[l][j] * forward.slopes[l][j];
            }
            if (p.clip > 0) square = square + product(forward.inputs[l], forward.inputs[l]) * product(deltas[l], deltas[l]);
        }
        Traced step = theta.back();
        if (p.clip > 0 && std::sqrt(square.value) > p.clip) step = step * (Traced(p.clip) / sqrt(square)), n.clipped++;
        for (int64_t l = 0; l < L; l++)
            for (int64_t i = 0; i < p.dims[l]; i++) {
                const Traced scaled = step * forward.inputs[l][i];
                for (int64_t j = 0; j < p.dims[l + 1]; j++) {
                    const int64_t at = i * p.dims[l + 1] + j;
                    const Traced write = scaled * deltas[l][j];
                    s[l][at] = p.momentum ? eta.back() * s[l][at] - write : Traced(0) - write;
                    w[l][at] = (p.alpha ? (Traced(1) - alpha.back()) * w[l][at] : w[l][at]) + s[l][at];
                    if (p.alpha && p.target) w[l][at] = w[l][at] + alpha.back() * target[l][at];
                }
            }
        outputs.push_back(output(p, q.back(), pass(p, q.back(), p.reads_block_start ? start : w).inputs[L], gamma));
    }
    std::vector<double> gradients;
    auto enter = [&](const TracedValues& from, int64_t index, const Values& upstream, Values& to) {
        for (size_t i = 0; i < from.size(); i++) {
            const size_t at = static_cast<size_t>(index) * from.size() + i, place = static_cast<size_t>(from[i].place);
            to[at] = from[i].value;
            if (gradients.size() <= place) gradients.resize(place + 1);
            gradients[place] += upstream[at];
        }
    };
    for (int64_t t = 0; t < tokens; t++) enter(outputs[t], row(t), n.d_o, n.o);
    for (int64_t l = 0; l < L; l++) {
        enter(w[l], state, n.d_w[l], n.w_end[l]);
        if (p.momentum) enter(s[l], state, n.d_s[l], n.s_end[l]);
    }
    Tape::read_back(gradients);
    for (int64_t t = 0; t < tokens; t++) {
        leave(q[t], row(t), gradients, n.dq), leave(k[t], row(t), gradients, n.dk), leave(v[t], row(t), gradients, n.dv);
        leave({theta[t]}, row(t), gradients, n.d_theta), leave({eta[t]}, row(t), gradients, n.d_eta), leave({alpha[t]}, row(t), gradients, n.d_alpha);
    }
    for (int64_t l = 0; l < L; l++) leave(w0[l], state, gradients, n.d_w0[l]), leave(s0[l], state, gradients, n.d_s0[l]), leave(target[l], state, gradients, n.d_target[l]);
    leave(gamma, state, gradients, n.d_gamma);
}

// What belongs to no sequence stays NaN.
void reference(const Mlp& p, const Layout& layout, MlpNumbers& n) {
    n.o = n.dv = Values(n.v.size(), NAN), n.dq = n.dk = Values(n.q.size(), NAN), n.d_theta = n.d_eta = n.d_alpha = Values(n.theta.size(), NAN);
    n.w_end = n.s_end = n.d_w0 = n.d_s0 = n.d_target = n.w, n.d_gamma = n.gamma;
    const int64_t sequences = layout.lengths.empty() ? p.B : static_cast<int64_t>(layout.lengths.size());
    for (int64_t i = 0; i < sequences; i++)
        for (int64_t h = 0; h < p.H; h++) {
            const int64_t start = layout.lengths.empty() ? i * p.T : layout.starts[i];
            reference_chain(p, layout.lengths.empty() ? p.T : layout.lengths[i], [&](int64_t t) { return (start + t) * p.H + h; }, i * p.H + h, n);
        }
}

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
