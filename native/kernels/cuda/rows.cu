// Operators on rows: a block takes one row after another, its threads the row's elements. What is summed over rows
// (d_weight of RMSNorm) is summed by each block over its own rows, then over blocks, in that order.
#include "front/rows.h"
#include "lanes.h"
#include "library.h"
#include "sequences.h"

namespace memgen {
namespace {

constexpr int Threads = 256;
constexpr int64_t MostTeams = 512; // blocks that share the rows

int64_t teams(int64_t rows) { return rows < MostTeams ? rows : MostTeams; }

// body(row) for the rows of this block
template <class Body>
__device__ __forceinline__ void for_rows(int64_t rows, Body&& body) {
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) body(r);
}

// body(i) for this thread's elements of a row
template <class Body>
__device__ __forceinline__ void for_elements(int64_t features, Body&& body) {
    for (int64_t i = threadIdx.x; i < features; i += Threads) body(i);
}

struct Silu {
    float value, slope;
};

__device__ __forceinline__ Silu silu(float x) {
    const float s = 1.0f / (1.0f + expf(-x)), value = x * s;
    return {value, s * (1.0f + x * (1.0f - s))};
}

template <class T>
__device__ __forceinline__ float inverse_length(const T* x, int64_t n, float factor, float epsilon, float* parts) {
    float sum = 0.0f;
    for_elements(n, [&](int64_t i) { sum += to_float(x[i]) * to_float(x[i]); });
    return 1.0f / sqrtf(sum_of_block(sum, parts) * factor + epsilon);
}

template <class T>
__global__ void __launch_bounds__(Threads) norm_forward_kernel(const memgen_rms_norm_args a) {
    float* parts = reinterpret_cast<float*>(shared_memory());
    const float* weight = static_cast<const float*>(a.weight.data);
    for_rows(a.rows, [&](int64_t r) {
        const T *x = row_of<T>(a.x, r), *gate = row_of<T>(a.gate, r);
        T* y = row_of<T>(a.y, r);
        const float inverse = inverse_length(x, a.features, 1.0f / static_cast<float>(a.features), static_cast<float>(a.epsilon), parts);
        for_elements(a.features, [&](int64_t i) {
            float v = to_float(x[i]) * inverse;
            if (weight) v *= weight[i];
            if (gate) v *= silu(to_float(gate[i])).value;
            y[i] = rounded<T>(v);
        });
    });
}

template <class T>
__global__ void __launch_bounds__(Threads) norm_backward_kernel(const memgen_rms_norm_args a, float* d_weights) {
    float* parts = reinterpret_cast<float*>(shared_memory());
    const float* weight = static_cast<const float*>(a.weight.data);
    float* d_weight = d_weights ? d_weights + blockIdx.x * a.features : nullptr;
    if (d_weight) for_elements(a.features, [&](int64_t i) { d_weight[i] = 0.0f; });
    for_rows(a.rows, [&](int64_t r) {
        const T *x = row_of<T>(a.x, r), *gate = row_of<T>(a.gate, r), *dy = row_of<T>(a.d_y, r);
        T *dx = row_of<T>(a.d_x, r), *d_gate = row_of<T>(a.d_gate, r);
        const float inverse = inverse_length(x, a.features, 1.0f / static_cast<float>(a.features), static_cast<float>(a.epsilon), parts);
        // With unit = x * inverse and d = dy silu(gate), the gradient of unit * weight:  dx = inverse (weight d - unit mean(weight d unit))
        auto each = [&](auto&& body) {
            for_elements(a.features, [&](int64_t i) {
                const Silu g = gate ? silu(to_float(gate[i])) : Silu{1.0f, 0.0f};
                body(i, weight ? weight[i] : 1.0f, to_float(x[i]) * inverse, to_float(dy[i]), g);
            });
        };
        float sum = 0.0f;
        each([&](int64_t, float w, float unit, float d, const Silu& g) { sum += w * unit * d * g.value; });
        const float mean = sum_of_block(sum, parts) / static_cast<float>(a.features);
        each([&](int64_t i, float w, float unit, float d, const Silu& g) {
            if (d_weight) d_weight[i] += unit * d * g.value;
            if (d_gate) d_gate[i] = rounded<T>(w * unit * d * g.slope);
            if (dx) dx[i] = rounded<T>(inverse * (w * d * g.value - unit * mean));
        });
    });
}

__global__ void __launch_bounds__(Threads) team_sums_kernel(int64_t features, int64_t teams, const float* sums, float* total) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * Threads + threadIdx.x;
    if (i >= features) return;
    float sum = 0.0f;
    for (int64_t team = 0; team < teams; team++) sum += sums[team * features + i];
    total[i] = sum;
}

