// The token recurrence of a Titans memory of several layers in double precision, with a weight for every token; its gradients come from a
// tape of all its operations.
#pragma once
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

} // namespace
