// The selective scan: a thread is a channel and holds its states in registers; B_t and C_t, which all channels
// read, stand in shared memory. Backward goes through the sequence again from checkpoints, in segments, and sums
// d_B and d_C over channels first within a warp, then within a block, then over blocks, in that order.
#include "front/scans.h"
#include "lanes.h"
#include "library.h"
#include "sequences.h"

namespace memgen {
namespace {

typedef memgen_selective_scan_args Args;

constexpr int Tile = 32;    // tokens whose B and C are in shared memory at once, forward
constexpr int Segment = 64; // tokens between checkpoints, a multiple of Tile
constexpr int Part = 8;     // tokens whose states a thread holds at once, backward
constexpr int MostStates = 16; // N that a thread holds
constexpr int Channels = 128;  // of a block
constexpr float Log2e = 1.44269504f, Ln2 = 0.69314718f;

struct Place {
    int64_t n, c; // sequence and channel
    bool real;    // whether the channel exists
};

__device__ __forceinline__ Place place_of(const Args& a) {
    const int64_t blocks = (a.channels + Channels - 1) / Channels, c = blockIdx.x % blocks * Channels + threadIdx.x;
    return {blockIdx.x / blocks, c, c < a.channels};
}

// Tokens t0 .. of B or C: [Count, N] floats, zero beyond the sequence and the states.
template <class T, int N, int Count>
__device__ __forceinline__ void stage(const Args& a, const memgen_tensor& x, const Sequence& s, int64_t t0, float* to) {
    for (int i = static_cast<int>(threadIdx.x); i < Count * N; i += Channels) {
        const int64_t t = t0 + i / N, n = i % N;
        to[i] = t < s.tokens && n < a.state_dim ? to_float(token_of<T>(x, s, t)[n]) : 0.0f;
    }
}

// A channel's states among states [N, C, ..].
template <int N>
__device__ __forceinline__ void load_states(const Args& a, const memgen_tensor& x, const Place& p, float (&h)[N]) {
    const float* from = row_of<float>(x, p.n);
#pragma unroll
    for (int i = 0; i < N; i++) h[i] = from && p.real && i < a.state_dim ? from[p.c * x.stride[1] + i] : 0.0f;
}

template <int N>
__device__ __forceinline__ void store_states(const Args& a, const memgen_tensor& x, const Place& p, const float (&h)[N]) {
    float* to = row_of<float>(x, p.n);
#pragma unroll
    for (int i = 0; i < N; i++)
        if (to && p.real && i < a.state_dim) to[p.c * x.stride[1] + i] = h[i];
}

// A_n log2(e)
template <int N>
__device__ __forceinline__ void load_rates(const Args& a, const Place& p, float (&rates)[N]) {
    const float* from = static_cast<const float*>(a.A.data);
#pragma unroll
    for (int i = 0; i < N; i++) rates[i] = p.real && i < a.state_dim ? from[p.c * a.A.stride[0] + i] * Log2e : 0.0f;
}

// [places, N, C]: neighbours in memory are neighbours among the threads.
__device__ __forceinline__ float* checkpoint(const Args& a, const Sequence& s, const Place& p, int64_t index) {
    return static_cast<float*>(a.checkpoints) + checkpoint_place(s, Segment, index) * a.state_dim * a.channels + p.c;
}

template <int N>
__device__ __forceinline__ void advance(float (&h)[N], const float (&rates)[N], float delta, float input, const float* B) {
#pragma unroll
    for (int i = 0; i < N; i++) h[i] = exp2f(delta * rates[i]) * h[i] + input * B[i];
}

template <class T, int N>
__global__ void __launch_bounds__(Channels) forward_kernel(const Args a) {
    float* B = reinterpret_cast<float*>(shared_memory());
    float* C = B + Tile * N;
    const Place p = place_of(a);
    const Sequence s = sequence_of(a, p.n);
    float rates[N], h[N];
    load_rates(a, p, rates);
    load_states(a, a.initial_state, p, h);
    const float skip = a.D.data && p.real ? static_cast<const float*>(a.D.data)[p.c] : 0.0f;
    for (int64_t t0 = 0; t0 < s.tokens; t0 += Tile) {
        __syncthreads();
        stage<T, N, Tile>(a, a.B, s, t0, B);
        stage<T, N, Tile>(a, a.C, s, t0, C);
        __syncthreads();
        if (!p.real) continue;
        if (a.checkpoints && t0 > 0 && t0 % Segment == 0) {
            float* to = checkpoint(a, s, p, t0 / Segment - 1);
#pragma unroll
            for (int i = 0; i < N; i++)
                if (i < a.state_dim) to[i * a.channels] = h[i];
        }
        const int count = static_cast<int>(s.tokens - t0 < Tile ? s.tokens - t0 : Tile);
        for (int t = 0; t < count; t++) {
            const float delta = token_of<float>(a.delta, s, t0 + t)[p.c], u = to_float(token_of<T>(a.u, s, t0 + t)[p.c]);
            advance(h, rates, delta, delta * u, B + t * N);
            float y = skip * u;
#pragma unroll
            for (int i = 0; i < N; i++) y += h[i] * C[t * N + i];
            token_of<T>(a.y, s, t0 + t)[p.c] = rounded<T>(y);
        }
    }
    store_states(a, a.final_state, p, h);
}

// Sums that more than one block takes part in, in float32.
struct Partials {
    float *d_B, *d_C;  // [channel blocks, B T, N]
    float *d_A, *d_D;  // [sequences, C, N], [sequences, C]

