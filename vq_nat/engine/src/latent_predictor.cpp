// One step of the latent predictor; the equations are those of
// vq_nat/translation/predictor.py.
#include <algorithm>
#include <limits>

#include "latent_codes.h"
#include "search_top.h"

namespace vq {
namespace {

constexpr int kFirstCapacity = 16;
constexpr float kNever = -std::numeric_limits<float>::infinity();

std::size_t size(int count, int width) { return static_cast<std::size_t>(count) * width; }

}  // namespace

Predictor::Predictor(const Weights& weights, const Memory* memories,
                     const Allowed* shortlists, int hypotheses, int longest, Work& work)
    : weights_(weights), memories_(memories), shortlists_(shortlists), work_(work),
      caches_(weights.predictor, hypotheses, std::min(longest, kFirstCapacity), work.arena) {}

void Predictor::embed_codes(const Row& row, float* x, float* part) const {
  const int width = weights_.description.width;
  embed(weights_.embed_codes, row.previous, 1, x);
  for (int g = 1; g < slices(); ++g) {
    const int code = g * end() + row.previous[g];
    embed(weights_.embed_codes, &code, 1, part);
    for (int c = 0; c < width; ++c) x[c] += part[c];
  }
}

void Predictor::embed_previous(const Row* rows, int count, int position, float* x) const {
  const Description& d = weights_.description;
  const int width = d.width, place = words() ? position * d.chunk : position;
  const float* added = weights_.decoder_positions + size(place, width);
  float* part = work_.arena.take<float>(width);
  for (int i = 0; i < count; ++i, x += width) {
    if (words()) {  // an autoregressive decoder that skips words
      embed(weights_.embed_target, position == 0 ? &d.eos : rows[i].previous, 1, x);
    } else if (position == 0) {
      std::copy(weights_.begin, weights_.begin + width, x);
    } else {
      embed_codes(rows[i], x, part);
    }
    for (int c = 0; c < width; ++c) x[c] += added[c];
  }
}

const float* Predictor::states(const Row* rows, int count, int position) {
  float* x = work_.arena.take<float>(size(count, weights_.description.width));
  Arena::Frame frame(work_.arena);
  Own* own = work_.arena.take<Own>(count);
  Reading* readings = work_.arena.take<Reading>(count);
  int sources = 0;
  for (int i = 0; i < count; ++i) {
    own[i] = {i, 1, true, caches_[rows[i].cache], position};
    if (i > 0 && rows[i].sentence == rows[i - 1].sentence) {
      ++readings[sources - 1].count;
    } else {
      readings[sources++] = {i, 1, memories_[rows[i].sentence]};
    }
  }
  embed_previous(rows, count, position, x);
  run(weights_.predictor, x, count, {own, count, readings, sources, caches_.capacity()}, work_);
  return x;
}

float* Predictor::logits(const float* states, const Row* rows, int count) {
  float* logits = work_.arena.take<float>(size(count, row_size()));
  if (shortlists_ != nullptr) {
    listed_logits(states, rows, count, logits);
    return logits;
  }
  const Linear& output = words() ? weights_.output : weights_.code_output;
  apply(output, states, count, logits, work_, After::nothing, row_size());
  for (int i = 0; !words() && i < count; ++i) {
    sharpen_row(states + size(i, output.in), logits + size(i, row_size()));
  }
  return logits;
}

/// Computes the logits of the words on the sentences' shortlists.
void Predictor::listed_logits(const float* states, const Row* rows, int count,
                              float* logits) const {
  std::fill(logits, logits + size(count, row_size()), kFar);
  for (int i = 0; i < count; ++i, states += weights_.description.width) {
    Arena::Frame frame(work_.arena);
    const Allowed& allowed = shortlists_[rows[i].sentence];
    float* some = work_.arena.take<float>(allowed.words.size());
    apply(*allowed.linear, states, 1, some, work_);
    float* row = logits + size(i, row_size());
    for (std::size_t j = 0; j < allowed.words.size(); ++j) row[allowed.words[j]] = some[j];
  }
}

/// Computes the best logits of each slice again, in float32: codes follow from codes.
void Predictor::sharpen_row(const float* state, float* logits) const {
  LinearRows exact = weights_.code_rows;
  for (int g = 0; exact.rows != nullptr && g < slices(); ++g, logits += symbols()) {
    sharpen(exact, state, symbols() - (g > 0), logits);  // only the first has an end
    exact.rows += size(symbols(), exact.in);
    if (exact.bias != nullptr) exact.bias += symbols();
  }
}

void Predictor::finish(float* logits, int rows, bool log_probs) const {
  const Description& d = weights_.description;
  if (log_probs) softmax(logits, rows, words() ? end() : symbols(), row_size(), true);
  for (int i = 0; words() && i < rows; ++i) {
    float* row = logits + size(i, row_size());
    row[end()] = row[d.eos];
    row[d.eos] = row[d.bos] = row[d.pad] = kNever;
    if (shortlists_ == nullptr) continue;
    std::replace_if(row, row + end(), [](float logp) { return logp < 0.5f * kFar; }, kNever);
  }
  for (int g = 1; g < slices(); ++g) {  // only the first slice has an end
    float* slice = logits + g * symbols();
    if (log_probs) softmax(slice, rows, end(), row_size(), true);
    for (int i = 0; i < rows; ++i) slice[size(i, row_size()) + end()] = kNever;
  }
}

}  // namespace vq
