// Backward pass of the Titans memory of any number of layers, through its own gradients (second order).
//
// The steps of titans_mlp.h in reverse, a block of tokens after the other from the last, at the weights W and momenta S that it
// started with. Those come from the checkpoints that forward leaves once more, and from there block after block. What goes back
// through a step, with M = Gamma o R, g = Gamma_C and m = H_C:
//   carry   dD_l = -diag(g) A_{l-1} dW_l' - diag(m) A_{l-1} dS_l'   dA_{l-1} = -diag(g) D_l dW_l'^T - diag(m) D_l dS_l'^T
//   read    dM = -dZ_l D_l^T   dGamma += dM o R   dR = dM o Gamma   dD_l -= M^T dZ_l   dA_{l-1} += dR^T X_{l-1}
//           dX_{l-1} = diag(b) dZ_l W_l^T + diag(c) dZ_l S_l^T + dR A_{l-1}   dZ_{l-1} = dX_{l-1} o phi'(Z_{l-1})
//           dW_l = b_C dW_l' + X_{l-1}^T diag(b) dZ_l   dS_l = c_C dW_l' + h_C dS_l' + X_{l-1}^T diag(c) dZ_l
//           and to a target, with e = 1 - b: db -= de   dX_{l-1} += diag(e) dZ_l T_l^T   dT_l += e_C dW_l' + X_{l-1}^T diag(e) dZ_l
//   inner   ddelta_l = diag(step) dD_l, and through the clip   dN_l = ddelta_l o phi'(U_l)   dU_l = ddelta_l o N_l o phi''(U_l)
//           ddelta_{l+1} += dN_l W_{l+1}   dW_{l+1} += dN_l^T delta_{l+1}   dU_L = ddelta_L   dV = -ddelta_L
//           dW_l += A_{l-1}^T dU_l   dA_{l-1} += dU_l W_l^T   dU_{l-1} += dA_{l-1} o phi'(U_{l-1})   dK = dA_0
// and with a residual, dF being d of F = f(K): dU_L from ddelta_L by leave_residual_error, dV = -dF, and dK has dF more; dZ_L = J (gamma dO),
// and dQ has dO more; dgamma sums dO o LN(Z_L) and J ddelta_L o (F - V + gamma LN(U_L)) over all tokens.
#pragma once
#include "titans_mlp.h"

namespace memgen {

template <class T>
struct alignas(16) MlpBackwardShared : MlpShared<T> {
    float d_of_weights[MostTokens], d_of_momentum[MostTokens], d_momentum[MostTokens]; // db, dc, dh
    float d_last_gamma[MostTokens], d_last_eta[MostTokens];
    float d_step[MostTokens], d_length[MostTokens]; // d_length: what of it a clipped gradient's squared length has, halved
    float d_keep[MostTokens], d_eta[MostTokens];
    float parts[32];
};

namespace {

template <class T>
struct TitansMlpBackward : TitansMlp<T> {
    using TitansMlp<T>::a;
    using TitansMlp<T>::n;
    using TitansMlp<T>::layers;
    using TitansMlp<T>::width;
    using TitansMlp<T>::rows;
    using TitansMlp<T>::square;
    using TitansMlp<T>::weights;
    using TitansMlp<T>::momenta;
    using TitansMlp<T>::form;

    __device__ __forceinline__ MlpBackwardShared<T>& shared() const { return static_cast<MlpBackwardShared<T>&>(this->s); }

    // f(column, element) for the gradient of the residual's factor, the same thread for a column every time; a barrier at the end.
    template <class F>
    __device__ __forceinline__ void for_d_factor(F f) {
        float* first = row_of<float>(a.d_gamma, this->number);
        for (int j = static_cast<int>(threadIdx.x); first && j < width(layers()); j += Threads) f(j, first[this->head * a.d_gamma.stride[1] + j]);
        __syncthreads();
    }
    // Adds x(token, column) of the block's tokens to it.
    template <class X>
    __device__ __forceinline__ void add_to_d_factor(X x) {
        for_d_factor([&](int j, float& total) {
            float sum = 0.0f;
            for (int i = 0; i < n; i++) sum += x(i, j);
            total += sum;
        });
    }

