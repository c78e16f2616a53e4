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

}  // namespace
}  // namespace vq
