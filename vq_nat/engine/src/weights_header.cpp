#include "weights_header.h"

#include <algorithm>
#include <limits>
#include <set>

namespace vq {
namespace {

constexpr std::size_t kLength = 8;             // bytes that hold the header's length
constexpr std::size_t kLongest = 16u << 20;    // of a header; ours have some kB
constexpr std::size_t kMostTensors = 1u << 16;
constexpr std::size_t kMostDimensions = 4;

[[noreturn]] void refuse(const std::string& what) { throw HeaderError(what); }

// Reads the part of JSON that the format uses, and refuses the rest.
class Reader {
 public:
  Reader(const char* begin, const char* end) : here_(begin), end_(end) {}

  // Skips white space; tells whether `symbol` follows, and steps over it.
  bool accept(char symbol) {
    skip_space();
    if (here_ == end_ || *here_ != symbol) return false;
    ++here_;
    return true;
  }

  void expect(char symbol) {
    if (!accept(symbol))
      refuse(std::string("must have '") + symbol + "' in its header, but has not");
  }

  std::string string() {
    expect('"');
    std::string text;
    while (here_ < end_ && *here_ != '"') {
      const auto byte = static_cast<unsigned char>(*here_++);
      if (byte < 0x20) refuse("must have a header of JSON, but a string has a control");
      if (byte == '\\') {
        text += escaped();
      } else {
        text += static_cast<char>(byte);
      }
    }
    expect('"');
    return text;
  }

  // A string that is said in a sentence if it is refused.
  std::string name() {
    const std::string text = string();
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (!std::all_of(text.begin(), text.end(), is_ascii))
      refuse("must have names of ASCII characters, but has not");
    return text;
  }

  std::uint64_t number() {
    skip_space();
    const char* start = here_;
    std::uint64_t value = 0;
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    while (here_ < end_ && *here_ >= '0' && *here_ <= '9') {
      const auto digit = static_cast<std::uint64_t>(*here_++ - '0');
      if (value > (most - digit) / 10) refuse("must have sizes below 2^63, but has not");
      value = value * 10 + digit;
    }
    if (here_ == start) refuse("must have whole numbers for sizes, but has not");
    if (*start == '0' && here_ - start > 1)
      refuse("must have numbers without leading zeros, but has not");
    return value;
  }

  std::vector<std::uint64_t> numbers(std::size_t most) {
    std::vector<std::uint64_t> sizes;
    expect('[');
    if (accept(']')) return sizes;
    do {
      if (sizes.size() == most) refuse("must have short lists of sizes, but has not");
      sizes.push_back(number());
    } while (accept(','));
    expect(']');
    return sizes;
  }

  void finish() {
    skip_space();
    if (here_ != end_) refuse("must have one object for a header, but has more");
  }

 private:
  void skip_space() {
    const auto is_space = [](char c) {
      return c == ' ' || c == '\t' || c == '\n' || c == '\r';
    };
    while (here_ < end_ && is_space(*here_)) ++here_;
  }

  // Names of tensors are plain; metadata may have these.
  char escaped() {
    static const std::string from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    const auto place = here_ < end_ ? from.find(*here_) : std::string::npos;
    if (place == std::string::npos) refuse("must have plain strings, but has not");
    ++here_;
    return to[place];
  }