    __device__ __forceinline__ void leave_carry(float* state, float* d_state);
    __device__ __forceinline__ void leave_whole(float* state, float* d_state);
    __device__ __forceinline__ void leave_read_norm(const Matrix& dO);
    __device__ __forceinline__ void leave_read(float* state, float* d_state);
    __device__ __forceinline__ void leave_mixed(int l, const Matrix& dZ, const Matrix& dX);
    __device__ __forceinline__ void leave_steps();
    __device__ __forceinline__ void leave_error_norm();
    __device__ __forceinline__ void leave_inner(float* state, float* d_state);
    __device__ __forceinline__ void leave_gates();
    __device__ __forceinline__ void leave(int64_t start, float* state, float* d_state);
};

// The factors of the whole block: <W - T, dW'>, <S, dW'> and <S, dS'>.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_whole(float* state, float* d_state) {
    MlpBackwardShared<T>& s = shared();
    float of_weights = 0.0f, of_momentum = 0.0f, momentum = 0.0f;
    for (int l = 1; l <= layers(); l++) {
        const Matrix W = weights(state, l), S = momenta(state, l), dW = weights(d_state, l), dS = momenta(d_state, l), toward = this->target(l);
        for_elements(W.rows, W.columns, [&](int i, int j) {
            of_weights += (toward.data ? W.at(i, j) - toward.at(i, j) : W.at(i, j)) * dW.at(i, j);
            if (S.data) of_momentum += S.at(i, j) * dW.at(i, j), momentum += S.at(i, j) * dS.at(i, j);
        });
    }
    of_weights = sum_of_block(of_weights, s.parts), of_momentum = sum_of_block(of_momentum, s.parts), momentum = sum_of_block(momentum, s.parts);
    const int own = static_cast<int>(threadIdx.x);
    if (own < n) {
        const bool last = own == n - 1;
        s.d_of_weights[own] = last ? of_weights : 0.0f, s.d_of_momentum[own] = last ? of_momentum : 0.0f, s.d_momentum[own] = last ? momentum : 0.0f;
        s.d_last_gamma[own] = s.d_last_eta[own] = s.d_step[own] = 0.0f;
    }
    __syncthreads();
}

// What the block left behind, as far as it goes to dA, dD and the coefficients.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_carry(float* state, float* d_state) {
    MlpBackwardShared<T>& s = shared();
    const MlpMatrices& m = s.matrices;
    const MlpGates& g = s.gates;
    leave_whole(state, d_state);
    for (int l = 1; l <= layers(); l++) {
        const Matrix A = rows(m.A[l - 1], l - 1), delta = rows(m.delta[l], l), dA = rows(m.dA[l - 1], l - 1), dD = rows(m.dD[l], l), through = rows(m.through, l), dW = weights(d_state, l), dS = momenta(d_state, l);
        form(n, width(l), [&](int i, int j, float x) { dD.at(i, j) = x; }, times(A, dW));
        if (dS.data) form(n, width(l), [&](int i, int j, float x) { through.at(i, j) = x; }, times(A, dS));
        sum_rows<2>(n, width(l), [&](int i, int j, float (&sums)[2]) {
            const float D = g.step[i] * delta.at(i, j), by_weights = dD.at(i, j), by_momentum = dS.data ? through.at(i, j) : 0.0f;
            sums[0] += by_weights * D, sums[1] += by_momentum * D;
            dD.at(i, j) = -(g.last_gamma[i] * by_weights + g.last_eta[i] * by_momentum);
        }, [&](int i, const float (&sums)[2]) { s.d_last_gamma[i] -= sums[0], s.d_last_eta[i] -= sums[1]; });
        form(n, width(l - 1), [&](int i, int j, float x) { dA.at(i, j) = -x; }, times_turned(delta.scaled(g.to_weights), dW), times_turned(delta.scaled(g.to_momentum), dS));
    }
}

