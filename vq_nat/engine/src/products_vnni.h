// Products with AVX-512 VNNI, for the table of that name and for few rows beside AMX.
// Included behind lanes_avx512.h.
#pragma once

namespace vq {
namespace {

constexpr int kShift = 128;  // unsigned bytes are multiplied
constexpr int kProductRows = 6, kProductBlocks = 4;  // 24 sums in 32 registers
using Group = __m512i;

inline Group group(const std::int8_t* weights) { return _mm512_loadu_si512(weights); }

using Spread = __m512i;

inline Spread spread(const std::uint8_t* values) {
  std::int32_t four;
  std::memcpy(&four, values, 4);
  Spread all = _mm512_set1_epi32(four);
  asm("" : "+v"(all));  // read once: not by each instruction that multiplies with it
  return all;
}

inline I multiply(I sums, const Spread& values, const Group& weights) {
  return {_mm512_dpbusd_epi32(sums.v, values, weights)};
}

}  // namespace
}  // namespace vq

#include "products_vectors.h"
