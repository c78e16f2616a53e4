// The Transformer layer over packed rows; the equations are those of
// vq_nat/nn/transformer.py and of fairseq's layers.
#include "layers.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vq {
namespace {

std::size_t size(int count, int width) { return static_cast<std::size_t>(count) * width; }

/// One pass through one layer after the other.
class Pass {
 public:
  Pass(const Stack& stack, float* x, int rows, const Attends& attends, Work& work)
      : stack_(stack), attends_(attends), work_(work), frame_(work.arena), x_(x),
        rows_(rows), width_(stack.width) {
    int widest = 3 * width_, longest = 0;
    for (const Layer& layer : stack.layers) widest = std::max(widest, layer.fc1.out);
    for (int i = 0; i < attends.own_count; ++i) {
      longest = std::max(longest, attends.own[i].count);
    }
    normed_ = work.arena.take<float>(size(rows, width_));
    wide_ = work.arena.take<float>(size(rows, widest));
    attended_ = work.arena.take<float>(size(rows, width_));
    keys_ = work.arena.take<float>(size(round_up(longest, kLanes), width_));
  }

  void layer(int index) {
    const Layer& layer = stack_.layers[index];
    residual(layer.self_norm, [&](const float* input) {
      apply(layer.qkv, input, rows_, wide_, work_);
      for (int i = 0; i < attends_.own_count; ++i) self_attention(attends_.own[i], index);
      apply(layer.out, attended_, rows_, x_, work_, After::residual);
    });
    if (stack_.source) {
      residual(layer.cross_norm, [&](const float* input) {
        apply(layer.cross_query, input, rows_, wide_, work_);
        for (int i = 0; i < attends_.reading_count; ++i) {
          source_attention(attends_.readings[i], index);
        }
        apply(layer.cross_out, attended_, rows_, x_, work_, After::residual);
      });
    }
    residual(layer.final_norm, [&](const float* input) {
      apply(layer.fc1, input, rows_, wide_, work_, After::relu);
      apply(layer.fc2, wide_, rows_, x_, work_, After::residual);
    });
  }

 private:
  /// x ← x + f(norm(x)), or norm(x + f(x)) after it; f adds to x itself.
  template <class Branch>
  void residual(const Norm& norm, Branch branch) {
    if (stack_.pre_norm) layer_norm(norm, x_, rows_, normed_);
    branch(stack_.pre_norm ? normed_ : x_);
    if (!stack_.pre_norm) layer_norm(norm, x_, rows_, x_);
  }

  Attention task(int start, int count, int query_stride) const {
    Attention task;
    task.queries = count;
    task.heads = stack_.heads;
    task.size = width_ / stack_.heads;
    task.q = wide_ + size(start, query_stride);
    task.q_stride = query_stride;
    task.out = attended_ + size(start, width_);
    task.out_stride = width_;
    task.scale = 1.0f / std::sqrt(static_cast<float>(task.size));
    return task;
  }

  void self_attention(const Own& own, int index) {
    Attention task = this->task(own.start, own.count, 3 * width_);
    const float *keys = task.q + width_, *values = task.q + 2 * width_;
    task.keys = own.past + own.count;
    task.causal = own.causal || own.cache != nullptr;
    task.first_seen = own.past;
    if (own.cache == nullptr) {
      task.k_capacity = round_up(own.count, kLanes);
      transpose(keys, own.count, width_, 3 * width_, keys_, task.k_capacity);
      task.k = keys_;
      task.v = values;
      task.v_stride = 3 * width_;
    } else {
      task.k_capacity = attends_.capacity;
      float* cached = own.cache + 2 * size(index * task.k_capacity, width_);
      float* cached_values = cached + size(task.k_capacity, width_);
      transpose(keys, own.count, width_, 3 * width_, cached + own.past, task.k_capacity);
      for (int i = 0; i < own.count; ++i) {
        std::memcpy(cached_values + size(own.past + i, width_),
                    values + size(i, 3 * width_), width_ * sizeof(float));
      }
      task.k = cached;
      task.v = cached_values;
      task.v_stride = width_;
    }
    attention(task);
  }

