// The state of channel decay, and the products over its values or over the tokens of a chunk. A warp has sixteen channels, or, of
// 256, twice as many, one band of sixteen after the other.
//
// What a thread has of a chunk is a piece: two channels of a stretch of eight tokens. Row g of a fragment C (ptx.h) is channel 2 g
// of its band here, and row g + 8 channel 2 g + 1. Tiles of tokens have their rows interleaved, so that the columns 2 t and 2 t + 1
// that lane 4 g + t has of four fragments are tokens 8 t .. 8 t + 7: a piece. And a piece, rounded, is the fragments A of a product
// over the tokens. So what happens to the decays of a channel happens in the registers of four lanes.
#pragma once
#include "matrix_memory.h"

namespace memgen {

constexpr int Stretch = 8, Stretches = Chunk / Stretch, Band = 16;

// A block's warps and threads, and the bands of a warp.
template <int K>
constexpr int ChannelWarps = K < 128 ? K / Band : 8;
template <int K>
constexpr int ChannelThreads = 32 * ChannelWarps<K>;
template <int K>
constexpr int ChannelBands = K / Band / ChannelWarps<K>;

// Of what a whole block multiplies.
template <int M, int N, int K>
using ChannelProduct = Accumulator<M, N, ChannelWarps<K> / 2>;

// The stretch of this thread, the first of its channels in a band, and the row of token `e` of a stretch in a tile of tokens.
// interleaved(i) is the row of token i, and the token of row i as well.
__device__ __forceinline__ int stretch_of_thread() { return static_cast<int>(threadIdx.x) % 4; }
template <int K>
__device__ __forceinline__ int band_of_warp(int band) { return band * ChannelWarps<K> + static_cast<int>(threadIdx.x) / 32; } // of all K / Band of them
template <int K>
__device__ __forceinline__ int channel_of_thread(int band) { return band_of_warp<K>(band) * Band + static_cast<int>(threadIdx.x) % 32 / 4 * 2; }
__device__ __forceinline__ constexpr int row_of(int stretch, int e) { return e / 2 * 8 + stretch * 2 + e % 2; }
__device__ __forceinline__ constexpr int interleaved(int i) { return row_of(i / Stretch, i % Stretch); }
struct Interleaved {
    static __device__ __forceinline__ constexpr int row(int i) { return interleaved(i); }
};

// Of two neighbouring channels.
__device__ __forceinline__ float2 operator*(float2 x, float2 y) { return make_float2(x.x * y.x, x.y * y.y); }
__device__ __forceinline__ float2 operator*(float x, float2 y) { return make_float2(x * y.x, x * y.y); }
__device__ __forceinline__ float2 operator+(float2 x, float2 y) { return make_float2(x.x + y.x, x.y + y.y); }
template <class T>
__device__ __forceinline__ void store_pair(T* to, float2 x) { store_pair(to, x.x, x.y); }

// Of another stretch, and sums over stretches.
__device__ __forceinline__ float2 of_stretch(float2 x, int stretch) {
    const int lane = static_cast<int>(threadIdx.x) % 32 / 4 * 4 + stretch;
    return make_float2(shuffle(x.x, lane), shuffle(x.y, lane));
}
__device__ __forceinline__ float2 sum_of_stretches(float2 x) {
    x = x + make_float2(shuffle_xor(x.x, 1), shuffle_xor(x.y, 1));
    return x + make_float2(shuffle_xor(x.x, 2), shuffle_xor(x.y, 2));
}

struct Piece {
    float2 of[Stretch];

    template <class T, int K>
    __device__ __forceinline__ void load(const Tile<T, Chunk, K>& from, int d) {
        const T* p = from.at(row_of(stretch_of_thread(), 0), d);
        MEMGEN_UNROLL
        for (int e = 0; e < Stretch; e++) of[e] = load_pair(p + row_of(0, e) * Tile<T, Chunk, K>::Stride);
    }
    template <class T, int K>
    __device__ __forceinline__ void store(Tile<T, Chunk, K>& to, int d) const {
        T* p = to.at(row_of(stretch_of_thread(), 0), d);
        MEMGEN_UNROLL
        for (int e = 0; e < Stretch; e++) store_pair(p + row_of(0, e) * Tile<T, Chunk, K>::Stride, of[e]);
    }
};

// Fragments C of a piece.
typedef float PieceFragments[4][4];
__device__ __forceinline__ void zero(PieceFragments& c) {
    MEMGEN_UNROLL
    for (int i = 0; i < 16; i++) c[i / 4][i % 4] = 0.0f;
}
__device__ __forceinline__ float2 token_of(const PieceFragments& c, int e) { return make_float2(c[e / 2][e % 2], c[e / 2][2 + e % 2]); }

// Rows of a state in shared memory: in such an order that neither those which a warp's lanes store at once meet in a bank, the
// even or the odd ones of sixteen, nor those which fragments are read from, eight that follow each other.
template <class T, int R, int C>
struct StateTile : Tile<T, R, C> {
    typedef Tile<T, R, C> Base;
    static __device__ __forceinline__ int place(int row) { return row / 8 * 8 + (row % 2 ^ row / 8 % 2) * 4 + row % 8 / 2; }
    __device__ __forceinline__ T* at(int row, int column) { return Base::at(place(row), column); }
    __device__ __forceinline__ const T* at(int row, int column) const { return Base::at(place(row), column); }
};

// A state [K, V] in the registers of a block, by fragments C.
template <int K, int V>
struct ChannelState {
    static constexpr int Bands = ChannelBands<K>, Tiles = V / 8, BlockThreads = ChannelThreads<K>;
    float x[Bands][Tiles][4];

