// Mutates the header of a good weights file, and asks the reader for each of them.
//
//   fuzz_weights_file COUNT SEED
//
// Each must be read or be refused by std::invalid_argument; anything else ends the
// program: it is compiled with the sanitizers of addresses and of undefined behaviour.
// What is read is looked at, so that a tensor outside the memory is found.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "weights_file.h"

namespace {

using Bytes = std::vector<std::uint8_t>;
using Random = std::mt19937_64;

Bytes file_of(std::string header, const Bytes& data) {
  while (header.size() % 4 != 0) header += ' ';
  Bytes file;
  for (int i = 0; i < 8; ++i)
    file.push_back(static_cast<std::uint8_t>(header.size() >> (8 * i)));
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

std::string good_header() {
  return R"({"__metadata__":{"format":"1"},)"
         R"("output.packed":{"dtype":"I8","shape":[1,16,16,4],"data_offsets":[0,1024]},)"
         R"("output.scales":{"dtype":"F32","shape":[16],"data_offsets":[1024,1088]},)"
         R"("output.sums":{"dtype":"I32","shape":[16],"data_offsets":[1088,1152]},)"
         R"("begin":{"dtype":"F32","shape":[2,4],"data_offsets":[1152,1184]}})";
}

Bytes good_data() {
  Bytes data(1184, 1);
  const float one = 1.0f;
  for (std::size_t i = 1024; i < data.size(); i += 4)
    if (i < 1088 || i >= 1152) std::memcpy(&data[i], &one, 4);
  return data;
}

std::size_t below(Random& random, std::size_t count) { return random() % count; }

// Numbers that lie, and pieces of JSON in the wrong place.
const std::vector<std::string> kPieces = {
    "0", "1", "-1", "4", "1024", "1185", "4294967296", "9223372036854775807",
    "18446744073709551616", "1e9", "0.5", "007", "[", "]", "{", "}", ",", ":", "\"",
    "\\", "\\u0000", "null", "true", "F32", "I8", "I32", "F16", "[]", "{}",
    "\"shape\"", "\"dtype\"", "\"data_offsets\"", "output.scales", " ", "\n", "\0"};

void mutate_text(std::string& header, Random& random) {
  const std::size_t place = below(random, header.size() + 1);
  const std::string& piece = kPieces[below(random, kPieces.size())];
  const std::size_t length = below(random, 8);
  switch (below(random, 5)) {
    case 0: header.insert(place, piece); break;
    case 1: header.replace(place, length, piece); break;
    case 2: header.erase(place, below(random, 40)); break;
    case 3:
      if (place < header.size()) header[place] = static_cast<char>(random());
      break;
    default: {  // another place's text, so that names and offsets repeat
      const std::size_t from = below(random, header.size() + 1);
      header.insert(place, header.substr(from, below(random, 80)));
    }
  }
}

// A number becomes another one: most others would be refused as no JSON.
void mutate_number(std::string& header, Random& random) {
  std::vector<std::size_t> places;
  for (std::size_t i = 1; i < header.size(); ++i)
    if (isdigit(header[i]) && strchr("[,", header[i - 1])) places.push_back(i);
  if (places.empty()) return;
  const std::size_t begin = places[below(random, places.size())];
  std::size_t end = begin;
  while (end < header.size() && isdigit(header[end])) ++end;
  const std::uint64_t bits = random() >> below(random, 64);
  header.replace(begin, end - begin, std::to_string(bits));
}

Bytes mutated(Random& random) {
  std::string header = good_header();
  Bytes data = good_data();
  const std::size_t count = 1 + below(random, 3);
  for (std::size_t i = 0; i < count; ++i)
    below(random, 2) ? mutate_text(header, random) : mutate_number(header, random);
  if (below(random, 8) == 0) data[below(random, data.size())] ^= 1u << below(random, 8);
  Bytes file = file_of(header, data);
  if (below(random, 8) == 0) file.resize(below(random, file.size()));
  if (below(random, 16) == 0 && file.size() >= 8)
    file[below(random, 8)] = static_cast<std::uint8_t>(random());
  return file;
}

// Reads a copy that ends where the memory ends; tells whether it was accepted.
bool read(const Bytes& file, std::uint64_t& sum) {
  const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[file.size()]);
  if (!file.empty()) std::memcpy(exact.get(), file.data(), file.size());
  try {
    const vq::WeightsFile weights(exact.get(), file.size(), "fuzzed");
    for (const auto& [name, tensor] : weights.tensors()) {
      const auto* bytes = static_cast<const std::uint8_t*>(tensor.data);
      for (std::size_t i = 0; i < tensor.bytes; ++i) sum += bytes[i];
    }
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  const long mutations = std::atol(words[1]);
  Random random(std::strtoull(words[2], nullptr, 10));
  std::uint64_t sum = 0;
  if (!read(file_of(good_header(), good_data()), sum)) {
    std::puts("the file without a mutation was refused");
    return 1;
  }
  long accepted = 0;
  for (long i = 0; i < mutations; ++i) accepted += read(mutated(random), sum);
  std::printf("%ld mutations, %ld read, %ld refused (%llu)\n", mutations, accepted,
              mutations - accepted, static_cast<unsigned long long>(sum));
  return 0;
}
