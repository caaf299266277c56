// What the kernels of the matrix memories share: which block has what, where it lies, decays of a chunk.
#pragma once
#include "product.h"
#include "spans.h"

namespace memgen {

constexpr int Chunk = 32; // tokens that are taken together; a lane of a warp each

// Whether a forward call takes the path of one token a sequence.
inline bool is_step(const MemoryParameters& p) { return p.tokens <= 1 && !p.checkpoints; }

// Value columns of a block by the padded K: what keeps its state in registers.
template <class T, int K>
constexpr int forward_values() { return K == 256 && sizeof(T) == 4 ? 32 : 64; }
__host__ __device__ __forceinline__ constexpr int backward_values(int64_t K, bool floats) { return (K == 256 ? 64 : 128) / (floats ? 2 : 1); }
template <class T, int K>
constexpr int backward_values() { return backward_values(K, sizeof(T) == 4); }
// By channel, of both directions: under the delta rules what their shared memory has room for.
__host__ __device__ __forceinline__ constexpr int channel_values(Recurrence rule, int64_t K, bool floats) {
    if (rule == Recurrence::Generalized) return floats ? 32 : 64;
    if (rule == Recurrence::ChannelDelta) return K == 256 || (K == 128 && floats) ? 32 : floats ? 64 : 128;
    return backward_values(K, floats);
}
template <class T, int K>
constexpr int channel_values(Recurrence rule) { return channel_values(rule, K, sizeof(T) == 4); }

namespace {

// Launch<T, K>::run(p, rest ..) with the number format and padded K of a call. Local to its file: gcc takes arguments from
// the unnamed namespaces of two files for the same where they have the same name.
template <template <class, int> class Launch, class Parameters, class... Rest>
cudaError_t by_number_and_keys(const Parameters& p, const Rest&... rest) {
    if (p.key_dim > LargestKeyDim) return cudaErrorInvalidValue;
    if (p.number == Number::BFloat16)
        return p.key_dim <= 32 ? Launch<bfloat16, 32>::run(p, rest...) : p.key_dim <= 64 ? Launch<bfloat16, 64>::run(p, rest...) : p.key_dim <= 128 ? Launch<bfloat16, 128>::run(p, rest...) : Launch<bfloat16, 256>::run(p, rest...);
    return p.key_dim <= 32 ? Launch<float, 32>::run(p, rest...) : p.key_dim <= 64 ? Launch<float, 64>::run(p, rest...) : p.key_dim <= 128 ? Launch<float, 128>::run(p, rest...) : Launch<float, 256>::run(p, rest...);
}

} // namespace

// At least one: without value columns there are still gradients to write.
__host__ __device__ __forceinline__ int64_t tile_count(const MemoryParameters& p, int64_t tile_values) {
    return p.value_dim > tile_values ? (p.value_dim + tile_values - 1) / tile_values : 1;
}

// One head of one sequence or span, and the value columns of it that this block has.
struct Chain {
    int64_t sequence, head, tokens;
    int64_t row, token; // of its first token in [B, T]
    int64_t tile;
    int first_value, values;
    int64_t span, before; // which of all spans, and the tokens of the sequence before it
    bool last;            // of its sequence

