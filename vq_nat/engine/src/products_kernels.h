// What all instruction sets do with sums: scales, bias, ReLU, residual, argmax.
//
// Included by each products_*.cpp behind its lanes and its own
//   template <class Sink> void products(const Linear&, const Rows&, Sink&),
// which gives every sum Σ_k value[r, k] W[n, k], 16 columns at a time, to
//   sink.take(r, sink.columns(block), I sums).
#pragma once

#include <limits>

#include "kernels.h"
#include "lanes_math.h"

namespace vq {
namespace {

// Of a block of 16 columns, ready in registers.
struct Columns {
  int first, count;  // the last block may have fewer than 16
  I correction;      // 128 Σ_k W: values are shifted by 128
  F scale, bias;
};

inline Columns columns_of(const Linear& w, int block) {
  const int first = block * kLanes;
  const int count = w.out - first < kLanes ? w.out - first : kLanes;
  return {first, count, times128(loadi(w.sums + first, count)),
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
  void take(int r, const Columns& c, const I& sums) const {
    finish(r, c.first, c.count, logits(c, sums, x.scales[r]));
  }
  void finish(int r, int first, int count, F value) const {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(r) * stride + first;
    if (after == After::relu) value = max(value, all(0.0f));
    if (count == kLanes) {
      if (after == After::residual) value = value + load(residual + at);
      store(value, y + at);
    } else {
      if (after == After::residual) value = value + load(residual + at, count);
      store(value, y + at, count);
    }
  }
};

struct Integers {
  const Linear& w;
  std::int32_t* y;
  Columns columns(int block) const { return columns_of(w, block); }
  void take(int r, const Columns& c, const I& sums) const {
    std::int32_t* to = y + static_cast<std::ptrdiff_t>(r) * w.out + c.first;
    store(minus(sums, c.correction), to, c.count);
  }
};

constexpr float kLeast = -std::numeric_limits<float>::infinity();

// Of each row and lane: the best so far, and Σ exp(logit − most).
struct alignas(64) Running {
  float logit[16];
  std::int32_t column[16];
  float total[16];
};

template <bool with_sum>
struct Argmax {
  const Linear& w;
  const Rows& x;
  Running* rows;
  Columns columns(int block) const {
    Columns c = columns_of(w, block);
    if (c.count < kLanes)  // no lane behind the last column may win
      c.bias = choose(to_float(alli(c.count)), to_float(count()), c.bias, all(kLeast));
    return c;
  }
  void take(int r, const Columns& c, const I& sums) const {
    finish(r, c.first, logits(c, sums, x.scales[r]));
  }
  void finish(int r, int first, const F& value) const {
    Running& row = rows[r];
    const F best = load(row.logit);
    const I here = plus(alli(first), count());
    if (with_sum) {
      const F most = max(best, value);
      const F old = load(row.total) * exponential(best - most);
      store(old + exponential(value - most), row.total);
    }
    store(choose(value, best, value, best), row.logit);
    store(choose(value, best, here, loadi(row.column)), row.column);
  }
};

inline Best reduce(const Running& row, bool with_sum) {
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

template <int R, int B>
inline void dense_tile(const Linear& w, const Rows& x, int row, int block, F (&y)[R][B]) {
  for (int r = 0; r < R; ++r)
    for (int b = 0; b < B; ++b) y[r][b] = all(0.0f);
  const float* from = x.x + static_cast<std::ptrdiff_t>(row) * x.stride;
  const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(w.in) * kLanes;
  const float* weights = w.dense + block * size;
  for (int k = 0; k < w.in; ++k) {
    F v[B];
    for (int b = 0; b < B; ++b) v[b] = load(weights + b * size + k * kLanes);
    for (int r = 0; r < R; ++r) {
      const F a = all(from[static_cast<std::ptrdiff_t>(r) * x.stride + k]);
      for (int b = 0; b < B; ++b) y[r][b] = fma(a, v[b], y[r][b]);
    }
  }
}

template <int R, int B, class Sink>
inline void dense_piece(const Linear& w, const Rows& x, int row, int block, Sink& sink) {
  F y[R][B];
  dense_tile<R, B>(w, x, row, block, y);
  for (int b = 0; b < B; ++b) {
    const int first = (block + b) * kLanes;
    const int count = w.out - first < kLanes ? w.out - first : kLanes;
    F bias = w.bias ? load(w.bias + first, count) : all(0.0f);
    for (int r = 0; r < R; ++r) sink.dense(row + r, first, count, y[r][b] + bias);
  }
}

template <int B, class Sink>
inline void dense_column(const Linear& w, const Rows& x, int block, Sink& sink) {
  int row = 0;
  for (; row + kRowsAtOnce <= x.rows; row += kRowsAtOnce)
    dense_piece<kRowsAtOnce, B>(w, x, row, block, sink);
  for (; row < x.rows; ++row) dense_piece<1, B>(w, x, row, block, sink);
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
  void dense(int r, int first, int count, const F& value) const {
    this->finish(r, first, count, value);
  }
};

template <bool with_sum>
struct DenseArgmax : Argmax<with_sum> {
  void dense(int r, int first, int count, F value) const {
    if (count < kLanes)
      value = choose(to_float(alli(count)), to_float(vq::count()), value, all(kLeast));
    this->finish(r, first, value);
  }
};

// ---- the functions of the table

template <After after>
void linear_after(const Linear& w, const Rows& x, float* y, int stride, const float* from) {
  if (w.format == Format::float32)
    return dense_products(w, x, DenseStore<after>{{w, x, y, stride, from}});
  Store<after> sink{w, x, y, stride, from};
  products(w, x, sink);
}

void linear_kernel(const Linear& w, const Rows& x, float* y, int stride, After after,
                   const float* residual) {
  switch (after) {
    case After::nothing: return linear_after<After::nothing>(w, x, y, stride, residual);
    case After::relu: return linear_after<After::relu>(w, x, y, stride, residual);
    case After::residual: return linear_after<After::residual>(w, x, y, stride, residual);
  }
}

void integers_kernel(const Linear& w, const Rows& x, std::int32_t* y) {
  Integers sink{w, y};
  products(w, x, sink);
}

template <bool with_sum>
void argmax_sum(const Linear& w, const Rows& x, Best* best, Running* rows) {
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

void argmax_kernel(const Linear& w, const Rows& x, Best* best, bool with_sum) {
  static thread_local Buffer<Running> scratch;
  Running* rows = scratch.reserve(x.rows);
  with_sum ? argmax_sum<true>(w, x, best, rows) : argmax_sum<false>(w, x, best, rows);
}

void quantise_row(const float* x, int in, std::uint8_t* values, float* scale) {
  const int whole = in / kLanes * kLanes, rest = in - whole;
  F most = absolute(load(x + whole, rest));
  for (int k = 0; k < whole; k += kLanes) most = max(most, absolute(load(x + k)));
  const float peak = largest(most);
  *scale = peak / 127.0f;
  const F inverse = all(peak > 1e-30f ? 127.0f / peak : 0.0f);  // never infinite
  const I shift = alli(128);
  for (int k = 0; k < whole; k += kLanes)
    store_bytes(plus(to_int(load(x + k) * inverse), shift), values + k, kLanes);
  if (rest)
    store_bytes(plus(to_int(load(x + whole, rest) * inverse), shift), values + whole, rest);
  std::memset(values + in, 0, round_up(in, kDepth) - in);
}

void quantise_kernel(const float* x, int rows, int in, int stride, std::uint8_t* values,
                     float* scales) {
  const std::ptrdiff_t depth = round_up(in, kDepth);
  for (std::ptrdiff_t r = 0; r < rows; ++r)
    quantise_row(x + r * stride, in, values + r * depth, scales + r);
}

}  // namespace
}  // namespace vq
