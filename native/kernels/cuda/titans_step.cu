// One token of a Titans memory: the gradients of its block up to it at the weights the block started with, and one read. With the
// names of titans_mlp.h, of whose rows that of this token alone is read:
//   x_0 = q   z_l = b W_l^T x_{l-1} + c S_l^T x_{l-1} - sum_i Gamma_i step_i (x_{l-1} A_{l-1,i}) delta_{l,i}   x_l = phi(z_l)
// A kernel is for one layer and one of these steps, and a block of it for 32 columns of a head's matrix. Where a memory is one matrix
// and has neither a clip nor a residual, it is one kernel, which reads W and S once: there delta is linear in W, and so
//   z = W^T (b q - sum_i Gamma_i step_i (q k_i) k_i) + c S^T q + sum_i Gamma_i step_i (q k_i) v_i
// With a target T of the forgetting, z has (1 - b) T_l^T x_{l-1} more. A residual (titans_residual.h) needs whole rows, so a warp has one:
// u_L of every token before its error goes back, and z_L, after all columns of it are there.
#include "launch.h"
#include "titans_mlp.h"

namespace memgen {
namespace {

typedef memgen_titans_step_args Args;

constexpr int StepColumns = 32, StepRows = 32, StepDepth = 32; // of a tile of a result, and of the strips that it is summed from

// Where in a head's part of the workspace, in floats, the kernels leave each other what they find. Index l is from 1 to L.
struct StepPlaces {
    int64_t A[MostLayers + 1] = {}, slope[MostLayers + 1] = {}, delta[MostLayers + 1] = {}; // [tokens, d_l], slope: phi'
    int64_t X[MostLayers + 1] = {}, step;                                                   // [d_l], [tokens]; X_L with a residual alone: z_L
    int64_t floats = 0;
    bool alone, gradients; // one matrix without a clip or residual; whether anything is asked that needs gradients

    explicit StepPlaces(const Args& a) {
        auto place = [&](int64_t count) { return floats += count, floats - count; };
        const int64_t tokens = a.read + 1;
        bool ends = false;
        for (int64_t l = 0; l < a.layers; l++) ends = ends || a.final_weights[l].data || a.final_momenta[l].data;
        alone = a.layers == 1 && !(a.clip > 0) && !a.residual, gradients = ends || !a.reads_block_start;
        for (int64_t l = 1; l < a.layers; l++) A[l] = place(tokens * a.dims[l]), slope[l] = place(tokens * a.dims[l]), X[l] = place(a.dims[l]);
        for (int64_t l = 1; !alone && l <= a.layers; l++) delta[l] = place(tokens * a.dims[l]);
        step = place(a.clip > 0 ? tokens : 0), X[a.layers] = place(a.residual ? a.dims[a.layers] : 0);
    }
};

// One head of one row, and the tile of columns that the block has of a layer with so many.
struct StepHead {
    const Args& a;
    const StepPlaces& places;
    int64_t b, h;
    float* own; // its part of the workspace
    int tokens, first, columns;

    __device__ __forceinline__ StepHead(const Args& a, const StepPlaces& places, float* workspace, int64_t tile, int64_t tiles, int64_t width) : a(a), places(places) {
        const int64_t chain = static_cast<int64_t>(blockIdx.x) / tiles;
        b = chain / a.heads, h = chain % a.heads, own = workspace + chain * places.floats;
        tokens = static_cast<int>(a.read) + 1, first = static_cast<int>(tile * StepColumns);
        columns = width - first < StepColumns ? static_cast<int>(width - first) : StepColumns;
    }

