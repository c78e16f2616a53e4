// Products in plain C++: what every machine can do, and what the others are tested by.
#include "lanes_portable.h"
#include "kernels.h"

namespace vq {
namespace {

constexpr int kShift = 128;  // values are taken as they are

// Σ_k value[k] W[n, k] for the 16 columns n of a block.
inline I block_sums(const std::uint8_t* values, const std::int8_t* weights, int depth) {
  I sums = alli(0);
  for (int k = 0; k < depth; k += 4, weights += 4 * kLanes)
    for (int n = 0; n < kLanes; ++n)
      for (int i = 0; i < 4; ++i) sums.v[n] += values[k + i] * weights[4 * n + i];
  return sums;
}

template <class Sink>
void products(const Linear& w, const Rows& x, Sink& sink) {
  const std::ptrdiff_t depth = w.depth();
  for (int block = 0; block < w.blocks(); ++block) {
    const auto columns = sink.columns(block);
    const std::int8_t* weights = w.packed + block * depth * kLanes;
    sink.take(0, x.rows, columns, [&](std::ptrdiff_t r) {
      return block_sums(x.values + r * depth, weights, w.depth());
    });
  }
}

}  // namespace
}  // namespace vq

#include "norms_attention_kernels.h"
#include "products_kernels.h"

const vq::Kernels vq::portable_kernels = vq::kernels_of(vq::Isa::portable);
