// Layer norm, soft-max and attention, sixteen numbers at a time.
// Included by each products_*.cpp behind its lanes.
#pragma once

#include <cmath>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "kernels.h"
#include "lanes_math.h"
#include "unrolled.h"

namespace vq {
namespace {

void normalise_row(const Norm& norm, const float* x, float* y) {
  const float share = 1.0f / static_cast<float>(norm.width);
  F total = all(0.0f);
  by_lanes(norm.width, [&](int at, int n) { total = total + some(x + at, n); });
  const F mean = all(sum(total) * share);
  F squares = all(0.0f);
  by_lanes(norm.width, [&](int at, int n) {
    const F d = only(some(x + at, n) - mean, n, 0.0f);
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
  by_lanes(columns, [&](int at, int n) { most = max(most, only(some(x + at, n), n, -INFINITY)); });
  const F peak = all(largest(most));
  F total = all(0.0f);
  by_lanes(columns, [&](int at, int n) {
    const F e = only(exponential(some(x + at, n) - peak), n, 0.0f);
    total = total + e;
    put(e, x + at, n);
  });
  return sum(total);
}

void log_softmax_row(float* x, int columns) {
  F most = all(-INFINITY), total = all(0.0f);
  by_lanes(columns, [&](int at, int n) { most = max(most, only(some(x + at, n), n, -INFINITY)); });
  const F peak = all(largest(most));
  by_lanes(columns, [&](int at, int n) {
    total = total + only(exponential(some(x + at, n) - peak), n, 0.0f);
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

#if defined(__SSE__)
// Four rows of four numbers, turned.
inline void turn_four(const float* x, std::ptrdiff_t stride, float* y, std::ptrdiff_t step) {
  __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(x + stride);
  __m128 c = _mm_loadu_ps(x + 2 * stride), d = _mm_loadu_ps(x + 3 * stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(y, a), _mm_storeu_ps(y + step, b);
  _mm_storeu_ps(y + 2 * step, c), _mm_storeu_ps(y + 3 * step, d);
}
#else
inline void turn_four(const float* x, std::ptrdiff_t stride, float* y, std::ptrdiff_t step) {
  for (int c = 0; c < 4; ++c)
    for (int r = 0; r < 4; ++r) y[c * step + r] = x[r * stride + c];
}
#endif

void transpose_kernel(const float* x, int rows, int columns, int stride, float* y,
                      int capacity) {
  const std::ptrdiff_t from = stride, to = capacity;
  std::ptrdiff_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    std::ptrdiff_t c = 0;
    for (; c + 4 <= columns; c += 4) turn_four(x + r * from + c, from, y + c * to + r, to);
    for (; c < columns; ++c)
      for (int i = 0; i < 4; ++i) y[c * to + r + i] = x[(r + i) * from + c];
  }
  for (; r < rows; ++r)
    for (std::ptrdiff_t c = 0; c < columns; ++c) y[c * to + r] = x[r * from + c];
}

// Of R queries in a row: their scores or weights of keys, `step` apart.
struct Scores {
  float* of;
  std::ptrdiff_t step;
};

// scores[r, j] = scale Σ_d q[r, d] k[d, j], d in order, for 16 · B keys j.
template <int R, int B>
inline void score(const Attention& a, const float* q, const float* k, int at, Scores to) {
  F y[R][B];
  each_pair<R, B>([&](auto r, auto b) { y[r][b] = all(0.0f); });
  const std::ptrdiff_t stride = a.q_stride;
  for (std::ptrdiff_t d = 0; d < a.size; ++d) {
    const float* from = k + d * a.k_capacity + at;
    F keys[B];
    each_of<B>([&](auto b) { keys[b] = load(from + b * kLanes); });
    each_of<R>([&](auto r) {
      const F query = all(q[r * stride + d]);
      each_of<B>([&](auto b) { y[r][b] = fma(query, keys[b], y[r][b]); });
    });
  }
  each_pair<R, B>([&](auto r, auto b) {
    store(y[r][b] * all(a.scale), to.of + r * to.step + at + b * kLanes);
  });
}

// out[r, c] = Σ_j weights[r, j] v[j, c], j in order, for 16 · B numbers c, or for n.
template <int R, int B>
inline void mix(const Attention& a, Scores weights, const float* v, int keys, int n,
                float* out) {
  F y[R][B];
  each_pair<R, B>([&](auto r, auto b) { y[r][b] = all(0.0f); });
  for (std::ptrdiff_t j = 0; j < keys; ++j) {
    F values[B];
    each_of<B>([&](auto b) { values[b] = some(v + j * a.v_stride + b * kLanes, n); });
    each_of<R>([&](auto r) {
      const F weight = all(weights.of[r * weights.step + j]);
      each_of<B>([&](auto b) { y[r][b] = fma(weight, values[b], y[r][b]); });
    });
  }
  each_pair<R, B>([&](auto r, auto b) {
    put(y[r][b], out + r * std::ptrdiff_t{a.out_stride} + b * kLanes, n);
  });
}

// Query i sees so many keys.
inline int keys_seen(const Attention& a, int i) {
  const int seen = a.first_seen + i + 1;
  return a.causal && seen < a.keys ? seen : a.keys;
}

// R queries from i on, one head. What the first of them do not see has the weight 0.
template <int R>
inline void attend(const Attention& a, int head, int i, Scores scores) {
  constexpr int B = kBlocksAtOnce;
  const std::ptrdiff_t h = std::ptrdiff_t{head} * a.size;
  const float* q = a.q + std::ptrdiff_t{i} * a.q_stride + h;
  const float* k = a.k + h * a.k_capacity;
  const int keys = keys_seen(a, i + R - 1);
  int at = 0;
  for (; at + B * kLanes <= keys; at += B * kLanes) score<R, B>(a, q, k, at, scores);
  for (; at < keys; at += kLanes) score<R, 1>(a, q, k, at, scores);
  for (int r = 0; r < R; ++r) {
    float* row = scores.of + r * scores.step;
    const int seen = keys_seen(a, i + r);
    const F share = all(1.0f / exponentials(row, seen));
    by_lanes(seen, [&](int from, int n) { put(some(row + from, n) * share, row + from, n); });
    for (int j = seen; j < keys; ++j) row[j] = 0.0f;
  }
  const float* v = a.v + h;
  float* out = a.out + std::ptrdiff_t{i} * a.out_stride + h;
  int c = 0;
  for (; c + B * kLanes <= a.size; c += B * kLanes)
    mix<R, B>(a, scores, v + c, keys, kLanes, out + c);
  by_lanes(a.size - c, [&](int from, int n) {
    mix<R, 1>(a, scores, v + c + from, keys, n, out + c + from);
  });
}

void attention_kernel(const Attention& a) {
  const std::ptrdiff_t step = round_up(a.keys, kLanes);
  const Scores scores{scratch_of_scores(kRowsAtOnce * step), step};
  for (int h = 0; h < a.heads; ++h) {
    int i = 0;
    for (; i + kRowsAtOnce <= a.queries; i += kRowsAtOnce)
      attend<kRowsAtOnce>(a, h, i, scores);
    if constexpr (kRowsAtOnce > 2)
      for (; i + 2 <= a.queries; i += 2) attend<2>(a, h, i, scores);
    for (; i < a.queries; ++i) attend<1>(a, h, i, scores);
  }
}

}  // namespace
}  // namespace vq