    __device__ __forceinline__ int width(int l) const { return static_cast<int>(a.dims[l]); }
    // Of [B, H, ..]; null where x is absent.
    template <class E>
    __device__ __forceinline__ E* row(const memgen_tensor& x) const { return x.data ? static_cast<E*>(x.data) + b * x.stride[0] + h * x.stride[1] : nullptr; }
    // Layer l's target from this block's columns on; null: zero.
    __device__ __forceinline__ const float* target(int l) const {
        const float* found = a.decays_to_target ? row<const float>(a.target[l - 1]) : nullptr;
        return found ? found + first : nullptr;
    }
    // Of [B, R, H, ..], then of [B, H, ..].
    template <class E>
    __device__ __forceinline__ const E* token(const memgen_tensor& past, const memgen_tensor& last, int i) const {
        return i < tokens - 1 ? static_cast<const E*>(past.data) + b * past.stride[0] + i * past.stride[1] + h * past.stride[2] : row<const E>(last);
    }
    // Element j of A_l, of token i.
    template <class T>
    __device__ __forceinline__ float input(int l, int i, int j) const { return l == 0 ? to_float(token<T>(a.past_k, a.k, i)[j]) : own[places.A[l] + static_cast<int64_t>(i) * width(l) + j]; }
    __device__ __forceinline__ float& delta(int l, int i, int j) const { return own[places.delta[l] + static_cast<int64_t>(i) * width(l) + j]; }
};

__host__ __device__ __forceinline__ int64_t step_tiles(int64_t width) { return (width + StepColumns - 1) / StepColumns; }

__device__ __forceinline__ StepHead step_head(const Args& a, const StepPlaces& places, float* workspace, int l) {
    const int64_t tiles = step_tiles(a.dims[l]);
    return StepHead(a, places, workspace, static_cast<int64_t>(blockIdx.x) % tiles, tiles, a.dims[l]);
}

// The same where a block has a token for each of its warps.
__host__ __device__ __forceinline__ int64_t step_parts(const Args& a) { return (a.read + Threads / 32) / (Threads / 32); }
__device__ __forceinline__ StepHead step_rows(const Args& a, const StepPlaces& places, float* workspace) { return StepHead(a, places, workspace, 0, step_parts(a), 0); }
__device__ __forceinline__ int token_of_warp(const Args& a) { return static_cast<int>(static_cast<int64_t>(blockIdx.x) % step_parts(a)) * (Threads / 32) + static_cast<int>(threadIdx.x) / 32; }

// A strip of an operand by depth, each row at 16 bytes.
struct alignas(16) StepStrip {
    static constexpr int Stride = StepColumns + 4, Each = StepDepth * StepColumns / Threads;
    float x[StepDepth * Stride];

