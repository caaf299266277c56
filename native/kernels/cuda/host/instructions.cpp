// The instructions of ptx.h over the 32 lanes of an emulated warp.
#include "../ptx.h"
#include "races.h"
#include "traffic.h"

#include <cstdlib>

namespace memgen {
namespace {

struct Shuffle {
    float value, result;
    int lane; // whose value comes
};

void shuffle_lanes(void* const lanes[32]) {
    for (int l = 0; l < 32; l++) {
        Shuffle& to = *static_cast<Shuffle*>(lanes[l]);
        to.result = static_cast<Shuffle*>(lanes[to.lane])->value;
    }
}

float shuffled(float x, int lane) {
    Shuffle s{x, 0, lane};
    host::together(shuffle_lanes, &s);
    return s.result;
}

int lane_number() { return static_cast<int>(threadIdx.x % 32); }

struct Matrices {
    const void* row;
    uint32_t* result;
    const void* code;
};

template <bool Turned>
void load_lanes(void* const lanes[32]) {
    const void* rows[32];
    for (int l = 0; l < 32; l++) rows[l] = static_cast<Matrices*>(lanes[l])->row;
    host::note_matrices(rows, static_cast<Matrices*>(lanes[0])->code);
    for (int i = 0; i < 4; i++) {
        uint16_t matrix[8][8];
        for (int r = 0; r < 8; r++) {
            const void* row = static_cast<Matrices*>(lanes[8 * i + r])->row;
            if (reinterpret_cast<uintptr_t>(row) % 16) std::abort();
            host::watch(row, 16, false, nullptr);
            memcpy(matrix[r], row, 16);
        }
        for (int l = 0; l < 32; l++) {
            const int g = l / 4, t = l % 4;
            uint32_t low = Turned ? matrix[2 * t][g] : matrix[g][2 * t], high = Turned ? matrix[2 * t + 1][g] : matrix[g][2 * t + 1];
            static_cast<Matrices*>(lanes[l])->result[i] = low | high << 16;
        }
    }
}

struct Product {
    float* c;
    const uint32_t* a;
    uint32_t b[2];
};

float half(uint32_t packed, int upper) { return float_of_bits(upper ? packed & 0xffff0000u : packed << 16); }

void multiply_lanes(void* const lanes[32]) {
    float a[16][16], b[8][16]; // b by column
    for (int l = 0; l < 32; l++) {
        const Product& p = *static_cast<Product*>(lanes[l]);
        const int g = l / 4, t = l % 4;
        for (int e = 0; e < 2; e++) {
            for (int i = 0; i < 4; i++) a[g + i % 2 * 8][2 * t + e + i / 2 * 8] = half(p.a[i], e);
            for (int i = 0; i < 2; i++) b[g][2 * t + e + i * 8] = half(p.b[i], e);
        }
    }
    for (int l = 0; l < 32; l++) {
        float* c = static_cast<Product*>(lanes[l])->c;
        const int g = l / 4, t = l % 4;
        for (int i = 0; i < 4; i++) {
            const float *x = a[g + i / 2 * 8], *y = b[2 * t + i % 2];
            float sum = 0;
            for (int k = 0; k < 16; k++) sum += x[k] * y[k];
            c[i] += sum;
        }
    }
}

void close_barrier(void* const[32]) { host::close_warp_barrier(); }

} // namespace

void sync_warp() { host::together(close_barrier, nullptr); }
float shuffle_xor(float x, int mask) { return shuffled(x, lane_number() ^ mask); }
float shuffle_up(float x, int distance) { return shuffled(x, lane_number() < distance ? lane_number() : lane_number() - distance); }
float shuffle_down(float x, int distance) { return shuffled(x, lane_number() + distance > 31 ? lane_number() : lane_number() + distance); }
float shuffle(float x, int lane) { return shuffled(x, lane); }

void load_matrices(uint32_t (&r)[4], const void* row) {
    Matrices m{row, r, __builtin_return_address(0)};
    host::together(load_lanes<false>, &m);
}

void load_matrices_turned(uint32_t (&r)[4], const void* row) {
    Matrices m{row, r, __builtin_return_address(0)};
    host::together(load_lanes<true>, &m);
}

void multiply_accumulate(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    Product p{c, a, {b0, b1}};
    host::together(multiply_lanes, &p);
}

} // namespace memgen
