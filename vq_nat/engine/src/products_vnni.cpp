// Products with AVX-512 VNNI: 64 multiplications of an unsigned by a signed byte.
#include "lanes_avx512.h"
#include "products_vnni.h"

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

const vq::Kernels vq::vnni_kernels = vq::kernels_of(vq::Isa::vnni);