  const char* here_;
  const char* end_;
};

Dtype dtype_of(const std::string& name) {
  if (name == "F32") return Dtype::float32;
  if (name == "I8") return Dtype::int8;
  if (name == "I32") return Dtype::int32;
  refuse("must hold tensors of F32, I8 or I32, but one is " + name.substr(0, 16) +
         " instead");
}

std::size_t size_of(Dtype dtype) { return dtype == Dtype::int8 ? 1 : 4; }

// Returns the bytes of a tensor; its sizes may multiply to anything.
std::size_t bytes_of(const Entry& entry) {
  std::uint64_t bytes = size_of(entry.dtype);
  for (const std::int64_t size : entry.shape) {
    const auto factor = static_cast<std::uint64_t>(size);
    if (factor != 0 && bytes > std::numeric_limits<std::int64_t>::max() / factor)
      refuse("must hold tensors that fit into memory, but " + entry.name +
             " does not");
    bytes *= factor;
  }
  return bytes;
}

Entry read_entry(Reader& reader, const std::string& name) {
  Entry entry{name, Dtype::float32, {}, 0, 0};
  std::set<std::string> seen;
  reader.expect('{');
  do {
    const std::string key = reader.name();
    if (!seen.insert(key).second) refuse("must name " + key + " once, but does twice");
    reader.expect(':');
    if (key == "dtype") {
      entry.dtype = dtype_of(reader.name());
    } else if (key == "shape") {
      for (const std::uint64_t size : reader.numbers(kMostDimensions))
        entry.shape.push_back(static_cast<std::int64_t>(size));
    } else if (key == "data_offsets") {
      const auto ends = reader.numbers(2);
      if (ends.size() != 2) refuse("must give two offsets for " + name + ", but does not");
      entry.begin = ends[0];
      entry.end = ends[1];
    } else {
      refuse("must have dtype, shape and data_offsets alone, but has " +
             key.substr(0, 32) + " as well");
    }
  } while (reader.accept(','));
  reader.expect('}');
  if (seen.size() != 3)
    refuse("must have dtype, shape and data_offsets of " + name + ", but lacks one");
  return entry;
}

void skip_metadata(Reader& reader) {
  reader.expect('{');
  if (reader.accept('}')) return;
  do {
    reader.string();
    reader.expect(':');
    reader.string();
  } while (reader.accept(','));
  reader.expect('}');
}

std::vector<Entry> read_entries(Reader& reader) {
  std::vector<Entry> entries;
  std::set<std::string> names;
  reader.expect('{');
  if (reader.accept('}')) return entries;
  do {
    const std::string name = reader.name();
    if (name.empty() || name.size() > 256)
      refuse("must have names of 1 to 256 bytes for tensors, but has not");
    if (!names.insert(name).second)
      refuse("must have one tensor of a name, but has two of " + name);
    if (names.size() > kMostTensors) refuse("must have fewer tensors, but has too many");
    reader.expect(':');
    if (name == "__metadata__") {
      skip_metadata(reader);
    } else {
      entries.push_back(read_entry(reader, name));
    }
  } while (reader.accept(','));
  reader.expect('}');
  return entries;
}

// Each tensor follows the one before it, and together they are all of the data.
void check_places(std::vector<Entry>& entries, std::size_t size) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::size_t place = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != place || entry.end < entry.begin || entry.end > size)
      refuse("must hold its tensors one after the other, but " + entry.name +
             " lies elsewhere");
    if (entry.end - entry.begin != bytes_of(entry))
      refuse("must hold as many bytes of " + entry.name +
             " as its shape says, but does not");
    if (entry.begin % size_of(entry.dtype) != 0)
      refuse("must hold numbers of 4 bytes at multiples of 4, but not " + entry.name);
    place = entry.end;
  }
  if (place != size) refuse("must end with its last tensor, but is longer");
}

}  // namespace

Header read_header(const std::uint8_t* bytes, std::size_t size) {
  if (size < kLength) refuse("must have at least 8 bytes, but has fewer");
  std::uint64_t length = 0;
  for (std::size_t i = kLength; i-- > 0;) length = length << 8 | bytes[i];
  if (length > size - kLength) refuse("must be as long as its header says, but is not");
  if (length > kLongest)
    refuse("must have a header of at most " + std::to_string(kLongest) + " bytes, but has more");
  if ((kLength + length) % 4 != 0)
    refuse("must have data at a multiple of 4 bytes, but has not");
  const char* text = reinterpret_cast<const char*>(bytes) + kLength;
  Reader reader(text, text + length);
  Header header{read_entries(reader), kLength + static_cast<std::size_t>(length)};
  reader.finish();
  check_places(header.entries, size - header.data);
  return header;
}

}  // namespace vq
