// Products with AMX: a tile of 16 rows × 64 values by one of 64 × 16 weights.
#include "lanes_avx512.h"
#include "products_vnni.h"

namespace vq {
namespace {

// All eight tiles have 16 rows of 64 bytes. Other libraries in the process have their
// own shapes, so that this is asked each time; setting it costs more.
struct alignas(64) Shape {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void configure_tiles() {
  static const Shape wanted;
  Shape current;
  _tile_storeconfig(&current);
  if (std::memcmp(&current, &wanted, sizeof current) != 0) _tile_loadconfig(&wanted);
}

constexpr int kFewRows = 4;             // up to these, vectors are as fast
constexpr int kTile = kLanes * kLanes;  // sums in a tile
constexpr int kStrip = 4;               // blocks of columns at a time

// Where the sums of 16 rows × 4 blocks come from, and go to.
struct Piece {
  const std::uint8_t* values;    // 16 or 32 rows, `depth` apart
  const std::int8_t* weights[kStrip];
  std::ptrdiff_t depth;
  std::int32_t* sums;            // (4, 16, 16)
};

// The first four tiles hold sums.
inline void begin_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

inline void store_sums(std::int32_t* sums) {
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + kTile, 64);
  _tile_stored(2, sums + 2 * kTile, 64);
  _tile_stored(3, sums + 3 * kTile, 64);
}

// 16 rows by 4 blocks: each weight is loaded once.
inline void one_by_four(const Piece& p) {
  begin_sums();
  for (std::ptrdiff_t k = 0; k < p.depth; k += kDepth) {
    _tile_loadd(4, p.values + k, p.depth);
    _tile_loadd(5, p.weights[0] + k * kLanes, 64);
    _tile_dpbusd(0, 4, 5);
    _tile_loadd(6, p.weights[1] + k * kLanes, 64);
    _tile_dpbusd(1, 4, 6);
    _tile_loadd(7, p.weights[2] + k * kLanes, 64);
    _tile_dpbusd(2, 4, 7);
    _tile_loadd(5, p.weights[3] + k * kLanes, 64);
    _tile_dpbusd(3, 4, 5);
  }
  store_sums(p.sums);
}

// 32 rows by 2 blocks: four products for four loads.
inline void two_by_two(const Piece& p) {
  const std::uint8_t* below = p.values + kLanes * p.depth;
  begin_sums();
  for (std::ptrdiff_t k = 0; k < p.depth; k += kDepth) {
    _tile_loadd(4, p.values + k, p.depth);
    _tile_loadd(6, p.weights[0] + k * kLanes, 64);
    _tile_dpbusd(0, 4, 6);
    _tile_loadd(7, p.weights[1] + k * kLanes, 64);
    _tile_dpbusd(1, 4, 7);
    _tile_loadd(5, below + k, p.depth);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  store_sums(p.sums);
}

template <class Sink>
inline void take_tile(const Rows& x, int row, int block, const std::int32_t* sums,
                      Sink& sink) {
  const auto columns = sink.columns(block);
  const int end = x.rows - row < kLanes ? x.rows - row : kLanes;
  sink.take(row, end, columns, [&](int r) { return loadi(sums + r * kLanes); });
}

// A strip of 4 blocks for all rows. Behind the last block the last one is taken again.
template <class Sink>
void strip(const Linear& w, const Rows& x, int block, Sink& sink) {
  alignas(64) std::int32_t sums[kStrip * kTile];
  const std::ptrdiff_t depth = w.depth(), size = depth * kLanes;
  const int last = w.blocks() - 1;
  const std::int8_t* weights[kStrip];
  for (int b = 0; b < kStrip; ++b)
    weights[b] = w.packed + (block + b < last ? block + b : last) * size;
  int row = 0;
  for (; row + kLanes < x.rows; row += 2 * kLanes)
    for (int b = 0; b < kStrip && block + b <= last; b += 2) {
      two_by_two({x.values + row * depth, {weights[b], weights[b + 1]}, depth, sums});
      for (int t = 0; t < 4; ++t)
        if (block + b + t % 2 <= last)
          take_tile(x, row + t / 2 * kLanes, block + b + t % 2, sums + t * kTile, sink);
    }
  if (row >= x.rows) return;
  one_by_four({x.values + row * depth,
               {weights[0], weights[1], weights[2], weights[3]}, depth, sums});
  for (int b = 0; b < kStrip && block + b <= last; ++b)
    take_tile(x, row, block + b, sums + b * kTile, sink);
}

template <class Sink>
void products(const Linear& w, const Rows& x, Sink& sink) {
  if (x.rows <= kFewRows) return vector_products(w, x, sink);
  configure_tiles();
  for (int block = 0; block < w.blocks(); block += kStrip) strip(w, x, block, sink);
}

}  // namespace
}  // namespace vq

#include "norms_attention_kernels.h"
#include "products_kernels.h"

const vq::Kernels vq::amx_kernels = vq::kernels_of(vq::Isa::amx);
