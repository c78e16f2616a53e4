#include "layers_rows.h"

#include <cstddef>
#include <vector>

#include "layers_top.h"

namespace vq {
namespace {

constexpr int kSharpened = 8;       // logits of a row at most
constexpr float kUnlikely = 6.0f;   // nats below the best: nothing hangs on these

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

}  // namespace

float single(const LinearRows& weights, const float* x, int column) {
  const float* row = weights.rows + static_cast<std::size_t>(column) * weights.in;
  const float bias = weights.bias == nullptr ? 0.0f : weights.bias[column];
  return dot(x, row, weights.in) * weights.scale + bias;
}

void sharpen(const LinearRows& weights, const float* x, const int* words, int count,
             float* logits) {
  static thread_local std::vector<Candidate> best;
  best.clear();
  best_of_row(logits, count, 0, 0.0f, kSharpened, best);
  for (const Candidate& one : best) {
    if (one.score < best.front().score - kUnlikely) break;
    logits[one.word] = single(weights, x, words == nullptr ? one.word : words[one.word]);
  }
}

}  // namespace vq
