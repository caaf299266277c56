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

// Where sequences are cut: of every span the normalizer at its sequence's first token, or what the span before it adds to it.
__device__ __forceinline__ float* sums_of(const NormalizerParameters& p, const Chain& c, int64_t span) { return p.spans.states + (span * p.heads + c.head) * p.key_dim; }
// Of the gradient behind it: that behind its sequence's last token, or what span `span` adds to it.
__device__ __forceinline__ float* d_sums_of(const NormalizerParameters& p, const Chain& c, int64_t span) { return sums_of(p, c, p.spans.count + 1 + span); }

__device__ __forceinline__ void add_channels(float (&z)[ThreadChannels], const float* from, int64_t keys) {
    float more[ThreadChannels];
    read_channels(more, from, keys);
    MEMGEN_UNROLL
    for (int i = 0; i < ThreadChannels; i++) z[i] += more[i];
}

// Of a block's span, before its first token.
__device__ __forceinline__ void enter_normalizer(float (&z)[ThreadChannels], const NormalizerParameters& p, const Chain& c) {
    if (are_whole(p, p.spans)) return read_channels(z, normalizer_of(p.initial_normalizer, c), p.key_dim);
    const int64_t first = c.span - c.before / p.spans.tokens;
    read_channels(z, sums_of(p, c, first), p.key_dim);
    for (int64_t span = first + 1; span <= c.span; span++) add_channels(z, sums_of(p, c, span), p.key_dim);
}
// Its gradient behind the last.
__device__ __forceinline__ void enter_gradient(float (&z)[ThreadChannels], const NormalizerParameters& p, const Chain& c) {
    if (are_whole(p, p.spans)) return read_channels(z, normalizer_of(p.d_final_normalizer, c), p.key_dim);
    const int64_t end = c.span - c.before / p.spans.tokens + p.spans.of_sequence(p.segments.lengths ? p.segments.lengths[c.sequence] : p.tokens);
    read_channels(z, d_sums_of(p, c, end), p.key_dim);
    for (int64_t span = end - 1; span > c.span; span--) add_channels(z, d_sums_of(p, c, span), p.key_dim);
}

// d_r of a token by the scale.
__device__ __forceinline__ float scaled_gradient(const NormalizerParameters& p, const Chain& c, int64_t t) { return p.d_o.data ? p.scale * p.d_divisors[token_index(p, c, t)] : 0.0f; }

template <class T>
__global__ void __launch_bounds__(Threads) sums_of_spans(const NormalizerParameters p, bool backward) {
    Chain c;
    if (!span_of_block(c, p, p.value_dim, p.spans)) return;
    const T *q = tokens_of<const T>(p.q, c), *k = tokens_of<const T>(p.k, c);
    float z[ThreadChannels];
    auto sum = [&](const T* x, int64_t stride, bool gradient) {
        read_channels(z, nullptr, 0);
        for (int64_t t = 0; t < c.tokens; t++) {
            const float factor = gradient ? scaled_gradient(p, c, t) : 1.0f;
            MEMGEN_UNROLL
            for (int i = 0; i < ThreadChannels; i++) {
                const int d = static_cast<int>(threadIdx.x) + i * Threads;
                if (d < p.key_dim) z[i] += factor * to_float(x[t * stride + d]);
            }
        }
    };
    if (c.before == 0) {
        read_channels(z, normalizer_of(p.initial_normalizer, c), p.key_dim);
        write_channels(z, sums_of(p, c, c.span), p.key_dim);
    }
    if (!c.last) {
        sum(k, p.k.stride[1], false);
        write_channels(z, sums_of(p, c, c.span + 1), p.key_dim);
    }
    if (!backward) return;
    if (c.last) {
        read_channels(z, normalizer_of(p.d_final_normalizer, c), p.key_dim);
        write_channels(z, d_sums_of(p, c, c.span + 1), p.key_dim);
    }
    if (c.before > 0) {
        sum(q, p.q.stride[1], true);
        write_channels(z, d_sums_of(p, c, c.span), p.key_dim);
    }
}