    // f(row, column, x[row, column], x[row, column + 1]) for every pair of this thread.
    template <class F>
    __device__ __forceinline__ void each_pair(F f) {
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++)
            MEMGEN_UNROLL
            for (int half = 0; half < 2; half++)
                MEMGEN_UNROLL
                for (int j = 0; j < Tiles; j++) f(channel_of_thread<K>(b) + half, 8 * j + stretch_of_thread() * 2, x[b][j][2 * half], x[b][j][2 * half + 1]);
    }

    // f(index, x) for every fragment of this thread.
    template <class F>
    __device__ __forceinline__ void each_fragment(F f) {
        MEMGEN_UNROLL
        for (int i = 0; i < Bands * Tiles; i++) f(i, x[i / Tiles][i % Tiles]);
    }

    __device__ __forceinline__ void zero() {
        each_pair([](int, int, float& first, float& second) { first = second = 0.0f; });
    }
    template <class T>
    __device__ __forceinline__ void store(StateTile<T, K, V>& to) {
        each_pair([&](int row, int column, float& first, float& second) { store_pair(to.at(row, column), first, second); });
    }
    __device__ __forceinline__ void scale(int band, float2 factors) {
        MEMGEN_UNROLL
        for (int j = 0; j < Tiles; j++)
            MEMGEN_UNROLL
            for (int e = 0; e < 4; e++) x[band][j][e] *= e < 2 ? factors.x : factors.y;
    }

    // f(p, first, second) for every pair, p where it lies in a tensor whose elements of a row follow each other.
    template <class P, class F>
    __device__ __forceinline__ void each_pair_of(P* tensor, int64_t stride, F f) {
        MEMGEN_UNROLL
        for (int b = 0; b < Bands; b++)
            MEMGEN_UNROLL
            for (int half = 0; half < 2; half++) {
                P* row = tensor + (channel_of_thread<K>(b) + half) * stride + stretch_of_thread() * 2;
                MEMGEN_UNROLL
                for (int j = 0; j < Tiles; j++) f(row + 8 * j, x[b][j][2 * half], x[b][j][2 * half + 1]);
            }
    }
    static __device__ __forceinline__ bool by_whole_pairs(const float* tensor, int64_t stride, int rows, int columns) {
        return rows >= K && columns >= V && (reinterpret_cast<uintptr_t>(tensor) | static_cast<uintptr_t>(stride * 4)) % 8 == 0;
    }

    // Into and from [rows, columns] of a tensor; zero outside.
    __device__ __forceinline__ void store_rows(float* to, int64_t stride, int rows, int columns, float) {
        if (by_whole_pairs(to, stride, rows, columns)) {
            each_pair_of(to, stride, [](float* p, float& first, float& second) { store_pair(p, first, second); });
            return;
        }
        each_pair([&](int row, int column, float& first, float& second) {
            float* p = to + row * stride + column;
            if (row < rows && column < columns) p[0] = first;
            if (row < rows && column + 1 < columns) p[1] = second;
        });
    }
    __device__ __forceinline__ void load_rows(const float* from, int64_t stride, int rows, int columns) {
        if (by_whole_pairs(from, stride, rows, columns)) {
            each_pair_of(from, stride, [](const float* p, float& first, float& second) {
                const float2 pair = load_pair(p);
                first = pair.x, second = pair.y;
            });
            return;
        }
        each_pair([&](int row, int column, float& first, float& second) {
            const float* p = from + row * stride + column;
            first = row < rows && column < columns ? p[0] : 0.0f;
            second = row < rows && column + 1 < columns ? p[1] : 0.0f;
        });
    }
};

