// The Titans memory of any number of layers: what a block of tokens computes.
//
// A block of the kernel has one head of one sequence and walks through its blocks of tokens. Weights, momenta and what belongs to a
// block of tokens are floats in the workspace, or in shared memory where there is room; nothing is ever formed for a single token
// but its row. With the names of memgen_titans.h, matrices having a row a token:
//   inner forward   A_0 = K   U_l = A_{l-1} W_l   A_l = phi(U_l)
//   inner backward  delta_L = U_L - V   N_l = delta_{l+1} W_{l+1}^T   delta_l = N_l o phi'(U_l)   D_l = diag(step) delta_l
//   read            X_0 = Q   Z_l = diag(b) X_{l-1} W_l + diag(c) X_{l-1} S_l - (Gamma o X_{l-1} A_{l-1}^T) D_l   X_l = phi(Z_l)
//   carry           W_l' = b_C W_l + c_C S_l - A_{l-1}^T diag(Gamma_C) D_l   S_l' = h_C S_l - A_{l-1}^T diag(H_C) D_l
// and where forgetting leads to a target T, diag(1 - b) X_{l-1} T_l more in Z_l and (1 - b_C) T_l in W_l'; with a residual
// (titans_residual.h) delta_L = J (gamma (K + gamma LN(U_L) - V)), X_L = LN(Z_L) and O = Q + gamma X_L;
// b, c, h, Gamma and H are those of titans_chunk.h, with C the block's last token; step is theta, and less where a clip is.
#pragma once
#include "sequences.h"
#include "titans_mlp_layout.h"
#include "titans_residual.h"

namespace memgen {

namespace {

struct Curve {
    float value, slope, bend; // phi and its two derivatives
};

__device__ __forceinline__ Curve curve(int64_t activation, float u) {
    if (activation == MEMGEN_TITANS_GELU) {
        const float below = 0.5f * erfcf(-0.707106781f * u), density = 0.398942280f * expf(-0.5f * u * u);
        return {u * below, below + u * density, (2.0f - u * u) * density};
    }
    const float s = 1.0f / (1.0f + expf(-u)), rest = 1.0f - s;
    return {u * s, s * (1.0f + u * rest), s * rest * (2.0f + u * (rest - s))};
}

// One head of one sequence, and of it the block of n tokens from t on. Every step begins and ends at a barrier.
template <class T>
struct TitansMlp {
    const memgen_titans_args& a;
    MlpShared<T>& s;
    const int64_t number, head; // of the sequence, and the head
    const Sequence sequence;
    int64_t t;
    int n;

    __device__ __forceinline__ int layers() const { return s.sizes.layers; }
    __device__ __forceinline__ int width(int l) const { return s.sizes.width[l]; }

    // Rows of this head's tokens in [B, T, H, ..]; null where x is absent.
    template <class Element>
    __device__ __forceinline__ Element* token(const memgen_tensor& x, int i) const {
        Element* row = token_of<Element>(x, sequence, t + i);
        return row ? row + head * x.stride[2] : nullptr;
    }

    // [n, d_l] and [n, n].
    __device__ __forceinline__ Matrix rows(float* x, int l) const { return {x, s.sizes.stride[l], n, s.sizes.width[l], nullptr}; }
    __device__ __forceinline__ Matrix square(float* x) const { return {x, rounded_up(s.sizes.block, 4), n, n, nullptr}; }
    // [d_{l-1}, d_l] of a state; absent without momentum.
    __device__ __forceinline__ Matrix weights(float* state, int l) const { return {state + s.sizes.offset[l], s.sizes.stride[l], s.sizes.width[l - 1], s.sizes.width[l], nullptr}; }
    __device__ __forceinline__ Matrix momenta(float* state, int l) const {
        Matrix m = weights(state, l);
        m.data = s.sizes.momentum ? m.data + s.sizes.offset[layers() + 1] : nullptr;
        return m;
    }

    // Layer l's target; absent without one.
    __device__ __forceinline__ Matrix target(int l) const { return s.target ? weights(s.target, l) : Matrix{}; }
    __device__ __forceinline__ Matrix d_target(int l) const { return s.d_target ? weights(s.d_target, l) : Matrix{}; }

    // The residual's factor, gamma there, and what f(k_i) misses v_i by in column j, once LN(U_L) stands.
    __device__ __forceinline__ const float* factor() const { return row_of<const float>(a.gamma, number) + head * a.gamma.stride[1]; }
    __device__ __forceinline__ float missed(int i, int j) const {
        return rows(s.matrices.A[0], 0).at(i, j) + factor()[j] * rows(s.matrices.normal, layers()).at(i, j) - to_float(token<const T>(a.v, i)[j]);
    }

