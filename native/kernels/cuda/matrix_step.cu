// One token for every sequence: the state is read once and written once, four columns at a time, in
// float or, rounded where it is stored, in bfloat16. With
// a = e^log_decay, by head or by channel: w = beta (v - (a S)^T k), S' = a S + k w^T and
// o = scale ((a S)^T q + (q k) w); without beta, w = v. The generalised rule reads r = S^T a before the decay and adds
// b r^T to S' and (q b) r to what is scaled.
//
// A block has 32 value columns of a head's state: eight threads side by side with four columns each,
// sixteen of them below each other, who share the rows.
#include "matrix_memory.h"

namespace memgen {
namespace {

constexpr int StepColumns = 32, StepGroups = 16;

struct StepMemory {
    float read[4][StepColumns], answer[4][StepColumns], overlap[4], further[4]; // by warp: (a S)^T k or r, (a S)^T q, q k, q b
};

__device__ __forceinline__ float4 load_aligned(const float* from) { return *reinterpret_cast<const float4*>(from); }
__device__ __forceinline__ float4 load_aligned(const bfloat16* from) {
    const uint2 packed = *reinterpret_cast<const uint2*>(from);
    return make_float4(float_of_bits(packed.x << 16), float_of_bits(packed.x & 0xffff0000u), float_of_bits(packed.y << 16), float_of_bits(packed.y & 0xffff0000u));
}

__device__ __forceinline__ void store_aligned(float* to, float4 x) { *reinterpret_cast<float4*>(to) = x; }
__device__ __forceinline__ void store_aligned(bfloat16* to, float4 x) { *reinterpret_cast<uint2*>(to) = make_uint2(pack_bfloat16(x.x, x.y), pack_bfloat16(x.z, x.w)); }

template <class S>
__device__ __forceinline__ float4 load_four(const S* from, bool aligned, int count) {
    if (aligned && count >= 4) return load_aligned(from);
    return make_float4(count > 0 ? to_float(from[0]) : 0.0f, count > 1 ? to_float(from[1]) : 0.0f, count > 2 ? to_float(from[2]) : 0.0f, count > 3 ? to_float(from[3]) : 0.0f);
}

template <class S>
__device__ __forceinline__ void store_four(S* to, float4 x, bool aligned, int count) {
    if (aligned && count >= 4) return store_aligned(to, x);
    if (count > 0) to[0] = rounded<S>(x.x);
    if (count > 1) to[1] = rounded<S>(x.y);
    if (count > 2) to[2] = rounded<S>(x.z);
    if (count > 3) to[3] = rounded<S>(x.w);
}

template <class S>
__device__ __forceinline__ bool by_fours(const TensorView& x, const S* first) {
    return (reinterpret_cast<uintptr_t>(first) | static_cast<uintptr_t>(x.stride[2] * static_cast<int64_t>(sizeof(S)))) % (4 * sizeof(S)) == 0;
}

// Sum over the lanes of a warp that have the same columns.
__device__ __forceinline__ float over_groups(float x) {
    x += shuffle_xor(x, 8);
    return x + shuffle_xor(x, 16);
}

template <class T, class S, int K, bool Generalized>
__global__ void __launch_bounds__(Threads) matrix_step(const MatrixMemoryParameters p, bool channels) {
    constexpr int Rows = K / StepGroups; // of a thread
    StepMemory& s = *reinterpret_cast<StepMemory*>(shared_memory());
    const Chain c = chain_of_block(p, StepColumns);
    const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, column = thread % 8 * 4, group = thread / 8, count = c.values - column;
    const S* initial = state_of<const S>(p.initial_state, c);
    S* final = state_of<S>(p.final_state, c);
    const bool reads_four = by_fours(p.initial_state, initial), writes_four = by_fours(p.final_state, final);
    const bool token = c.tokens > 0;
    const T *q = tokens_of<const T>(p.q, c), *k = tokens_of<const T>(p.k, c);
    const float* log_decay = tokens_of<const float>(p.log_decay, c);

    const T *a_row = Generalized ? tokens_of<const T>(p.a, c) : nullptr, *b_row = Generalized ? tokens_of<const T>(p.b, c) : nullptr;

    float4 state[Rows];
    float keys[Rows], others[Generalized ? Rows : 1]; // others: b
    float read[4] = {}, answer[4] = {}, overlap = 0.0f, further = 0.0f;
    auto add = [](float (&sums)[4], float by, const float4& x) { sums[0] += by * x.x, sums[1] += by * x.y, sums[2] += by * x.z, sums[3] += by * x.w; };
    MEMGEN_UNROLL
    for (int i = 0; i < Rows; i++) {
        const int row = group + i * StepGroups;
        const bool inside = row < p.key_dim;
        float4 x = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (inside && initial) x = load_four(initial + row * p.initial_state.stride[2] + column, reads_four, count);
        const float query = inside && token ? to_float(q[row]) : 0.0f;
        keys[i] = inside && token ? to_float(k[row]) : 0.0f;
        if constexpr (Generalized) {
            others[i] = inside && token ? to_float(b_row[row]) : 0.0f;
            further += query * others[i];
            add(read, inside && token ? to_float(a_row[row]) : 0.0f, x);
        }
        if (token && log_decay && inside) {
            const float a = expf(log_decay[channels ? row : 0]);
            x = make_float4(a * x.x, a * x.y, a * x.z, a * x.w);
        }
        if constexpr (!Generalized) add(read, keys[i], x);
        add(answer, query, x);
        overlap += query * keys[i];
        state[i] = x;
    }
    overlap = over_groups(overlap);
    if constexpr (Generalized) further = over_groups(further);
    MEMGEN_UNROLL
    for (int e = 0; e < 4; e++) {
        read[e] = over_groups(read[e]);
        answer[e] = over_groups(answer[e]);
        if (thread % 32 < 8) s.read[warp][column + e] = read[e], s.answer[warp][column + e] = answer[e];
    }
    if (thread % 32 == 0) s.overlap[warp] = overlap, s.further[warp] = further;
    __syncthreads();

    const T* v = tokens_of<const T>(p.v, c);
    const float* beta = tokens_of<const float>(p.beta, c);
    T* o = tokens_of<T>(p.o, c);
    const float dot = (s.overlap[0] + s.overlap[1]) + (s.overlap[2] + s.overlap[3]);
    const float other = Generalized ? (s.further[0] + s.further[1]) + (s.further[2] + s.further[3]) : 0.0f;
    float w[4], r[4];
    MEMGEN_UNROLL
    for (int e = 0; e < 4; e++) {
        w[e] = token && e < count ? to_float(v[c.first_value + column + e]) : 0.0f;
        r[e] = (s.read[0][column + e] + s.read[1][column + e]) + (s.read[2][column + e] + s.read[3][column + e]);
        if (token && beta) w[e] = beta[0] * (w[e] - r[e]);
        float sum = (s.answer[0][column + e] + s.answer[1][column + e]) + (s.answer[2][column + e] + s.answer[3][column + e]);
        if constexpr (Generalized) sum += other * r[e];
        if (token && group == 0 && e < count) o[c.first_value + column + e] = rounded<T>(p.scale * (sum + dot * w[e]));
    }
    if (!final) return;
    MEMGEN_UNROLL
    for (int i = 0; i < Rows; i++) {
        const int row = group + i * StepGroups;
        float4 x = state[i];
        if constexpr (Generalized) x = make_float4(x.x + others[i] * r[0], x.y + others[i] * r[1], x.z + others[i] * r[2], x.w + others[i] * r[3]);
        x = make_float4(x.x + keys[i] * w[0], x.y + keys[i] * w[1], x.z + keys[i] * w[2], x.w + keys[i] * w[3]);
        if (row < p.key_dim) store_four(final + row * p.final_state.stride[2] + column, x, writes_four, count);
    }
}

template <class S, bool Channels, bool Generalized>
struct Step {
    template <class T, int K>
    struct Launch {
        static cudaError_t run(const MatrixMemoryParameters& p, cudaStream_t stream) {
            return launch(matrix_step<T, S, K, Generalized>, sequence_count(p) * p.heads * tile_count(p, StepColumns), Threads, sizeof(StepMemory), stream, p, Channels);
        }
    };
};

template <class S>
cudaError_t step_of(const MatrixMemoryParameters& p, bool channel_decay, cudaStream_t stream) {
    if (p.a.data) return by_number_and_keys<Step<S, true, true>::template Launch>(p, stream);
    return channel_decay ? by_number_and_keys<Step<S, true, false>::template Launch>(p, stream) : by_number_and_keys<Step<S, false, false>::template Launch>(p, stream);
}

} // namespace

cudaError_t launch_matrix_memory_step(const MatrixMemoryParameters& p, bool channel_decay, cudaStream_t stream) {
    if (p.tokens > 1) return cudaErrorInvalidValue;
    return p.state == Number::BFloat16 ? step_of<bfloat16>(p, channel_decay, stream) : step_of<float>(p, channel_decay, stream);
}

} // namespace memgen
