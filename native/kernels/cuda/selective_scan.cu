// The selective scan: two lanes are a channel, each with half of its states in registers; B_t and C_t, which all channels
// read, stand in shared memory. What a token needs is asked for while those before it are computed: nothing else hides how long
// memory takes, because channels are few for so many threads. Backward goes through the sequence again from checkpoints, in
// segments, and sums d_B and d_C over channels first within a warp, then within a block, then over blocks, in that order.
#include "front/scans.h"
#include "lanes.h"
#include "library.h"
#include "sequences.h"

namespace memgen {
namespace {

typedef memgen_selective_scan_args Args;

constexpr int Tile = 32;    // tokens whose B and C are in shared memory at once, forward
constexpr int Segment = 64; // tokens between checkpoints, a multiple of Tile
constexpr int Part = 8;     // tokens that a thread loads together, and whose states it holds at once, backward
constexpr int MostStates = 16; // N of a channel
constexpr int Channels = 128;  // of a block
constexpr int Lanes = 2, ScanThreads = Lanes * Channels; // of a channel, of a block
constexpr int Warps = ScanThreads / 32;
constexpr float Log2e = 1.44269504f, Ln2 = 0.69314718f;

// Lanes l and l + 16 of a warp have a channel.
struct Place {
    int64_t n, c; // sequence and channel
    int half;     // of its states
    bool real;    // whether the channel exists
};

__device__ __forceinline__ Place place_of(const Args& a) {
    const int64_t blocks = (a.channels + Channels - 1) / Channels, c = blockIdx.x % blocks * Channels + threadIdx.x / 32 * 16 + threadIdx.x % 16;
    return {blockIdx.x / blocks, c, static_cast<int>(threadIdx.x) % 32 / 16, c < a.channels};
}

// B or C of Count tokens, [Count, N] floats, zero beyond the sequence and the states: first in registers, then in shared memory.
template <class T, int N, int Count>
struct Staged {
    static constexpr int Each = Count * N / ScanThreads;
    T x[Each];

    __device__ __forceinline__ void load(const Args& a, const memgen_tensor& from, const Sequence& s, int64_t t0) {
#pragma unroll
        for (int i = 0; i < Each; i++) {
            const int e = static_cast<int>(threadIdx.x) + i * ScanThreads, n = e % N;
            const int64_t t = t0 + e / N;
            x[i] = t < s.tokens && n < a.state_dim ? token_of<T>(from, s, t)[n] : rounded<T>(0.0f);
        }
    }
    __device__ __forceinline__ void store(float* to) const {
#pragma unroll
        for (int i = 0; i < Each; i++) to[threadIdx.x + i * ScanThreads] = to_float(x[i]);
    }
};

// A channel's number of token t, and that of the next one a stride behind it; null where there are none.
template <class T>
__device__ __forceinline__ T* channel_of(const memgen_tensor& x, const Sequence& s, const Place& p, int64_t t) { return p.real && x.data ? token_of<T>(x, s, t) + p.c : nullptr; }

// A channel's numbers of Part tokens, as they are in memory: a conversion would wait for them. Zero where there are none.
template <class T>
struct Ahead {
    T x[Part];

