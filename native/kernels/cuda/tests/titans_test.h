// A call of the kernels of the Titans memory of one matrix on the emulator, and its token recurrence in double precision beside it,
// whose gradients are taken token by token from the last.
#pragma once
#include "matrix_test.h"

namespace {

struct Titans {
    int64_t B, T, H, K, V, block;
    bool momentum = true, reads_block_start = false, alpha = true, initial = true;
    double clip = 0;
    int64_t padding = 0;

    std::string text() const {
        return "T" + std::to_string(T) + " K" + std::to_string(K) + " V" + std::to_string(V) + " block" + std::to_string(block) + (momentum ? "" : " no momentum") + (reads_block_start ? " reads block start" : "") + (clip > 0 ? " clipped" : "");
    }
};

struct TitansNumbers {
    Values q, k, v, theta, eta, alpha, w, s, d_o, d_w, d_s;                  // given; w, s one a sequence
    Values o, w_end, s_end, dq, dk, dv, d_theta, d_eta, d_alpha, d_w0, d_s0; // found
};

TitansNumbers draw(const Titans& p, int64_t sequences, uint32_t seed) {
    TitansNumbers n;
    const int64_t rows = p.B * p.T * p.H, states = sequences * p.H * p.K * p.V;
    const double unit = std::sqrt(3.0 / static_cast<double>(p.K));
    n.q = noise(rows * p.K, -1, 1, seed), n.k = noise(rows * p.K, -unit, unit, seed + 1), n.v = noise(rows * p.V, -1, 1, seed + 2), n.d_o = noise(rows * p.V, -1, 1, seed + 3);
    n.theta = noise(rows, 0, 1.0 / static_cast<double>(std::min<int64_t>(p.block, 8)), seed + 4), n.eta = noise(rows, 0, 0.9, seed + 5), n.alpha = noise(rows, 0, 0.3, seed + 6);
    n.w = noise(states, -0.5, 0.5, seed + 7), n.s = noise(states, -0.1, 0.1, seed + 8), n.d_w = noise(states, -1, 1, seed + 9), n.d_s = noise(states, -1, 1, seed + 10);
    return n;
}

// One head of one sequence: token t of it is row `row(t)` of the tensors, its state begins at `state`.
template <class Row>
void reference_chain(const Titans& p, int64_t tokens, Row row, int64_t state, TitansNumbers& n) {
    const int64_t K = p.K, V = p.V, size = K * V;
    const Values none(static_cast<size_t>(size), 0.0);
    std::vector<Values> w{p.initial ? Values(n.w.begin() + state, n.w.begin() + state + size) : none}, s{p.initial && p.momentum ? Values(n.s.begin() + state, n.s.begin() + state + size) : none};
    std::vector<Values> error(static_cast<size_t>(tokens), Values(static_cast<size_t>(V)));
    Values step(static_cast<size_t>(tokens)), share(static_cast<size_t>(tokens), 1.0);
    auto eta = [&](int64_t t) { return p.momentum ? n.eta[row(t)] : 0.0; };
    auto keep = [&](int64_t t) { return p.alpha ? 1 - n.alpha[row(t)] : 1.0; };
    for (int64_t t = 0; t < tokens; t++) {
        const Values& a = w[static_cast<size_t>(t / p.block * p.block)];
        const double *k = &n.k[row(t) * K], *q = &n.q[row(t) * K];
        double errors = 0, keys = 0;
        for (int64_t j = 0; j < V; j++) {
            double u = -n.v[row(t) * V + j];
            for (int64_t i = 0; i < K; i++) u += k[i] * a[i * V + j];
            error[t][j] = u, errors += u * u;
        }
        for (int64_t i = 0; i < K; i++) keys += k[i] * k[i];
        const double length = std::sqrt(errors * keys);
        if (p.clip > 0 && length > p.clip) share[t] = p.clip / length;
        step[t] = n.theta[row(t)] * share[t];
        Values next_w(static_cast<size_t>(size)), next_s(static_cast<size_t>(size));
        for (int64_t i = 0; i < K; i++)
            for (int64_t j = 0; j < V; j++) {
                next_s[i * V + j] = eta(t) * s[t][i * V + j] - step[t] * k[i] * error[t][j];
                next_w[i * V + j] = keep(t) * w[t][i * V + j] + next_s[i * V + j];
            }
        w.push_back(next_w), s.push_back(next_s);
        const Values& read = w[static_cast<size_t>(p.reads_block_start ? t / p.block * p.block : t + 1)]; // behind push_back, which moves what a was
        for (int64_t j = 0; j < V; j++) {
            double sum = 0;
            for (int64_t i = 0; i < K; i++) sum += q[i] * read[i * V + j];
            n.o[row(t) * V + j] = sum;
        }
    }
    Values dw(n.d_w.begin() + state, n.d_w.begin() + state + size), ds = p.momentum ? Values(n.d_s.begin() + state, n.d_s.begin() + state + size) : none, da = none;
    std::copy(w.back().begin(), w.back().end(), n.w_end.begin() + state), std::copy(s.back().begin(), s.back().end(), n.s_end.begin() + state);
    for (int64_t t = tokens; t-- > 0;) {
        const Values& a = w[static_cast<size_t>(t / p.block * p.block)];
        const double *k = &n.k[row(t) * K], *q = &n.q[row(t) * K], *d_o = &n.d_o[row(t) * V];
        double d_alpha = 0, d_eta = 0, d_step = 0, keys = 0, errors = 0;
        Values d_error(static_cast<size_t>(V), 0.0);
        for (int64_t i = 0; i < K; i++) {
            double dq = 0, dk = 0;
            for (int64_t j = 0; j < V; j++) {
                const int64_t x = i * V + j;
                dq += (p.reads_block_start ? a : w[t + 1])[x] * d_o[j];
                (p.reads_block_start ? da : dw)[x] += q[i] * d_o[j];
                ds[x] += dw[x];
                d_alpha -= dw[x] * w[t][x], d_eta += ds[x] * s[t][x], d_step -= ds[x] * k[i] * error[t][j];
                dk -= step[t] * ds[x] * error[t][j], d_error[j] -= step[t] * ds[x] * k[i];
                dw[x] *= keep(t), ds[x] *= eta(t);
            }
            n.dq[row(t) * K + i] = dq, n.dk[row(t) * K + i] = dk;
            keys += k[i] * k[i];
        }
        for (int64_t j = 0; j < V; j++) errors += error[t][j] * error[t][j];
        if (share[t] < 1) {
            const double d = -d_step * n.theta[row(t)] * share[t] / (keys * errors);
            for (int64_t j = 0; j < V; j++) d_error[j] += d * keys * error[t][j];
            for (int64_t i = 0; i < K; i++) n.dk[row(t) * K + i] += d * errors * k[i];
        }
        for (int64_t i = 0; i < K; i++)
            for (int64_t j = 0; j < V; j++) n.dk[row(t) * K + i] += d_error[j] * a[i * V + j], da[i * V + j] += k[i] * d_error[j];
        for (int64_t j = 0; j < V; j++) n.dv[row(t) * V + j] = -d_error[j];
        n.d_theta[row(t)] = d_step * share[t], n.d_eta[row(t)] = d_eta, n.d_alpha[row(t)] = d_alpha;
        if (t % p.block == 0)
            for (int64_t x = 0; x < size; x++) dw[x] += da[x], da[x] = 0;
    }
    std::copy(dw.begin(), dw.end(), n.d_w0.begin() + state), std::copy(ds.begin(), ds.end(), n.d_s0.begin() + state);
}

// What belongs to no sequence stays NaN.
void reference(const Titans& p, const Layout& layout, TitansNumbers& n) {
    n.o = n.dv = Values(n.v.size(), NAN), n.dq = n.dk = Values(n.q.size(), NAN), n.d_theta = n.d_eta = n.d_alpha = Values(n.theta.size(), NAN);
    n.w_end = n.s_end = n.d_w0 = n.d_s0 = Values(n.w.size(), NAN);
    const int64_t sequences = layout.lengths.empty() ? p.B : static_cast<int64_t>(layout.lengths.size());
    for (int64_t i = 0; i < sequences; i++)
        for (int64_t h = 0; h < p.H; h++) {
            const int64_t start = layout.lengths.empty() ? i * p.T : layout.starts[i];
            reference_chain(p, layout.lengths.empty() ? p.T : layout.lengths[i], [&](int64_t t) { return (start + t) * p.H + h; }, (i * p.H + h) * p.K * p.V, n);
        }
}

template <class T>
struct TitansCall {
    DeviceField<T> q, k, v, o, d_o, dq, dk, dv;
    DeviceField<float> theta, eta, alpha, w, s, w_end, s_end, d_w, d_s, d_theta, d_eta, d_alpha, d_w0, d_s0;
    std::vector<Aligned16> workspace;
    memgen::TitansParameters p{};

