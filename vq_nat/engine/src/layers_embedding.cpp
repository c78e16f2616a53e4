#include "layers_embedding.h"

#include <algorithm>
#include <cstddef>

namespace vq {

void embed(const Embedding& embedding, const int* ids, int count, float* y,
           const float* positions) {
  const std::size_t width = embedding.width;
  for (int i = 0; i < count; ++i, y += width) {
    const float* row = embedding.table + ids[i] * width;
    std::copy(row, row + width, y);
    if (positions == nullptr) continue;
    for (std::size_t c = 0; c < width; ++c) y[c] += positions[i * width + c];
  }
}

}  // namespace vq
