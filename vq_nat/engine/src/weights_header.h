// The header of a safetensors file: where each tensor lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "weights_file.h"

namespace vq {

struct Entry {
  std::string name;
  Dtype dtype;
  std::vector<std::int64_t> shape;
  std::size_t begin, end;  // bytes of the data
};

struct Header {
  std::vector<Entry> entries;  // by their place in the data
  std::size_t data;            // where the data begins
};

// What is wrong, to be read behind the name of the file and before a full stop.
struct HeaderError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Reads and checks the header of `size` bytes; throws HeaderError.
Header read_header(const std::uint8_t* bytes, std::size_t size);

}  // namespace vq