    // Tokens from t on, at most a chunk of them.
    __device__ __forceinline__ int count(int64_t t) const { return tokens - t < Chunk ? static_cast<int>(tokens - t) : Chunk; }
};

// A whole sequence.
__device__ __forceinline__ Chain chain_of(const MemoryParameters& p, int64_t sequence, int64_t head, int64_t tile, int64_t tile_values) {
    Chain c;
    c.sequence = c.span = sequence, c.head = head, c.tile = tile;
    c.row = sequence, c.token = 0, c.tokens = p.tokens;
    if (p.segments.lengths) {
        c.tokens = p.segments.lengths[sequence];
        const int64_t start = c.tokens > 0 ? p.segments.starts[sequence] : 0;
        c.row = p.tokens > 0 ? start / p.tokens : 0;
        c.token = start - c.row * p.tokens;
    }
    c.first_value = static_cast<int>(tile * tile_values);
    c.values = p.value_dim - c.first_value < tile_values ? static_cast<int>(p.value_dim - c.first_value) : tile_values;
    c.before = 0, c.last = true;
    return c;
}

// Block b has tile b % tiles of chain b / tiles.
__device__ __forceinline__ Chain chain_of_block(const MemoryParameters& p, int64_t tile_values) {
    const int64_t tiles = tile_count(p, tile_values), block = static_cast<int64_t>(blockIdx.x);
    return chain_of(p, block / tiles / p.heads, block / tiles % p.heads, block % tiles, tile_values);
}

// The same with spans in the place of sequences; those of a sequence follow each other. False where there is no such span.
__device__ __forceinline__ bool span_of_block(Chain& c, const MemoryParameters& p, int64_t tile_values, const Spans& spans) {
    const int64_t tiles = tile_count(p, tile_values), block = static_cast<int64_t>(blockIdx.x), span = block / tiles / p.heads, sequences = sequence_count(p);
    int64_t sequence = span, index = 0;
    if (!are_whole(p, spans)) {
        if (p.segments.lengths) {
            for (sequence = 0, index = span; sequence < sequences; sequence++) {
                const int64_t its = spans.of_sequence(p.segments.lengths[sequence]);
                if (index < its) break;
                index -= its;
            }
            if (sequence == sequences) return false;
        } else {
            const int64_t its = spans.of_sequence(p.tokens);
            sequence = span / its, index = span % its;
        }
    }
    c = chain_of(p, sequence, block / tiles % p.heads, block % tiles, tile_values);
    c.span = span, c.before = index * spans.tokens;
    c.token += c.before, c.tokens -= c.before;
    c.last = c.tokens <= spans.tokens;
    if (!c.last) c.tokens = spans.tokens;
    return true;
}

// First element of a chain in a tensor [B, T, H, ..]; null stays null.
template <class T>
__device__ __forceinline__ T* tokens_of(const TensorView& x, const Chain& c) {
    T* data = static_cast<T*>(x.data);
    return data ? data + c.row * x.stride[0] + c.token * x.stride[1] + c.head * x.stride[2] : nullptr;
}

// `count` tokens from t on into a tile, `columns` of them from column `first` on; zeros where the tensor is absent.
template <int BlockThreads = Threads, class T, int Width>
__device__ __forceinline__ void load_tokens(Tile<T, Chunk, Width>& to, const MemoryParameters& p, const TensorView& x, const Chain& c, int64_t t, int count, int first, int columns) {
    const T* from = tokens_of<const T>(x, c);
    load_rows<BlockThreads>(to, from ? from + t * x.stride[1] + first : static_cast<const T*>(p.k.data), x.stride[1], from ? count : 0, columns);
}

// First element of the block's columns of its state in a tensor [N, H, K, V].
template <class State = float>
__device__ __forceinline__ State* state_of(const TensorView& x, const Chain& c) {
    State* data = static_cast<State*>(x.data);
    return data ? data + c.sequence * x.stride[0] + c.head * x.stride[1] + c.first_value : nullptr;
}

// Where A and B of the span before `span` lie, the state between the two in the place of B once it is carried, contiguous rows
// of V. In backward A and D of `span`, and the gradient of that state.
__device__ __forceinline__ float* span_decays(const MemoryParameters& p, const Spans& spans, int64_t span, int64_t head) { return spans.states + (span * p.heads + head) * spans.floats; }
__device__ __forceinline__ float* span_state(const MemoryParameters& p, const Spans& spans, int64_t span, int64_t head) { return span_decays(p, spans, span, head) + (spans.decays + 3) / 4 * 4; }

// Rows of the block's columns of a state; null: zeros.
struct StateRows {
    const float* data;
    int64_t stride;
};

// Of spans, the first and the last find theirs there too: the call's state may be the tensor that another span is to write.
__device__ __forceinline__ StateRows state_between(const MemoryParameters& p, const Chain& c, const Spans& spans, int64_t span) { return {span_state(p, spans, span, c.head) + c.first_value, p.value_dim}; }
__device__ __forceinline__ StateRows state_before(const MemoryParameters& p, const Chain& c, const Spans& spans) {
    return are_whole(p, spans) ? StateRows{state_of(p.initial_state, c), p.initial_state.stride[2]} : state_between(p, c, spans, c.span);
}
__device__ __forceinline__ StateRows d_state_behind(const MemoryParameters& p, const Chain& c, const Spans& spans) {
    return are_whole(p, spans) ? StateRows{state_of(p.d_final_state, c), p.d_final_state.stride[2]} : state_between(p, c, spans, c.span + 1);
}

// The state before token `t` of the chain, a multiple of CheckpointTokens and not its sequence's first, contiguous rows of V.
// Places are by token: those of two sequences differ because sequences do not overlap.
__device__ __forceinline__ float* checkpoint_of(const MatrixMemoryParameters& p, const Chain& c, int64_t t) {
    const int64_t place = (c.row * p.tokens + c.token + t) / CheckpointTokens;
    return p.checkpoints + (place * p.heads + c.head) * p.key_dim * p.value_dim + c.first_value;
}

// Decays of a chunk. b_i is the sum of log_decay up to token i of the chunk, i included; e^(b_i - b_j) is
// wanted to float's accuracy although b may be in the thousands, so b is a sum of multiples of 1/1024,
// exact in float, and a small rest.
struct Decays {
    float coarse[Chunk], rest[Chunk];
    float since[Chunk]; // e^{b_i}: from before the chunk to token i
    alignas(16) float until[Chunk]; // from token i to the chunk's end
    float whole;        // of all its tokens

    // From token j to token i >= j.
    __device__ __forceinline__ float between(int i, int j) const { return expf((coarse[i] - coarse[j]) + (rest[i] - rest[j])); }

    // By the lanes of one warp, each with its token's log_decay; 0 beyond the last token.
    __device__ __forceinline__ void enter(float log_decay) {
        const int lane = static_cast<int>(threadIdx.x) % 32;
        float a = log_decay < -128.0f ? -128.0f : log_decay; // e^-128 is 0 in float; a NaN stays
        float sum = rintf(a * 1024.0f) * (1.0f / 1024.0f), small = a - sum;
        for (int distance = 1; distance < 32; distance *= 2) {
            const float below = shuffle_up(sum, distance), small_below = shuffle_up(small, distance);
            if (lane >= distance) sum += below, small += small_below;
        }
        coarse[lane] = sum, rest[lane] = small;
        since[lane] = expf(sum + small);
        const float last = shuffle(sum, 31), small_last = shuffle(small, 31);
        until[lane] = expf((last - sum) + (small_last - small));
        if (lane == 31) whole = since[lane];
    }
};

// Sums over the lanes of a warp from this lane to the last, and over the lanes before this one.
__device__ __forceinline__ float sum_from(float x) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    for (int distance = 1; distance < 32; distance *= 2) {
        const float above = shuffle_down(x, distance);
        if (lane + distance < 32) x += above;
    }
    return x;
}
__device__ __forceinline__ float sum_before(float x) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    for (int distance = 1; distance < 32; distance *= 2) {
        const float below = shuffle_up(x, distance);
        if (lane >= distance) x += below;
    }
    const float before = shuffle_up(x, 1);
    return lane ? before : 0.0f;
}

} // namespace memgen
