// How far sizes go in every library; one may go less far.
#pragma once
#include <cstdint>

namespace memgen {

constexpr int64_t LargestWidth = 4096;     // K and V of a matrix state: scratch grows with their product
constexpr int64_t LargestStates = 1024;    // N of the selective scan
constexpr int64_t LargestConvWidth = 16;

} // namespace memgen