    // multiprocessors: of the device that the call is for; 0 leaves sequences whole.
    TitansCall(const Titans& shape, const TitansNumbers& n, const Layout& layout, int64_t multiprocessors = 0) {
        const int64_t sequences = layout.lengths.empty() ? shape.B : static_cast<int64_t>(layout.lengths.size());
        std::vector<int64_t> keys{shape.B, shape.T, shape.H, shape.K}, values{shape.B, shape.T, shape.H, shape.V}, gates{shape.B, shape.T, shape.H}, state{sequences, shape.H, shape.K, shape.V};
        for (DeviceField<T>* x : {&q, &k, &dq, &dk}) *x = DeviceField<T>(keys, shape.padding);
        for (DeviceField<T>* x : {&v, &o, &d_o, &dv}) *x = DeviceField<T>(values, shape.padding);
        for (DeviceField<float>* x : {&theta, &d_theta}) *x = DeviceField<float>(gates);
        for (DeviceField<float>* x : {&w_end, &d_w, &d_w0}) *x = DeviceField<float>(state, shape.padding);
        q.set(n.q), k.set(n.k), v.set(n.v), d_o.set(n.d_o), theta.set(n.theta), d_w.set(n.d_w);
        if (shape.alpha) alpha = DeviceField<float>(gates), d_alpha = DeviceField<float>(gates), alpha.set(n.alpha);
        if (shape.initial) w = DeviceField<float>(state, shape.padding), w.set(n.w);
        if (shape.momentum) {
            eta = DeviceField<float>(gates), d_eta = DeviceField<float>(gates), eta.set(n.eta);
            for (DeviceField<float>* x : {&s_end, &d_s, &d_s0}) *x = DeviceField<float>(state, shape.padding);
            d_s.set(n.d_s);
            if (shape.initial) s = DeviceField<float>(state, shape.padding), s.set(n.s);
        }
        p.number = sizeof(T) == 4 ? memgen::Number::Float32 : memgen::Number::BFloat16;
        p.batch = shape.B, p.tokens = shape.T, p.heads = shape.H, p.key_dim = shape.K, p.value_dim = shape.V;
        p.block = shape.block, p.momentum = shape.momentum, p.reads_block_start = shape.reads_block_start, p.clip = static_cast<float>(shape.clip), p.multiprocessors = multiprocessors;
        if (!layout.lengths.empty()) p.segments = {sequences, layout.starts.data(), layout.lengths.data()};
        p.q = q.view(), p.k = k.view(), p.v = v.view(), p.theta = theta.view(), p.eta = eta.view(), p.alpha = alpha.view(), p.initial_state = w.view(), p.initial_momentum = s.view();
        p.o = o.view(), p.final_state = w_end.view(), p.final_momentum = s_end.view(), p.d_o = d_o.view(), p.d_final_state = d_w.view(), p.d_final_momentum = d_s.view();
        p.d_q = dq.view(), p.d_k = dk.view(), p.d_v = dv.view(), p.d_theta = d_theta.view(), p.d_eta = d_eta.view(), p.d_alpha = d_alpha.view(), p.d_initial_state = d_w0.view(), p.d_initial_momentum = d_s0.view();
        workspace.assign(static_cast<size_t>(std::max(memgen::titans_workspace_floats(p, false), memgen::titans_workspace_floats(p, true)) + 3) / 4, {{NAN, NAN, NAN, NAN}});
        p.workspace = workspace.empty() ? nullptr : workspace[0].x;
    }