// A band of a state as the left operand of a product over its values, which fragments C of it are when they are rounded. It is
// put aside in memory by threads, 16 bytes each.
template <class T, int V>
struct BandOperand {
    uint32_t x[V / 16][4];

    __device__ __forceinline__ void enter(const float (&c)[V / 8][4]) {
        MEMGEN_UNROLL
        for (int k = 0; k < V / 16; k++)
            MEMGEN_UNROLL
            for (int e = 0; e < 4; e++) x[k][e] = pack_bfloat16(c[2 * k + e / 2][e % 2 * 2], c[2 * k + e / 2][e % 2 * 2 + 1]);
    }
    // Of the thread's two channels the sums of products with c.
    __device__ __forceinline__ float2 dot(const float (&c)[V / 8][4]) const {
        float sums[2] = {0.0f, 0.0f};
        MEMGEN_UNROLL
        for (int k = 0; k < V / 16; k++)
            MEMGEN_UNROLL
            for (int e = 0; e < 4; e++) {
                const float* y = c[2 * k + e / 2] + e % 2 * 2;
                sums[e % 2] += float_of_bits(x[k][e] << 16) * y[0] + float_of_bits(x[k][e] & 0xffff0000u) * y[1];
            }
        return make_float2(sums[0], sums[1]);
    }
    template <int BlockThreads>
    __device__ __forceinline__ void store(T* place, int band) const {
        MEMGEN_UNROLL
        for (int k = 0; k < V / 16; k++) reinterpret_cast<uint4*>(place)[(band * (V / 16) + k) * BlockThreads + static_cast<int>(threadIdx.x)] = make_uint4(x[k][0], x[k][1], x[k][2], x[k][3]);
    }
    template <int BlockThreads>
    __device__ __forceinline__ void load(const T* place, int band) {
        MEMGEN_UNROLL
        for (int k = 0; k < V / 16; k++) {
            const uint4 from = reinterpret_cast<const uint4*>(place)[(band * (V / 16) + k) * BlockThreads + static_cast<int>(threadIdx.x)];
            x[k][0] = from.x, x[k][1] = from.y, x[k][2] = from.z, x[k][3] = from.w;
        }
    }
};
template <int V>
struct BandOperand<float, V> {
    float x[V / 8][4];

    __device__ __forceinline__ void enter(const float (&c)[V / 8][4]) {
        MEMGEN_UNROLL
        for (int i = 0; i < V / 2; i++) x[i / 4][i % 4] = c[i / 4][i % 4];
    }
    __device__ __forceinline__ float2 dot(const float (&c)[V / 8][4]) const {
        float2 sum = make_float2(0.0f, 0.0f);
        MEMGEN_UNROLL
        for (int j = 0; j < V / 8; j++) sum = sum + make_float2(x[j][0] * c[j][0] + x[j][1] * c[j][1], x[j][2] * c[j][2] + x[j][3] * c[j][3]);
        return sum;
    }
    template <int BlockThreads>
    __device__ __forceinline__ void store(float* place, int band) const {
        MEMGEN_UNROLL
        for (int j = 0; j < V / 8; j++) store_four(place + ((band * (V / 8) + j) * BlockThreads + static_cast<int>(threadIdx.x)) * 4, make_float4(x[j][0], x[j][1], x[j][2], x[j][3]));
    }
    template <int BlockThreads>
    __device__ __forceinline__ void load(const float* place, int band) {
        MEMGEN_UNROLL
        for (int j = 0; j < V / 8; j++) {
            const float4 from = load_four(place + ((band * (V / 8) + j) * BlockThreads + static_cast<int>(threadIdx.x)) * 4);
            x[j][0] = from.x, x[j][1] = from.y, x[j][2] = from.z, x[j][3] = from.w;
        }
    }
};

// A piece as the left operand of a product over the tokens.
template <class T>
struct PieceOperand {
    uint32_t x[2][4];
    __device__ __forceinline__ void enter(const Piece& p) {
        MEMGEN_UNROLL
        for (int k = 0; k < 2; k++)
            MEMGEN_UNROLL
            for (int e = 0; e < 2; e++) {
                const float2 first = p.of[4 * k + 2 * e], second = p.of[4 * k + 2 * e + 1];
                x[k][2 * e] = pack_bfloat16(first.x, second.x), x[k][2 * e + 1] = pack_bfloat16(first.y, second.y);
            }
    }
};
template <>
struct PieceOperand<float> {
    Piece x;
    __device__ __forceinline__ void enter(const Piece& p) { x = p; }
};

