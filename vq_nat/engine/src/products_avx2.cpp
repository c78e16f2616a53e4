// Products with AVX2, exact: bytes become 16 bits wide, since the instruction that
// multiplies bytes (vpmaddubsw) cuts sums of two at 32,767.
#include "lanes_avx2.h"
#include "kernels.h"

namespace vq {
namespace {

constexpr int kProductRows = 4, kProductBlocks = 1;  // 14 of 16 registers

// Weights 0 and 2, and 1 and 3, of each column's four.
struct Group {
  I even, odd;
};

inline __m256i even(__m256i bytes) {
  return _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
}

inline Group group(const std::int8_t* weights) {
  const I bytes = loadi(reinterpret_cast<const std::int32_t*>(weights));
  return {{even(bytes.a), even(bytes.b)},
          {_mm256_srai_epi16(bytes.a, 8), _mm256_srai_epi16(bytes.b, 8)}};
}

inline __m256i pairs(__m256i sums, __m256i even_values, __m256i odd_values, __m256i even,
                     __m256i odd) {
  return _mm256_add_epi32(sums, _mm256_add_epi32(_mm256_madd_epi16(even_values, even),
                                                 _mm256_madd_epi16(odd_values, odd)));
}

inline I multiply(I sums, const std::uint8_t* values, const Group& w) {
  std::int32_t four;
  std::memcpy(&four, values, 4);
  const __m256i bytes = _mm256_set1_epi32(four);
  const __m256i odd = _mm256_srli_epi16(bytes, 8);
  const __m256i even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xFF));
  return {pairs(sums.a, even, odd, w.even.a, w.odd.a),
          pairs(sums.b, even, odd, w.even.b, w.odd.b)};
}

}  // namespace
}  // namespace vq

#include "products_vectors.h"

namespace vq {
namespace {

template <class Sink>
void products(const Linear& w, const Rows& x, Sink& sink) {
  vector_products(w, x, sink);
}

}  // namespace
}  // namespace vq

#include "norms_attention_kernels.h"
#include "products_kernels.h"

const vq::Kernels vq::avx2_kernels = {
    Isa::avx2,           quantise_kernel, linear_kernel,    argmax_kernel, integers_kernel,
    layer_norm_kernel, softmax_kernel,  attention_kernel, transpose_kernel};
