// The Titans memory by its definition in double precision, with a weight for every token.
#pragma once
#include "test.h"

struct TitansProblem {
    int64_t B, T, H, block;
    std::vector<int64_t> dims;
    bool momentum; // whether there is an initial one
    bool gelu = false, reads_block_start = false, has_eta = true, has_alpha = true, has_target = false, has_residual = false;
    double clip = 0;
    mutable int64_t clipped = 0; // tokens that were, in all evaluations
    Values q, k, v, theta, eta, alpha, gamma, d_o;
    std::vector<Values> W, S, target, dW, dS;

    TitansProblem(int64_t B, int64_t T, int64_t H, int64_t block, std::vector<int64_t> widths, bool momentum, uint32_t seed) : B(B), T(T), H(H), block(block), dims(std::move(widths)), momentum(momentum) {
        int64_t rows = B * T * H;
        double unit = 1 / std::sqrt((double)dims[0]);
        q = noise(rows * dims.front(), -1, 1, seed), k = noise(rows * dims.front(), -unit, unit, seed + 1), v = noise(rows * dims.back(), -1, 1, seed + 2);
        theta = noise(rows, 0, 0.3, seed + 3), eta = noise(rows, 0, 0.9, seed + 4), alpha = noise(rows, 0, 0.3, seed + 5), d_o = noise(rows * dims.back(), -1, 1, seed + 6);
        gamma = noise(B * H * dims.back(), 0.2, 0.6, seed + 7);
        for (size_t l = 1; l < dims.size(); l++) {
            int64_t n = B * H * dims[l - 1] * dims[l];
            W.push_back(noise(n, -0.5, 0.5, seed + 10 * (uint32_t)l)), S.push_back(momentum ? noise(n, -0.1, 0.1, seed + 1 + 10 * (uint32_t)l) : Values(n, 0.0));
            target.push_back(noise(n, -0.5, 0.5, seed + 4 + 10 * (uint32_t)l));
            dW.push_back(noise(n, -1, 1, seed + 2 + 10 * (uint32_t)l)), dS.push_back(noise(n, -1, 1, seed + 3 + 10 * (uint32_t)l));
        }
    }

    size_t layers() const { return dims.size() - 1; }

    double phi(double x) const { return gelu ? x * (1 + std::erf(x / std::sqrt(2.0))) / 2 : x / (1 + std::exp(-x)); }