    // f(row, column, x) for every element x of a sum of products [rows, columns].
    template <class F, class... Each>
    __device__ __forceinline__ void form(int row_count, int column_count, F f, const Each&... terms) { product<T>(row_count, column_count, Terms{{terms...}, sizeof...(terms)}, f); }

    __device__ __forceinline__ void read_tokens(const memgen_tensor& x, const Matrix& to) {
        for_elements(n, to.columns, [&](int i, int j) {
            const T* row = token<const T>(x, i);
            to.at(i, j) = row ? to_float(row[j]) : 0.0f;
        });
    }
    __device__ __forceinline__ void write_tokens(const Matrix& from, float factor, const memgen_tensor& x) {
        if (x.data) for_elements(n, from.columns, [&](int i, int j) { token<T>(x, i)[j] = rounded<T>(factor * from.at(i, j)); });
    }

    // f(element of the tensors, element of the state) for all weights and momenta; zeros stand for an absent tensor.
    __device__ __forceinline__ void read_state(const memgen_tensor* of_weights, const memgen_tensor* of_momenta, float* state) {
        for_state(of_weights, of_momenta, state, [](const float* tensor, float& x) { x = tensor ? *tensor : 0.0f; });
    }
    __device__ __forceinline__ void write_state(float* state, const memgen_tensor* of_weights, const memgen_tensor* of_momenta) {
        for_state(of_weights, of_momenta, state, [](float* tensor, float& x) {
            if (tensor) *tensor = x;
        });
    }
    template <class F>
    __device__ __forceinline__ void for_state(const memgen_tensor* of_weights, const memgen_tensor* of_momenta, float* state, F f) {
        for (int l = 1; l <= layers(); l++)
            for (int part = 0; part < (s.sizes.momentum ? 2 : 1); part++) for_matrix((part == 0 ? of_weights : of_momenta)[l - 1], part == 0 ? weights(state, l) : momenta(state, l), f);
    }
    template <class F>
    __device__ __forceinline__ void for_matrix(const memgen_tensor& x, const Matrix& m, F f) {
        float* first = row_of<float>(x, number);
        for_elements(m.rows, m.columns, [&](int i, int j) { f(first ? first + head * x.stride[1] + i * x.stride[2] + j : nullptr, m.at(i, j)); });
    }
    __device__ __forceinline__ void read_target() {
        for (int l = 1; s.target && l <= layers(); l++) for_matrix(a.target[l - 1], target(l), [](const float* tensor, float& x) { x = tensor ? *tensor : 0.0f; });
    }
    // A state's floats to or from a place of their own.
    __device__ __forceinline__ void copy_state(const float* from, float* to) {
        for (int l = 1; l <= layers(); l++)
            for (int part = 0; part < (s.sizes.momentum ? 2 : 1); part++) {
                const int64_t first = s.sizes.offset[l] + part * s.sizes.offset[layers() + 1];
                for_elements(width(l - 1), width(l), [&](int i, int j) { to[first + i * s.sizes.stride[l] + j] = from[first + i * s.sizes.stride[l] + j]; });
            }
    }

