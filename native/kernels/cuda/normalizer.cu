// The divisor of normalised linear attention, z_t = z_{t-1} + k_t and r_t = scale q_t z_t + epsilon, a block for every head
// of every sequence and a thread for its channels, token after token; and the gradients through it, with
// d_r = -<d_o, o> / r:  d_q_t += scale d_r_t z_t,  d_z_{t-1} = d_z_t + scale d_r_t q_t,  d_k_t += d_z.
#include "lanes.h"
#include "matrix_backward.h"
#include "normalizer.h"

namespace memgen {
namespace {

constexpr int ThreadChannels = static_cast<int>(LargestKeyDim) / Threads;

__device__ __forceinline__ int64_t token_index(const MemoryParameters& p, const Chain& c, int64_t t) { return (c.row * p.tokens + c.token + t) * p.heads + c.head; }
// Row of a head of a sequence in [N, H, K]; null where x is absent.
__device__ __forceinline__ float* normalizer_of(const TensorView& x, const Chain& c) {
    return x.data ? static_cast<float*>(x.data) + c.sequence * x.stride[0] + c.head * x.stride[1] : nullptr;
}

__device__ __forceinline__ void read_channels(float (&z)[ThreadChannels], const float* from, int64_t keys) {
    MEMGEN_UNROLL
    for (int i = 0; i < ThreadChannels; i++) {
        const int d = static_cast<int>(threadIdx.x) + i * Threads;
        z[i] = from && d < keys ? from[d] : 0.0f;
    }
}
__device__ __forceinline__ void write_channels(const float (&z)[ThreadChannels], float* to, int64_t keys) {
    MEMGEN_UNROLL
    for (int i = 0; i < ThreadChannels; i++) {
        const int d = static_cast<int>(threadIdx.x) + i * Threads;
        if (to && d < keys) to[d] = z[i];
    }
}

template <class T>
__global__ void __launch_bounds__(Threads) divisors_of_tokens(const NormalizerParameters p) {
    float(&parts)[Threads / 32][Chunk] = *reinterpret_cast<float(*)[Threads / 32][Chunk]>(shared_memory());
    const Chain c = chain_of_block(p, p.value_dim);
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const T *q = tokens_of<const T>(p.q, c), *k = tokens_of<const T>(p.k, c);
    float z[ThreadChannels];
    read_channels(z, normalizer_of(p.initial_normalizer, c), p.key_dim);
    for (int64_t t = 0; t < c.tokens; t += Chunk) {
        const int n = c.count(t);
        float products[Chunk]; // of this thread's channels
        MEMGEN_UNROLL
        for (int j = 0; j < Chunk; j++) {
            products[j] = 0.0f;
            MEMGEN_UNROLL
            for (int i = 0; i < ThreadChannels; i++) {
                const int d = static_cast<int>(threadIdx.x) + i * Threads;
                if (j >= n || d >= p.key_dim) continue;
                z[i] += to_float(k[(t + j) * p.k.stride[1] + d]);
                products[j] += z[i] * to_float(q[(t + j) * p.q.stride[1] + d]);
            }
        }
        sums_of_lanes(products, lane); // lane j has token j's
        parts[warp][lane] = products[0];
        __syncthreads();
        if (warp == 0 && lane < n) p.divisors[token_index(p, c, t + lane)] = p.scale * ((parts[0][lane] + parts[1][lane]) + (parts[2][lane] + parts[3][lane])) + p.epsilon;
        __syncthreads();
    }
    write_channels(z, normalizer_of(p.final_normalizer, c), p.key_dim);
}

// d_r of every token, and d_o / r, which is the gradient of linear attention's output; a warp for every token and head.
template <class T>
__global__ void __launch_bounds__(Threads) divide_gradients(const NormalizerParameters p) {
    const int64_t row = static_cast<int64_t>(blockIdx.x) * (Threads / 32) + static_cast<int>(threadIdx.x) / 32;
    if (row >= p.batch * p.tokens * p.heads) return;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int64_t h = row % p.heads, t = row / p.heads % p.tokens, b = row / p.heads / p.tokens;
    auto at = [&](const TensorView& x) { return static_cast<const T*>(x.data) + b * x.stride[0] + t * x.stride[1] + h * x.stride[2]; };
    const T *d_o = at(p.d_o), *o = at(p.o);
    T* divided = static_cast<T*>(p.divided) + row * p.value_dim;
    const float inverse = 1.0f / p.divisors[row];
    float sum = 0.0f;
    for (int64_t j = lane; j < p.value_dim; j += 32) {
        sum += to_float(d_o[j]) * to_float(o[j]);
        divided[j] = rounded<T>(to_float(d_o[j]) * inverse);
    }
    sum = sum_of_lanes(sum);
    if (lane == 0) p.d_divisors[row] = -sum * inverse;
}

// Into `part`, which is laid out as those of value tiles (matrix_backward.h).
template <class T>
__global__ void __launch_bounds__(Threads) normalizer_gradients(const NormalizerParameters p, float* part, int64_t width) {
    const Chain c = chain_of_block(p, p.value_dim);
    const T *q = tokens_of<const T>(p.q, c), *k = tokens_of<const T>(p.k, c);
    float z[ThreadChannels];
    auto scaled = [&](int64_t t) { return p.d_o.data ? p.scale * p.d_divisors[token_index(p, c, t)] : 0.0f; };
    read_channels(z, normalizer_of(p.initial_normalizer, c), p.key_dim);
    for (int64_t t = 0; p.d_q.data && t < c.tokens; t++) {
        const float factor = scaled(t);
        MEMGEN_UNROLL
        for (int i = 0; i < ThreadChannels; i++) {
            const int d = static_cast<int>(threadIdx.x) + i * Threads;
            if (d >= p.key_dim) continue;
            z[i] += to_float(k[t * p.k.stride[1] + d]);
            part[token_index(p, c, t) * width + d] = factor * z[i];
        }
    }
    read_channels(z, normalizer_of(p.d_final_normalizer, c), p.key_dim); // from here on its gradient
    for (int64_t t = c.tokens - 1; t >= 0; t--) {
        const float factor = scaled(t);
        MEMGEN_UNROLL
        for (int i = 0; i < ThreadChannels; i++) {
            const int d = static_cast<int>(threadIdx.x) + i * Threads;
            if (d >= p.key_dim) continue;
            z[i] += factor * to_float(q[t * p.q.stride[1] + d]);
            if (p.d_k.data) part[token_index(p, c, t) * width + p.key_dim + d] = z[i];
        }
    }
    write_channels(z, normalizer_of(p.d_initial_normalizer, c), p.key_dim);
}

template <class T>
cudaError_t backward(const NormalizerParameters& p, float* part, cudaStream_t stream) {
    const int64_t rows = p.batch * p.tokens * p.heads;
    const cudaError_t found = p.d_o.data ? launch(divide_gradients<T>, (rows + Threads / 32 - 1) / (Threads / 32), Threads, 0, stream, p) : cudaSuccess;
    return found != cudaSuccess ? found : launch(normalizer_gradients<T>, sequence_count(p) * p.heads, Threads, 0, stream, p, part, 2 * p.key_dim + 2);
}

} // namespace

cudaError_t launch_divisors(const NormalizerParameters& p, cudaStream_t stream) {
    return launch(p.number == Number::BFloat16 ? divisors_of_tokens<bfloat16> : divisors_of_tokens<float>, sequence_count(p) * p.heads, Threads, sizeof(float[Threads / 32][Chunk]), stream, p);
}

cudaError_t launch_normalizer_backward(const NormalizerParameters& p, float* part, cudaStream_t stream) {
    return p.number == Number::BFloat16 ? backward<bfloat16>(p, part, stream) : backward<float>(p, part, stream);
}

} // namespace memgen