template <class T>
__global__ void __launch_bounds__(Threads) unit_forward_kernel(const memgen_unit_length_args a) {
    float* parts = reinterpret_cast<float*>(shared_memory());
    for_rows(a.rows, [&](int64_t r) {
        const T* x = row_of<T>(a.x, r);
        T* y = row_of<T>(a.y, r);
        const float inverse = inverse_length(x, a.features, 1.0f, static_cast<float>(a.epsilon), parts);
        for_elements(a.features, [&](int64_t i) { y[i] = rounded<T>(to_float(x[i]) * inverse); });
    });
}

// dx = inverse (dy - unit (unit . dy))
template <class T>
__global__ void __launch_bounds__(Threads) unit_backward_kernel(const memgen_unit_length_args a) {
    float* parts = reinterpret_cast<float*>(shared_memory());
    for_rows(a.rows, [&](int64_t r) {
        const T *x = row_of<T>(a.x, r), *dy = row_of<T>(a.d_y, r);
        T* dx = row_of<T>(a.d_x, r);
        const float inverse = inverse_length(x, a.features, 1.0f, static_cast<float>(a.epsilon), parts);
        float sum = 0.0f;
        for_elements(a.features, [&](int64_t i) { sum += to_float(x[i]) * inverse * to_float(dy[i]); });
        const float along = sum_of_block(sum, parts);
        for_elements(a.features, [&](int64_t i) { dx[i] = rounded<T>(inverse * (to_float(dy[i]) - to_float(x[i]) * inverse * along)); });
    });
}

template <class T>
__global__ void __launch_bounds__(Threads) swiglu_forward_kernel(const memgen_swiglu_args a) {
    for_rows(a.rows, [&](int64_t r) {
        const T *gate = row_of<T>(a.gate, r), *up = row_of<T>(a.up, r);
        T* y = row_of<T>(a.y, r);
        for_elements(a.features, [&](int64_t i) { y[i] = rounded<T>(silu(to_float(gate[i])).value * to_float(up[i])); });
    });
}

template <class T>
__global__ void __launch_bounds__(Threads) swiglu_backward_kernel(const memgen_swiglu_args a) {
    for_rows(a.rows, [&](int64_t r) {
        const T *gate = row_of<T>(a.gate, r), *up = row_of<T>(a.up, r), *dy = row_of<T>(a.d_y, r);
        T *d_gate = row_of<T>(a.d_gate, r), *d_up = row_of<T>(a.d_up, r);
        for_elements(a.features, [&](int64_t i) {
            const Silu g = silu(to_float(gate[i]));
            const float d = to_float(dy[i]), u = to_float(up[i]); // read before either is written: they may share memory
            if (d_gate) d_gate[i] = rounded<T>(d * u * g.slope);
            if (d_up) d_up[i] = rounded<T>(d * g.value);
        });
    });
}

// z = x + bias, and of e = e^-|z| what softplus and its slope, the sigmoid, are made of
__device__ __forceinline__ float biased(const float* x, const float* bias, int64_t i) { return bias ? x[i] + bias[i] : x[i]; }

__global__ void __launch_bounds__(Threads) softplus_forward_kernel(const memgen_softplus_args a) {
    const float* bias = static_cast<const float*>(a.bias.data);
    for_rows(a.rows, [&](int64_t r) {
        const float* x = row_of<float>(a.x, r);
        float* y = row_of<float>(a.y, r);
        for_elements(a.features, [&](int64_t i) {
            const float z = biased(x, bias, i);
            y[i] = (z < 0.0f ? 0.0f : z) + log1pf(expf(-fabsf(z)));
        });
    });
}

__global__ void __launch_bounds__(Threads) softplus_backward_kernel(const memgen_softplus_args a, float* d_biases) {
    const float* bias = static_cast<const float*>(a.bias.data);
    float* d_bias = d_biases ? d_biases + blockIdx.x * a.features : nullptr;
    if (d_bias) for_elements(a.features, [&](int64_t i) { d_bias[i] = 0.0f; });
    for_rows(a.rows, [&](int64_t r) {
        const float *x = row_of<float>(a.x, r), *dy = row_of<float>(a.d_y, r);
        float* dx = row_of<float>(a.d_x, r);
        for_elements(a.features, [&](int64_t i) {
            const float z = biased(x, bias, i), e = expf(-fabsf(z)), d = dy[i] * (z < 0.0f ? e : 1.0f) / (1.0f + e);
            if (d_bias) d_bias[i] += d;
            if (dx) dx[i] = d;
        });
    });
}

