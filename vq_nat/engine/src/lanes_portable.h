// Sixteen numbers at a time, in plain C++; the other lanes_*.h have the same functions.
// Internal to each file that includes it, since each is compiled for another machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace vq {
namespace {

constexpr int kRowsAtOnce = 1, kBlocksAtOnce = 1;  // of float products: registers

struct F {  // 16 floats
  float v[16];
};
struct I {  // 16 int32
  std::int32_t v[16];
};

template <class V, class Function>
inline V each(Function function) {
  V y;
  for (int i = 0; i < 16; ++i) y.v[i] = function(i);
  return y;
}

inline F all(float a) {
  return each<F>([=](int) { return a; });
}
inline F spread(float a) { return all(a); }  // for several vectors; see lanes_avx512.h
inline I alli(std::int32_t a) {
  return each<I>([=](int) { return a; });
}
inline I count() {
  return each<I>([](int i) { return i; });
}
inline F load(const float* p) {
  F y;
  std::memcpy(y.v, p, sizeof y);
  return y;
}
inline I loadi(const std::int32_t* p) {
  I y;
  std::memcpy(y.v, p, sizeof y);
  return y;
}
inline F load(const float* p, int n) {
  return each<F>([=](int i) { return i < n ? p[i] : 0.0f; });
}
inline I loadi(const std::int32_t* p, int n) {
  return each<I>([=](int i) { return i < n ? p[i] : 0; });
}
inline void store(const F& a, float* p) { std::memcpy(p, a.v, sizeof a); }
inline void store(const I& a, std::int32_t* p) { std::memcpy(p, a.v, sizeof a); }
inline void store(const F& a, float* p, int n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
inline void store(const I& a, std::int32_t* p, int n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
inline void store_bytes(const I& a, std::uint8_t* p, int n) {
  for (int i = 0; i < n; ++i) p[i] = static_cast<std::uint8_t>(a.v[i]);
}
inline F operator+(const F& a, const F& b) {
  return each<F>([&](int i) { return a.v[i] + b.v[i]; });
}
inline F operator-(const F& a, const F& b) {
  return each<F>([&](int i) { return a.v[i] - b.v[i]; });
}
inline F operator*(const F& a, const F& b) {
  return each<F>([&](int i) { return a.v[i] * b.v[i]; });
}
// What does not fit begins again at the other end, as in registers: sums of a hostile
// file, or what NaN becomes, must do no harm.
inline std::uint32_t bits(std::int32_t a) { return static_cast<std::uint32_t>(a); }
inline I plus(const I& a, const I& b) {
  return each<I>([&](int i) { return bits(a.v[i]) + bits(b.v[i]); });
}
inline I minus(const I& a, const I& b) {
  return each<I>([&](int i) { return bits(a.v[i]) - bits(b.v[i]); });
}
inline I times128(const I& a) {
  return each<I>([&](int i) { return bits(a.v[i]) * 128; });
}
inline F fma(const F& a, const F& b, const F& c) {
  return each<F>([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
inline F max(const F& a, const F& b) {
  return each<F>([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F absolute(const F& a) {
  return each<F>([&](int i) { return std::fabs(a.v[i]); });
}
// a > b ? x : y
inline F choose(const F& a, const F& b, const F& x, const F& y) {
  return each<F>([&](int i) { return a.v[i] > b.v[i] ? x.v[i] : y.v[i]; });
}
inline I choose(const F& a, const F& b, const I& x, const I& y) {
  return each<I>([&](int i) { return a.v[i] > b.v[i] ? x.v[i] : y.v[i]; });
}
inline F to_float(const I& a) {
  return each<F>([&](int i) { return static_cast<float>(a.v[i]); });
}
// To the nearest, ties to even, for |a| < 2²²; by adding 1.5 · 2²³.
inline I to_int(const F& a) {
  return each<I>([&](int i) {
    const float shifted = a.v[i] + 12582912.0f;
    std::uint32_t pattern;
    std::memcpy(&pattern, &shifted, 4);
    return pattern - 0x4B400000u;
  });
}
// 2ⁿ for −126 ≤ n ≤ 127
inline F power_of_two(const I& n) {
  F y;
  for (int i = 0; i < 16; ++i) {
    const std::uint32_t biased = (bits(n.v[i]) + 127) << 23;
    std::memcpy(&y.v[i], &biased, 4);
  }
  return y;
}
// Halves are added: all instruction sets have this order.
inline float sum(F a) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a.v[i] += a.v[i + half];
  return a.v[0];
}
inline float largest(F a) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i)
      a.v[i] = a.v[i] > a.v[i + half] ? a.v[i] : a.v[i + half];
  return a.v[0];
}

}  // namespace
}  // namespace vq
