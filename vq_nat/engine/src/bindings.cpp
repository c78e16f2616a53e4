// The Python module vq_nat.engine._engine.
#include <pybind11/pybind11.h>

#include "isa.h"

namespace vq {
void bind_kernels(pybind11::module_& module);
void bind_models(pybind11::module_& module);
void bind_weights(pybind11::module_& module);
}

PYBIND11_MODULE(_engine, module) {
  module.doc() = "The compiled engine.";
  vq::kernels();  // an instruction set that is not there is refused now
  vq::bind_kernels(module);
  vq::bind_models(module);
  vq::bind_weights(module);
}