// Heads of every row by its angles, `direction` 1, or back, -1.
template <class T>
__global__ void __launch_bounds__(Threads) rotary_kernel(const memgen_rotary_args a, const memgen_tensor from, const memgen_tensor to, float direction) {
    const int64_t half = a.features / 2;
    for_rows(a.rows, [&](int64_t r) {
        const float *cosines = row_of<float>(a.cosines, r % a.places), *sines = row_of<float>(a.sines, r % a.places);
        const T* x = row_of<T>(from, r);
        T* y = row_of<T>(to, r);
        for_elements(a.heads * half, [&](int64_t i) {
            const int64_t pair = i % half, at = i / half * a.features + pair;
            const float c = cosines[pair], s = direction * sines[pair], u = to_float(x[at]), v = to_float(x[at + half]);
            y[at] = rounded<T>(u * c - v * s);
            y[at + half] = rounded<T>(u * s + v * c);
        });
    });
}

struct Softmax {
    float most, sum; // largest logit, and the sum of e^(logit - most)
};

template <class T>
__device__ __forceinline__ Softmax softmax_of(const T* x, int64_t n, float* parts) {
    float most = -INFINITY, sum = 0.0f;
    for_elements(n, [&](int64_t i) {
        const float v = to_float(x[i]);
        most = v > most || v != v ? v : most;
    });
    most = most_of_block(most, parts);
    for_elements(n, [&](int64_t i) { sum += expf(to_float(x[i]) - most); });
    return {most, sum_of_block(sum, parts)};
}

// d_logits = scale (softmax - onehot), zero in rows that do not count, NaN where the target is no class
template <class T>
__device__ __forceinline__ void write_gradient(const T* x, int64_t n, int64_t target, bool ignored, bool wrong, float scale, const Softmax& s, T* dx) {
    for_elements(n, [&](int64_t i) {
        const float share = expf(to_float(x[i]) - s.most) / s.sum - (i == target ? 1.0f : 0.0f);
        dx[i] = rounded<T>(ignored ? 0.0f : wrong ? NAN : scale * share);
    });
}

template <class T, bool Backward>
__global__ void __launch_bounds__(Threads) cross_entropy_kernel(const memgen_cross_entropy_args a) {
    float* parts = reinterpret_cast<float*>(shared_memory());
    for_rows(a.rows, [&](int64_t r) {
        const T* x = row_of<T>(a.logits, r);
        T* dx = row_of<T>(a.d_logits, r);
        const int64_t target = a.targets[r];
        const bool ignored = target == a.ignored_target, wrong = !ignored && (target < 0 || target >= a.classes);
        const Softmax s = softmax_of(x, a.classes, parts);
        const float own = ignored || wrong ? 0.0f : to_float(x[target]);
        __syncthreads(); // before the row is overwritten: d_logits may be logits itself
        if (!Backward && threadIdx.x == 0) *row_of<float>(a.losses, r) = ignored ? 0.0f : wrong ? NAN : s.most + logf(s.sum) - own;
        if (dx) write_gradient(x, a.classes, target, ignored, wrong, Backward ? *row_of<float>(a.d_losses, r) : static_cast<float>(a.gradient_scale), s, dx);
    });
}

constexpr size_t PartsBytes = 32 * sizeof(float);

template <class Args>
memgen_status run(Check& check, const Args* a, void (*single)(Args), void (*half)(Args), void* stream) {
    if (!ready(check, nullptr, 0, 0)) return check.status();
    return launched(check, launch(a->dtype == MEMGEN_BFLOAT16 ? half : single, teams(a->rows), Threads, PartsBytes, static_cast<cudaStream_t>(stream), *a));
}

// Of RMSNorm and softplus: sums over the rows of every block, for what all rows share.
template <class Args>
int64_t sums_bytes(const Args& a, bool backward) { return backward ? teams(a.rows) * a.features * 4 : 0; }

// A backward pass of theirs: kernel(args, sums) sums over the rows of a block, and where `total` is wanted the blocks' sums are added up.
template <class Args>
memgen_status run_sums(Check& check, const Args* a, void (*kernel)(Args, float*), float* total, size_t shared, void* workspace, void* stream) {
    const cudaStream_t queue = static_cast<cudaStream_t>(stream);
    float* sums = total ? static_cast<float*>(workspace) : nullptr;
    cudaError_t found = launch(kernel, teams(a->rows), Threads, shared, queue, *a, sums);
    if (found == cudaSuccess && total)
        found = launch(team_sums_kernel, (a->features + Threads - 1) / Threads, Threads, 0, queue, a->features, teams(a->rows), static_cast<const float*>(sums), total);
    return launched(check, found);
}