    __host__ __device__ Partials(char* workspace, const Args& a, int64_t sequences, int64_t blocks, int64_t* bytes) {
        int64_t used = 0;
        float** parts[] = {&d_B, &d_C, &d_A, &d_D};
        const int64_t tokens = blocks * a.batch * a.tokens * a.state_dim, sizes[] = {tokens, tokens, sequences * a.channels * a.state_dim, sequences * a.channels};
        for (int i = 0; i < 4; i++) {
            *parts[i] = reinterpret_cast<float*>(workspace + used);
            used += (sizes[i] * 4 + 63) / 64 * 64;
        }
        if (bytes) *bytes = used;
    }
};

template <int N>
struct BackwardShared {
    static constexpr int Warps = Channels / 32;
    float B[Segment * N], C[Segment * N];
    float entering[Segment / Part * N * Channels]; // [parts, N, channels] states before each part of the segment
    float d_B[Warps * Part * N], d_C[Warps * Part * N];
};

template <class T, int N>
__global__ void __launch_bounds__(Channels) backward_kernel(const Args a, const Partials partials) {
    constexpr int Warps = Channels / 32;
    BackwardShared<N>& shared = *reinterpret_cast<BackwardShared<N>*>(shared_memory());
    const Place p = place_of(a);
    const Sequence s = sequence_of(a, p.n);
    const int own = static_cast<int>(threadIdx.x), lane = own % 32, warp = own / 32;
    const int64_t block = p.c / Channels;
    float rates[N], h[N], carry[N], d_rates[N];
    load_rates(a, p, rates);
    load_states(a, a.d_final_state, p, carry);
#pragma unroll
    for (int i = 0; i < N; i++) d_rates[i] = 0.0f;
    const float skip = a.D.data && p.real ? static_cast<const float*>(a.D.data)[p.c] : 0.0f;
    float d_skip = 0.0f;

    for (int64_t index = s.tokens > 0 ? (s.tokens - 1) / Segment : -1; index >= 0; index--) {
        const int64_t t0 = index * Segment;
        const int count = static_cast<int>(s.tokens - t0 < Segment ? s.tokens - t0 : Segment);
        __syncthreads();
        stage<T, N, Segment>(a, a.B, s, t0, shared.B);
        stage<T, N, Segment>(a, a.C, s, t0, shared.C);
        __syncthreads();
        if (index == 0) load_states(a, a.initial_state, p, h);
        else
#pragma unroll
            for (int i = 0; i < N; i++) h[i] = p.real && i < a.state_dim ? checkpoint(a, s, p, index - 1)[i * a.channels] : 0.0f;
        for (int t = 0; t < count; t++) {
            if (t % Part == 0) {
#pragma unroll
                for (int i = 0; i < N; i++) shared.entering[(t / Part * N + i) * Channels + own] = h[i];
            }
            const float delta = p.real ? token_of<float>(a.delta, s, t0 + t)[p.c] : 0.0f, u = p.real ? to_float(token_of<T>(a.u, s, t0 + t)[p.c]) : 0.0f;
            advance(h, rates, delta, delta * u, shared.B + t * N);
        }

        for (int first = (count - 1) / Part * Part; first >= 0; first -= Part) {
            float before[Part][N]; // the state that each token of the part finds
            float delta[Part], u[Part];
#pragma unroll
            for (int i = 0; i < N; i++) before[0][i] = shared.entering[(first / Part * N + i) * Channels + own];
#pragma unroll
            for (int k = 0; k < Part; k++) {
                const bool there = p.real && first + k < count;
                delta[k] = there ? token_of<float>(a.delta, s, t0 + first + k)[p.c] : 0.0f;
                u[k] = there ? to_float(token_of<T>(a.u, s, t0 + first + k)[p.c]) : 0.0f;
                if (k + 1 < Part) {
#pragma unroll
                    for (int i = 0; i < N; i++) before[k + 1][i] = before[k][i];
                    if (first + k < count) advance(before[k + 1], rates, delta[k], delta[k] * u[k], shared.B + (first + k) * N);
                }
            }
#pragma unroll
            for (int k = Part - 1; k >= 0; k--) {
                if (first + k >= count) continue;
                const int64_t t = t0 + first + k;
                const float *B = shared.B + (first + k) * N, *C = shared.C + (first + k) * N;
                const float dy = p.real && a.d_y.data ? to_float(token_of<T>(a.d_y, s, t)[p.c]) : 0.0f, input = delta[k] * u[k];
                float d_B[N], d_C[N], by_input = 0.0f, by_decay = 0.0f;
#pragma unroll
                for (int i = 0; i < N; i++) {
                    const float decay = exp2f(delta[k] * rates[i]), decayed = decay * before[k][i], g = carry[i] + dy * C[i], through = g * decayed;
                    d_C[i] = dy * (decayed + input * B[i]);
                    d_B[i] = g * input;
                    d_rates[i] += through * delta[k];
                    carry[i] = decay * g;
                    by_input += g * B[i];
                    by_decay += through * rates[i];
                }
                d_skip += dy * u[k];
                if (p.real && a.d_u.data) token_of<T>(a.d_u, s, t)[p.c] = rounded<T>(delta[k] * by_input + skip * dy);
                if (p.real && a.d_delta.data) token_of<float>(a.d_delta, s, t)[p.c] = u[k] * by_input + by_decay * Ln2;
                sums_of_lanes(d_B, lane);
                sums_of_lanes(d_C, lane);
                if (holds_first<N>(lane)) {
                    const int to = (warp * Part + k) * N + first_of_lane<N>(lane);
#pragma unroll
                    for (int i = 0; i < (N >= 32 ? N / 32 : 1); i++) {
                        shared.d_B[to + i] = d_B[i];
                        shared.d_C[to + i] = d_C[i];
                    }
                }
            }
            __syncthreads();
            for (int i = own; i < Part * N; i += Channels) {
                const int k = i / N, n = i % N;
                if (first + k >= count || n >= a.state_dim) continue;
                float sum_B = 0.0f, sum_C = 0.0f;
                for (int w = 0; w < Warps; w++) {
                    sum_B += shared.d_B[w * Part * N + i];
                    sum_C += shared.d_C[w * Part * N + i];
                }
                const int64_t to = (block * a.batch * a.tokens + s.start + t0 + first + k) * a.state_dim + n;
                partials.d_B[to] = sum_B;
                partials.d_C[to] = sum_C;
            }
            __syncthreads();
        }
    }
    store_states(a, a.d_initial_state, p, carry);
    if (!p.real) return;
    partials.d_D[p.n * a.channels + p.c] = d_skip;
#pragma unroll
    for (int i = 0; i < N; i++)
        if (i < a.state_dim) partials.d_A[(p.n * a.channels + p.c) * a.state_dim + i] = d_rates[i];
}

constexpr int SumThreads = 256, SumBlocks = 64; // SumBlocks a sequence

// d_B and d_C of the tokens that belong to a sequence: sums over the blocks of channels.
template <class T>
__global__ void token_sums_kernel(const Args a, const Partials partials, int64_t blocks) {
    const Sequence s = sequence_of(a, blockIdx.x / SumBlocks);
    const int64_t step = static_cast<int64_t>(SumBlocks) * SumThreads, block = a.batch * a.tokens * a.state_dim;
    for (int64_t i = static_cast<int64_t>(blockIdx.x % SumBlocks) * SumThreads + threadIdx.x; i < s.tokens * a.state_dim; i += step) {
        const int64_t t = i / a.state_dim, n = i % a.state_dim, from = s.start * a.state_dim + i;
        float d_B = 0.0f, d_C = 0.0f;
        for (int64_t b = 0; b < blocks; b++) {
            d_B += partials.d_B[b * block + from];
            d_C += partials.d_C[b * block + from];
        }
        if (a.d_B.data) token_of<T>(a.d_B, s, t)[n] = rounded<T>(d_B);
        if (a.d_C.data) token_of<T>(a.d_C, s, t)[n] = rounded<T>(d_C);
    }
}

// d_A and d_D: sums over the sequences. One thread a number, state_dim + 1 of them a channel.
__global__ void channel_sums_kernel(const Args a, const Partials partials, int64_t sequences) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * SumThreads + threadIdx.x, c = i / (a.state_dim + 1), n = i % (a.state_dim + 1);
    if (c >= a.channels) return;
    const bool is_skip = n == a.state_dim;
    float sum = 0.0f;
    for (int64_t q = 0; q < sequences; q++) sum += is_skip ? partials.d_D[q * a.channels + c] : partials.d_A[(q * a.channels + c) * a.state_dim + n];
    if (is_skip && a.d_D.data) static_cast<float*>(a.d_D.data)[c] = sum;
    if (!is_skip && a.d_A.data) static_cast<float*>(a.d_A.data)[c * a.d_A.stride[0] + n] = sum;
}

int64_t channel_blocks(const Args& a) { return (a.channels + Channels - 1) / Channels; }

int64_t workspace_bytes(const Args& a, bool backward) {
    int64_t bytes = 0;
    if (backward) Partials(nullptr, a, sequence_count(a), channel_blocks(a), &bytes);
    return bytes;
}

int64_t checkpoint_bytes(const Args& a) { return (a.tokens <= Segment ? 0 : checkpoint_places(a.batch * a.tokens, Segment)) * a.state_dim * a.channels * 4; }

template <class T, int N>
cudaError_t forward(const Args& a, cudaStream_t stream) {
    return launch(forward_kernel<T, N>, sequence_count(a) * channel_blocks(a), Channels, 2 * Tile * N * sizeof(float), stream, a);
}

template <class T, int N>
cudaError_t backward(const Args& a, void* workspace, cudaStream_t stream) {
    const int64_t sequences = sequence_count(a), blocks = channel_blocks(a);
    const Partials partials(static_cast<char*>(workspace), a, sequences, blocks, nullptr);
    cudaError_t found = launch(backward_kernel<T, N>, sequences * blocks, Channels, sizeof(BackwardShared<N>), stream, a, partials);
    if (found == cudaSuccess && (a.d_B.data || a.d_C.data)) found = launch(token_sums_kernel<T>, a.tokens * a.state_dim > 0 ? sequences * SumBlocks : 0, SumThreads, 0, stream, a, partials, blocks);
    if (found == cudaSuccess && (a.d_A.data || a.d_D.data)) found = launch(channel_sums_kernel, (a.channels * (a.state_dim + 1) + SumThreads - 1) / SumThreads, SumThreads, 0, stream, a, partials, sequences);
    return found;
}

template <class T>
cudaError_t run(const Args& a, void* workspace, bool is_backward, cudaStream_t stream) {
    return is_backward ? backward<T, MostStates>(a, workspace, stream) : forward<T, MostStates>(a, stream);
}

memgen_status run(Check& check, const Args* a, void* workspace, size_t bytes, bool is_backward, void* stream) {
    if (!ready(check, workspace, bytes, check.ok() ? workspace_bytes(*a, is_backward) : 0)) return check.status();
    const cudaStream_t queue = static_cast<cudaStream_t>(stream);
    return launched(check, a->dtype == MEMGEN_BFLOAT16 ? run<bfloat16>(*a, workspace, is_backward, queue) : run<float>(*a, workspace, is_backward, queue));
}

} // namespace
} // namespace memgen

using namespace memgen;

extern "C" {

int64_t memgen_selective_scan_workspace_size(const Args* a, int32_t backward) { return sizes(__func__, a, MostStates).ok() ? workspace_bytes(*a, backward != 0) : -1; }
int64_t memgen_selective_scan_checkpoint_size(const Args* a) { return sizes(__func__, a, MostStates).ok() ? checkpoint_bytes(*a) : -1; }

memgen_status memgen_selective_scan_forward(const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(__func__, a, MostStates);
    forward_arguments(check, a);
    return run(check, a, workspace, bytes, false, stream);
}

memgen_status memgen_selective_scan_backward(const Args* a, void* workspace, size_t bytes, void* stream) {
    Check check = sizes(__func__, a, MostStates);
    backward_arguments(check, a, check.ok() ? checkpoint_bytes(*a) : 0);
    return run(check, a, workspace, bytes, true, stream);
}
}
