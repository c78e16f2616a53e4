#include "layers_output.h"

#include <algorithm>
#include <cmath>

namespace vq {
namespace {

constexpr float kNever = -1e30f;
constexpr int kRowsOfLogits = 16;

std::int32_t dot(const Linear& weights, const std::uint8_t* x, int column) {
  const std::int8_t* w =
      weights.packed +
      static_cast<std::size_t>(column / kLanes) * weights.depth() * kLanes +
      column % kLanes * 4;
  std::int32_t sum = 0;
  for (int k = 0; k < weights.depth(); k += 4, w += 4 * kLanes, x += 4) {
    for (int i = 0; i < 4; ++i) sum += (x[i] - 128) * w[i];
  }
  return sum;
}

float dot_float(const Linear& weights, const float* x, int column) {
  const float* w = weights.dense +
                   static_cast<std::size_t>(column / kLanes) * weights.in * kLanes +
                   column % kLanes;
  float sum = 0.0f;
  for (int k = 0; k < weights.in; ++k, w += kLanes) sum = std::fma(x[k], *w, sum);
  return sum;
}

/// Eight sums side by side: an order that no instruction set changes.
float dot_row(const float* a, const float* b, int count) {
  constexpr int kAtOnce = 8;
  float sums[kAtOnce] = {};
  int i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce)
    for (int j = 0; j < kAtOnce; ++j) sums[j] += a[i + j] * b[i + j];
  float rest = 0.0f;
  for (; i < count; ++i) rest += a[i] * b[i];
  for (float sum : sums) rest += sum;
  return rest;
}

float bias_of(const float* bias, int column) { return bias == nullptr ? 0.0f : bias[column]; }

}  // namespace

float single(const LinearRows& weights, const float* x, int column) {
  const float* row = weights.rows + static_cast<std::size_t>(column) * weights.in;
  return dot_row(x, row, weights.in) + bias_of(weights.bias, column);
}

float single(const Linear& weights, const Rows& x, int row, int column) {
  const float bias = bias_of(weights.bias, column);
  if (weights.format == Format::float32) {
    return dot_float(weights, x.x + static_cast<std::size_t>(row) * x.stride, column) + bias;
  }
  const auto* values = x.values + static_cast<std::size_t>(row) * x.depth();
  const auto sum = static_cast<float>(dot(weights, values, column));
  return std::fma(sum, weights.scales[column] * x.scales[row], bias);
}

Output::Output(const Linear& all, std::vector<int> forbidden, int end,
               const std::vector<int>& silenced)
    : all_(silenced.empty() ? all : without(all, silenced, biases_)),
      forbidden_(std::move(forbidden)), end_(end) {
  allowed_ = without(all_, forbidden_, allowed_biases_);
  unended_ = without(allowed_, {end}, unended_biases_);
}

Linear Output::without(const Linear& all, const std::vector<int>& words,
                       std::vector<float>& biases) {
  biases.assign(all.out, 0.0f);
  if (all.bias != nullptr) std::copy(all.bias, all.bias + all.out, biases.begin());
  for (int word : words) biases[word] = kNever;
  Linear biased = all;
  biased.bias = biases.data();
  return biased;
}

bool Output::forbids(int word) const {
  return std::find(forbidden_.begin(), forbidden_.end(), word) != forbidden_.end();
}

bool Output::allows(int word, const Asked& asked) const {
  return !forbids(word) && (asked.may_end || word != end_);
}

void Output::best(const float* x, int rows, const Asked& asked, Choice* choices,
                  Work& work) const {
  const InStage stage(work.clock, Stage::output);
  Arena::Frame frame(work.arena);
  Best* best = work.arena.take<Best>(rows);
  const Rows& input = work.activations.set(all_.format, x, rows, all_.in);
  argmax(all_, input, best, asked.scores);
  for (int i = 0; i < rows; ++i) {
    const float score = best[i].logit - best[i].log_sum_exp;
    choices[i] = {best[i].column, score, best[i].column == end_ ? score : 0.0f};
    if (best[i].column == end_) continue;  // whoever asks for more: the sum has one order
    if (asked.end_score_of(choices[i].word) || (asked.scores && !allows(choices[i].word, asked))) {
      choices[i].end_score = single(all_, input, i, end_) - best[i].log_sum_exp;
    }
  }
  const Linear& rest = asked.may_end ? allowed_ : unended_;
  for (int i = 0; i < rows; ++i) {  // rare: trained models hardly want what they may not
    if (allows(choices[i].word, asked)) continue;
    Best other;
    const float* row = x + static_cast<std::size_t>(i) * all_.in;
    argmax(rest, work.activations.set(all_.format, row, 1, all_.in), &other, false);
    choices[i].word = other.column;
    choices[i].score = other.logit - best[i].log_sum_exp;
  }
}

void Output::best_of(const Linear& some, const int* words, const float* x, int rows,
                     const Asked& asked, Choice* choices, Work& work) const {
  const InStage stage(work.clock, Stage::output);
  Arena::Frame frame(work.arena);
  float* logits = work.arena.take<float>(static_cast<std::size_t>(rows) * some.out);
  apply(some, x, rows, logits, work);
  if (asked.scores) softmax(logits, rows, some.out, some.out, true);
  for (int i = 0; i < rows; ++i, logits += some.out) {
    int best = -1;
    choices[i].end_score = 0.0f;
    for (int j = 0; j < some.out; ++j) {
      if (words[j] == end_) choices[i].end_score = logits[j];
      if (!asked.may_end && (words[j] == end_ || words[j] == asked.padding)) continue;
      if (best < 0 || logits[j] > logits[best]) best = j;
    }
    choices[i].word = words[best];
    choices[i].score = logits[best];
  }
}

void Output::scores(const float* x, int rows, const int* words, float* logp,
                    Work& work) const {
  const InStage stage(work.clock, Stage::output);
  Arena::Frame frame(work.arena);
  Best* best = work.arena.take<Best>(rows);
  const Rows& input = work.activations.set(all_.format, x, rows, all_.in);
  argmax(all_, input, best, true);
  for (int i = 0; i < rows; ++i) {
    logp[i] = single(all_, input, i, words[i]) - best[i].log_sum_exp;
  }
}

void log_probs(const Linear& weights, const float* x, int rows, float* logp, Work& work) {
  for (int i = 0; i < rows; i += kRowsOfLogits) {  // what is written stays in the cache
    const int count = std::min(kRowsOfLogits, rows - i);
    float* part = logp + static_cast<std::size_t>(i) * weights.out;
    apply(weights, x + static_cast<std::size_t>(i) * weights.in, count, part, work);
    softmax(part, count, weights.out, weights.out, true);
  }
}

}  // namespace vq