memgen_status run_rotary(Check& check, const memgen_rotary_args* a, const memgen_tensor& from, const memgen_tensor& to, float direction, void* stream) {
    return launched(check, launch(a->dtype == MEMGEN_BFLOAT16 ? rotary_kernel<bfloat16> : rotary_kernel<float>, teams(a->rows), Threads, 0, static_cast<cudaStream_t>(stream), *a, from, to, direction));
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_rms_norm_workspace_size(const memgen_rms_norm_args* a, int32_t backward) { return row_sizes(__func__, a).ok() ? sums_bytes(*a, backward != 0) : -1; }
int64_t memgen_unit_length_workspace_size(const memgen_unit_length_args* a, int32_t) { return row_sizes(__func__, a).ok() ? 0 : -1; }
int64_t memgen_swiglu_workspace_size(const memgen_swiglu_args* a, int32_t) { return row_sizes(__func__, a).ok() ? 0 : -1; }
int64_t memgen_cross_entropy_workspace_size(const memgen_cross_entropy_args* a, int32_t) { return sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_rms_norm_forward(const memgen_rms_norm_args* a, void*, size_t, void* stream) {
    Check check = forward_arguments(__func__, a);
    return run(check, a, norm_forward_kernel<float>, norm_forward_kernel<bfloat16>, stream);
}

memgen_status memgen_rms_norm_backward(const memgen_rms_norm_args* a, void* workspace, size_t bytes, void* stream) {
    Check check = backward_arguments(__func__, a);
    if (!ready(check, workspace, bytes, check.ok() && a->d_weight.data ? sums_bytes(*a, true) : 0)) return check.status();
    return run_sums(check, a, a->dtype == MEMGEN_BFLOAT16 ? norm_backward_kernel<bfloat16> : norm_backward_kernel<float>, static_cast<float*>(a->d_weight.data), PartsBytes, workspace, stream);
}

memgen_status memgen_unit_length_forward(const memgen_unit_length_args* a, void*, size_t, void* stream) {
    Check check = forward_arguments(__func__, a);
    return run(check, a, unit_forward_kernel<float>, unit_forward_kernel<bfloat16>, stream);
}

memgen_status memgen_unit_length_backward(const memgen_unit_length_args* a, void*, size_t, void* stream) {
    Check check = backward_arguments(__func__, a);
    return run(check, a, unit_backward_kernel<float>, unit_backward_kernel<bfloat16>, stream);
}

memgen_status memgen_swiglu_forward(const memgen_swiglu_args* a, void*, size_t, void* stream) {
    Check check = forward_arguments(__func__, a);
    return run(check, a, swiglu_forward_kernel<float>, swiglu_forward_kernel<bfloat16>, stream);
}

memgen_status memgen_swiglu_backward(const memgen_swiglu_args* a, void*, size_t, void* stream) {
    Check check = backward_arguments(__func__, a);
    return run(check, a, swiglu_backward_kernel<float>, swiglu_backward_kernel<bfloat16>, stream);
}

int64_t memgen_softplus_workspace_size(const memgen_softplus_args* a, int32_t backward) { return softplus_sizes(__func__, a).ok() ? sums_bytes(*a, backward != 0) : -1; }

memgen_status memgen_softplus_forward(const memgen_softplus_args* a, void*, size_t, void* stream) {
    Check check = forward_arguments(__func__, a);
    return run(check, a, softplus_forward_kernel, softplus_forward_kernel, stream);
}

memgen_status memgen_softplus_backward(const memgen_softplus_args* a, void* workspace, size_t bytes, void* stream) {
    Check check = backward_arguments(__func__, a);
    if (!ready(check, workspace, bytes, check.ok() && a->d_bias.data ? sums_bytes(*a, true) : 0)) return check.status();
    return run_sums(check, a, softplus_backward_kernel, static_cast<float*>(a->d_bias.data), 0, workspace, stream);
}

int64_t memgen_rotary_workspace_size(const memgen_rotary_args* a, int32_t) { return sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_rotary_forward(const memgen_rotary_args* a, void*, size_t, void* stream) {
    Check check = forward_arguments(__func__, a);
    return ready(check, nullptr, 0, 0) ? run_rotary(check, a, a->x, a->y, 1.0f, stream) : check.status();
}

memgen_status memgen_rotary_backward(const memgen_rotary_args* a, void*, size_t, void* stream) {
    Check check = backward_arguments(__func__, a);
    return ready(check, nullptr, 0, 0) ? run_rotary(check, a, a->d_y, a->d_x, -1.0f, stream) : check.status();
}

memgen_status memgen_cross_entropy_forward(const memgen_cross_entropy_args* a, void*, size_t, void* stream) {
    Check check = forward_arguments(__func__, a);
    return run(check, a, cross_entropy_kernel<float, false>, cross_entropy_kernel<bfloat16, false>, stream);
}

memgen_status memgen_cross_entropy_backward(const memgen_cross_entropy_args* a, void*, size_t, void* stream) {
    Check check = backward_arguments(__func__, a);
    return run(check, a, cross_entropy_kernel<float, true>, cross_entropy_kernel<bfloat16, true>, stream);
}
}
