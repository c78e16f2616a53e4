// Owns weights in float32 beside those in int8, of which few numbers are wanted: what int8
// gets wrong of a choice is mostly the order of the best two in the last product.
//
// Letters: K inputs, N outputs.
#pragma once

#include "layers_top.h"

namespace vq {

/// Borrows its memory.
struct LinearRows {
  int in = 0;                   // K
  const float* rows = nullptr;  // (N, K); null = there are none
  const float* bias = nullptr;  // (N), or null
  float scale = 1.0f;           // weight = row · scale
};

/// Returns one number of a product: x · W[column] + b[column]. It need not repeat the sums
/// of whole products, whose order is another: eight sums side by side take a twentieth of
/// the time.
float single(const LinearRows& weights, const float* x, int column);

/// Refuses the logits of a model whose numbers are too large for float32.
///
/// Throws: std::domain_error.
void require_finite(float logit);

/// Computes the best few of a row again, which come in order: logits or log p, with what
/// their hypothesis had before. Together they keep their probability: a part of what int8
/// is off by is the same for all words, and cancels among them. Those of -∞ stay so,
/// and so do all where there are no weights in float32.
///
/// Args: columns, of each word; null = they are in order.
void sharpen(const LinearRows& weights, const float* x, const int* columns, Candidate* best,
             int count);

/// Does so among all of a row.
void sharpen(const LinearRows& weights, const float* x, int count, float* logits,
             const int* columns = nullptr);

}  // namespace vq
