// The table of functions that each instruction set fills.
#pragma once

#include "isa.h"
#include "norms_attention.h"
#include "products.h"

namespace vq {

struct Kernels {
  Isa isa;
  // values (R, depth), scales (R) from x (R, stride).
  void (*quantise)(const float* x, int rows, int in, int stride, std::uint8_t* values,
                   float* scales);
  void (*linear)(const Linear&, const Rows&, float* y, int stride, After,
                 const float* residual);
  void (*argmax)(const Linear&, const Rows&, Best*, bool log_sum_exp, LaneBests* lanes);
  void (*integers)(const Linear&, const Rows&, std::int32_t* y);
  void (*layer_norm)(const Norm&, const float* x, int rows, float* y);
  void (*softmax)(float* x, int rows, int columns, int stride, bool logarithm);
  void (*attention)(const Attention&);
  void (*transpose)(const float* x, int rows, int columns, int stride, float* y,
                    int capacity);
};

extern const Kernels portable_kernels;
extern const Kernels avx2_kernels;
extern const Kernels avxvnni_kernels;
extern const Kernels vnni_kernels;
extern const Kernels amx_kernels;

// This thread's room for the scores of an attention. It is no part of the kernels: of
// what they share, the linker would keep one copy, perhaps one compiled for instructions
// that this machine lacks.
float* scratch_of_scores(std::ptrdiff_t count);

}  // namespace vq
