// Sixteen numbers at a time in one register of AVX-512; see lanes_portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace vq {
namespace {

constexpr int kRowsAtOnce = 6, kBlocksAtOnce = 4;

using F = __m512;  // has + − · of its own
struct I {
  __m512i v;
};

inline __mmask16 lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }
inline F all(float a) { return _mm512_set1_ps(a); }
// The same for what several vectors are multiplied with: read once, into a register, and
// not by each instruction again.
inline F spread(float a) {
  __m512 value = _mm512_set1_ps(a);
  asm("" : "+v"(value));
  return value;
}
inline I alli(std::int32_t a) { return {_mm512_set1_epi32(a)}; }
inline I count() {
  return {_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)};
}
inline F load(const float* p) { return _mm512_loadu_ps(p); }
inline I loadi(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline F load(const float* p, int n) { return _mm512_maskz_loadu_ps(lanes(n), p); }
inline I loadi(const std::int32_t* p, int n) {
  return {_mm512_maskz_loadu_epi32(lanes(n), p)};
}
inline void store(F a, float* p) { _mm512_storeu_ps(p, a); }
inline void store(I a, std::int32_t* p) { _mm512_storeu_si512(p, a.v); }
inline void store(F a, float* p, int n) { _mm512_mask_storeu_ps(p, lanes(n), a); }
inline void store(I a, std::int32_t* p, int n) {
  _mm512_mask_storeu_epi32(p, lanes(n), a.v);
}
inline void store_bytes(I a, std::uint8_t* p, int n) {
  _mm512_mask_cvtepi32_storeu_epi8(p, lanes(n), a.v);
}
inline I plus(I a, I b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I minus(I a, I b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline I times128(I a) { return {_mm512_slli_epi32(a.v, 7)}; }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F max(F a, F b) { return _mm512_max_ps(a, b); }
inline F absolute(F a) { return _mm512_abs_ps(a); }
inline F choose(F a, F b, F x, F y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}
inline I choose(F a, F b, I x, I y) {
  return {_mm512_mask_blend_epi32(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y.v, x.v)};
}
inline F to_float(I a) { return _mm512_cvtepi32_ps(a.v); }
inline I to_int(F a) { return {_mm512_cvtps_epi32(a)}; }
inline F power_of_two(I n) {
  const __m512i biased = _mm512_add_epi32(n.v, _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
}

// Combines halves: lane i with i + 8, i + 4, i + 2, i + 1.
template <class Pair>
inline float halves(F a, Pair pair) {
  const __m256 low = _mm512_castps512_ps256(a);
  const __m256 high = _mm512_extractf32x8_ps(a, 1);
  const __m256 eight = _mm512_castps512_ps256(
      pair(_mm512_castps256_ps512(low), _mm512_castps256_ps512(high)));
  alignas(32) float v[8];
  _mm256_store_ps(v, eight);
  const __m512 four = pair(_mm512_castps128_ps512(_mm_load_ps(v)),
                           _mm512_castps128_ps512(_mm_load_ps(v + 4)));
  const __m512 two = pair(four, _mm512_permute_ps(four, 0x4E));
  return _mm512_cvtss_f32(pair(two, _mm512_permute_ps(two, 0xB1)));
}
inline float sum(F a) {
  return halves(a, [](F x, F y) { return x + y; });
}
inline float largest(F a) {
  return halves(a, [](F x, F y) { return max(x, y); });
}

}  // namespace
}  // namespace vq
