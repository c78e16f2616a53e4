// Products with AVX-512 VNNI, for the table of that name and for few rows beside AMX.
// Included behind lanes_avx512.h.
#pragma once

namespace vq {
namespace {

constexpr int kShift = 128;  // unsigned bytes are multiplied
constexpr int kProductRows = 6, kProductBlocks = 4;  // 24 sums in 32 registers
using Group = __m512i;

inline Group group(const std::int8_t* weights) { return _mm512_loadu_si512(weights); }

inline I multiply(I sums, const std::uint8_t* values, const Group& weights) {
  std::int32_t four;
  std::memcpy(&four, values, 4);
  return {_mm512_dpbusd_epi32(sums.v, _mm512_set1_epi32(four), weights)};
}

}  // namespace
}  // namespace vq

#include "products_vectors.h"
