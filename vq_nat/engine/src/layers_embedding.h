// Owns embeddings: rows of vectors.
#pragma once

namespace vq {

struct Embedding {
  int rows = 0, width = 0;
  const float* table = nullptr;  // (rows, C)
};

/// Writes some rows, (count, C), plus positions, (count, C), where these are given.
void embed(const Embedding& embedding, const int* ids, int count, float* y,
           const float* positions = nullptr);

}  // namespace vq
