#include "weights_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "weights_header.h"

namespace vq {
namespace {

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

const char* name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32: return "F32";
    case Dtype::int8: return "I8";
    default: return "I32";
  }
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

WeightsFile::WeightsFile(const std::string& path) : path_(path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) refuse("must be readable, but is not");
  struct stat status;
  const bool known = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  if (known && status.st_size > 0) {
    mapped_size_ = static_cast<std::size_t>(status.st_size);
    mapped_ = mmap(nullptr, mapped_size_, PROT_READ, MAP_SHARED, file, 0);
    if (mapped_ == MAP_FAILED) mapped_ = nullptr;
  }
  close(file);
  if (mapped_ == nullptr) refuse("must be a file with weights, but cannot be mapped");
  try {
    read(static_cast<const std::uint8_t*>(mapped_), mapped_size_);
    // The check of the values has touched every page; only what is used shall stay.
    madvise(mapped_, mapped_size_, MADV_DONTNEED);
  } catch (...) {
    munmap(mapped_, mapped_size_);  // a constructor that throws has no destructor
    throw;
  }
}

WeightsFile::WeightsFile(const std::uint8_t* bytes, std::size_t size,
                         const std::string& name)
    : path_(name) {
  read(bytes, size);
}

WeightsFile::~WeightsFile() {
  if (mapped_ != nullptr) munmap(mapped_, mapped_size_);
}

const Tensor& WeightsFile::get(const std::string& name) const {
  const auto tensor = tensors_.find(name);
  if (tensor == tensors_.end()) refuse("must hold the tensor " + name + ", but does not");
  return tensor->second;
}

const Tensor& WeightsFile::get(const std::string& name, Dtype dtype,
                               const std::vector<std::int64_t>& shape) const {
  const Tensor& tensor = get(name);
  if (tensor.dtype != dtype || tensor.shape != shape)
    refuse("must hold " + name + " as " + name_of(dtype) + " of shape " +
           text_of(shape) + ", but has " + name_of(tensor.dtype) + " of shape " +
           text_of(tensor.shape) + " instead");
  return tensor;
}

void WeightsFile::read(const std::uint8_t* bytes, std::size_t size) {
  try {
    const Header header = read_header(bytes, size);
    for (const Entry& entry : header.entries)
      tensors_[entry.name] = Tensor{entry.dtype, entry.shape,
                                    bytes + header.data + entry.begin,
                                    entry.end - entry.begin};
  } catch (const HeaderError& error) {
    refuse(error.what());
  }
  check_values();
}

void WeightsFile::check_values() const {
  for (const auto& [name, tensor] : tensors_) {
    if (tensor.dtype != Dtype::float32) continue;
    const bool scales = ends_with(name, ".scales");
    const auto* values = static_cast<const float*>(tensor.data);
    const std::size_t count = tensor.bytes / sizeof(float);
    const bool good = std::all_of(values, values + count, [scales](float value) {
      return std::isfinite(value) && (!scales || value > 0.0f);
    });
    if (!good)
      refuse("must hold finite numbers" + std::string(scales ? " above 0" : "") +
             " as " + name + ", but does not");
  }
}

void WeightsFile::refuse(const std::string& sentence) const {
  throw std::invalid_argument(path_ + " " + sentence + ".");
}

}  // namespace vq