// c[channel, token] += sum over values of s[channel, .] y[token, .]
template <class T, int V>
__device__ __forceinline__ void multiply_values(PieceFragments& c, const BandOperand<T, V>& s, const Tile<T, Chunk, V>& y) {
    if constexpr (sizeof(T) == 2) {
        MEMGEN_UNROLL
        for (int k = 0; k < V / 16; k++)
            MEMGEN_UNROLL
            for (int j = 0; j < 4; j += 2) {
                uint32_t columns[4];
                load_right<true>(columns, y, 8 * j, 16 * k);
                multiply_accumulate(c[j], s.x[k], columns[0], columns[1]);
                multiply_accumulate(c[j + 1], s.x[k], columns[2], columns[3]);
            }
    } else {
        MEMGEN_UNROLL
        for (int k = 0; k < V / 8; k++)
            for (int e = 0; e < 8; e++) {
                const float2 left = of_stretch(make_float2(s.x[k][e % 2], s.x[k][2 + e % 2]), e / 2);
                MEMGEN_UNROLL
                for (int i = 0; i < 8; i++) {
                    const float right = *y.at(row_of(stretch_of_thread(), i), 8 * k + e);
                    c[i / 2][i % 2] += left.x * right, c[i / 2][2 + i % 2] += left.y * right;
                }
            }
    }
}

// c[channel, column] += sum over tokens of a[channel, .] y[., column]
template <class T, int C>
__device__ __forceinline__ void multiply_tokens(float (&c)[C / 8][4], const PieceOperand<T>& a, const Tile<T, Chunk, C>& y) {
    if constexpr (sizeof(T) == 2) {
        MEMGEN_UNROLL
        for (int k = 0; k < 2; k++)
            MEMGEN_UNROLL
            for (int j = 0; j < C / 8; j += 2) {
                uint32_t columns[4];
                load_right<false>(columns, y, 8 * j, 16 * k);
                multiply_accumulate(c[j], a.x[k], columns[0], columns[1]);
                multiply_accumulate(c[j + 1], a.x[k], columns[2], columns[3]);
            }
    } else {
        for (int stretch = 0; stretch < Stretches; stretch++)
            MEMGEN_UNROLL
            for (int e = 0; e < Stretch; e++) {
                const float2 left = of_stretch(a.x.of[e], stretch);
                MEMGEN_UNROLL
                for (int j = 0; j < C / 8; j++) {
                    const float2 right = load_pair(y.at(row_of(stretch, e), 8 * j + stretch_of_thread() * 2));
                    c[j][0] += left.x * right.x, c[j][1] += left.x * right.y, c[j][2] += left.y * right.x, c[j][3] += left.y * right.y;
                }
            }
    }
}

// c[channel, token] += sum over the tokens of this level of a[channel, .] y[., token], y symmetric. Of a fragment of y a thread has pairs
// of two stretches alone, the one in its rows and the one in its columns, and so all of it or nothing.
template <int Half, class T>
__device__ __forceinline__ void multiply_level(PieceFragments& c, const PieceOperand<T>& a, const Tile<T, Chunk, Chunk>& y) {
    auto part = [](int i, int j) { return (i ^ j) >= Half / Stretch && (i ^ j) < 2 * Half / Stretch; };
    if constexpr (sizeof(T) == 2) {
        const uint32_t mask = part(stretch_of_thread(), static_cast<int>(threadIdx.x) % 32 / 8) ? 0xffffffffu : 0u;
        MEMGEN_UNROLL
        for (int k = 0; k < 2; k++)
            MEMGEN_UNROLL
            for (int j = 0; j < 4; j += 2) {
                uint32_t columns[4];
                load_right<false>(columns, y, 8 * j, 16 * k);
                multiply_accumulate(c[j], a.x[k], columns[0] & mask, columns[1] & mask);
                multiply_accumulate(c[j + 1], a.x[k], columns[2] & mask, columns[3] & mask);
            }
    } else {
        for (int stretch = 0; stretch < Stretches; stretch++)
            MEMGEN_UNROLL
            for (int e = 0; e < Stretch; e++) {
                const float2 left = of_stretch(a.x.of[e], stretch);
                if (!part(stretch_of_thread(), stretch)) continue;
                MEMGEN_UNROLL
                for (int j = 0; j < 4; j++) {
                    const float2 right = load_pair(y.at(row_of(stretch, e), 8 * j + stretch_of_thread() * 2));
                    c[j][0] += left.x * right.x, c[j][1] += left.x * right.y, c[j][2] += left.y * right.x, c[j][3] += left.y * right.y;
                }
            }
    }
}

} // namespace memgen
