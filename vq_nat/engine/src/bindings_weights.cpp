// A door to the reader of weights files, for tests and for the curious.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "weights_file.h"

namespace py = pybind11;

namespace vq {
namespace {

const char* short_name(Dtype dtype) {
  if (dtype == Dtype::float32) return "F32";
  return dtype == Dtype::int8 ? "I8" : "I32";
}

py::dict tensors(const std::string& path) {
  const WeightsFile file(path);
  py::dict entries;
  for (const auto& [name, tensor] : file.tensors())
    entries[name.c_str()] =
        py::make_tuple(short_name(tensor.dtype), py::cast(tensor.shape));
  return entries;
}

}  // namespace

void bind_weights(py::module_& module) {
  module.def("tensors", &tensors, py::arg("path"),
             "Checks a weights file; returns types and shapes of its tensors by name.");
}

}  // namespace vq
