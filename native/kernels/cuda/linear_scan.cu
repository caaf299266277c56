// The linear scan: a thread is a channel of a sequence. A few tokens are loaded ahead, because one row alone does
// not keep the memory busy.
#include "front/scans.h"
#include "library.h"
#include "sequences.h"

namespace memgen {
namespace {

typedef memgen_linear_scan_args Args;

constexpr int Channels = 128; // of a block
constexpr int Ahead = 8;      // tokens that are loaded together

template <class T>
__global__ void __launch_bounds__(Channels) forward_kernel(const Args a) {
    const int64_t blocks = (a.channels + Channels - 1) / Channels, n = blockIdx.x / blocks, c = blockIdx.x % blocks * Channels + threadIdx.x;
    if (c >= a.channels) return;
    const Sequence s = sequence_of(a, n);
    float h = a.initial_state.data ? row_of<float>(a.initial_state, n)[c] : 0.0f;
    for (int64_t t0 = 0; t0 < s.tokens; t0 += Ahead) {
        float factor[Ahead] = {}, input[Ahead] = {};
#pragma unroll
        for (int i = 0; i < Ahead; i++)
            if (t0 + i < s.tokens) factor[i] = token_of<float>(a.a, s, t0 + i)[c], input[i] = to_float(token_of<T>(a.b, s, t0 + i)[c]);
#pragma unroll
        for (int i = 0; i < Ahead; i++)
            if (t0 + i < s.tokens) {
                h = factor[i] * h + input[i];
                token_of<T>(a.h, s, t0 + i)[c] = rounded<T>(h);
            }
    }
    if (a.final_state.data) row_of<float>(a.final_state, n)[c] = h;
}

// g_t = d_h_t + a_{t+1} g_{t+1};  d_a_t = g_t h_{t-1};  d_b_t = g_t
template <class T>
__global__ void __launch_bounds__(Channels) backward_kernel(const Args a) {
    const int64_t blocks = (a.channels + Channels - 1) / Channels, n = blockIdx.x / blocks, c = blockIdx.x % blocks * Channels + threadIdx.x;
    if (c >= a.channels) return;
    const Sequence s = sequence_of(a, n);
    const float initial = a.initial_state.data ? row_of<float>(a.initial_state, n)[c] : 0.0f;
    float carry = a.d_final_state.data ? row_of<float>(a.d_final_state, n)[c] : 0.0f;
    for (int64_t t0 = s.tokens; t0 > 0; t0 -= Ahead) {
        float factor[Ahead] = {}, before[Ahead] = {}, upstream[Ahead] = {}; // of tokens t0 - 1, t0 - 2, ..
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            const int64_t t = t0 - 1 - i;
            if (t < 0) continue;
            factor[i] = token_of<float>(a.a, s, t)[c];
            before[i] = t > 0 ? to_float(token_of<T>(a.h, s, t - 1)[c]) : initial;
            upstream[i] = a.d_h.data ? to_float(token_of<T>(a.d_h, s, t)[c]) : 0.0f;
        }
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            const int64_t t = t0 - 1 - i;
            if (t < 0) continue;
            const float g = upstream[i] + carry;
            if (a.d_a.data) token_of<float>(a.d_a, s, t)[c] = g * before[i];
            if (a.d_b.data) token_of<T>(a.d_b, s, t)[c] = rounded<T>(g);
            carry = factor[i] * g;
        }
    }
    if (a.d_initial_state.data) row_of<float>(a.d_initial_state, n)[c] = carry;
}

memgen_status run(Check& check, const Args* a, void (*single)(Args), void (*half)(Args), void* stream) {
    if (!ready(check, nullptr, 0, 0)) return check.status();
    const int64_t blocks = sequence_count(*a) * ((a->channels + Channels - 1) / Channels);
    return launched(check, launch(a->dtype == MEMGEN_BFLOAT16 ? half : single, blocks, Channels, 0, static_cast<cudaStream_t>(stream), *a));
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_linear_scan_workspace_size(const Args* a, int32_t) { return sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_linear_scan_forward(const Args* a, void*, size_t, void* stream) {
    Check check = forward_arguments(__func__, a);
    return run(check, a, forward_kernel<float>, forward_kernel<bfloat16>, stream);
}

memgen_status memgen_linear_scan_backward(const Args* a, void*, size_t, void* stream) {
    Check check = backward_arguments(__func__, a);
    return run(check, a, backward_kernel<float>, backward_kernel<bfloat16>, stream);
}
}