template <class T>
__global__ void __launch_bounds__(Threads) divisors_of_tokens(const NormalizerParameters p) {
    float(&parts)[Threads / 32][Chunk] = *reinterpret_cast<float(*)[Threads / 32][Chunk]>(shared_memory());
    Chain c;
    if (!span_of_block(c, p, p.value_dim, p.spans)) return;
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const T *q = tokens_of<const T>(p.q, c), *k = tokens_of<const T>(p.k, c);
    float z[ThreadChannels];
    enter_normalizer(z, p, c);
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
    if (c.last) write_channels(z, normalizer_of(p.final_normalizer, c), p.key_dim);
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
    Chain c;
    if (!span_of_block(c, p, p.value_dim, p.spans)) return;
    const T *q = tokens_of<const T>(p.q, c), *k = tokens_of<const T>(p.k, c);
    float z[ThreadChannels];
    enter_normalizer(z, p, c);
    for (int64_t t = 0; p.d_q.data && t < c.tokens; t++) {
        const float factor = scaled_gradient(p, c, t);
        MEMGEN_UNROLL
        for (int i = 0; i < ThreadChannels; i++) {
            const int d = static_cast<int>(threadIdx.x) + i * Threads;
            if (d >= p.key_dim) continue;
            z[i] += to_float(k[t * p.k.stride[1] + d]);
            part[token_index(p, c, t) * width + d] = factor * z[i];
        }
    }
    enter_gradient(z, p, c); // from here on its gradient
    for (int64_t t = c.tokens - 1; t >= 0; t--) {
        const float factor = scaled_gradient(p, c, t);
        MEMGEN_UNROLL
        for (int i = 0; i < ThreadChannels; i++) {
            const int d = static_cast<int>(threadIdx.x) + i * Threads;
            if (d >= p.key_dim) continue;
            z[i] += factor * to_float(q[t * p.q.stride[1] + d]);
            if (p.d_k.data) part[token_index(p, c, t) * width + p.key_dim + d] = z[i];
        }
    }
    if (c.before == 0) write_channels(z, normalizer_of(p.d_initial_normalizer, c), p.key_dim);
}

template <class T>
cudaError_t launch_sums(const NormalizerParameters& p, bool backward, cudaStream_t stream) {
    return are_whole(p, p.spans) ? cudaSuccess : launch(sums_of_spans<T>, p.spans.count * p.heads, Threads, 0, stream, p, backward);
}

template <class T>
cudaError_t forward(const NormalizerParameters& p, cudaStream_t stream) {
    const cudaError_t found = launch_sums<T>(p, false, stream);
    return found != cudaSuccess ? found : launch(divisors_of_tokens<T>, p.spans.count * p.heads, Threads, sizeof(float[Threads / 32][Chunk]), stream, p);
}

template <class T>
cudaError_t backward(const NormalizerParameters& p, float* part, cudaStream_t stream) {
    const int64_t rows = p.batch * p.tokens * p.heads;
    cudaError_t found = p.d_o.data ? launch(divide_gradients<T>, (rows + Threads / 32 - 1) / (Threads / 32), Threads, 0, stream, p) : cudaSuccess;
    if (found == cudaSuccess) found = launch_sums<T>(p, true, stream);
    return found != cudaSuccess ? found : launch(normalizer_gradients<T>, p.spans.count * p.heads, Threads, 0, stream, p, part, 2 * p.key_dim + 2);
}

} // namespace

cudaError_t launch_divisors(const NormalizerParameters& p, cudaStream_t stream) { return p.number == Number::BFloat16 ? forward<bfloat16>(p, stream) : forward<float>(p, stream); }

cudaError_t launch_normalizer_backward(const NormalizerParameters& p, float* part, cudaStream_t stream) {
    return p.number == Number::BFloat16 ? backward<bfloat16>(p, part, stream) : backward<float>(p, part, stream);
}

} // namespace memgen
