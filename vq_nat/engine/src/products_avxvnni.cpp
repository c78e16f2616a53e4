// Products with AVX-VNNI: 32 multiplications of an unsigned by a signed byte.
#include "lanes_avx2.h"
#include "kernels.h"

namespace vq {
namespace {

constexpr int kShift = 128;  // unsigned bytes are multiplied
constexpr int kProductRows = 3, kProductBlocks = 2;  // 12 of 16 registers
using Group = I;

inline Group group(const std::int8_t* weights) {
  const auto* at = reinterpret_cast<const __m256i*>(weights);
  return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}

using Spread = __m256i;

inline Spread spread(const std::uint8_t* values) {
  std::int32_t four;
  std::memcpy(&four, values, 4);
  return _mm256_set1_epi32(four);
}

inline I multiply(I sums, const Spread& values, const Group& weights) {
  return {_mm256_dpbusd_avx_epi32(sums.a, values, weights.a),
          _mm256_dpbusd_avx_epi32(sums.b, values, weights.b)};
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

const vq::Kernels vq::avxvnni_kernels = vq::kernels_of(vq::Isa::avxvnni);
