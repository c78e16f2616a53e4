// Sixteen numbers at a time in two registers of AVX2; see lanes_portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace vq {
namespace {

constexpr int kRowsAtOnce = 3, kBlocksAtOnce = 2;

struct F {
  __m256 a, b;
};
struct I {
  __m256i a, b;
};

inline __m256i eight(int first) {
  return _mm256_add_epi32(_mm256_set1_epi32(first),
                          _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
// All ones in those of eight lanes from `first` on that are among the first n.
inline __m256i lanes(int n, int first) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), eight(first));
}
inline F all(float a) { return {_mm256_set1_ps(a), _mm256_set1_ps(a)}; }
inline F spread(float a) { return all(a); }  // for several vectors; see lanes_avx512.h
inline I alli(std::int32_t a) { return {_mm256_set1_epi32(a), _mm256_set1_epi32(a)}; }
inline I count() { return {eight(0), eight(8)}; }
inline F load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline I loadi(const std::int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
}
inline F load(const float* p, int n) {
  return {_mm256_maskload_ps(p, lanes(n, 0)), _mm256_maskload_ps(p + 8, lanes(n, 8))};
}
inline I loadi(const std::int32_t* p, int n) {
  return {_mm256_maskload_epi32(p, lanes(n, 0)),
          _mm256_maskload_epi32(p + 8, lanes(n, 8))};
}
inline void store(F x, float* p) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
inline void store(I x, std::int32_t* p) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
}
inline void store(F x, float* p, int n) {
  _mm256_maskstore_ps(p, lanes(n, 0), x.a);
  _mm256_maskstore_ps(p + 8, lanes(n, 8), x.b);
}
inline void store(I x, std::int32_t* p, int n) {
  _mm256_maskstore_epi32(p, lanes(n, 0), x.a);
  _mm256_maskstore_epi32(p + 8, lanes(n, 8), x.b);
}
inline void store_bytes(I x, std::uint8_t* p, int n) {
  const __m256i mixed = _mm256_packus_epi32(x.a, x.b);
  const __m256i shorts = _mm256_permute4x64_epi64(mixed, 0xD8);
  alignas(16) std::uint8_t bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes),
                  _mm_packus_epi16(_mm256_castsi256_si128(shorts),
                                   _mm256_extracti128_si256(shorts, 1)));
  std::memcpy(p, bytes, n);
}
inline F operator+(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline F operator-(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline F operator*(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline I plus(I x, I y) {
  return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
inline I minus(I x, I y) {
  return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)};
}
inline I times128(I x) { return {_mm256_slli_epi32(x.a, 7), _mm256_slli_epi32(x.b, 7)}; }
inline F fma(F x, F y, F z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline F max(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline F absolute(F x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
inline F choose(F a, F b, F x, F y) {
  return {_mm256_blendv_ps(y.a, x.a, _mm256_cmp_ps(a.a, b.a, _CMP_GT_OQ)),
          _mm256_blendv_ps(y.b, x.b, _mm256_cmp_ps(a.b, b.b, _CMP_GT_OQ))};
}
inline F as_floats(I x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
inline I choose(F a, F b, I x, I y) {
  const F z = choose(a, b, as_floats(x), as_floats(y));
  return {_mm256_castps_si256(z.a), _mm256_castps_si256(z.b)};
}
inline F to_float(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
inline I to_int(F x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
inline F power_of_two(I n) {
  const I biased = plus(n, alli(127));
  return as_floats({_mm256_slli_epi32(biased.a, 23), _mm256_slli_epi32(biased.b, 23)});
}

// Combines halves: lane i with i + 8, i + 4, i + 2, i + 1.
template <class Pair>
inline float halves(F x, Pair pair) {
  const __m256 eight = pair(x.a, x.b);
  const __m256 four = pair(eight, _mm256_permute2f128_ps(eight, eight, 1));
  const __m256 two = pair(four, _mm256_permute_ps(four, 0x4E));
  return _mm256_cvtss_f32(pair(two, _mm256_permute_ps(two, 0xB1)));
}
inline float sum(F x) {
  return halves(x, [](__m256 a, __m256 b) { return _mm256_add_ps(a, b); });
}
inline float largest(F x) {
  return halves(x, [](__m256 a, __m256 b) { return _mm256_max_ps(a, b); });
}

}  // namespace
}  // namespace vq
