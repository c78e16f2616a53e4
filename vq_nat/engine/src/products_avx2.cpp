// Products with AVX2, exact: the instruction that multiplies bytes (vpmaddubsw) cuts sums
// of two at 32,767, which |w| · ±x stays below for |w| ≤ 128 and |x| ≤ 127.
#include "lanes_avx2.h"
#include "kernels.h"

namespace vq {
namespace {

constexpr int kShift = 0;  // see `signed_rows`
constexpr int kProductRows = 3, kProductBlocks = 1;  // more, and sums leave registers

struct Group {
  I weights, sizes;  // w, and |w| as unsigned bytes
};

inline Group group(const std::int8_t* weights) {
  const I bytes = loadi(reinterpret_cast<const std::int32_t*>(weights));
  return {bytes, {_mm256_abs_epi8(bytes.a), _mm256_abs_epi8(bytes.b)}};
}

inline __m256i four(__m256i sums, __m256i values, __m256i weights, __m256i sizes) {
  const __m256i pairs = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(values, weights));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

using Spread = __m256i;

inline Spread spread(const std::uint8_t* values) {
  std::int32_t bytes;
  std::memcpy(&bytes, values, 4);
  return _mm256_set1_epi32(bytes);
}

inline I multiply(I sums, const Spread& x, const Group& w) {
  return {four(sums.a, x, w.weights.a, w.sizes.a), four(sums.b, x, w.weights.b, w.sizes.b)};
}

// The same rows without their shift: value − 128 as a signed byte.
Rows signed_rows(const Rows& x) {
  static thread_local Buffer<std::uint8_t> scratch;
  const std::size_t size = static_cast<std::size_t>(x.rows) * x.depth();  // of whole 64
  Rows unshifted = x;
  std::uint8_t* to = scratch.reserve(size);
  unshifted.values = to;
  for (std::size_t i = 0; i < size; i += 32) {
    const auto* from = reinterpret_cast<const __m256i*>(x.values + i);
    const __m256i bytes = _mm256_xor_si256(_mm256_loadu_si256(from), _mm256_set1_epi8(-128));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), bytes);
  }
  return unshifted;
}

}  // namespace
}  // namespace vq

#include "products_vectors.h"

namespace vq {
namespace {

template <class Sink>
void products(const Linear& w, const Rows& x, Sink& sink) {
  vector_products(w, signed_rows(x), sink);
}

}  // namespace
}  // namespace vq

#include "norms_attention_kernels.h"
#include "products_kernels.h"

const vq::Kernels vq::avx2_kernels = vq::kernels_of(vq::Isa::avx2);
