#include "layers_embedding.h"

#include <algorithm>
#include <cstddef>

namespace vq {

void embed(const Embedding& embedding, const int* ids, int count, float* y,
           const float* positions) {
  const std::size_t width = embedding.width;
  for (int i = 0; i < count; ++i, y += width) {
    const std::size_t start = ids[i] * width;
    if (embedding.table != nullptr) {
      std::copy(embedding.table + start, embedding.table + start + width, y);
    } else {
      const float scale = embedding.scales[ids[i]];
      for (std::size_t c = 0; c < width; ++c) {
        y[c] = static_cast<float>(embedding.packed[start + c]) * scale;
      }
    }
    if (positions == nullptr) continue;
    for (std::size_t c = 0; c < width; ++c) y[c] += positions[i * width + c];
  }
}

}  // namespace vq
