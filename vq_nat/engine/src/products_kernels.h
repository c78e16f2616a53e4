// What all instruction sets do with sums: scales, bias, ReLU, residual, argmax.
//
// Included by each products_*.cpp behind its lanes and its own
//   constexpr int kShift;   128 or 0
//   template <class Sink> void products(const Linear&, const Rows&, Sink&),
// which gives every sum Σ_k (x[r, k] + kShift) W[n, k], some rows of a block at a time, to
//   sink.take(first row, rows, sink.columns(block), sums), sums(r) being 16 lanes.
// Sinks keep what they need in registers: a vector store may change any memory.
#pragma once

#include <limits>

#include "kernels.h"
#include "lanes_math.h"
#include "unrolled.h"

namespace vq {
namespace {

// Of a block of 16 columns, ready in registers.
struct Columns {
  int first, count;  // the last block may have fewer than 16
  I correction;      // kShift Σ_k W
  F scale, bias;
};

inline Columns columns_of(const Linear& w, int block) {
  const int first = block * kLanes;
  const int count = w.out - first < kLanes ? w.out - first : kLanes;
  static_assert(kShift == 0 || kShift == 128);
  const I shifted = kShift == 0 ? alli(0) : times128(loadi(w.sums + first, count));
  return {first, count, shifted,
          load(w.scales + first, count),
          w.bias ? load(w.bias + first, count) : all(0.0f)};
}

inline F logits(const Columns& c, const I& sums, float row_scale) {
  return fma(to_float(minus(sums, c.correction)), c.scale * all(row_scale), c.bias);
}

template <After after>
struct Store {
  const Linear& w;
  const Rows& x;
  float* y;
  int stride;
  const float* residual;
  Columns columns(int block) const { return columns_of(w, block); }
  template <class Sums>
  void take(int row, int rows, const Columns& c, Sums sums) const {
    const float* scales = x.scales + row;
    finish(row, rows, c.first, c.count, [&](int r) { return logits(c, sums(r), scales[r]); });
  }
  template <class Values>
  void finish(int row, int rows, int first, int count, Values values) const {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(row) * stride + first;
    const std::ptrdiff_t step = stride;
    float* to = y + at;
    const float* more = after == After::residual ? residual + at : y;
    for (int r = 0; r < rows; ++r, to += step) {
      F value = values(r);
      if (after == After::relu) value = max(value, all(0.0f));
      if (after == After::residual) value = value + some(more + r * step, count);
      put(value, to, count);
    }
  }
};

struct Integers {
  const Linear& w;
  std::int32_t* y;
  Columns columns(int block) const { return columns_of(w, block); }
  template <class Sums>
  void take(int row, int rows, const Columns& c, Sums sums) const {
    std::int32_t* to = y + static_cast<std::ptrdiff_t>(row) * w.out + c.first;
    for (int r = 0; r < rows; ++r, to += w.out)
      store(minus(sums(r), c.correction), to, c.count);
  }
};

constexpr float kLeast = -std::numeric_limits<float>::infinity();

template <bool with_sum>
struct Argmax {
  const Linear& w;
  const Rows& x;
  LaneBests* rows;
  Columns columns(int block) const {
    Columns c = columns_of(w, block);
    c.bias = only(c.bias, c.count, kLeast);  // no lane behind the last column may win
    return c;
  }
  template <class Sums>
  void take(int row, int rows, const Columns& c, Sums sums) const {
    const float* scales = x.scales + row;
    finish(row, rows, c.first, [&](int r) { return logits(c, sums(r), scales[r]); });
  }
  template <class Values>
  void finish(int row, int rows, int first, Values values) const {
    LaneBests* running = this->rows + row;
    const I here = plus(alli(first), count());
    for (int r = 0; r < rows; ++r) update(running[r], here, values(r));
  }
  static void update(LaneBests& row, const I& here, const F& value) {
    const F best = load(row.logit);
    if (with_sum) {
      const F most = max(best, value);
      const F old = load(row.total) * exponential(best - most);
      store(old + exponential(value - most), row.total);
    }
    store(choose(value, best, value, best), row.logit);
    store(choose(value, best, here, loadi(row.column)), row.column);
  }
};

inline Best reduce(const LaneBests& row, bool with_sum) {
  int lane = 0;
  for (int i = 1; i < kLanes; ++i) {
    const bool first = row.logit[i] == row.logit[lane] && row.column[i] < row.column[lane];
    if (row.logit[i] > row.logit[lane] || first) lane = i;
  }
  Best best{row.column[lane], row.logit[lane], 0.0f};
  if (with_sum) {
    const F shares = load(row.total) * exponential(load(row.logit) - all(best.logit));
    best.log_sum_exp = best.logit + std::log(sum(shares));
  }
  return best;
}

// ---- float32: sums over k in order, whatever the number of rows

template <int R, int B, class Sink>
inline void dense_piece(const Linear& w, const Rows& x, int row, int block, Sink& sink) {
  F y[R][B];
  each_pair<R, B>([&](auto r, auto b) { y[r][b] = all(0.0f); });
  const std::ptrdiff_t stride = x.stride, size = static_cast<std::ptrdiff_t>(w.in) * kLanes;
  const float* from = x.x + row * stride;
  const float* weights = w.dense + block * size;
  for (int k = 0; k < w.in; ++k) {
    F v[B];
    each_of<B>([&](auto b) { v[b] = load(weights + b * size + k * kLanes); });
    each_of<R>([&](auto r) {
      const F a = spread(from[r * stride + k]);
      each_of<B>([&](auto b) { y[r][b] = fma(a, v[b], y[r][b]); });
    });
  }
  alignas(64) float stored[B][R][kLanes];  // sinks take rows in loops
  each_pair<R, B>([&](auto r, auto b) { store(y[r][b], stored[b][r]); });
  for (int b = 0; b < B; ++b) {
    const int first = (block + b) * kLanes;
    const int count = w.out - first < kLanes ? w.out - first : kLanes;
    const F bias = w.bias ? load(w.bias + first, count) : all(0.0f);
    sink.dense(row, R, first, count, [&](int r) { return load(stored[b][r]) + bias; });
  }
}

template <int B, class Sink>
inline void dense_column(const Linear& w, const Rows& x, int block, Sink& sink) {
  in_pieces<kRowsAtOnce>(
      x.rows, [&](int row, auto size) { dense_piece<size, B>(w, x, row, block, sink); });
}

template <class Sink>
inline void dense_products(const Linear& w, const Rows& x, Sink sink) {
  int block = 0;
  for (; block + kBlocksAtOnce <= w.blocks(); block += kBlocksAtOnce)
    dense_column<kBlocksAtOnce>(w, x, block, sink);
  for (; block < w.blocks(); ++block) dense_column<1>(w, x, block, sink);
}

template <After after>
struct DenseStore : Store<after> {
  template <class Values>
  void dense(int row, int rows, int first, int count, Values values) const {
    this->finish(row, rows, first, count, values);
  }
};

template <bool with_sum>
struct DenseArgmax : Argmax<with_sum> {
  template <class Values>
  void dense(int row, int rows, int first, int count, Values values) const {
    this->finish(row, rows, first, [&](int r) { return only(values(r), count, kLeast); });
  }
};

// ---- the functions of the table

// Rows first … first + count of x.
inline Rows slice(const Rows& x, int first, int count) {
  Rows part = x;
  part.rows = count;
  if (x.format == Format::float32) {
    part.x += static_cast<std::ptrdiff_t>(first) * x.stride;
  } else {
    part.values += static_cast<std::ptrdiff_t>(first) * x.depth();
    part.scales += first;
  }
  return part;
}

template <After after>
void linear_after(const Linear& w, const Rows& x, float* y, int stride, const float* from) {
  if (w.format == Format::float32)
    return dense_products(w, x, DenseStore<after>{{w, x, y, stride, from}});
  Store<after> sink{w, x, y, stride, from};
  products(w, x, sink);
}

// How many rows pass all weights together: so many that reading the weights is little
// work beside, but so few that what is written stays in few pages and the second cache.
inline int rows_together(const Linear& w) {
  constexpr std::ptrdiff_t kSecondCache = 1 << 20;
  const std::ptrdiff_t bytes = w.format == Format::int8 ? 1 : 4;
  return bytes * w.in * w.out <= kSecondCache ? 64 : 256;
}

void linear_kernel(const Linear& w, const Rows& x, float* y, int stride, After after,
                   const float* residual) {
  const auto work = after == After::relu       ? linear_after<After::relu>
                    : after == After::residual ? linear_after<After::residual>
                                               : linear_after<After::nothing>;
  const int most = rows_together(w);
  for (int row = 0; row < x.rows; row += most) {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(row) * stride;
    const Rows part = slice(x, row, x.rows - row < most ? x.rows - row : most);
    work(w, part, y + at, stride, residual ? residual + at : nullptr);
  }
}

void integers_kernel(const Linear& w, const Rows& x, std::int32_t* y) {
  Integers sink{w, y};
  products(w, x, sink);
}

template <bool with_sum>
void argmax_sum(const Linear& w, const Rows& x, Best* best, LaneBests* rows) {
  for (int r = 0; r < x.rows; ++r) {
    store(all(kLeast), rows[r].logit);
    store(alli(0), rows[r].column);
    store(all(0.0f), rows[r].total);
  }
  if (w.format == Format::float32) {
    dense_products(w, x, DenseArgmax<with_sum>{{w, x, rows}});
  } else {
    Argmax<with_sum> sink{w, x, rows};
    products(w, x, sink);
  }
  for (int r = 0; r < x.rows; ++r) best[r] = reduce(rows[r], with_sum);
}

void argmax_kernel(const Linear& w, const Rows& x, Best* best, bool with_sum, LaneBests* rows) {
  with_sum ? argmax_sum<true>(w, x, best, rows) : argmax_sum<false>(w, x, best, rows);
}

inline float peak_of(const float* x, int in) {
  F most[4] = {all(0.0f), all(0.0f), all(0.0f), all(0.0f)};
  int k = 0;
  for (; k + 4 * kLanes <= in; k += 4 * kLanes)
    for (int i = 0; i < 4; ++i)
      most[i] = max(most[i], absolute(load(x + k + i * kLanes)));
  by_lanes(in - k, [&](int at, int n) { most[0] = max(most[0], absolute(some(x + k + at, n))); });
  return largest(max(max(most[0], most[1]), max(most[2], most[3])));
}

void quantise_row(const float* x, int in, std::uint8_t* values, float* scale) {
  const float peak = peak_of(x, in);
  *scale = peak / 127.0f;
  const F inverse = all(peak > 1e-30f ? 127.0f / peak : 0.0f);  // never infinite
  const I shift = alli(128);
  by_lanes(in, [&](int at, int n) {
    store_bytes(plus(to_int(some(x + at, n) * inverse), shift), values + at, n);
  });
  if (in % kDepth) std::memset(values + in, 0, round_up(in, kDepth) - in);
}

void quantise_kernel(const float* x, int rows, int in, int stride, std::uint8_t* values,
                     float* scales) {
  const std::ptrdiff_t depth = round_up(in, kDepth);
  for (std::ptrdiff_t r = 0; r < rows; ++r)
    quantise_row(x + r * stride, in, values + r * depth, scales + r);
}

// The table of the instruction set that this file is compiled for.
constexpr Kernels kernels_of(Isa isa) {
  return {isa,               quantise_kernel, linear_kernel,    argmax_kernel,   integers_kernel,
          layer_norm_kernel, softmax_kernel,  attention_kernel, transpose_kernel};
}

}  // namespace
}  // namespace vq