    double slope(double x) const {
        double s = 1 / (1 + std::exp(-x));
        return gelu ? (1 + std::erf(x / std::sqrt(2.0))) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846) : s * (1 + x * (1 - s));
    }

    // Every layer's output of one row vector.
    std::vector<Values> layers_of(const double* x, const std::vector<Values>& weights, size_t chain) const {
        std::vector<Values> u;
        Values input(x, x + dims[0]);
        for (size_t l = 0; l < layers(); l++) {
            Values out(dims[l + 1]);
            for (int64_t i = 0; i < dims[l]; i++)
                for (int64_t j = 0; j < dims[l + 1]; j++) out[j] += input[i] * weights[l][(chain * dims[l] + i) * dims[l + 1] + j];
            u.push_back(out);
            for (double& y : out) y = phi(y);
            input = out;
        }
        return u;
    }

    // The same with a residual, whose norm is steep where p is small: with long keys, and steps and forgetting that keep it away from there.
    TitansProblem with_residual() const {
        TitansProblem p = *this;
        p.has_residual = true;
        for (double& x : p.k) x *= std::sqrt((double)dims[0]);
        for (double& x : p.theta) x /= 10;
        for (double& x : p.alpha) x /= 10;
        return p;
    }

    // LN(p) in its place; returned: 1 / sqrt(variance + epsilon).
    static double normalize(Values& p) {
        double mean = 0, square = 0;
        for (double x : p) mean += x / (double)p.size();
        for (double& x : p) x -= mean, square += x * x / (double)p.size();
        double scale = 1 / std::sqrt(square + 1e-6);
        for (double& x : p) x *= scale;
        return scale;
    }

    // f of one row vector.
    Values f(const double* x, const std::vector<Values>& weights, size_t chain) const {
        Values y = layers_of(x, weights, chain).back();
        if (has_residual) normalize(y);
        for (size_t j = 0; has_residual && j < y.size(); j++) y[j] = x[j] + gamma[chain * y.size() + j] * y[j];
        return y;
    }

    // The gradient of 1/2 |f(k) - v|^2 with respect to p(k).
    Values error(Values p, const double* k, const double* v, size_t chain) const {
        const size_t n = p.size();
        const double scale = has_residual ? normalize(p) : 1; // p is LN(p) then
        double mean = 0, along = 0;
        Values d(n);
        for (size_t j = 0; j < n; j++) {
            const double factor = gamma[chain * n + j];
            d[j] = has_residual ? factor * (k[j] + factor * p[j] - v[j]) : p[j] - v[j];
            mean += d[j] / (double)n, along += d[j] * p[j] / (double)n;
        }
        for (size_t j = 0; has_residual && j < n; j++) d[j] = (d[j] - mean - p[j] * along) * scale;
        return d;
    }

    Values o(std::vector<Values>& weights, std::vector<Values>& momenta) const {
        weights = W, momenta = S;
        Values out(B * T * H * dims.back());
        for (int64_t b = 0; b < B; b++)
            for (int64_t h = 0; h < H; h++) {
                size_t chain = b * H + h;
                std::vector<Values> start;
                for (int64_t t = 0; t < T; t++) {
                    if (t % block == 0) start = weights;
                    int64_t row = (b * T + t) * H + h;
                    std::vector<Values> u = layers_of(&k[row * dims[0]], start, chain);
                    std::vector<Values> inputs(layers()), deltas(layers());
                    deltas.back() = error(u.back(), &k[row * dims[0]], &v[row * dims.back()], chain);
                    double square = 0;
                    for (size_t l = layers(); l-- > 0;) {
                        inputs[l].resize(dims[l]);
                        Values below(dims[l]);
                        for (int64_t i = 0; i < dims[l]; i++) {
                            double x = l == 0 ? k[row * dims[0] + i] : u[l - 1][i];
                            inputs[l][i] = l == 0 ? x : phi(x);
                            for (int64_t j = 0; j < dims[l + 1]; j++) below[i] += start[l][(chain * dims[l] + i) * dims[l + 1] + j] * deltas[l][j];
                            below[i] *= slope(x);
                        }
                        square += inner(inputs[l], inputs[l]) * inner(deltas[l], deltas[l]);
                        if (l > 0) deltas[l - 1] = below;
                    }
                    double step = theta[row] * (clip > 0 && std::sqrt(square) > clip ? clip / std::sqrt(square) : 1);
                    clipped += step != theta[row];
                    for (size_t l = 0; l < layers(); l++)
                        for (int64_t i = 0; i < dims[l]; i++)
                            for (int64_t j = 0; j < dims[l + 1]; j++) {
                                size_t at = (chain * dims[l] + i) * dims[l + 1] + j;
                                momenta[l][at] = (has_eta ? eta[row] : 0) * momenta[l][at] - step * inputs[l][i] * deltas[l][j];
                                double forgotten = has_alpha ? alpha[row] : 0;
                                weights[l][at] += forgotten * ((has_target ? target[l][at] : 0) - weights[l][at]) + momenta[l][at];
                            }
                    Values y = f(&q[row * dims[0]], reads_block_start ? start : weights, chain);
                    for (int64_t j = 0; j < dims.back(); j++) out[row * dims.back() + j] = y[j];
                }
            }
        return out;
    }

    double loss() const {
        std::vector<Values> weights, momenta;
        double sum = inner(o(weights, momenta), d_o);
        for (size_t l = 0; l < layers(); l++) sum += inner(weights[l], dW[l]) + (has_eta ? inner(momenta[l], dS[l]) : 0);
        return sum;
    }

    std::string text() const {
        std::string s = "T" + std::to_string(T) + " block" + std::to_string(block) + " widths";
        for (int64_t d : dims) s += " " + std::to_string(d);
        return s + (gelu ? " gelu" : "") + (reads_block_start ? " reads block start" : "") + (has_eta ? "" : " no momentum") + (has_alpha ? "" : " no forgetting") + (has_target ? " toward a target" : "") + (has_residual ? " with a residual" : "") + (clip > 0 ? " clipped" : "");
    }
};