  void source_attention(const Reading& reading, int index) {
    Attention task = this->task(reading.start, reading.count, width_);
    const Memory& memory = reading.memory;
    task.keys = memory.length;
    task.k = memory.keys + size(index * memory.capacity, width_);
    task.k_capacity = memory.capacity;
    task.v = memory.values + size(2 * index + 1, width_);
    task.v_stride = 2 * stack_.count() * width_;
    attention(task);
  }

  const Stack& stack_;
  const Attends& attends_;
  Work& work_;
  Arena::Frame frame_;
  float* x_;
  int rows_, width_;
  float *normed_, *wide_, *attended_, *keys_;
};

}  // namespace

void apply(const Linear& weights, const float* x, int rows, float* y, Work& work,
           After after, int stride) {
  if (rows == 0) return;
  const Rows& input = work.activations.set(weights.format, x, rows, weights.in);
  linear(weights, input, y, stride == 0 ? weights.out : stride, after,
         after == After::residual ? y : nullptr);
}

void run(const Stack& stack, float* x, int rows, const Attends& attends, Work& work) {
  if (rows == 0) return;
  Pass pass(stack, x, rows, attends, work);
  for (int i = 0; i < stack.count(); ++i) pass.layer(i);
  if (stack.norm.weight != nullptr) layer_norm(stack.norm, x, rows, x);
}

void read_sources(const Stack& stack, const float* states, const int* starts, int count,
                  Memory* memories, Work& work) {
  const int width = stack.width, stride = 2 * stack.count() * width;
  float* all = work.arena.take<float>(size(starts[count], stride));
  apply(stack.memory, states, starts[count], all, work);
  for (int i = 0; i < count; ++i) {
    const int length = starts[i + 1] - starts[i], capacity = round_up(length, kLanes);
    const float* values = all + size(starts[i], stride);
    float* keys = work.arena.take<float>(size(stack.count() * capacity, width));
    memories[i] = {keys, values, length, capacity};
    for (int layer = 0; layer < stack.count(); ++layer) {
      transpose(values + size(2 * layer, width), length, width, stride,
                keys + size(layer * capacity, width), capacity);
    }
  }
}

Caches::Caches(const Stack& stack, int count, int capacity, Arena& arena)
    : stack_(stack), arena_(arena), count_(count), places_(arena.take<Cache>(count)) {
  allocate(std::max(capacity, 1));
}

void Caches::allocate(int length) {
  capacity_ = round_up(length, kLanes);
  const std::size_t one = 2 * size(stack_.count() * capacity_, stack_.width);
  float* all = arena_.take<float>(one * count_);
  for (int i = 0; i < count_; ++i) places_[i] = all + one * i;
}

void Caches::reserve(int length, int used) {
  if (length <= capacity_) return;
  const int before = capacity_;
  Cache* old = arena_.take<Cache>(count_);
  std::copy(places_, places_ + count_, old);
  allocate(std::max(length, 2 * before));
  for (int i = 0; i < count_; ++i) move(old[i], before, i, used);
}

void Caches::move(const float* from, int from_capacity, int to, int used) {
  const int width = stack_.width;
  for (int layer = 0; layer < stack_.count(); ++layer) {
    const float* source = from + 2 * size(layer * from_capacity, width);
    float* target = places_[to] + 2 * size(layer * capacity_, width);
    for (int c = 0; c < width; ++c) {
      std::memcpy(target + size(c, capacity_), source + size(c, from_capacity),
                  used * sizeof(float));
    }
    std::memcpy(target + size(width, capacity_), source + size(width, from_capacity),
                size(used, width) * sizeof(float));
  }
}

}  // namespace vq
