// Owns embeddings: rows of vectors, in float32, or in int8 with a scale for each row.
#pragma once

#include <cstdint>

namespace vq {

struct Embedding {
  int rows = 0, width = 0;
  const float* table = nullptr;         // (rows, C)
  const std::int8_t* packed = nullptr;  // (rows, C), in place of the table
  const float* scales = nullptr;        // (rows)
};

/// Writes some rows, (count, C), plus positions, (count, C), where these are given.
void embed(const Embedding& embedding, const int* ids, int count, float* y,
           const float* positions = nullptr);

}  // namespace vq
