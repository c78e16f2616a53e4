// The doors of products.h, which lead to the instruction set in use.
#include "products.h"

#include <cstring>
#include <stdexcept>

#include "kernels.h"

namespace vq {
namespace {

void check(const Linear& w, const Rows& x) {
  if (w.in != x.in || w.format != x.format)
    throw std::logic_error("`x` must have the width and number format of the weights.");
}

void copy_column(const Linear& from, int column, int to, std::int8_t* packed) {
  const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(from.depth()) * kLanes;
  const std::int8_t* source = from.packed + column / kLanes * size + column % kLanes * 4;
  std::int8_t* target = packed + to / kLanes * size + to % kLanes * 4;
  for (std::ptrdiff_t at = 0; at < size; at += 4 * kLanes)
    std::memcpy(target + at, source + at, 4);
}

void copy_dense(const Linear& from, int column, int to, float* dense) {
  const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(from.in) * kLanes;
  const float* source = from.dense + column / kLanes * size + column % kLanes;
  float* target = dense + to / kLanes * size + to % kLanes;
  for (std::ptrdiff_t at = 0; at < size; at += kLanes) target[at] = source[at];
}

}  // namespace

const Rows& Activations::set(Format format, const float* x, int rows, int in, int stride) {
  rows_ = {format, rows, in, x, stride, nullptr, nullptr};
  if (format == Format::int8) {
    const std::size_t padded = round_up(rows, kLanes);  // a tile reads 16 rows
    std::uint8_t* values = values_.reserve(padded * rows_.depth());
    float* scales = scales_.reserve(padded);
    kernels().quantise(x, rows, in, stride, values, scales);
    rows_.values = values;
    rows_.scales = scales;
  }
  return rows_;
}

void linear(const Linear& w, const Rows& x, float* y, int stride, After after,
            const float* residual) {
  check(w, x);
  kernels().linear(w, x, y, stride, after, residual);
}

void argmax(const Linear& w, const Rows& x, Best* best, bool log_sum_exp, LaneBests* lanes) {
  check(w, x);
  static thread_local Buffer<LaneBests> scratch;
  kernels().argmax(w, x, best, log_sum_exp, lanes ? lanes : scratch.reserve(x.rows));
}

void integers(const Linear& w, const Rows& x, std::int32_t* y) {
  check(w, x);
  kernels().integers(w, x, y);
}

const Linear& Shortlist::set(const Linear& all, const int* columns, int count) {
  linear_ = all;
  linear_.out = count;
  const std::size_t blocks = linear_.blocks();
  if (all.format == Format::int8) {
    std::int8_t* packed = packed_.reserve(blocks * all.depth() * kLanes);
    std::int32_t* sums = sums_.reserve(count);
    float* scales = scales_.reserve(count);
    for (int i = 0; i < count; ++i) {
      copy_column(all, columns[i], i, packed);
      sums[i] = all.sums[columns[i]];
      scales[i] = all.scales[columns[i]];
    }
    linear_.packed = packed, linear_.sums = sums, linear_.scales = scales;
  } else {
    float* dense = dense_.reserve(blocks * all.in * kLanes);
    for (int i = 0; i < count; ++i) copy_dense(all, columns[i], i, dense);
    linear_.dense = dense;
  }
  if (all.bias) {
    float* bias = bias_.reserve(count);
    for (int i = 0; i < count; ++i) bias[i] = all.bias[columns[i]];
    linear_.bias = bias;
  }
  return linear_;
}

}  // namespace vq
