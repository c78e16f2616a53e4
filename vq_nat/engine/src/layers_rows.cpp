#include "layers_rows.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace vq {
namespace {

constexpr int kSharpened = 8;  // logits of a row at most

/// Eight sums side by side: an order that no instruction set changes.
float dot(const float* a, const float* b, int count) {
  constexpr int kAtOnce = 8;
  float sums[kAtOnce] = {};
  int i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce)
    for (int j = 0; j < kAtOnce; ++j) sums[j] += a[i + j] * b[i + j];
  float rest = 0.0f;
  for (; i < count; ++i) rest += a[i] * b[i];
  for (float sum : sums) rest += sum;
  return rest;
}

float log_sum_exp(const float* x, int count) {
  const float most = *std::max_element(x, x + count);
  float sum = 0.0f;
  for (int i = 0; i < count; ++i) sum += std::exp(x[i] - most);
  return most + std::log(sum);
}

}  // namespace

float single(const LinearRows& weights, const float* x, int column) {
  const float* row = weights.rows + static_cast<std::size_t>(column) * weights.in;
  const float bias = weights.bias == nullptr ? 0.0f : weights.bias[column];
  return dot(x, row, weights.in) * weights.scale + bias;
}

void require_finite(float logit) {
  if (std::isfinite(logit)) return;
  throw std::domain_error("the model's numbers must be finite, but overflow float32.");
}

void sharpen(const LinearRows& weights, const float* x, const int* columns, Candidate* best,
             int count) {
  if (weights.rows == nullptr) return;
  float rounded[kSharpened], exact[kSharpened];
  int size = 0;
  for (; size < std::min(count, kSharpened) && std::isfinite(best[size].score); ++size) {
    const int word = best[size].word;
    rounded[size] = best[size].score;
    exact[size] = single(weights, x, columns == nullptr ? word : columns[word]);
  }
  if (size == 0) return;
  const float shift = log_sum_exp(rounded, size) - log_sum_exp(exact, size);
  for (int i = 0; i < size; ++i) best[i].score = exact[i] + shift;
}

void sharpen(const LinearRows& weights, const float* x, int count, float* logits,
             const int* columns) {
  if (weights.rows == nullptr) return;
  static thread_local std::vector<Candidate> best;
  best.clear();
  best_of_row(logits, count, 0, 0.0f, kSharpened, best);
  sharpen(weights, x, columns, best.data(), static_cast<int>(best.size()));
  for (const Candidate& one : best) logits[one.word] = one.score;
}

}  // namespace vq
