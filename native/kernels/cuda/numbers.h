// The number formats of tensors: float and bfloat16, and how they are read into and rounded from float.
#pragma once
#include "device.h"

namespace memgen {

struct bfloat16 {
    uint16_t bits; // the upper half of a float
};

__device__ __forceinline__ float float_of_bits(uint32_t bits) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

__device__ __forceinline__ uint32_t bits_of_float(float x) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#else
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

// Two floats rounded to nearest even, the first in the lower half.
__device__ __forceinline__ uint32_t pack_bfloat16(float low, float high) {
#ifdef __CUDA_ARCH__
    uint32_t packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
#else
    auto round = [](float x) -> uint32_t {
        uint32_t bits = bits_of_float(x);
        if (x != x) return 0x7fff;
        return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    };
    return round(low) | round(high) << 16;
#endif
}

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bfloat16 x) { return float_of_bits(static_cast<uint32_t>(x.bits) << 16); }

template <class T>
__device__ __forceinline__ T rounded(float x);
template <>
__device__ __forceinline__ float rounded<float>(float x) { return x; }
template <>
__device__ __forceinline__ bfloat16 rounded<bfloat16>(float x) { return {static_cast<uint16_t>(pack_bfloat16(x, 0.0f) & 0xffff)}; }

// The greater one; NaN where one is.
__device__ __forceinline__ float greater(float x, float y) { return y > x || y != y ? y : x; }

// Two neighbours at once: 8 bytes of floats, 4 of bfloat16; the address is aligned to as much.
#ifdef __CUDACC__
__device__ __forceinline__ void store_pair(float* to, float x, float y) { *reinterpret_cast<float2*>(to) = make_float2(x, y); }
__device__ __forceinline__ float2 load_pair(const float* from) { return *reinterpret_cast<const float2*>(from); }
#else // one access here too, for who counts them
typedef float Two __attribute__((vector_size(8), may_alias));
typedef float Four __attribute__((vector_size(16), may_alias));
inline void store_pair(float* to, float x, float y) { *reinterpret_cast<Two*>(to) = Two{x, y}; }
inline float2 load_pair(const float* from) {
    const Two x = *reinterpret_cast<const Two*>(from);
    return make_float2(x[0], x[1]);
}
#endif
__device__ __forceinline__ void store_pair(bfloat16* to, float x, float y) { *reinterpret_cast<uint32_t*>(to) = pack_bfloat16(x, y); }
__device__ __forceinline__ float2 load_pair(const bfloat16* from) {
    uint32_t packed = *reinterpret_cast<const uint32_t*>(from);
    return make_float2(float_of_bits(packed << 16), float_of_bits(packed & 0xffff0000u));
}

// Four floats at once, from or to 16 aligned bytes; and the one of them at place j % 4.
#ifdef __CUDACC__
__device__ __forceinline__ float4 load_four(const float* from) { return *reinterpret_cast<const float4*>(from); }
__device__ __forceinline__ void store_four(float* to, float4 x) { *reinterpret_cast<uint4*>(to) = make_uint4(bits_of_float(x.x), bits_of_float(x.y), bits_of_float(x.z), bits_of_float(x.w)); }
#else
inline void store_four(float* to, float4 x) { *reinterpret_cast<Four*>(to) = Four{x.x, x.y, x.z, x.w}; }
inline float4 load_four(const float* from) {
    const Four x = *reinterpret_cast<const Four*>(from);
    return make_float4(x[0], x[1], x[2], x[3]);
}
#endif
__device__ __forceinline__ void store_four(bfloat16* to, float4 x) { *reinterpret_cast<uint64_t*>(to) = pack_bfloat16(x.x, x.y) | static_cast<uint64_t>(pack_bfloat16(x.z, x.w)) << 32; }
__device__ __forceinline__ float number_of(const float4& x, int j) { return j % 4 == 0 ? x.x : j % 4 == 1 ? x.y : j % 4 == 2 ? x.z : x.w; }

// The dot product with a pair of neighbours.
template <class T>
__device__ __forceinline__ float product_of(const T* pair, float x, float y) {
    const float2 of = load_pair(pair);
    return of.x * x + of.y * y;
}

} // namespace memgen
