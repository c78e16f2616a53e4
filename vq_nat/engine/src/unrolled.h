// Loops that are written out, whatever a compiler thinks of it: an array of sums lies in
// registers only if all its places are known to the compiler.
#pragma once

#include <utility>

namespace vq {
namespace {

template <class Part, int... i>
[[gnu::always_inline]] inline void unrolled(std::integer_sequence<int, i...>, Part part) {
  (part(std::integral_constant<int, i>{}), ...);
}

// Calls part(0), …, part(N − 1); each number is a constant that can be an index.
template <int N, class Part>
[[gnu::always_inline]] inline void each_of(Part part) {
  unrolled(std::make_integer_sequence<int, N>{}, part);
}

// The same for all r < R, b < B.
template <int R, int B, class Part>
[[gnu::always_inline]] inline void each_pair(Part part) {
  each_of<R>([&](auto r) { each_of<B>([&](auto b) { part(r, b); }); });
}

// Calls part(n) with n as a constant; n is from 1 to N.
template <int N, class Part>
inline void as_constant(int n, Part part) {
  if constexpr (N > 1) {
    if (n < N) return as_constant<N - 1>(n, part);
  }
  part(std::integral_constant<int, N>{});
}

// Cuts rows into as few pieces of at most N as there can be and calls part(first, size)
// with each, the size as a constant. Pieces are nearly equal: 8 rows as 4 + 4 take less
// time than as 6 + 2, since few rows wait for the weights.
template <int N, class Part>
inline void in_pieces(int rows, Part part) {
  int left = (rows + N - 1) / N;
  for (int row = 0; left > 0; --left) {
    const int size = (rows - row + left - 1) / left;
    as_constant<N>(size, [&](auto n) { part(row, n); });
    row += size;
  }
}

}  // namespace
}  // namespace vq