// What a layer's read takes from the block's own writes.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_mixed(int l, const Matrix& dZ, const Matrix& dX) {
    MlpBackwardShared<T>& s = shared();
    const MlpMatrices& m = s.matrices;
    const Matrix A = rows(m.A[l - 1], l - 1), X = rows(m.X[l - 1], l - 1), dA = rows(m.dA[l - 1], l - 1), dD = rows(m.dD[l], l);
    const Matrix gamma = square(m.gamma), mixed = square(m.mixed), d_gamma = square(m.d_gamma), d_mixed = square(m.d_mixed);
    form(n, n, [&](int i, int j, float x) { mixed.at(i, j) = x; }, times_turned(X, A)); // R
    form(n, n, [&](int i, int j, float x) {                                             // -dM
        const float coefficient = j <= i ? -gamma.at(i, j) : 0.0f, r = mixed.at(i, j);
        mixed.at(i, j) = j <= i ? coefficient * r : 0.0f, d_mixed.at(i, j) = j <= i ? coefficient * x : 0.0f;
        d_gamma.at(i, j) -= r * x;
    }, times_turned(dZ, rows(m.delta[l], l).scaled(s.gates.step)));
    form(n, width(l), [&](int i, int j, float x) { dD.at(i, j) += x; }, turned_times(mixed, dZ));
    form(n, width(l - 1), [&](int i, int j, float x) { dA.at(i, j) += x; }, turned_times(d_mixed, X));
    form(n, width(l - 1), [&](int i, int j, float x) { dX.at(i, j) += x; }, times(d_mixed, A));
}

// From dO to dZ_L, in its place.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_read_norm(const Matrix& dO) {
    const Matrix read = rows(this->s.matrices.X[layers()], layers());
    const float* factor = this->factor();
    add_to_d_factor([&](int i, int j) { return dO.at(i, j) * read.at(i, j); });
    for_rows(n, [&](int i) {
        through_norm(&read.at(i, 0), this->s.gates.read_scale[i], read.columns, [&](int j) { return factor[j] * dO.at(i, j); }, [&](int j, float x) { dO.at(i, j) = x; });
    });
}

// The read, from d_o to d_q; and a state's gradient from behind the block to before it, as far as carry and read go.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_read(float* state, float* d_state) {
    MlpBackwardShared<T>& s = shared();
    const MlpMatrices& m = s.matrices;
    const MlpGates& g = s.gates;
    const bool mixes = !a.reads_block_start;
    const float b = g.of_weights[n - 1], c = g.of_momentum[n - 1], h = g.momentum[n - 1], gone = g.gone[n - 1];
    const Matrix all = square(m.d_gamma);
    for_elements(n, n, [&](int i, int j) { all.at(i, j) = 0.0f; });
    const Matrix dO = rows(m.d_read[layers() % 2], layers());
    this->read_tokens(a.d_o, dO);
    if (s.sizes.residual) leave_read_norm(dO);
    for (int l = layers(); l >= 1; l--) {
        const Matrix X = rows(m.X[l - 1], l - 1), dZ = rows(m.d_read[l % 2], l), dX = rows(m.d_read[(l - 1) % 2], l - 1), through = rows(m.through, l - 1), absent = {};
        const Matrix W = weights(state, l), S = mixes ? momenta(state, l) : absent, dW = weights(d_state, l), dS = momenta(d_state, l), toward = this->target(l), d_toward = this->d_target(l);
        form(n, width(l - 1), [&](int i, int j, float x) { dX.at(i, j) = x; }, times_turned(dZ, W));
        if (S.data) form(n, width(l - 1), [&](int i, int j, float x) { through.at(i, j) = x; }, times_turned(dZ, S));
        if (dS.data) form(dS.rows, dS.columns, [&](int i, int j, float x) { dS.at(i, j) = c * dW.at(i, j) + h * dS.at(i, j) + x; }, turned_times(mixes ? X.scaled(g.of_momentum) : absent, dZ));
        if (toward.data) form(dW.rows, dW.columns, [&](int i, int j, float x) { d_toward.at(i, j) += gone * dW.at(i, j) + x; }, turned_times(mixes ? X.scaled(g.gone) : absent, dZ));
        form(dW.rows, dW.columns, [&](int i, int j, float x) { dW.at(i, j) = b * dW.at(i, j) + x; }, turned_times(mixes ? X.scaled(g.of_weights) : X, dZ));
        if (mixes) {
            sum_rows<2>(n, width(l - 1), [&](int i, int j, float (&sums)[2]) {
                const float by_weights = dX.at(i, j), by_momentum = S.data ? through.at(i, j) : 0.0f;
                sums[0] += by_weights * X.at(i, j), sums[1] += by_momentum * X.at(i, j);
                dX.at(i, j) = g.of_weights[i] * by_weights + g.of_momentum[i] * by_momentum;
            }, [&](int i, const float (&sums)[2]) { s.d_of_weights[i] += sums[0], s.d_of_momentum[i] += sums[1]; });
            if (toward.data) {
                form(n, width(l - 1), [&](int i, int j, float x) { through.at(i, j) = x; }, times_turned(dZ, toward));
                sum_rows<1>(n, width(l - 1), [&](int i, int j, float (&sums)[1]) {
                    sums[0] += through.at(i, j) * X.at(i, j);
                    dX.at(i, j) += g.gone[i] * through.at(i, j);
                }, [&](int i, const float (&sums)[1]) { s.d_of_weights[i] -= sums[0]; });
            }
            leave_mixed(l, dZ, dX);
        }
        const Matrix Z = rows(m.Z[l - 1], l - 1);
        if (l > 1) for_elements(n, width(l - 1), [&](int i, int j) { dX.at(i, j) *= curve(a.activation, Z.at(i, j)).slope; });
        else if (s.sizes.residual && a.d_o.data) for_elements(n, width(0), [&](int i, int j) { dX.at(i, j) += to_float(this->template token<const T>(a.d_o, i)[j]); });
    }
    this->write_tokens(rows(m.d_read[0], 0), 1.0f, a.d_q);
}

