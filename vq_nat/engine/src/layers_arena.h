// Owns the scratch memory of one thread: it grows until it suffices, and then nothing is
// allocated any more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace vq {

/// Memory that is handed out upwards and taken back to a mark.
class Arena {
 public:
  /// Gives back, at the end of a scope, what was taken in it.
  class Frame {
   public:
    explicit Frame(Arena& arena)
        : arena_(arena), block_(arena.block_), used_(arena.used_) {}
    ~Frame() {
      arena_.block_ = block_;
      arena_.used_ = used_;
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

   private:
    Arena& arena_;
    std::size_t block_, used_;
  };

  /// Takes room for `count` values, aligned to a cache line, not initialised.
  template <class T>
  T* take(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return static_cast<T*>(bytes(count * sizeof(T)));
  }

  /// Frees everything if it is more than `limit` bytes; nothing may be in use.
  void trim(std::size_t limit) {
    std::size_t total = 0;
    for (const Block& block : blocks_) total += block.size;
    if (total <= limit) return;
    blocks_.clear();
    block_ = used_ = 0;
  }

 private:
  static constexpr std::size_t kLine = 64, kLeast = std::size_t{1} << 18;

  struct Free {
    void operator()(std::byte* data) const {
      ::operator delete(data, std::align_val_t{kLine});
    }
  };
  struct Block {
    std::unique_ptr<std::byte, Free> data;
    std::size_t size;
  };

  void* bytes(std::size_t count) {
    count = (count + kLine - 1) / kLine * kLine;
    while (block_ < blocks_.size() && used_ + count > blocks_[block_].size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) add(count);
    void* start = blocks_[block_].data.get() + used_;
    used_ += count;
    return start;
  }

  void add(std::size_t count) {
    const std::size_t last = blocks_.empty() ? 0 : blocks_.back().size;
    const std::size_t size = std::max({count, 2 * last, kLeast});
    auto* data = static_cast<std::byte*>(::operator new(size, std::align_val_t{kLine}));
    blocks_.push_back({std::unique_ptr<std::byte, Free>(data), size});
  }

  std::vector<Block> blocks_;
  std::size_t block_ = 0, used_ = 0;
};

}  // namespace vq
