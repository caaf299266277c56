// What a Titans memory of any number of layers has in shared memory and in the workspace; names are those of titans_mlp.h.
#pragma once
#include "memgen.h"
#include "strips.h"

namespace memgen {

constexpr int MostLayers = MEMGEN_TITANS_LAYERS, MostTokens = 128; // of a memory; of a block, each of which a thread has
static_assert(MostTokens <= Threads, "a thread has one token's gates");

__host__ __device__ __forceinline__ int rounded_up(int64_t x, int to) { return static_cast<int>((x + to - 1) / to * to); }

struct MlpSizes {
    int layers, block, widest;
    bool momentum, target, residual;
    int width[MostLayers + 1], stride[MostLayers + 1]; // d_0 .. d_L, and floats between rows of so many
    int64_t offset[MostLayers + 2];                    // of layer l's weights (l from 1) among the floats of a state; [L + 1]: floats of all weights

    __host__ __device__ explicit MlpSizes(const memgen_titans_args& a) {
        layers = static_cast<int>(a.layers), momentum = a.momentum != 0, target = a.decays_to_target != 0, residual = a.residual != 0, widest = 0;
        block = static_cast<int>(a.tokens < 1 ? 1 : a.tokens < a.block ? a.tokens : a.block);
        offset[0] = offset[1] = 0;
        for (int l = 0; l <= layers; l++) {
            width[l] = static_cast<int>(a.dims[l]), stride[l] = rounded_up(a.dims[l], 4);
            if (stride[l] > widest) widest = stride[l];
            if (l > 0) offset[l + 1] = offset[l] + static_cast<int64_t>(width[l - 1]) * stride[l];
        }
    }

    // Floats of all weights, and of all momenta behind them.
    __host__ __device__ __forceinline__ int64_t state() const { return (momentum ? 2 : 1) * offset[layers + 1]; }
    // Floats of the target.
    __host__ __device__ __forceinline__ int64_t targets() const { return target ? offset[layers + 1] : 0; }
};

// Hands out floats at multiples of 16 bytes: of shared memory while it lasts, then of the workspace. Without memory it counts.
struct MlpScratch {
    float *shared, *workspace;
    int64_t capacity; // floats of shared memory
    int64_t shared_floats, workspace_floats;

    __host__ __device__ __forceinline__ float* floats(int64_t count) {
        count = (count + 3) / 4 * 4;
        const bool fits = shared_floats + count <= capacity;
        float* base = fits ? shared : workspace;
        int64_t& used = fits ? shared_floats : workspace_floats;
        float* found = base ? base + used : nullptr;
        used += count;
        return found;
    }
};

// Gradients carry the name of what they belong to after d. Index l is from 1 to L, of inputs from 0.
struct MlpMatrices {
    float *A[MostLayers + 1], *U[MostLayers + 1], *delta[MostLayers + 1], *X[MostLayers + 1];
    float* normal;                                // LN(U_L), as X[L] is LN(Z_L); null without a residual
    float *N[MostLayers + 1], *Z[MostLayers + 1]; // backward alone; N_l then turns into dU_l
    float *gamma, *eta, *mixed;                   // [block, block] Gamma, H, -Gamma o R with R = X_{l-1} A_{l-1}^T
    float *dA[MostLayers + 1], *dD[MostLayers + 1];
    float *d_read[2], *through;                   // [block, widest] dZ_l and dX_{l-1}; what is used at once
    float *d_gamma, *d_mixed;                     // [block, block] dGamma, dR

