// AdamW and the squared norm over many tensors. Their addresses are arguments of the kernels, some dozens of tensors a launch;
// a block takes one chunk of one of them. Squares are summed over a chunk, then over chunks, in an order that sizes alone decide.
#include "front/optimizer.h"

#include <cmath>

#include "library.h"

namespace memgen {
namespace {

constexpr int Threads = 256;
constexpr int ChunkElements = 8192;
constexpr int MostTensors = 64; // of a launch

int64_t chunks_of(int64_t size) { return (size + ChunkElements - 1) / ChunkElements; }

// The tensors of one launch.
struct Pack {
    int64_t first[MostTensors + 1]; // chunks before each of them
    int64_t sizes[MostTensors];
    int count;
};

struct SquaredPack : Pack {
    const float* data[MostTensors];
};

struct AdamWPack : Pack {
    float *parameters[MostTensors], *first_moments[MostTensors], *second_moments[MostTensors];
    const float* gradients[MostTensors];
    float keep[MostTensors]; // 1 - learning_rate weight_decay
};

struct AdamWNumbers {
    float beta1, rest1, beta2, rest2, rate, root, epsilon; // rate and root: with the corrections for early steps
    const double* squared_norm;
    double clip_norm;
};

static_assert(sizeof(AdamWPack) + sizeof(AdamWNumbers) <= 4096, "what a launch takes as arguments");

// put(pack, i) for every tensor i that has elements, unless it says no, and queue(pack) for every full pack and the last one.
template <class P, class Put, class Queue>
cudaError_t in_packs(int64_t count, const int64_t* sizes, Put&& put, Queue&& queue) {
    P pack{};
    for (int64_t i = 0; i < count; i++) {
        if (sizes[i] == 0 || !put(pack, i)) continue;
        pack.sizes[pack.count] = sizes[i];
        pack.first[pack.count + 1] = pack.first[pack.count] + chunks_of(sizes[i]);
        if (++pack.count < MostTensors) continue;
        const cudaError_t found = queue(pack);
        if (found != cudaSuccess) return found;
        pack.count = 0;
    }
    return pack.count > 0 ? queue(pack) : cudaSuccess;
}

struct ChunkOf {
    int tensor;
    int64_t start;
    int length;
};

__device__ __forceinline__ ChunkOf chunk_of_block(const Pack& pack) {
    const int64_t block = blockIdx.x;
    int low = 0, high = pack.count; // first[low] <= block < first[high]
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (pack.first[middle] <= block) low = middle;
        else high = middle;
    }
    const int64_t start = (block - pack.first[low]) * ChunkElements, left = pack.sizes[low] - start;
    return {low, start, static_cast<int>(left < ChunkElements ? left : ChunkElements)};
}

// The sum over a block, in its first thread. `parts`: one double a thread.
__device__ __forceinline__ double block_total(double x, double* parts) {
    const int thread = static_cast<int>(threadIdx.x);
    parts[thread] = x;
    __syncthreads();
    for (int half = Threads / 2; half > 0; half /= 2) {
        if (thread < half) parts[thread] += parts[thread + half];
        __syncthreads();
    }
    return parts[0];
}

constexpr size_t PartsBytes = Threads * sizeof(double);

__global__ void __launch_bounds__(Threads) squares_kernel(const __grid_constant__ SquaredPack pack, double* sums) {
    const ChunkOf c = chunk_of_block(pack);
    const float* x = pack.data[c.tensor] + c.start;
    double sum = 0.0;
#pragma unroll 4
    for (int i = static_cast<int>(threadIdx.x); i < c.length; i += Threads) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    sum = block_total(sum, reinterpret_cast<double*>(shared_memory()));
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(Threads) total_kernel(const double* sums, int64_t count, double* result) {
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < count; i += Threads) sum += sums[i];
    sum = block_total(sum, reinterpret_cast<double*>(shared_memory()));
    if (threadIdx.x == 0) *result = sum;
}

// What the gradients are multiplied with; NaN where they are not to be used.
__device__ __forceinline__ float clip_scale(const AdamWNumbers& n) {
    if (!n.squared_norm) return 1.0f;
    const double squared = *n.squared_norm, scale = n.clip_norm / (sqrt(squared) + 1e-6);
    return !(squared < INFINITY) ? NAN : static_cast<float>(scale < 1.0 ? scale : 1.0);
}

__global__ void __launch_bounds__(Threads) adamw_kernel(const __grid_constant__ AdamWPack pack, const AdamWNumbers n) {
    float* shared = reinterpret_cast<float*>(shared_memory());
    if (threadIdx.x == 0) *shared = clip_scale(n);
    __syncthreads();
    const float scale = *shared;
    if (scale != scale) return;
    const ChunkOf c = chunk_of_block(pack);
    float *p = pack.parameters[c.tensor] + c.start, *first = pack.first_moments[c.tensor] + c.start, *second = pack.second_moments[c.tensor] + c.start;
    const float* gradient = pack.gradients[c.tensor] + c.start;
    const float keep = pack.keep[c.tensor];
    for (int i = static_cast<int>(threadIdx.x); i < c.length; i += Threads) {
        const float g = scale * gradient[i];
        const float m = n.beta1 * first[i] + n.rest1 * g, v = n.beta2 * second[i] + n.rest2 * g * g;
        first[i] = m;
        second[i] = v;
        p[i] = keep * p[i] - n.rate * m / (sqrtf(v) * n.root + n.epsilon);
    }
}

AdamWNumbers numbers_of(const memgen_adamw_args& a) {
    const double step = static_cast<double>(a.step), correction1 = 1.0 - std::pow(a.beta1, step), correction2 = 1.0 - std::pow(a.beta2, step);
    return {static_cast<float>(a.beta1), static_cast<float>(1.0 - a.beta1), static_cast<float>(a.beta2), static_cast<float>(1.0 - a.beta2),
            static_cast<float>(a.learning_rate / correction1), static_cast<float>(1.0 / std::sqrt(correction2)), static_cast<float>(a.epsilon),
            a.squared_norm, a.clip_norm};
}

int64_t norm_bytes(const memgen_squared_norm_args& a) {
    int64_t chunks = 0;
    for (int64_t i = 0; i < a.count; i++) chunks += chunks_of(a.sizes[i]);
    return chunks * static_cast<int64_t>(sizeof(double));
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_squared_norm_workspace_size(const memgen_squared_norm_args* a) { return tensor_sizes(__func__, a).ok() ? norm_bytes(*a) : -1; }

memgen_status memgen_squared_norm(const memgen_squared_norm_args* a, void* workspace, size_t bytes, void* stream) {
    Check check = squared_norm_arguments(__func__, a);
    if (!ready(check, workspace, bytes, check.ok() ? norm_bytes(*a) : 0)) return check.status();
    const cudaStream_t queue = static_cast<cudaStream_t>(stream);
    double* sums = static_cast<double*>(workspace);
    int64_t chunks = 0;
    cudaError_t found = in_packs<SquaredPack>(
        a->count, a->sizes,
        [&](SquaredPack& pack, int64_t i) { return (pack.data[pack.count] = a->data[i]) != nullptr; },
        [&](const SquaredPack& pack) {
            double* from = sums + chunks;
            chunks += pack.first[pack.count];
            return launch(squares_kernel, pack.first[pack.count], Threads, PartsBytes, queue, pack, from);
        });
    if (found == cudaSuccess) found = launch(total_kernel, 1, Threads, PartsBytes, queue, static_cast<const double*>(sums), chunks, a->result);
    return launched(check, found);
}

int64_t memgen_adamw_workspace_size(const memgen_adamw_args* a) { return tensor_sizes(__func__, a).ok() ? 0 : -1; }

memgen_status memgen_adamw_step(const memgen_adamw_args* a, void*, size_t, void* stream) {
    Check check = adamw_arguments(__func__, a);
    if (!ready(check, nullptr, 0, 0)) return check.status();
    const AdamWNumbers numbers = numbers_of(*a);
    return launched(check, in_packs<AdamWPack>(
        a->count, a->sizes,
        [&](AdamWPack& pack, int64_t i) {
            const int at = pack.count;
            pack.parameters[at] = a->parameters[i], pack.gradients[at] = a->gradients[i];
            pack.first_moments[at] = a->first_moments[i], pack.second_moments[at] = a->second_moments[i];
            pack.keep[at] = static_cast<float>(1.0 - a->learning_rate * a->weight_decays[i]);
            return a->gradients[i] != nullptr;
        },
        [&](const AdamWPack& pack) { return launch(adamw_kernel, pack.first[pack.count], Threads, sizeof(float), static_cast<cudaStream_t>(stream), pack, numbers); }));
}
}