    __device__ __forceinline__ void load(const memgen_tensor& from, const Sequence& s, const Place& p, int64_t t, int64_t end) {
        const T* next = channel_of<const T>(from, s, p, t);
        if (next && t + Part <= end) {
#pragma unroll
            for (int k = 0; k < Part; k++, next += from.stride[1]) x[k] = *next;
        } else {
#pragma unroll
            for (int k = 0; k < Part; k++) x[k] = next && t + k < end ? next[k * from.stride[1]] : rounded<T>(0.0f);
        }
    }
    __device__ __forceinline__ float operator[](int k) const { return to_float(x[k]); }
};

// A thread's states among states [N, C, ..].
template <int N>
__device__ __forceinline__ void load_states(const Args& a, const memgen_tensor& x, const Place& p, float (&h)[N]) {
    const float* from = row_of<float>(x, p.n);
#pragma unroll
    for (int i = 0; i < N; i++) h[i] = from && p.real && p.half * N + i < a.state_dim ? from[p.c * x.stride[1] + p.half * N + i] : 0.0f;
}

template <int N>
__device__ __forceinline__ void store_states(const Args& a, const memgen_tensor& x, const Place& p, const float (&h)[N]) {
    float* to = row_of<float>(x, p.n);
#pragma unroll
    for (int i = 0; i < N; i++)
        if (to && p.real && p.half * N + i < a.state_dim) to[p.c * x.stride[1] + p.half * N + i] = h[i];
}

// A_n log2(e)
template <int N>
__device__ __forceinline__ void load_rates(const Args& a, const Place& p, float (&rates)[N]) {
    const float* from = static_cast<const float*>(a.A.data);
#pragma unroll
    for (int i = 0; i < N; i++) rates[i] = p.real && p.half * N + i < a.state_dim ? from[p.c * a.A.stride[0] + p.half * N + i] * Log2e : 0.0f;
}

// A thread's states where [places, N, C] are kept: neighbours in memory are neighbours among the threads.
__device__ __forceinline__ float* checkpoint(const Args& a, const Sequence& s, const Place& p, int64_t index, int states) {
    return static_cast<float*>(a.checkpoints) + (checkpoint_place(s, Segment, index) * a.state_dim + p.half * states) * a.channels + p.c;
}

__device__ __forceinline__ float both_halves(float x) { return x + shuffle_xor(x, 16); }

template <class T, int N>
__global__ void __launch_bounds__(ScanThreads) forward_kernel(const Args a) {
    constexpr int States = N / Lanes;
    float* stages = reinterpret_cast<float*>(shared_memory()); // two of B and C
    const Place p = place_of(a);
    const Sequence s = sequence_of(a, p.n);
    float rates[States], h[States];
    load_rates(a, p, rates);
    load_states(a, a.initial_state, p, h);
    const float skip = a.D.data && p.real ? static_cast<const float*>(a.D.data)[p.c] : 0.0f;
    Staged<T, N, Tile> next_B, next_C;
    Ahead<float> next_delta;
    Ahead<T> next_u;
    next_B.load(a, a.B, s, 0), next_C.load(a, a.C, s, 0);
    next_delta.load(a.delta, s, p, 0, s.tokens), next_u.load(a.u, s, p, 0, s.tokens);
    for (int64_t t0 = 0; t0 < s.tokens; t0 += Tile) {
        float *B = stages + t0 / Tile % 2 * (2 * Tile * N), *C = B + Tile * N;
        next_B.store(B), next_C.store(C);
        __syncthreads();
        next_B.load(a, a.B, s, t0 + Tile), next_C.load(a, a.C, s, t0 + Tile);
        if (a.checkpoints && p.real && t0 > 0 && t0 % Segment == 0) {
            float* to = checkpoint(a, s, p, t0 / Segment - 1, States);
#pragma unroll
            for (int i = 0; i < States; i++)
                if (p.half * States + i < a.state_dim) to[i * a.channels] = h[i];
        }
        const int count = static_cast<int>(s.tokens - t0 < Tile ? s.tokens - t0 : Tile);
        for (int first = 0; first < count; first += Part) {
            const Ahead<float> delta = next_delta;
            const Ahead<T> u = next_u;
            next_delta.load(a.delta, s, p, t0 + first + Part, s.tokens), next_u.load(a.u, s, p, t0 + first + Part, s.tokens);
            T* y = p.half == 0 ? channel_of<T>(a.y, s, p, t0 + first) : nullptr;
#pragma unroll
            for (int k = 0; k < Part; k++) {
                if (first + k >= count) break;
                const float *b = B + (first + k) * N + p.half * States, *c = C + (first + k) * N + p.half * States, input = delta[k] * u[k];
                float sum = 0.0f;
#pragma unroll
                for (int i = 0; i < States; i++) {
                    h[i] = power_of_two(delta[k] * rates[i]) * h[i] + input * b[i];
                    sum += h[i] * c[i];
                }
                sum = both_halves(sum);
                if (y) *y = rounded<T>(sum + skip * u[k]), y += a.y.stride[1];
            }
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
    float B[2][Segment * N], C[2][Segment * N];
    float entering[Segment / Part * N / Lanes * ScanThreads]; // [parts, states, threads] before each part of the segment
    float sums[2][Warps][Part][32];                           // of d_B and d_C over the channels of a warp, by lane
};

template <class T, int N>
__global__ void __launch_bounds__(ScanThreads) backward_kernel(const Args a, const Partials partials) {
    constexpr int States = N / Lanes;
    BackwardShared<N>& shared = *reinterpret_cast<BackwardShared<N>*>(shared_memory());
    const Place p = place_of(a);
    const Sequence s = sequence_of(a, p.n);
    const int own = static_cast<int>(threadIdx.x), lane = own % 32, warp = own / 32;
    const int64_t block = p.c / Channels;
    float rates[States], h[States], carry[States], d_rates[States];
    load_rates(a, p, rates);
    load_states(a, a.d_final_state, p, carry);
#pragma unroll
    for (int i = 0; i < States; i++) d_rates[i] = 0.0f;
    const float skip = a.D.data && p.real ? static_cast<const float*>(a.D.data)[p.c] : 0.0f;
    float d_skip = 0.0f;
    const bool writes_u = p.real && p.half == 0 && a.d_u.data, writes_delta = p.real && p.half == 1 && a.d_delta.data;
    int stage = 0; // of sums

    const int64_t last = s.tokens > 0 ? (s.tokens - 1) / Segment : -1;
    Staged<T, N, Segment> next_B, next_C;
    if (last >= 0) next_B.load(a, a.B, s, last * Segment), next_C.load(a, a.C, s, last * Segment);
    for (int64_t index = last; index >= 0; index--) {
        const int64_t t0 = index * Segment, end = s.tokens - t0 < Segment ? s.tokens : t0 + Segment;
        const int count = static_cast<int>(end - t0), last_part = (count - 1) / Part * Part;
        float *stage_B = shared.B[index % 2], *stage_C = shared.C[index % 2];
        next_B.store(stage_B), next_C.store(stage_C);
        Ahead<float> next_delta;
        Ahead<T> next_u, next_dy;
        next_delta.load(a.delta, s, p, t0, end), next_u.load(a.u, s, p, t0, end);
        if (index == 0) load_states(a, a.initial_state, p, h);
        else
#pragma unroll
            for (int i = 0; i < States; i++) h[i] = p.real && p.half * States + i < a.state_dim ? checkpoint(a, s, p, index - 1, States)[i * a.channels] : 0.0f;
        __syncthreads();
        if (index > 0) next_B.load(a, a.B, s, t0 - Segment), next_C.load(a, a.C, s, t0 - Segment);
        for (int first = 0; first <= last_part; first += Part) {
#pragma unroll
            for (int i = 0; i < States; i++) shared.entering[(first / Part * States + i) * ScanThreads + own] = h[i];
            if (first == last_part) break;
            const Ahead<float> delta = next_delta;
            const Ahead<T> u = next_u;
            next_delta.load(a.delta, s, p, t0 + first + Part, end), next_u.load(a.u, s, p, t0 + first + Part, end);
#pragma unroll
            for (int k = 0; k < Part; k++) {
                const float *b = stage_B + (first + k) * N + p.half * States, input = delta[k] * u[k];
#pragma unroll
                for (int i = 0; i < States; i++) h[i] = power_of_two(delta[k] * rates[i]) * h[i] + input * b[i];
            }
        }

        next_dy.load(a.d_y, s, p, t0 + last_part, end);
        for (int first = last_part; first >= 0; first -= Part, stage ^= 1) {
            const Ahead<float> delta = next_delta;
            const Ahead<T> u = next_u, dy = next_dy;
            const int64_t before_it = first > 0 ? t0 + first - Part : t0 + first; // tokens that come next, and once more the first
            next_delta.load(a.delta, s, p, before_it, end), next_u.load(a.u, s, p, before_it, end), next_dy.load(a.d_y, s, p, before_it, end);
            float before[Part + 1][States]; // the state that each token of the part finds, and the one behind it
#pragma unroll
            for (int i = 0; i < States; i++) before[0][i] = shared.entering[(first / Part * States + i) * ScanThreads + own];
#pragma unroll
            for (int k = 0; k < Part; k++) { // beyond the end delta and u are zero, and states stay
                const float *b = stage_B + (first + k) * N + p.half * States, input = delta[k] * u[k];
#pragma unroll
                for (int i = 0; i < States; i++) before[k + 1][i] = power_of_two(delta[k] * rates[i]) * before[k][i] + input * b[i];
            }
            T* d_u = channel_of<T>(a.d_u, s, p, t0 + first);
            float* d_delta = channel_of<float>(a.d_delta, s, p, t0 + first);
            const int left = count - first;
#pragma unroll
            for (int k = Part - 1; k >= 0; k--) {
                const int place = (first + k) * N + p.half * States;
                const float *b = stage_B + place, *c = stage_C + place, input = delta[k] * u[k];
                float sums[2 * States], by_input = 0.0f, by_decay = 0.0f; // sums: d_B, then d_C
#pragma unroll
                for (int i = 0; i < States; i++) {
                    const float decay = power_of_two(delta[k] * rates[i]), g = carry[i] + dy[k] * c[i], passed = decay * g, through = passed * before[k][i];
                    sums[i] = g * input;
                    sums[States + i] = dy[k] * before[k + 1][i];
                    d_rates[i] += through * delta[k];
                    carry[i] = passed;
                    by_input += g * b[i];
                    by_decay += through * rates[i];
                }
                d_skip += dy[k] * u[k];
                by_input = both_halves(by_input), by_decay = both_halves(by_decay);
                if (writes_u && k < left) d_u[k * a.d_u.stride[1]] = rounded<T>(delta[k] * by_input + skip * dy[k]);
                if (writes_delta && k < left) d_delta[k * a.d_delta.stride[1]] = u[k] * by_input + by_decay * Ln2;
                sums_of_lanes<2 * States, 16>(sums, lane);
                shared.sums[stage][warp][k][lane] = sums[0];
            }
            __syncthreads();
            // A thread sums over the warps what one lane of each has: of d_B where its number in the group is below States.
            const int k = own / 32, n = lane / 16 * States + lane % States;
            float sum = 0.0f;
#pragma unroll
            for (int w = 0; w < Warps; w++) sum += shared.sums[stage][w][k][lane];
            if (first + k < count && n < a.state_dim) {
                const int64_t to = (block * a.batch * a.tokens + s.start + t0 + first + k) * a.state_dim + n;
                (lane % 16 < States ? partials.d_B : partials.d_C)[to] = sum;
            }
        }
    }
    store_states(a, a.d_initial_state, p, carry);
    if (!p.real) return;
    if (p.half == 0) partials.d_D[p.n * a.channels + p.c] = d_skip;
#pragma unroll
    for (int i = 0; i < States; i++)
        if (p.half * States + i < a.state_dim) partials.d_A[(p.n * a.channels + p.c) * a.state_dim + p.half * States + i] = d_rates[i];
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
    return launch(forward_kernel<T, N>, sequence_count(a) * channel_blocks(a), ScanThreads, 4 * Tile * N * sizeof(float), stream, a);
}

template <class T, int N>
cudaError_t backward(const Args& a, void* workspace, cudaStream_t stream) {
    const int64_t sequences = sequence_count(a), blocks = channel_blocks(a);
    const Partials partials(static_cast<char*>(workspace), a, sequences, blocks, nullptr);
    cudaError_t found = launch(backward_kernel<T, N>, sequences * blocks, ScanThreads, sizeof(BackwardShared<N>), stream, a, partials);
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
