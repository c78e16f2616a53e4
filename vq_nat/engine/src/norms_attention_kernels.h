// Layer norm, soft-max and attention, sixteen numbers at a time.
// Included by each products_*.cpp behind its lanes.
#pragma once

#include <cmath>

#include "kernels.h"
#include "lanes_math.h"

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
inline void put(const F& a, float* p, int n) { n == kLanes ? store(a, p) : store(a, p, n); }
// a in the first n lanes, `other` behind them
inline F first(const F& a, int n, float other) {
  if (n == kLanes) return a;
  return choose(to_float(alli(n)), to_float(count()), a, all(other));
}

void normalise_row(const Norm& norm, const float* x, float* y) {
  const float share = 1.0f / static_cast<float>(norm.width);
  F total = all(0.0f);
  by_lanes(norm.width, [&](int at, int n) { total = total + some(x + at, n); });
  const F mean = all(sum(total) * share);
  F squares = all(0.0f);
  by_lanes(norm.width, [&](int at, int n) {
    const F d = first(some(x + at, n) - mean, n, 0.0f);
    squares = fma(d, d, squares);
  });
  const F inverse = all(1.0f / std::sqrt(sum(squares) * share + norm.epsilon));
  by_lanes(norm.width, [&](int at, int n) {
    const F d = (some(x + at, n) - mean) * inverse;
    put(fma(d, some(norm.weight + at, n), some(norm.bias + at, n)), y + at, n);
  });
}

void layer_norm_kernel(const Norm& norm, const float* x, int rows, float* y) {
  for (std::ptrdiff_t r = 0; r < rows; ++r)
    normalise_row(norm, x + r * norm.width, y + r * norm.width);
}

// x becomes exp(x − max), of which the sum is returned; the rest of the last 16 are 0.
inline float exponentials(float* x, int columns) {
  F most = all(-INFINITY);
  by_lanes(columns, [&](int at, int n) { most = max(most, first(some(x + at, n), n, -INFINITY)); });
  const F peak = all(largest(most));
  F total = all(0.0f);
  by_lanes(columns, [&](int at, int n) {
    const F e = first(exponential(some(x + at, n) - peak), n, 0.0f);
    total = total + e;
    put(e, x + at, n);
  });
  return sum(total);
}

void log_softmax_row(float* x, int columns) {
  F most = all(-INFINITY), total = all(0.0f);
  by_lanes(columns, [&](int at, int n) { most = max(most, first(some(x + at, n), n, -INFINITY)); });
  const F peak = all(largest(most));
  by_lanes(columns, [&](int at, int n) {
    total = total + first(exponential(some(x + at, n) - peak), n, 0.0f);
  });
  const F less = peak + all(std::log(sum(total)));
  by_lanes(columns, [&](int at, int n) { put(some(x + at, n) - less, x + at, n); });
}

void softmax_kernel(float* x, int rows, int columns, int stride, bool logarithm) {
  for (int r = 0; r < rows; ++r, x += stride) {
    if (logarithm) {
      log_softmax_row(x, columns);
      continue;
    }
    const F share = all(1.0f / exponentials(x, columns));
    by_lanes(columns, [&](int at, int n) { put(some(x + at, n) * share, x + at, n); });
  }
}

void transpose_kernel(const float* x, int rows, int columns, int stride, float* y,
                      int capacity) {
  for (std::ptrdiff_t c = 0; c < columns; ++c)
    for (std::ptrdiff_t r = 0; r < rows; ++r) y[c * capacity + r] = x[r * stride + c];
}

// scores[j] = scale Σ_d q[d] k[d, j], of `keys` keys.
inline void score_keys(const Attention& a, const float* q, const float* k, int keys,
                       float* scores) {
  for (int at = 0; at < keys; at += kLanes) {
    F total = all(0.0f);
    for (std::ptrdiff_t d = 0; d < a.size; ++d)
      total = fma(all(q[d]), load(k + d * a.k_capacity + at), total);
    store(total * all(a.scale), scores + at);
  }
}

// out[d] = share Σ_j weights[j] v[j, d]
inline void mix_values(const Attention& a, const float* weights, const float* v, int keys,
                       float share, float* out) {
  by_lanes(a.size, [&](int at, int n) {
    F total = all(0.0f);
    for (std::ptrdiff_t j = 0; j < keys; ++j)
      total = fma(all(weights[j]), some(v + j * a.v_stride + at, n), total);
    put(total * all(share), out + at, n);
  });
}

void attention_kernel(const Attention& a) {
  static thread_local Buffer<float> scratch;
  float* scores = scratch.reserve(round_up(a.keys, kLanes));
  for (std::ptrdiff_t h = 0; h < a.heads; ++h)
    for (std::ptrdiff_t i = 0; i < a.queries; ++i) {
      const int seen = a.causal ? a.first_seen + static_cast<int>(i) + 1 : a.keys;
      const int keys = seen < a.keys ? seen : a.keys;
      score_keys(a, a.q + i * a.q_stride + h * a.size, a.k + h * a.size * a.k_capacity,
                 keys, scores);
      const float share = 1.0f / exponentials(scores, keys);
      mix_values(a, scores, a.v + h * a.size, keys, share,
                 a.out + i * a.out_stride + h * a.size);
    }
}

}  // namespace
}  // namespace vq