    // Which element of the strip is this thread's number e: neighbours in a warp are neighbours in memory, by depth or across it.
    template <bool ByDepth>
    static __device__ __forceinline__ void place(int e, int& i, int& d) {
        const int lane = static_cast<int>(threadIdx.x) % 32, part = static_cast<int>(threadIdx.x) / 32 + e * (Threads / 32);
        i = ByDepth ? part / (StepDepth / 8) * 4 + lane / 8 : lane, d = ByDepth ? part % (StepDepth / 8) * 8 + lane % 8 : part;
    }
};
static_assert(StepRows == StepColumns, "a strip of either operand is alike");

struct StepStrips {
    StepStrip left, right;
};

// f(row, column, x) for every element x of a product [rows, columns] with columns up to StepColumns, from left(row, d) and
// right(d, column); by depth where an operand's d lie side by side in memory. A barrier at the end.
template <bool LeftByDepth, bool RightByDepth, class Left, class Right, class F>
__device__ __forceinline__ void thin_product(StepStrips& s, int rows, int columns, int depth, Left left, Right right, F f) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    constexpr int Own = StepRows / (Threads / 32); // rows of a warp, whose lanes have a column each
    for (int row = 0; row < rows; row += StepRows) {
        float x[Own] = {}, l[StepStrip::Each], r[StepStrip::Each];
        auto read = [&](int from) {
            MEMGEN_UNROLL
            for (int e = 0; e < StepStrip::Each; e++) {
                int i, d;
                StepStrip::place<LeftByDepth>(e, i, d);
                l[e] = row + i < rows && from + d < depth ? left(row + i, from + d) : 0.0f;
                StepStrip::place<RightByDepth>(e, i, d);
                r[e] = i < columns && from + d < depth ? right(from + d, i) : 0.0f;
            }
        };
        read(0);
        for (int from = 0; from < depth; from += StepDepth) {
            __syncthreads();
            MEMGEN_UNROLL
            for (int e = 0; e < StepStrip::Each; e++) {
                int i, d;
                StepStrip::place<LeftByDepth>(e, i, d);
                s.left.x[d * StepStrip::Stride + i] = l[e];
                StepStrip::place<RightByDepth>(e, i, d);
                s.right.x[d * StepStrip::Stride + i] = r[e];
            }
            __syncthreads();
            if (from + StepDepth < depth) read(from + StepDepth);
            if (row + warp * Own >= rows) continue;
            const int count = depth - from < StepDepth ? depth - from : StepDepth;
#pragma unroll 4
            for (int d = 0; d < count; d++) {
                const float4* p = reinterpret_cast<const float4*>(s.left.x + d * StepStrip::Stride + warp * Own);
                const float4 upper = p[0], lower = p[1];
                const float y = s.right.x[d * StepStrip::Stride + lane];
                x[0] += upper.x * y, x[1] += upper.y * y, x[2] += upper.z * y, x[3] += upper.w * y;
                x[4] += lower.x * y, x[5] += lower.y * y, x[6] += lower.z * y, x[7] += lower.w * y;
            }
        }
        MEMGEN_UNROLL
        for (int e = 0; e < Own; e++)
            if (row + warp * Own + e < rows && lane < columns) f(row + warp * Own + e, lane, x[e]);
    }
    __syncthreads();
}

// A_l and phi', or from the last layer its error; with a residual, u_L in the error's place.
template <class T>
__global__ void __launch_bounds__(Threads) titans_step_forward(const __grid_constant__ Args a, const __grid_constant__ StepPlaces places, float* workspace, int l) {
    const StepHead x = step_head(a, places, workspace, l);
    const memgen_tensor& of = a.weights[l - 1];
    const float* W = x.row<const float>(of) + x.first;
    const bool last = l == a.layers;
    thin_product<true, false>(*reinterpret_cast<StepStrips*>(shared_memory()), x.tokens, x.columns, x.width(l - 1), [&](int i, int d) { return x.input<T>(l - 1, i, d); }, [&](int d, int j) { return W[d * of.stride[2] + j]; }, [&](int i, int j, float u) {
        if (last) {
            x.delta(l, i, x.first + j) = a.residual ? u : u - to_float(x.token<T>(a.past_v, a.v, i)[x.first + j]);
            return;
        }
        const Curve phi = curve(a.activation, u);
        const int64_t place = static_cast<int64_t>(i) * x.width(l) + x.first + j;
        x.own[places.A[l] + place] = phi.value, x.own[places.slope[l] + place] = phi.slope;
    });
}

// The last layer's error from u_L, a warp for each token.
template <class T>
__global__ void __launch_bounds__(Threads) titans_step_error(const __grid_constant__ Args a, const __grid_constant__ StepPlaces places, float* workspace) {
    const StepHead x = step_rows(a, places, workspace);
    const int i = token_of_warp(a), L = static_cast<int>(a.layers);
    if (i >= x.tokens) return;
    const T *k = x.token<T>(a.past_k, a.k, i), *v = x.token<T>(a.past_v, a.v, i);
    const float* gamma = x.row<const float>(a.gamma);
    float* p = &x.delta(L, i, 0);
    residual_error(gamma, p, p, x.width(L), [&](int j) { return to_float(k[j]) + gamma[j] * p[j] - to_float(v[j]); });
}

// The output from z_L.
template <class T>
__global__ void __launch_bounds__(Threads) titans_step_output(const __grid_constant__ Args a, const __grid_constant__ StepPlaces places, float* workspace) {
    const StepHead x(a, places, workspace, 0, 1, 0);
    const int L = static_cast<int>(a.layers);
    if (threadIdx.x >= 32) return;
    const T* q = x.row<const T>(a.q);
    const float* gamma = x.row<const float>(a.gamma);
    float* z = x.own + places.X[L];
    normalize(z, x.width(L));
    for_columns(x.width(L), [&](int j) { x.row<T>(a.o)[j] = rounded<T>(to_float(q[j]) + gamma[j] * z[j]); });
}

// delta_l from delta_{l+1}.
__global__ void __launch_bounds__(Threads) titans_step_backward(const __grid_constant__ Args a, const __grid_constant__ StepPlaces places, float* workspace, int l) {
    const StepHead x = step_head(a, places, workspace, l);
    const memgen_tensor& of = a.weights[l];
    const float* W = x.row<const float>(of) + x.first * of.stride[2];
    thin_product<true, true>(*reinterpret_cast<StepStrips*>(shared_memory()), x.tokens, x.columns, x.width(l + 1), [&](int i, int d) { return x.delta(l + 1, i, d); }, [&](int d, int j) { return W[j * of.stride[2] + d]; },
                             [&](int i, int j, float n) { x.delta(l, i, x.first + j) = n * x.own[places.slope[l] + static_cast<int64_t>(i) * x.width(l) + x.first + j]; });
}

// The steps of tokens, less of those whose gradient is longer than the clip; a warp for each.
template <class T>
__global__ void __launch_bounds__(Threads) titans_step_clip(const __grid_constant__ Args a, const __grid_constant__ StepPlaces places, float* workspace) {
    const StepHead x = step_rows(a, places, workspace);
    const int lane = static_cast<int>(threadIdx.x) % 32, i = token_of_warp(a);
    if (i >= x.tokens) return;
    float square = 0.0f;
    for (int l = 1; l <= a.layers; l++) {
        float inputs = 0.0f, errors = 0.0f;
        for (int j = lane; j < x.width(l - 1); j += 32) inputs += x.input<T>(l - 1, i, j) * x.input<T>(l - 1, i, j);
        for (int j = lane; j < x.width(l); j += 32) errors += x.delta(l, i, j) * x.delta(l, i, j);
        square += sum_of_lanes(inputs) * sum_of_lanes(errors);
    }
    const float length = sqrtf(square), clip = static_cast<float>(a.clip), theta = *x.token<float>(a.past_theta, a.theta, i);
    if (lane == 0) x.own[places.step + i] = length > clip ? theta * (clip / length) : theta;
}

// The beginning of shared memory of the read, and what lies behind it.
struct alignas(16) StepMemory {
    float keep[MostTokens], eta[MostTokens];               // 1 - alpha, and eta, of each token
    float to_weights[MostTokens], to_momentum[MostTokens]; // Gamma step and H step after the last one
    float share[MostTokens];                               // of what a token wrote in what is read: Gamma_i step_i (x A_i)
    float parts[Threads / 32][StepColumns];
    float of_weights, of_momentum, momentum;               // b, c, h

