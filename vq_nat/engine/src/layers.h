// Owns the Transformer layer over packed rows: the rows of all sequences stand in one
// matrix without padding, so that no layer needs a mask.
//
// Letters: R rows, C width, N layers, S words of a source.
#pragma once

#include <vector>

#include "layers_arena.h"
#include "norms_attention.h"
#include "products.h"
#include "stages.h"

namespace vq {

/// One layer; without `cross_query` it does not attend to a source.
struct Layer {
  Norm self_norm, cross_norm, final_norm;
  Linear qkv, out, cross_query, cross_out, fc1, fc2;
};

/// Layers of one kind, and the keys and values of the source of all of them at once.
struct Stack {
  std::vector<Layer> layers;
  Norm norm;      // behind the last layer; null weights = there is none
  Linear memory;  // (N · 2C, C) for each layer keys, then values
  int width = 0, heads = 0;
  bool pre_norm = true, source = false;

  int count() const { return static_cast<int>(layers.size()); }
};

/// What a thread computes with.
struct Work {
  Arena arena;
  Activations activations;
  StageClock clock;
};

/// Keys and values of one source, for all layers.
struct Memory {
  const float* keys;    // (N, C, capacity), transposed
  const float* values;  // (S, N · 2C), keys first
  int length, capacity;
};

/// Keys and values of the past of one sequence: N · (keys (C, capacity), transposed;
/// values (capacity, C)).
using Cache = float*;

/// Rows of one sequence, and what they see of it.
struct Own {
  int start, count;       // rows
  bool causal = false;    // a row sees those before it alone
  Cache cache = nullptr;  // rows are appended to it; causal then
  int past = 0;           // positions in it
};

/// Rows that attend to the same source.
struct Reading {
  int start, count;  // rows
  Memory memory;
};

/// What each row attends to.
struct Attends {
  const Own* own;
  int own_count;
  const Reading* readings = nullptr;
  int reading_count = 0;
  int capacity = 0;  // of the caches
};

/// Multiplies float rows, (R, K) → (R, N), in the number format of the weights. With
/// After::residual the product is added to y. Rows of y begin `stride` apart, N if 0.
void apply(const Linear& weights, const float* x, int rows, float* y, Work& work,
           After after = After::nothing, int stride = 0);

/// Runs all layers and the last norm over x, (R, C), in place.
void run(const Stack& stack, float* x, int rows, const Attends& attends, Work& work);

/// Computes keys and values of sources for all layers, one product in all.
///
/// Args: states (R, C); starts (count + 1), where each source begins in them; memories
/// (count), which live as long as the arena's frame.
void read_sources(const Stack& stack, const float* states, const int* starts, int count,
                  Memory* memories, Work& work);

/// Room for the past of several sequences, which doubles where it does not suffice.
class Caches {
 public:
  Caches(const Stack& stack, int count, int capacity, Arena& arena);

  Cache operator[](int index) const { return places_[index]; }
  int capacity() const { return capacity_; }
  /// Makes room for `length` positions, keeping the first `used` of each sequence.
  void reserve(int length, int used);
  /// Copies the first `used` positions of one sequence to another.
  void copy(int from, int to, int used) { move(places_[from], capacity_, to, used); }

 private:
  void allocate(int length);
  void move(const float* from, int from_capacity, int to, int used);

  const Stack& stack_;
  Arena& arena_;
  int count_, capacity_ = 0;
  Cache* places_;
};

}  // namespace vq
