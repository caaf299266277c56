// AdamW and the squared norm, over many tensors as if they were one, in chunks.
#include <cmath>

#include "fused_layout.h"
#include "kernels.h"
#include "threads.h"
#include "vector.h"

namespace memgen {
namespace {

struct ChunkOf {
    int64_t tensor, start, length;
};

ChunkOf locate(const int64_t* first, int64_t count, const int64_t* sizes, int64_t item) {
    int64_t low = 0, high = count; // first[low] <= item < first[high]
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        (first[middle] <= item ? low : high) = middle;
    }
    int64_t start = (item - first[low]) * OptimizerChunk, left = sizes[low] - start;
    return {low, start, left < OptimizerChunk ? left : OptimizerChunk};
}

// What brings gradients of that norm down to the one that they may have at most.
float clip_scale(double squared_norm, double clip_norm) {
    double scale = clip_norm / (std::sqrt(squared_norm) + 1e-6);
    return static_cast<float>(scale < 1.0 ? scale : 1.0);
}

} // namespace

namespace MEMGEN_ISA {

void adamw_step(const memgen_adamw_args& a, const Scratch& scratch) {
    int64_t* first = reinterpret_cast<int64_t*>(scratch.shared);
    int64_t chunks = count_chunks(a.count, a.sizes, first);
    if (a.squared_norm && !std::isfinite(*a.squared_norm)) return;
    const double correction1 = 1.0 - __builtin_pow(a.beta1, static_cast<double>(a.step)), correction2 = 1.0 - __builtin_pow(a.beta2, static_cast<double>(a.step));
    const Vector beta1 = splat(static_cast<float>(a.beta1)), rest1 = splat(static_cast<float>(1.0 - a.beta1));
    const Vector beta2 = splat(static_cast<float>(a.beta2)), rest2 = splat(static_cast<float>(1.0 - a.beta2));
    const Vector rate = splat(static_cast<float>(a.learning_rate / correction1)), root = splat(static_cast<float>(1.0 / __builtin_sqrt(correction2)));
    const Vector epsilon = splat(static_cast<float>(a.epsilon)), scale = splat(a.squared_norm ? clip_scale(*a.squared_norm, a.clip_norm) : 1.0f);
    for_items(chunks, scratch.workers, [&](int64_t item, int) {
        ChunkOf c = locate(first, a.count, a.sizes, item);
        if (!a.gradients[c.tensor]) return;
        float *p = a.parameters[c.tensor] + c.start, *m = a.first_moments[c.tensor] + c.start, *v = a.second_moments[c.tensor] + c.start;
        const float* gradient = a.gradients[c.tensor] + c.start;
        const Vector keep = splat(static_cast<float>(1.0 - a.learning_rate * a.weight_decays[c.tensor]));
        for_vectors(c.length, [&](int64_t i, auto extent) {
            Vector g = scale * load(gradient + i, extent);
            Vector m1 = beta1 * load(m + i, extent) + rest1 * g;
            Vector v1 = beta2 * load(v + i, extent) + rest2 * g * g;
            Vector root_v;
            for (int n = 0; n < W; n++) root_v[n] = __builtin_sqrtf(v1[n]);
            store(m + i, m1, extent);
            store(v + i, v1, extent);
            store(p + i, keep * load(p + i, extent) - rate * m1 / (root_v * root + epsilon), extent);
        });
    });
}

void squared_norm(const memgen_squared_norm_args& a, const Scratch& scratch) {
    typedef double Wide __attribute__((vector_size(W * 8)));
    int64_t* first = reinterpret_cast<int64_t*>(scratch.shared);
    double* partials = reinterpret_cast<double*>(first + a.count + 1);
    int64_t chunks = count_chunks(a.count, a.sizes, first);
    for_items(chunks, scratch.workers, [&](int64_t item, int) {
        ChunkOf c = locate(first, a.count, a.sizes, item);
        partials[item] = 0.0;
        if (!a.data[c.tensor]) return;
        const float* x = a.data[c.tensor] + c.start;
        Wide total[2] = {};
        int64_t odd = 0;
        for_vectors(c.length, [&](int64_t i, auto extent) {
            Wide wide = __builtin_convertvector(load(x + i, extent), Wide);
            total[odd] += wide * wide;
            odd ^= 1;
        });
        total[0] += total[1];
        for (int n = 0; n < W; n++) partials[item] += total[0][n];
    });
    double sum = 0.0;
    for (int64_t i = 0; i < chunks; i++) sum += partials[i];
    *a.result = sum;
}

} // namespace MEMGEN_ISA
} // namespace memgen