    void run() {
        EXPECT(memgen::launch_titans_forward(p, nullptr) == cudaSuccess);
        EXPECT(memgen::launch_titans_backward(p, nullptr) == cudaSuccess);
    }

    Values results() const {
        Values all;
        for (const Values& x : {o.values(), w_end.values(), s_end.values(), dq.values(), dk.values(), dv.values(), d_theta.values(), d_eta.values(), d_alpha.values(), d_w0.values(), d_s0.values()}) all.insert(all.end(), x.begin(), x.end());
        return all;
    }
};

// What the call reads, as it reads it.
template <class T>
void round_inputs(TitansNumbers& n) {
    for (Values* x : {&n.q, &n.k, &n.v, &n.d_o})
        for (double& each : *x) each = memgen::to_float(memgen::rounded<T>(static_cast<float>(each)));
}

template <class T>
void compare(const Titans& p, TitansNumbers n, const Layout& layout = {}, int64_t multiprocessors = 0) {
    round_inputs<T>(n);
    reference(p, layout, n);
    TitansCall<T> c(p, n, layout, multiprocessors);
    c.run();
    const std::string at = (sizeof(T) == 4 ? "float " : "bfloat16 ") + p.text();
    auto check = [&](const char* what, Values actual, Values expected, double limit) {
        drop_unwritten(actual, expected);
        EXPECT_RMS(what, at, actual, expected, limit);
    };
    check("o", c.o.values(), n.o, Limits<T>::Forward);
    check("final_weights", c.w_end.values(), n.w_end, Limits<T>::Forward);
    check("d_q", c.dq.values(), n.dq, Limits<T>::Gradient);
    check("d_k", c.dk.values(), n.dk, Limits<T>::Gradient);
    check("d_v", c.dv.values(), n.dv, Limits<T>::Gradient);
    check("d_theta", c.d_theta.values(), n.d_theta, Limits<T>::Gradient);
    check("d_initial_weights", c.d_w0.values(), n.d_w0, Limits<T>::Gradient);
    if (p.alpha) check("d_alpha", c.d_alpha.values(), n.d_alpha, Limits<T>::Gradient);
    if (p.momentum) {
        check("final_momenta", c.s_end.values(), n.s_end, Limits<T>::Forward);
        check("d_eta", c.d_eta.values(), n.d_eta, Limits<T>::Gradient);
        check("d_initial_momenta", c.d_s0.values(), n.d_s0, Limits<T>::Gradient);
    }
    EXPECT(c.o.padding_untouched() && c.w_end.padding_untouched() && c.dq.padding_untouched() && c.dk.padding_untouched() && c.dv.padding_untouched() && c.d_w0.padding_untouched());
    EXPECT(!p.momentum || (c.s_end.padding_untouched() && c.d_s0.padding_untouched()));
}

} // namespace
