#include "layers_output.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vq {
namespace {

constexpr float kNever = -1e30f;
constexpr int kRowsOfLogits = 16;
constexpr int kRivals = 4;       // at most so many words are compared in float32 with the best
constexpr float kNear = 0.5f;    // nats: five times and more what int8 is off by

std::size_t size(int count, int width) { return static_cast<std::size_t>(count) * width; }

std::int32_t dot(const Linear& weights, const std::uint8_t* x, int column) {
  const std::int8_t* w =
      weights.packed +
      size(column / kLanes, weights.depth()) * kLanes +
      column % kLanes * 4;
  std::int32_t sum = 0;
  for (int k = 0; k < weights.depth(); k += 4, w += 4 * kLanes, x += 4) {
    for (int i = 0; i < 4; ++i) sum += (x[i] - 128) * w[i];
  }
  return sum;
}

float dot_float(const Linear& weights, const float* x, int column) {
  const float* w = weights.dense +
                   size(column / kLanes, weights.in) * kLanes +
                   column % kLanes;
  float sum = 0.0f;
  for (int k = 0; k < weights.in; ++k, w += kLanes) sum = std::fma(x[k], *w, sum);
  return sum;
}

float bias_of(const float* bias, int column) { return bias == nullptr ? 0.0f : bias[column]; }

/// Rounding of large logits would make a probability more than 1.
float at_most_certain(float log_probability) { return std::min(0.0f, log_probability); }

/// Decides among the best of the lanes that int8 finds nearly as good. A rival in the same
/// lane as the best is not seen: one of sixteen.
void decide(const LinearRows& exact, const LaneBests& lanes, const float* x, Best& best) {
  int near[kLanes], count = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    const bool other = lanes.column[lane] != best.column;
    if (other && lanes.logit[lane] > best.logit - kNear) near[count++] = lane;
  }
  const int rivals = std::min(count, kRivals);
  std::partial_sort(near, near + rivals, near + count,
                    [&](int a, int b) {
                      if (lanes.logit[a] != lanes.logit[b]) return lanes.logit[a] > lanes.logit[b];
                      return lanes.column[a] < lanes.column[b];
                    });
  if (rivals == 0) return;
  const float before = single(exact, x, best.column);
  float most = before;
  for (int i = 0; i < rivals; ++i) {
    const int column = lanes.column[near[i]];
    const float logit = single(exact, x, column);
    const bool wins = logit > most || (logit == most && column < best.column);
    if (wins) most = logit, best.column = column;
  }
  best.logit += most - before;
}

}  // namespace

float single(const Linear& weights, const Rows& x, int row, int column) {
  const float bias = bias_of(weights.bias, column);
  if (weights.format == Format::float32) {
    return dot_float(weights, x.x + size(row, x.stride), column) + bias;
  }
  const auto* values = x.values + size(row, x.depth());
  const auto sum = static_cast<float>(dot(weights, values, column));
  return std::fma(sum, weights.scales[column] * x.scales[row], bias);
}

