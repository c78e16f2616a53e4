// Products of activations with weights, and what is fused into them.
//
// Letters: R rows, K inputs, N outputs. int8 weights have a scale for each output, int8
// activations one for each row, set while they run, so that nothing depends on the
// batch. The sums are exact, and equal on all instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace vq {

constexpr int kLanes = 16;   // outputs in a block of packed weights
constexpr int kDepth = 64;   // int8 inputs are padded to this: the width of a tile

constexpr int round_up(int n, int step) { return (n + step - 1) / step * step; }

enum class Format { int8, float32 };

// y = x Wᵀ + b, W (N, K). Borrows all its memory.
struct Linear {
  Format format = Format::int8;
  int in = 0, out = 0;                    // K, N
  const std::int8_t* packed = nullptr;    // (⌈N/16⌉, ⌈K/64⌉·16, 16, 4)
  const std::int32_t* sums = nullptr;     // (N) Σ_k W[n, k]
  const float* scales = nullptr;          // (N) weight = int8 · scale
  const float* dense = nullptr;           // float32: (⌈N/16⌉, K, 16)
  const float* bias = nullptr;            // (N), or null
  int blocks() const { return round_up(out, kLanes) / kLanes; }
  int depth() const { return round_up(in, kDepth); }
};

// R rows as a Linear of the same format wants them. Borrows its memory.
struct Rows {
  Format format = Format::int8;
  int rows = 0, in = 0;
  const float* x = nullptr;               // float32: (R, stride)
  int stride = 0;
  const std::uint8_t* values = nullptr;   // int8: (⌈R/16⌉·16, depth), x + 128, 1 … 255
  const float* scales = nullptr;          // (R) activation = (value − 128) · scale
  int depth() const { return round_up(in, kDepth); }
};

// Memory on a cache line's border, which grows and is never given back before the end.
template <class T>
class Buffer {
 public:
  T* reserve(std::size_t count) {
    if (count > size_) {
      memory_.reset(new (std::align_val_t(64)) T[count]);
      size_ = count;
    }
    return memory_.get();
  }
  T* get() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t(64)); }
  };
  std::unique_ptr<T[], Free> memory_;
  std::size_t size_ = 0;
};

// Scratch for rows: `set` quantises x where the format is int8, else it points to x.
// The answer lives until the next `set`.
class Activations {
 public:
  const Rows& set(Format format, const float* x, int rows, int in, int stride);
  const Rows& set(Format format, const float* x, int rows, int in) {
    return set(format, x, rows, in, in);
  }

 private:
  Rows rows_;
  Buffer<std::uint8_t> values_;
  Buffer<float> scales_;
};

enum class After { nothing, relu, residual };  // fused behind scale and bias

// y (R, stride) = after(x Wᵀ + b); residual (R, stride) is added, and may be y itself.
void linear(const Linear& weights, const Rows& x, float* y, int stride,
            After after = After::nothing, const float* residual = nullptr);

// The best column of each row (the first, if several are), without writing logits.
struct Best {
  int column;
  float logit;
  float log_sum_exp;  // over all columns, if asked for; else 0
};
// The best that each lane met among its columns (every 16th), and Σ exp(logit − most).
struct alignas(64) LaneBests {
  float logit[kLanes];
  std::int32_t column[kLanes];
  float total[kLanes];
};
// `lanes` (R), where they are wanted, hold the rivals of the best.
void argmax(const Linear& weights, const Rows& x, Best* best, bool log_sum_exp,
            LaneBests* lanes = nullptr);

// The int32 sums Σ_k q[r, k] W[n, k] (R, N) themselves; for tests.
void integers(const Linear& weights, const Rows& x, std::int32_t* y);

// A Linear of some columns only, in the order given (a shortlist); owns its memory.
class Shortlist {
 public:
  const Linear& set(const Linear& all, const int* columns, int count);

 private:
  Linear linear_;
  Buffer<std::int8_t> packed_;
  Buffer<std::int32_t> sums_;
  Buffer<float> scales_, dense_, bias_;
};

}  // namespace vq
