// Functions of sixteen floats that every instruction set computes in the same way.
// Included behind one of lanes_*.h.
#pragma once

#include "products.h"

namespace vq {
namespace {

// Calls part(at, n) for each 16 of `size` numbers, the last with fewer.
template <class Part>
inline void by_lanes(int size, Part part) {
  int at = 0;
  for (; at + kLanes <= size; at += kLanes) part(at, kLanes);
  if (at < size) part(at, size - at);
}

inline F some(const float* p, int n) { return n == kLanes ? load(p) : load(p, n); }
inline void put(const F& a, float* p, int n) {
  n == kLanes ? store(a, p) : store(a, p, n);
}
// a in the first n lanes, `other` behind them
inline F only(const F& a, int n, float other) {
  if (n == kLanes) return a;
  return choose(to_float(alli(n)), to_float(count()), a, all(other));
}

// exp(x) to 2 ulp: 2ⁿ · eʳ, |r| ≤ ln 2 / 2, eʳ by its series; 0 below −87.
inline F exponential(const F& x) {
  const F low = all(-87.0f);
  const F y = max(x, low);
  const F n = to_float(to_int(y * all(1.44269504f)));
  F r = fma(n, all(-0.693359375f), y);  // ln 2 in two parts
  r = fma(n, all(2.12194440e-4f), r);
  F p = all(1.9875691500e-4f);  // Cephes' expf
  p = fma(p, r, all(1.3981999507e-3f));
  p = fma(p, r, all(8.3334519073e-3f));
  p = fma(p, r, all(4.1665795894e-2f));
  p = fma(p, r, all(1.6666665459e-1f));
  p = fma(p, r, all(5.0000001201e-1f));
  p = fma(p * r, r, r + all(1.0f));
  return choose(low, x, all(0.0f), p * power_of_two(to_int(n)));
}

}  // namespace
}  // namespace vq
