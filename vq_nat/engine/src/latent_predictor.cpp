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

Predictor::Predictor(const CodeTask& task, int hypotheses, int longest, Work& work)
    : weights_(task.weights), memories_(task.memories), words_(task.words),
      shortlists_(task.shortlists), work_(work),
      caches_(task.weights.predictor, hypotheses, std::min(longest, kFirstCapacity), work.arena) {}

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

float* Predictor::scores(const float* states, const Row* rows, int count, bool log_probs) {
  float* scores = work_.arena.take<float>(size(count, row_size()));
  if (!words()) {
    score_codes(states, count, log_probs, scores);
    return scores;
  }
  if (shortlists_ == nullptr) {
    score_words(states, count, scores);
  } else {
    score_listed(states, rows, count, scores);
  }
  const Description& d = weights_.description;
  for (float* row = scores; row < scores + size(count, row_size()); row += row_size()) {
    row[end()] = row[d.eos];
    row[d.eos] = row[d.bos] = row[d.pad] = kNever;
  }
  return scores;
}

void Predictor::score_codes(const float* states, int count, bool log_probs,
                            float* scores) const {
  const Linear& output = weights_.code_output;
  apply(output, states, count, scores, work_, After::nothing, row_size());
  for (int i = 0; i < count; ++i) {
    sharpen_codes(states + size(i, output.in), scores + size(i, row_size()));
  }
  if (log_probs) softmax(scores, count, symbols(), row_size(), true);
  for (int g = 1; g < slices(); ++g) {  // only the first slice has an end
    float* slice = scores + g * symbols();
    if (log_probs) softmax(slice, count, end(), row_size(), true);
    for (int i = 0; i < count; ++i) slice[size(i, row_size()) + end()] = kNever;
  }
}

/// Computes the best logits of each slice again, in float32: codes follow from codes.
void Predictor::sharpen_codes(const float* state, float* logits) const {
  LinearRows exact = weights_.code_rows;
  for (int g = 0; exact.rows != nullptr && g < slices(); ++g, logits += symbols()) {
    sharpen(exact, state, symbols() - (g > 0), logits);  // only the first has an end
    exact.rows += size(symbols(), exact.in);
    if (exact.bias != nullptr) exact.bias += symbols();
  }
}

void Predictor::score_words(const float* states, int count, float* scores) const {
  const Linear& output = weights_.output;
  apply(output, states, count, scores, work_, After::nothing, row_size());
  softmax(scores, count, end(), row_size(), true);
  for (int i = 0; i < count; ++i) {
    sharpen(words_->exact(), states + size(i, output.in), end(), scores + size(i, row_size()));
  }
}

/// Scores the words on the sentences' shortlists, the rows of a sentence together.
void Predictor::score_listed(const float* states, const Row* rows, int count,
                             float* scores) const {
  std::fill(scores, scores + size(count, row_size()), kNever);
  const int width = weights_.description.width;
  for (int first = 0, last = 0; first < count; first = last) {
    while (last < count && rows[last].sentence == rows[first].sentence) ++last;
    Arena::Frame frame(work_.arena);
    const Allowed& allowed = shortlists_[rows[first].sentence];
    const int* words = allowed.words.data();
    const int columns = static_cast<int>(allowed.words.size());
    float* some = work_.arena.take<float>(size(last - first, columns));
    apply(*allowed.linear, states + size(first, width), last - first, some, work_);
    softmax(some, last - first, columns, columns, true);
    for (int i = first; i < last; ++i, some += columns) {
      sharpen(words_->exact(), states + size(i, width), columns, some, words);
      float* row = scores + size(i, row_size());
      for (int j = 0; j < columns; ++j) row[words[j]] = some[j];
    }
  }
}

}  // namespace vq