// From dD to ddelta, in its place. A clipped step is theta clip / length, and the gradient of length^2 / 2 is |A|^2 delta with
// respect to delta, and the other way round.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_steps() {
    MlpBackwardShared<T>& s = shared();
    const MlpMatrices& m = s.matrices;
    const MlpGates& g = s.gates;
    for (int l = 1; l <= layers(); l++) {
        const Matrix dD = rows(m.dD[l], l), delta = rows(m.delta[l], l);
        sum_rows<1>(n, width(l), [&](int i, int j, float (&sums)[1]) { sums[0] += dD.at(i, j) * delta.at(i, j); }, [&](int i, const float (&sums)[1]) { s.d_step[i] += sums[0]; });
    }
    const bool clips = a.clip > 0;
    const int own = static_cast<int>(threadIdx.x);
    if (own < n) {
        const float share = g.share[own], ratio = clips ? share / static_cast<float>(a.clip) : 0.0f;
        s.d_length[own] = share < 1.0f ? -s.d_step[own] * g.theta[own] * share * ratio * ratio : 0.0f;
    }
    __syncthreads();
    for (int l = 1; l <= layers(); l++) {
        const Matrix dD = rows(m.dD[l], l), delta = rows(m.delta[l], l), dA = rows(m.dA[l - 1], l - 1), A = rows(m.A[l - 1], l - 1);
        for_elements(n, width(l), [&](int i, int j) { dD.at(i, j) = g.step[i] * dD.at(i, j) + (clips ? s.d_length[i] * g.inputs[l - 1][i] * delta.at(i, j) : 0.0f); });
        if (clips) for_elements(n, width(l - 1), [&](int i, int j) { dA.at(i, j) += s.d_length[i] * g.errors[l - 1][i] * A.at(i, j); });
    }
}

// From ddelta_L to dU_L, in its place, and to dK and dV.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_error_norm() {
    const MlpMatrices& m = this->s.matrices;
    const int L = layers();
    const Matrix normal = rows(m.normal, L), delta = rows(m.delta[L], L), dU = rows(m.dD[L], L), through = rows(m.through, L), dA = rows(m.dA[0], 0);
    const float* factor = this->factor();
    for_rows(n, [&](int i) {
        leave_residual_error(factor, &normal.at(i, 0), this->s.gates.scale[i], &delta.at(i, 0), &dU.at(i, 0), &through.at(i, 0), normal.columns, [&](int j) { return this->missed(i, j); });
    });
    add_to_d_factor([&](int i, int j) { return through.at(i, j) * (this->missed(i, j) + factor[j] * normal.at(i, j)); });
    for_elements(n, normal.columns, [&](int i, int j) { through.at(i, j) *= factor[j], dA.at(i, j) += through.at(i, j); }); // dF
    this->write_tokens(through, -1.0f, a.d_v);
}

