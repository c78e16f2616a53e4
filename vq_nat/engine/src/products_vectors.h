// Integer products of instruction sets that multiply vectors: some rows by some blocks
// of columns at a time, so that all sums stay in registers.
//
// Included behind lanes_*.h and
//   constexpr int kProductRows, kProductBlocks;
//   struct Group;   four weights of each of 16 columns, ready to multiply
//   Group group(const std::int8_t*);
//   Spread spread(const std::uint8_t* four);   four values of a row, for all columns
//   I multiply(I sums, const Spread&, const Group&).
// Where `products` is no more than this, the file says so.
#pragma once

#include "products.h"
#include "unrolled.h"

namespace vq {
namespace {

template <int R, int B, class Sink>
inline void product(const Linear& w, const Rows& x, int row, int block, Sink& sink) {
  I sums[R][B];
  each_pair<R, B>([&](auto r, auto b) { sums[r][b] = alli(0); });
  const std::ptrdiff_t depth = w.depth(), size = depth * kLanes;
  const std::uint8_t* values = x.values + row * depth;
  const std::int8_t* weights = w.packed + block * size;
  for (std::ptrdiff_t k = 0; k < w.in; k += 4) {
    Group four[B];
    each_of<B>([&](auto b) { four[b] = group(weights + b * size + k * kLanes); });
    each_of<R>([&](auto r) {
      const Spread x = spread(values + r * depth + k);
      each_of<B>([&](auto b) { sums[r][b] = multiply(sums[r][b], x, four[b]); });
    });
  }
  alignas(64) std::int32_t stored[B][R][kLanes];  // sinks take rows in loops
  each_pair<R, B>([&](auto r, auto b) { store(sums[r][b], stored[b][r]); });
  for (int b = 0; b < B; ++b) {
    const auto columns = sink.columns(block + b);
    sink.take(row, R, columns, [&](int r) { return loadi(stored[b][r]); });
  }
}

template <int B, class Sink>
void all_rows(const Linear& w, const Rows& x, int block, Sink& sink) {
  in_pieces<kProductRows>(
      x.rows, [&](int row, auto size) { product<size, B>(w, x, row, block, sink); });
}

template <class Sink>
void vector_products(const Linear& w, const Rows& x, Sink& sink) {
  int block = 0;
  for (; block + kProductBlocks <= w.blocks(); block += kProductBlocks)
    all_rows<kProductBlocks>(w, x, block, sink);
  for (; block < w.blocks(); ++block) all_rows<1>(w, x, block, sink);
}

}  // namespace
}  // namespace vq