    // What is read most comes first.
    __host__ __device__ MlpMatrices(const MlpSizes& z, bool backward, MlpScratch& scratch) {
        const int64_t rows = z.block, square = rows * rounded_up(rows, 4);
        mixed = scratch.floats(square), gamma = scratch.floats(square);
        for (int l = 0; l < z.layers; l++) A[l] = scratch.floats(rows * z.stride[l]), delta[l + 1] = scratch.floats(rows * z.stride[l + 1]);
        X[0] = scratch.floats(rows * z.stride[0]);
        for (int l = 1; l < z.layers; l++) X[l] = U[l] = scratch.floats(rows * z.stride[l]); // the read begins when U is no longer needed
        for (int l = 0; l <= z.layers; l++) N[l] = Z[l] = nullptr;
        const int64_t outputs = rows * z.stride[z.layers];
        normal = X[z.layers] = z.residual ? scratch.floats(outputs) : nullptr;
        eta = nullptr;
        if (!backward) return;
        for (float** x : {&d_read[0], &d_read[1], &through}) *x = scratch.floats(rows * z.widest);
        for (float** x : {&d_mixed, &d_gamma, &eta}) *x = scratch.floats(square);
        for (int l = 0; l < z.layers; l++) dA[l] = scratch.floats(rows * z.stride[l]), dD[l + 1] = scratch.floats(rows * z.stride[l + 1]);
        for (int l = 1; l < z.layers; l++)
            for (float** x : {&X[l], &N[l], &Z[l]}) *x = scratch.floats(rows * z.stride[l]);
        if (z.residual) X[z.layers] = scratch.floats(outputs);
    }
};

struct MlpGates {
    float theta[MostTokens], eta[MostTokens], keep[MostTokens];                    // keep: 1 - alpha
    float of_weights[MostTokens], of_momentum[MostTokens], momentum[MostTokens];   // b, c, h
    float gone[MostTokens];                                                        // 1 - b
    float last_gamma[MostTokens], last_eta[MostTokens];                            // Gamma_C, H_C
    float step[MostTokens], share[MostTokens];                                     // theta times share; min(1, clip / length)
    float to_weights[MostTokens], to_momentum[MostTokens];                         // Gamma_C step, H_C step
    float scale[MostTokens], read_scale[MostTokens];                               // of LN(U_L) and LN(Z_L)
    float inputs[MostLayers][MostTokens], errors[MostLayers][MostTokens];          // |A_{l-1}|^2 and |delta_l|^2 where there is a clip, at l - 1
};

// The beginning of a block's shared memory; the rest is scratch.
template <class T>
struct alignas(16) MlpShared {
    ProductTiles<T> tiles; // first, where products find them
    MlpGates gates;
    MlpSizes sizes;
    MlpMatrices matrices;
    float *target, *d_target; // like the weights of a state; null: none
};

template <class Shared>
__host__ __device__ MlpScratch mlp_scratch(unsigned char* shared, float* workspace) {
    return {shared ? reinterpret_cast<float*>(shared + sizeof(Shared)) : nullptr, workspace, static_cast<int64_t>((LargestSharedMemory - sizeof(Shared)) / sizeof(float)), 0, 0};
}

// What a call takes of both.
template <class Shared>
MlpScratch mlp_scratch(const memgen_titans_args& a, bool backward) {
    MlpScratch scratch = mlp_scratch<Shared>(nullptr, nullptr);
    MlpMatrices(MlpSizes(a), backward, scratch);
    return scratch;
}

// Bytes of shared memory of such a call.
template <class Shared>
size_t mlp_shared_bytes(const memgen_titans_args& a, bool backward) { return sizeof(Shared) + static_cast<size_t>(mlp_scratch<Shared>(a, backward).shared_floats) * sizeof(float); }

// What a kernel has of the workspace.
struct MlpWorkspace {
    float* chains; // a part for every head of every sequence: `states` states, the target and backward its gradient, then scratch
    int64_t chain, states;
    float* checkpoints; // null: none
    int64_t interval;   // tokens between checkpoints, whole blocks

    __device__ __forceinline__ float* state(int64_t index, const MlpSizes& z) const { return chains + static_cast<int64_t>(blockIdx.x) * chain + index * z.state(); }
};

} // namespace memgen
