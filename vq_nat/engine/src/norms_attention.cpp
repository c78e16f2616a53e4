// The doors of norms_attention.h; positions, which need no instruction set of their own.
#include "norms_attention.h"

#include <cmath>

#include "kernels.h"

namespace vq {

void layer_norm(const Norm& norm, const float* x, int rows, float* y) {
  kernels().layer_norm(norm, x, rows, y);
}

void softmax(float* x, int rows, int columns, int stride, bool logarithm) {
  kernels().softmax(x, rows, columns, stride, logarithm);
}

void transpose(const float* x, int rows, int columns, int stride, float* y,
               int capacity) {
  kernels().transpose(x, rows, columns, stride, y, capacity);
}

void attention(const Attention& task) { kernels().attention(task); }

// sin in the first half of the width, cos in the second, as fairseq has them.
void sinusoids(int first, int count, int width, float* y) {
  const int half = width / 2;
  const double step = half > 1 ? std::log(10000.0) / (half - 1) : 0.0;
  for (int p = 0; p < count; ++p, y += width) {
    for (int i = 0; i < half; ++i) {
      const float rate = std::exp(static_cast<float>(i) * static_cast<float>(-step));
      const float angle = static_cast<float>(first + p) * rate;
      y[i] = std::sin(angle);
      y[half + i] = std::cos(angle);
    }
    if (width % 2) y[width - 1] = 0.0f;
  }
}

float* scratch_of_scores(std::ptrdiff_t count) {
  static thread_local Buffer<float> scratch;
  return scratch.reserve(static_cast<std::size_t>(count));
}

}  // namespace vq
