// Functions of sixteen floats that every instruction set computes in the same way.
// Included behind one of lanes_*.h.
#pragma once

namespace vq {
namespace {

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