Output::Output(const Linear& all, std::vector<int> forbidden, int end,
               const std::vector<int>& silenced, const LinearRows& exact)
    : all_(silenced.empty() ? all : without(all, silenced, biases_)),
      exact_(exact), forbidden_(std::move(forbidden)), silenced_(silenced), end_(end) {
  exact_.bias = all_.bias;
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

const Rows& Output::find(const Linear& some, const float* x, int rows, bool log_sum_exp,
                         Best* best, Work& work) const {
  LaneBests* lanes = exact_.rows == nullptr ? nullptr : work.arena.take<LaneBests>(rows);
  const Rows& input = work.activations.set(some.format, x, rows, some.in);
  argmax(some, input, best, log_sum_exp, lanes);
  LinearRows exact = exact_;
  exact.bias = some.bias;
  for (int i = 0; i < rows; ++i, x += some.in) {
    require_finite(best[i].logit);
    if (lanes != nullptr) decide(exact, lanes[i], x, best[i]);
  }
  return input;
}

float Output::logit(const Rows& input, const float* x, int row, int word,
                    const Best& best) const {
  if (exact_.rows == nullptr) return single(all_, input, row, word);
  return beside(best, x + size(row, all_.in), word);
}

float Output::beside(const Best& best, const float* x, int word) const {
  return best.logit + (single(exact_, x, word) - single(exact_, x, best.column));
}

void Output::best(const float* x, int rows, const Asked& asked, Choice* choices,
                  Work& work) const {
  const InStage stage(work.clock, Stage::output);
  Arena::Frame frame(work.arena);
  Best* best = work.arena.take<Best>(rows);
  const Rows& input = find(all_, x, rows, asked.scores, best, work);
  for (int i = 0; i < rows; ++i) {
    const float score = at_most_certain(best[i].logit - best[i].log_sum_exp);
    choices[i] = {best[i].column, score, best[i].column == end_ ? score : 0.0f};
    if (best[i].column == end_) continue;  // whoever asks for more: the sum has one order
    if (asked.end_score_of(choices[i].word) || (asked.scores && !allows(choices[i].word, asked))) {
      choices[i].end_score = logit(input, x, i, end_, best[i]) - best[i].log_sum_exp;
    }
  }
  const Linear& rest = asked.may_end ? allowed_ : unended_;
  for (int i = 0; i < rows; ++i) {  // rare: trained models hardly want what they may not
    if (allows(choices[i].word, asked)) continue;
    Best other;
    const float* row = x + size(i, all_.in);
    find(rest, row, 1, false, &other, work);
    choices[i].word = other.column;
    const bool exact = exact_.rows != nullptr;
    const float logit = exact ? beside(best[i], row, other.column) : other.logit;
    choices[i].score = logit - best[i].log_sum_exp;
  }
}

void Output::best_but_end(const float* x, Asked asked, Choice& choice, Work& work) const {
  if (choice.word != end_) return;
  asked.may_end = false;
  best(x, 1, asked, &choice, work);
}

void Output::silence(float* logits, const int* words, int count) const {
  for (int word : silenced_) {
    const int* place = std::lower_bound(words, words + count, word);
    if (place != words + count && *place == word) logits[place - words] = kNever;
  }
}

Best Output::best_allowed(const float* logits, const int* words, int count, const Asked& asked,
                          const float* x) const {
  LaneBests lanes;
  std::fill_n(lanes.logit, kLanes, -std::numeric_limits<float>::infinity());
  std::fill_n(lanes.column, kLanes, end_);
  Best best{-1, 0.0f, 0.0f};
  for (int j = 0; j < count; ++j) {
    if (!asked.may_end && (words[j] == end_ || words[j] == asked.padding)) continue;
    if (forbids(words[j])) continue;
    if (best.column < 0 || logits[j] > best.logit) best = {words[j], logits[j], 0.0f};
    const int lane = words[j] % kLanes;  // as in the product of all words
    if (logits[j] > lanes.logit[lane]) lanes.logit[lane] = logits[j], lanes.column[lane] = words[j];
  }
  require_finite(best.logit);
  if (exact_.rows != nullptr) decide(exact_, lanes, x, best);
  return best;
}

void Output::best_of(const Linear& some, const int* words, const float* x, int rows,
                     const Asked& asked, Choice* choices, Work& work) const {
  const InStage stage(work.clock, Stage::output);
  Arena::Frame frame(work.arena);
  float* logits = work.arena.take<float>(size(rows, some.out));
  const Rows& input = work.activations.set(some.format, x, rows, some.in);
  vq::linear(some, input, logits, some.out);
  for (int i = 0; i < rows; ++i, logits += some.out) {
    const float* row = x + size(i, some.in);
    silence(logits, words, some.out);
    const Best best = best_allowed(logits, words, some.out, asked, row);
    choices[i] = {best.column, best.logit, 0.0f};
    if (!asked.scores) continue;
    const float* most = std::max_element(logits, logits + some.out);
    const float before = *most;
    softmax(logits, 1, some.out, some.out, true);
    const float log_sum_exp = before - *most;
    choices[i].score = at_most_certain(choices[i].score - log_sum_exp);
    choices[i].end_score = at_most_certain(logit(input, x, i, end_, best) - log_sum_exp);
  }
}

void Output::scores(const float* x, int rows, const int* words, float* logp,
                    Work& work) const {
  const InStage stage(work.clock, Stage::output);
  Arena::Frame frame(work.arena);
  Best* best = work.arena.take<Best>(rows);
  const Rows& input = find(all_, x, rows, true, best, work);
  for (int i = 0; i < rows; ++i) {
    logp[i] = at_most_certain(logit(input, x, i, words[i], best[i]) - best[i].log_sum_exp);
  }
}

void log_probs(const Linear& weights, const float* x, int rows, float* logp, Work& work) {
  for (int i = 0; i < rows; i += kRowsOfLogits) {  // what is written stays in the cache
    const int count = std::min(kRowsOfLogits, rows - i);
    float* part = logp + size(i, weights.out);
    apply(weights, x + size(i, weights.in), count, part, work);
    for (int j = 0; j < count; ++j) require_finite(part[size(j, weights.out)]);
    softmax(part, count, weights.out, weights.out, true);
  }
}

}  // namespace vq