    __device__ __forceinline__ float* x() { return reinterpret_cast<float*>(this + 1); }                             // [d_{l-1}] what enters the layer
    __device__ __forceinline__ float* seen(int width) { return x() + rounded_up(width, 4); }                          // [d_{l-1}] by which W is read
    __device__ __forceinline__ StepStrips* strips(int width) { return reinterpret_cast<StepStrips*>(seen(width) + rounded_up(width, 4)); }
    __device__ __forceinline__ float* delta(int width) { return reinterpret_cast<float*>(strips(width) + 1); }        // [tokens, StepColumns]
    static size_t bytes(int64_t width, int64_t tokens, bool ends) { // the last two where the block ends
        return sizeof(StepMemory) + 2 * rounded_up(width, 4) * sizeof(float) + (ends ? sizeof(StepStrips) + static_cast<size_t>(tokens) * StepColumns * sizeof(float) : 0);
    }
};

// What becomes of each token's write, and of what the block started with; a thread has a token.
__device__ __forceinline__ void enter_gates(const StepHead& x, StepMemory& s) {
    const Args& a = x.a;
    const int own = static_cast<int>(threadIdx.x);
    if (own < x.tokens) {
        s.eta[own] = a.momentum ? *x.token<float>(a.past_eta, a.eta, own) : 0.0f;
        s.keep[own] = a.alpha.data ? 1.0f - *x.token<float>(a.past_alpha, a.alpha, own) : 1.0f;
    }
    __syncthreads();
    if (own >= x.tokens) return;
    float factor = 1.0f, coefficient = 1.0f;
    for (int i = own + 1; i < x.tokens; i++) factor *= s.eta[i], coefficient = s.keep[i] * coefficient + factor;
    const float step = a.clip > 0 ? x.own[x.places.step + own] : *x.token<float>(a.past_theta, a.theta, own);
    s.to_weights[own] = coefficient * step, s.to_momentum[own] = factor * step;
    if (own > 0) return;
    float b = 1.0f, c = 0.0f, h = 1.0f;
    for (int i = 0; i < x.tokens; i++) b *= s.keep[i], h *= s.eta[i], c = s.keep[i] * c + h;
    s.of_weights = b, s.of_momentum = c, s.momentum = h;
}

// The shares of tokens, and by what W is read.
template <class T>
__device__ __forceinline__ void mix_tokens(const StepHead& x, StepMemory& s, int l) {
    constexpr int Together = 8;
    const int width = x.width(l - 1), lane = static_cast<int>(threadIdx.x) % 32;
    const float* in = s.x();
    for (int first = static_cast<int>(threadIdx.x) / 32 * Together; first < x.tokens; first += Threads / 32 * Together) {
        float sums[Together] = {};
        for (int j = lane; j < width; j += 32)
            MEMGEN_UNROLL
            for (int e = 0; e < Together; e++)
                if (first + e < x.tokens) sums[e] += in[j] * x.input<T>(l - 1, first + e, j);
        sums_of_lanes(sums, lane);
        const int i = first + first_of_lane<Together>(lane);
        if (holds_first<Together>(lane) && i < x.tokens) s.share[i] = s.to_weights[i] * sums[0];
    }
    __syncthreads();
    for (int j = static_cast<int>(threadIdx.x); j < width; j += Threads) {
        float sum = 0.0f;
        if (x.places.alone)
#pragma unroll 4
            for (int i = 0; i < x.tokens; i++) sum += s.share[i] * x.input<T>(0, i, j);
        s.seen(width)[j] = s.of_weights * in[j] - sum;
    }
    __syncthreads();
}

// W and S after the token, in the columns of this block. They may lie where W and S of before do.
template <class T>
__device__ __forceinline__ void carry(const StepHead& x, StepMemory& s, int l) {
    const Args& a = x.a;
    const int width = x.width(l - 1);
    const memgen_tensor &of_weights = a.weights[l - 1], &of_momentum = a.momenta[l - 1];
    const float *W = x.row<const float>(of_weights) + x.first, *S = a.momentum && of_momentum.data ? x.row<const float>(of_momentum) + x.first : nullptr, *toward = x.target(l);
    float* delta = s.delta(width);
    if (x.places.alone) {
        thin_product<true, false>(*s.strips(width), x.tokens, x.columns, width, [&](int i, int d) { return x.input<T>(0, i, d); }, [&](int d, int j) { return W[d * of_weights.stride[2] + j]; },
                                  [&](int i, int j, float u) { delta[i * StepColumns + j] = u - to_float(x.token<T>(a.past_v, a.v, i)[x.first + j]); });
    } else {
        for (int i = static_cast<int>(threadIdx.x) / 32, j = static_cast<int>(threadIdx.x) % 32; i < x.tokens; i += Threads / 32)
            if (j < x.columns) delta[i * StepColumns + j] = x.delta(l, i, x.first + j);
        __syncthreads();
    }
    auto write = [&](const memgen_tensor& to, const float* factors, const float* W, float of_S) {
        float* final = x.row<float>(to);
        if (!final) return;
        thin_product<false, false>(*s.strips(width), width, x.columns, x.tokens, [&](int r, int i) { return x.input<T>(l - 1, i, r); }, [&](int i, int j) { return factors[i] * delta[i * StepColumns + j]; },
                                   [&](int r, int j, float written) {
                                       float sum = W ? s.of_weights * W[r * of_weights.stride[2] + j] : 0.0f;
                                       if (S) sum += of_S * S[r * of_momentum.stride[2] + j];
                                       if (W && toward) sum += (1.0f - s.of_weights) * toward[r * a.target[l - 1].stride[2] + j];
                                       final[r * to.stride[2] + x.first + j] = sum - written;
                                   });
    };
    write(a.final_weights[l - 1], s.to_weights, W, s.of_momentum);
    if (a.momentum) write(a.final_momenta[l - 1], s.to_momentum, nullptr, s.momentum);
}

// From x_{l-1} to x_l, and what the layer has become.
template <class T>
__global__ void __launch_bounds__(Threads) titans_step_read(const __grid_constant__ Args a, const __grid_constant__ StepPlaces places, float* workspace, int l) {
    StepMemory& s = *reinterpret_cast<StepMemory*>(shared_memory());
    const StepHead x = step_head(a, places, workspace, l);
    const int width = x.width(l - 1), lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const memgen_tensor &of_weights = a.weights[l - 1], &of_momentum = a.momenta[l - 1];
    const float *W = x.row<const float>(of_weights) + x.first, *S = a.momentum && of_momentum.data && !a.reads_block_start ? x.row<const float>(of_momentum) + x.first : nullptr, *toward = a.reads_block_start ? nullptr : x.target(l);
    for (int j = static_cast<int>(threadIdx.x); j < width; j += Threads) s.x()[j] = l == 1 ? to_float(x.row<const T>(a.q)[j]) : x.own[places.X[l - 1] + j];
    if (places.gradients) enter_gates(x, s);
    __syncthreads();
    if (!a.reads_block_start) mix_tokens<T>(x, s, l);
    const float* seen = a.reads_block_start ? s.x() : s.seen(width);

    float z = 0.0f, from_momentum = 0.0f, from_target = 0.0f;
    if (lane < x.columns) {
#pragma unroll 8
        for (int r = warp; r < width; r += Threads / 32) {
            z += seen[r] * W[r * of_weights.stride[2] + lane];
            if (S) from_momentum += s.x()[r] * S[r * of_momentum.stride[2] + lane];
            if (toward) from_target += s.x()[r] * toward[r * a.target[l - 1].stride[2] + lane];
        }
        if (S) z += s.of_momentum * from_momentum;
        if (toward) z += (1.0f - s.of_weights) * from_target;
        if (!a.reads_block_start)
#pragma unroll 4
            for (int i = warp; i < x.tokens; i += Threads / 32) z -= s.share[i] * (places.alone ? -to_float(x.token<T>(a.past_v, a.v, i)[x.first + lane]) : x.delta(l, i, x.first + lane));
    }
    s.parts[warp][lane] = z;
    __syncthreads();
    if (warp == 0 && lane < x.columns) {
        z = (s.parts[0][lane] + s.parts[1][lane]) + (s.parts[2][lane] + s.parts[3][lane]);
        if (l == a.layers && !a.residual) x.row<T>(a.o)[x.first + lane] = rounded<T>(z);
        else x.own[places.X[l] + x.first + lane] = l == a.layers ? z : curve(a.activation, z).value;
    }
    if (a.final_weights[l - 1].data || a.final_momenta[l - 1].data) carry<T>(x, s, l);
}

template <class T>
cudaError_t run(const Args& a, float* workspace, cudaStream_t stream) {
    const StepPlaces places(a);
    const int64_t heads = a.batch * a.heads;
    const int L = static_cast<int>(a.layers);
    cudaError_t status = cudaSuccess;
    auto then = [&](auto kernel, int64_t blocks, size_t shared_bytes, auto... rest) {
        if (status == cudaSuccess) status = launch(kernel, heads * blocks, Threads, shared_bytes, stream, a, places, workspace, rest...);
    };
    if (places.gradients && !places.alone) {
        for (int l = 1; l <= L; l++) then(titans_step_forward<T>, step_tiles(a.dims[l]), sizeof(StepStrips), l);
        if (a.residual) then(titans_step_error<T>, step_parts(a), 0);
        for (int l = L - 1; l >= 1; l--) then(titans_step_backward, step_tiles(a.dims[l]), sizeof(StepStrips), l);
        if (a.clip > 0) then(titans_step_clip<T>, step_parts(a), 0);
    }
    for (int l = 1; l <= L; l++) {
        const bool ends = a.final_weights[l - 1].data || a.final_momenta[l - 1].data;
        then(titans_step_read<T>, step_tiles(a.dims[l]), StepMemory::bytes(a.dims[l - 1], a.read + 1, ends), l);
    }
    if (a.residual) then(titans_step_output<T>, 1, 0);
    return status;
}

} // namespace

int64_t titans_step_workspace_floats(const memgen_titans_step_args& a) { return a.batch * a.heads * StepPlaces(a).floats; }

cudaError_t launch_titans_step(const memgen_titans_step_args& a, float* workspace, cudaStream_t stream) { return number_of(a) == Number::BFloat16 ? run<bfloat16>(a, workspace, stream) : run<float>(a, workspace, stream); }

} // namespace memgen
