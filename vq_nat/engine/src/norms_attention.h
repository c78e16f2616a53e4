// What stands between products: layer norm, soft-max, attention, positions.
//
// Letters: R rows, C width, H heads, D = C / H, Q queries and K keys of one sentence.
// The order of every sum depends on a row's own length alone.
#pragma once

#include <cstdint>

#include "products.h"

namespace vq {

struct Norm {
  int width = 0;
  const float* weight = nullptr;  // (C)
  const float* bias = nullptr;    // (C)
  float epsilon = 1e-5f;
};

// y (R, C) = (x − mean) / √(variance + ε) · weight + bias; y may be x.
void layer_norm(const Norm& norm, const float* x, int rows, float* y);

// Rows of x (R, stride) become soft-max over `columns`, or its logarithm; in place.
void softmax(float* x, int rows, int columns, int stride, bool logarithm = false);

// y (columns, capacity)ᵀ: y[c · capacity + r] = x[r · stride + c]. How keys are kept: a
// cache appends key r of `columns` = C numbers with rows = 1 and y + r.
void transpose(const float* x, int rows, int columns, int stride, float* y,
               int capacity);

// out = soft-max(q kᵀ · scale) v of one sentence, all heads.
struct Attention {
  int queries = 0, keys = 0, heads = 0, size = 0;  // Q, K, H, D
  const float* q = nullptr;       // (Q, q_stride), head h at h · D
  int q_stride = 0;
  const float* k = nullptr;       // transposed: (H · D, k_capacity)
  int k_capacity = 0;             // ⌈K/16⌉·16 or more: whole blocks of 16 are read
  const float* v = nullptr;       // (K, v_stride)
  int v_stride = 0;
  float* out = nullptr;           // (Q, out_stride)
  int out_stride = 0;
  float scale = 1;                // 1/√D, or 1 where it is folded into the weights
  // Query i sees keys 0 … first_seen + i; all of them where `causal` is false.
  bool causal = false;
  int first_seen = 0;
};
void attention(const Attention& task);

// fairseq's sinusoids: y (count, C) for positions first, first + 1, …
void sinusoids(int first, int count, int width, float* y);

}  // namespace vq
