// A safetensors file, mapped read-only and checked before anything is handed out.
//
// Layout: 8 bytes, the length of the header (little-endian); the header, a JSON object
// {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …} with an
// optional "__metadata__" of strings; then the data, without holes. Whatever does not
// hold is refused by std::invalid_argument with one sentence: a file may be hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vq {

enum class Dtype { float32, int8, int32 };

struct Tensor {
  Dtype dtype;
  std::vector<std::int64_t> shape;
  const void* data;   // aligned to 4 bytes if it holds numbers of 4 bytes
  std::size_t bytes;
};

class WeightsFile {
 public:
  explicit WeightsFile(const std::string& path);
  // Reads memory that the caller keeps, named in error messages.
  WeightsFile(const std::uint8_t* bytes, std::size_t size, const std::string& name);
  ~WeightsFile();
  WeightsFile(const WeightsFile&) = delete;
  WeightsFile& operator=(const WeightsFile&) = delete;

  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  // Throws if there is no such tensor.
  const Tensor& get(const std::string& name) const;
  // Throws if there is no such tensor, or if it has another type or shape.
  const Tensor& get(const std::string& name, Dtype dtype,
                    const std::vector<std::int64_t>& shape) const;
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }

 private:
  void read(const std::uint8_t* bytes, std::size_t size);
  void check_values() const;
  [[noreturn]] void refuse(const std::string& sentence) const;

  std::string path_;
  void* mapped_ = nullptr;
  std::size_t mapped_size_ = 0;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace vq