    __device__ __forceinline__ void enter(int64_t first);
    __device__ __forceinline__ void clip_steps();
    __device__ __forceinline__ void inner_gradients(float* state);
    __device__ __forceinline__ void read_layers(float* state, int last);
    __device__ __forceinline__ void write_residual();
    __device__ __forceinline__ void carry(float* from, float* to);
};

// The block from token `first` on: its gates, and what they make of its gradients. A thread has a token, and that column of Gamma and H.
template <class T>
__device__ __forceinline__ void TitansMlp<T>::enter(int64_t first) {
    t = first, n = static_cast<int>(sequence.tokens - first < a.block ? sequence.tokens - first : a.block);
    MlpGates& g = s.gates;
    const int own = static_cast<int>(threadIdx.x);
    if (own < n) {
        g.theta[own] = g.step[own] = *token<const float>(a.theta, own);
        g.share[own] = 1.0f;
        g.eta[own] = a.momentum ? *token<const float>(a.eta, own) : 0.0f;
        g.keep[own] = a.alpha.data ? 1.0f - *token<const float>(a.alpha, own) : 1.0f;
    }
    __syncthreads();
    if (own < n) {
        const Matrix gamma = square(s.matrices.gamma), eta = square(s.matrices.eta);
        float b = 1.0f, from_momentum = 0.0f, h = 1.0f, factor = 0.0f, coefficient = 0.0f;
        for (int i = 0; i < n; i++) {
            const float e = g.eta[i], kept = g.keep[i];
            b *= kept, h *= e, from_momentum = kept * from_momentum + h;
            if (own == i) g.of_weights[i] = b, g.gone[i] = 1.0f - b, g.of_momentum[i] = from_momentum, g.momentum[i] = h;
            factor = own == i ? 1.0f : e * factor;
            coefficient = own == i ? 1.0f : kept * coefficient + factor;
            gamma.at(i, own) = coefficient;
            if (eta.data) eta.at(i, own) = factor;
        }
        g.last_gamma[own] = coefficient, g.last_eta[own] = factor;
    }
    read_tokens(a.k, rows(s.matrices.A[0], 0));
}

// Shortens the steps of tokens whose gradient is longer than the clip; its squared length is the sum of |A_{l-1}|^2 |delta_l|^2.
template <class T>
__device__ __forceinline__ void TitansMlp<T>::clip_steps() {
    MlpGates& g = s.gates;
    const float clip = static_cast<float>(a.clip);
    auto squares = [&](const Matrix& x, float* to) {
        sum_rows<1>(n, x.columns, [&](int i, int j, float (&sums)[1]) { sums[0] += x.at(i, j) * x.at(i, j); }, [&](int i, const float (&sums)[1]) { to[i] = sums[0]; });
    };
    for (int l = 1; clip > 0.0f && l <= layers(); l++) squares(rows(s.matrices.A[l - 1], l - 1), g.inputs[l - 1]), squares(rows(s.matrices.delta[l], l), g.errors[l - 1]);
    const int own = static_cast<int>(threadIdx.x);
    if (own < n) {
        float square = 0.0f;
        for (int l = 0; clip > 0.0f && l < layers(); l++) square += g.inputs[l][own] * g.errors[l][own];
        const float length = sqrtf(square);
        if (length > clip) g.share[own] = clip / length;
        g.step[own] = g.theta[own] * g.share[own];
        g.to_weights[own] = g.last_gamma[own] * g.step[own], g.to_momentum[own] = g.last_eta[own] * g.step[own];
    }
    __syncthreads();
}

// What the block writes, at the weights in `state`, with which it starts.
template <class T>
__device__ __forceinline__ void TitansMlp<T>::inner_gradients(float* state) {
    const MlpMatrices& m = s.matrices;
    const int L = layers();
    for (int l = 1; l < L; l++) {
        const Matrix U = rows(m.U[l], l), A = rows(m.A[l], l);
        form(n, width(l), [&](int i, int j, float x) { U.at(i, j) = x, A.at(i, j) = curve(a.activation, x).value; }, times(rows(m.A[l - 1], l - 1), weights(state, l)));
    }
    const Matrix last = rows(m.delta[L], L), normal = rows(m.normal, L);
    form(n, width(L), [&](int i, int j, float x) {
        if (normal.data) normal.at(i, j) = x;
        else last.at(i, j) = x - to_float(token<const T>(a.v, i)[j]);
    }, times(rows(m.A[L - 1], L - 1), weights(state, L)));
    if (normal.data)
        for_rows(n, [&](int i) {
            const float scale = residual_error(factor(), &normal.at(i, 0), &last.at(i, 0), width(L), [&](int j) { return missed(i, j); });
            if (threadIdx.x % 32 == 0) s.gates.scale[i] = scale;
        });
    for (int l = L - 1; l >= 1; l--) {
        const Matrix U = rows(m.U[l], l), N = rows(m.N[l], l), delta = rows(m.delta[l], l);
        form(n, width(l), [&](int i, int j, float x) {
            if (N.data) N.at(i, j) = x;
            delta.at(i, j) = x * curve(a.activation, U.at(i, j)).slope;
        }, times_turned(rows(m.delta[l + 1], l + 1), weights(state, l + 1)));
    }
    clip_steps();
}

// The read up to layer `last`; what layer L gives is the output, or with a residual X_L. Every query has the weights after its own
// token's write, or those that the block started with.
template <class T>
__device__ __forceinline__ void TitansMlp<T>::read_layers(float* state, int last) {
    const MlpMatrices& m = s.matrices;
    const MlpGates& g = s.gates;
    read_tokens(a.q, rows(m.X[0], 0));
    for (int l = 1; l <= last; l++) {
        const Matrix X = rows(m.X[l - 1], l - 1), next = rows(m.X[l], l), Z = rows(m.Z[l], l);
        auto found = [&](int i, int j, float x) {
            if (l == layers()) {
                if (next.data) next.at(i, j) = x;
                else token<T>(a.o, i)[j] = rounded<T>(x);
                return;
            }
            if (Z.data) Z.at(i, j) = x;
            next.at(i, j) = curve(a.activation, x).value;
        };
        if (a.reads_block_start) {
            form(n, width(l), found, times(X, weights(state, l)));
            continue;
        }
        const Matrix mixed = square(m.mixed), gamma = square(m.gamma);
        form(n, n, [&](int i, int j, float x) { mixed.at(i, j) = j <= i ? -gamma.at(i, j) * x : 0.0f; }, times_turned(X, rows(m.A[l - 1], l - 1)));
        form(n, width(l), found, times(X.scaled(g.of_weights), weights(state, l)), times(X.scaled(g.of_momentum), momenta(state, l)), times(mixed, rows(m.delta[l], l).scaled(g.step)), times(X.scaled(g.gone), target(l)));
    }
    const Matrix read = rows(m.X[last], last);
    if (last == layers() && read.data)
        for_rows(n, [&](int i) {
            const float scale = normalize(&read.at(i, 0), width(last));
            if (threadIdx.x % 32 == 0) s.gates.read_scale[i] = scale;
        });
}

// O, from X_L.
template <class T>
__device__ __forceinline__ void TitansMlp<T>::write_residual() {
    const Matrix Q = rows(s.matrices.X[0], 0), read = rows(s.matrices.X[layers()], layers());
    for_elements(n, read.columns, [&](int i, int j) { token<T>(a.o, i)[j] = rounded<T>(Q.at(i, j) + factor()[j] * read.at(i, j)); });
}

// The state after the block's last token. `to` may be the same memory.
template <class T>
__device__ __forceinline__ void TitansMlp<T>::carry(float* from, float* to) {
    const MlpMatrices& m = s.matrices;
    const float b = s.gates.of_weights[n - 1], c = s.gates.of_momentum[n - 1], h = s.gates.momentum[n - 1], gone = s.gates.gone[n - 1];
    for (int l = 1; l <= layers(); l++) {
        const Matrix W = weights(from, l), S = momenta(from, l), toward = target(l), next_W = weights(to, l), next_S = momenta(to, l), A = rows(m.A[l - 1], l - 1), delta = rows(m.delta[l], l);
        form(W.rows, W.columns, [&](int i, int j, float x) { next_W.at(i, j) = b * W.at(i, j) + (S.data ? c * S.at(i, j) : 0.0f) + (toward.data ? gone * toward.at(i, j) : 0.0f) - x; }, turned_times(A, delta.scaled(s.gates.to_weights)));
        if (S.data) form(W.rows, W.columns, [&](int i, int j, float x) { next_S.at(i, j) = h * S.at(i, j) - x; }, turned_times(A, delta.scaled(s.gates.to_momentum)));
    }
}

// The chain of this block of a kernel, before its first token; a barrier inside.
template <class T, class Shared>
__device__ __forceinline__ TitansMlp<T> titans_mlp_of_block(const memgen_titans_args& a, const MlpWorkspace& w, bool backward) {
    Shared& s = *reinterpret_cast<Shared*>(shared_memory());
    if (threadIdx.x == 0) {
        s.sizes = MlpSizes(a);
        float* behind = w.state(w.states, s.sizes);
        const int64_t targets = s.sizes.targets();
        s.target = targets > 0 ? behind : nullptr, s.d_target = targets > 0 && backward ? behind + targets : nullptr;
        MlpScratch scratch = mlp_scratch<Shared>(shared_memory(), behind + (backward ? 2 : 1) * targets);
        s.matrices = MlpMatrices(s.sizes, backward, scratch);
    }
    __syncthreads();
    const int64_t chain = static_cast<int64_t>(blockIdx.x), number = chain / a.heads;
    return {a, s, number, chain % a.heads, sequence_of(a, number), 0, 0};
}

// W before token t of the chain, and S behind it; t is a multiple of the interval above 0.
template <class T>
__device__ __forceinline__ float* titans_mlp_checkpoint(const TitansMlp<T>& p, const MlpWorkspace& w, int64_t t) {
    return w.checkpoints + (checkpoint_place(p.sequence, w.interval, t / w.interval - 1) * p.a.heads + p.head) * p.s.sizes.state();
}

} // namespace

// Forward, with the checkpoints that w asks for.
cudaError_t launch_titans_mlp_forward(const memgen_titans_args& a, const MlpWorkspace& w, cudaStream_t stream);
// Floats of a chain's part for it.
int64_t titans_mlp_forward_floats(const memgen_titans_args& a);

} // namespace memgen