// The inner gradients and the inner forward pass under them.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_inner(float* state, float* d_state) {
    const MlpMatrices& m = this->s.matrices;
    const int L = layers();
    leave_steps();
    for (int l = 1; l < L; l++) {
        const Matrix d_delta = rows(m.dD[l], l), U = rows(m.U[l], l), N = rows(m.N[l], l), dN = rows(m.through, l), above = rows(m.dD[l + 1], l + 1), dW = weights(d_state, l + 1);
        for_elements(n, width(l), [&](int i, int j) {
            const Curve phi = curve(a.activation, U.at(i, j));
            dN.at(i, j) = d_delta.at(i, j) * phi.slope;
            N.at(i, j) *= d_delta.at(i, j) * phi.bend;
        });
        form(n, width(l + 1), [&](int i, int j, float x) { above.at(i, j) += x; }, times(dN, weights(state, l + 1)));
        form(dW.rows, dW.columns, [&](int i, int j, float x) { dW.at(i, j) += x; }, turned_times(dN, rows(m.delta[l + 1], l + 1)));
    }
    if (this->s.sizes.residual) leave_error_norm();
    else this->write_tokens(rows(m.dD[L], L), -1.0f, a.d_v);
    for (int l = L; l >= 1; l--) {
        const Matrix dU = l == L ? rows(m.dD[L], L) : rows(m.N[l], l), dA = rows(m.dA[l - 1], l - 1), dW = weights(d_state, l);
        form(dW.rows, dW.columns, [&](int i, int j, float x) { dW.at(i, j) += x; }, turned_times(rows(m.A[l - 1], l - 1), dU));
        form(n, width(l - 1), [&](int i, int j, float x) { dA.at(i, j) += x; }, times_turned(dU, weights(state, l)));
        const Matrix U = rows(m.U[l - 1], l - 1), below = rows(m.N[l - 1], l - 1);
        if (l > 1) for_elements(n, width(l - 1), [&](int i, int j) { below.at(i, j) += dA.at(i, j) * curve(a.activation, U.at(i, j)).slope; });
    }
    this->write_tokens(rows(m.dA[0], 0), 1.0f, a.d_k);
}

// The gates through their recurrences, last token first: a thread has a column of Gamma and H, then one has b, c and h.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave_gates() {
    MlpBackwardShared<T>& s = shared();
    const MlpGates& g = s.gates;
    const Matrix gamma = square(s.matrices.gamma), eta = square(s.matrices.eta), d_gamma = square(s.matrices.d_gamma);
    const int own = static_cast<int>(threadIdx.x);
    if (own < n) {
        float d_coefficient = s.d_last_gamma[own], d_factor = s.d_last_eta[own];
        for (int i = n - 1; i > own; i--) {
            d_coefficient += d_gamma.at(i, own), d_factor += d_coefficient;
            d_gamma.at(i, own) = d_coefficient * gamma.at(i - 1, own), eta.at(i, own) = d_factor * eta.at(i - 1, own); // what alpha and eta of token i get
            d_coefficient *= g.keep[i], d_factor *= g.eta[i];
        }
    }
    __syncthreads();
    sum_rows<2>(n, n, [&](int i, int j, float (&sums)[2]) {
        if (j < i) sums[0] += d_gamma.at(i, j), sums[1] += eta.at(i, j);
    }, [&](int i, const float (&sums)[2]) { s.d_keep[i] = sums[0], s.d_eta[i] = sums[1]; });
    if (own == 0) {
        float b = 0.0f, c = 0.0f, h = 0.0f;
        for (int i = n - 1; i >= 0; i--) {
            b += s.d_of_weights[i], c += s.d_of_momentum[i], h += s.d_momentum[i] + c;
            s.d_keep[i] += i > 0 ? b * g.of_weights[i - 1] + c * g.of_momentum[i - 1] : b;
            s.d_eta[i] += i > 0 ? h * g.momentum[i - 1] : h;
            b *= g.keep[i], c *= g.keep[i], h *= g.eta[i];
        }
    }
    __syncthreads();
    if (own >= n) return;
    auto write = [&](const memgen_tensor& to, float x) {
        if (to.data) *this->template token<float>(to, own) = x;
    };
    write(a.d_theta, s.d_step[own] * g.share[own]), write(a.d_eta, s.d_eta[own]), write(a.d_alpha, -s.d_keep[own]);
}

// The block from token `start` on, which began with `state`: d_state from behind it to before it, and its tokens' gradients.
template <class T>
__device__ __forceinline__ void TitansMlpBackward<T>::leave(int64_t start, float* state, float* d_state) {
    this->enter(start);
    this->inner_gradients(state);
    this->read_layers(state, this->s.sizes.residual ? layers() : layers() - 1);
    leave_carry(state, d_state);
    leave_read(state, d_state);
    leave_inner(state, d_state);
    leave_gates();
    __syncthreads();
}

} // namespace
} // namespace memgen
