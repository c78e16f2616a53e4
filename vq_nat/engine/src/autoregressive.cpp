#include "autoregressive.h"

#include <algorithm>
#include <cmath>

namespace vq {
namespace {

constexpr int kFirstCapacity = 32, kRowsAtOnce = 512;

std::size_t size(int count, int width) { return static_cast<std::size_t>(count) * width; }

Memory* read_all(const Weights& weights, const Sources& sources, Work& work) {
  const InStage stage(work.clock, Stage::encode);
  Memory* memories = work.arena.take<Memory>(sources.count);
  const float* states = encode(weights, sources, work);
  read_sources(weights.decoder, states, sources.starts, sources.count, memories, work);
  return memories;
}

/// The sentences of a greedy search that are left.
class Greedy {
 public:
  Greedy(const Weights& weights, const Output& output, const Sources& sources,
         const Options& options, const Allowed* shortlists, Translation* translations,
         Work& work)
      : output_(output), options_(options), shortlists_(shortlists), translations_(translations),
        work_(work), decoder_(weights, sources, sources.count, work),
        rows_(work.arena.take<WordDecoder::Row>(sources.count)),
        previous_(work.arena.take<int>(sources.count)),
        limits_(work.arena.take<int>(sources.count)), left_(sources.count) {
    for (int i = 0; i < left_; ++i) {
      previous_[i] = output.end();  // fairseq's sign for the beginning
      rows_[i] = {previous_ + i, 1, 0, i, i};
      limits_[i] = word_limit(options, sources.length(i), weights.description.max_target);
      translations[i].tokens.reserve(std::min(limits_[i] + 1, 2 * sources.length(i) + 8));
    }
  }

  void run() {
    for (int position = 0; left_ > 0; ++position) {
      decoder_.reserve(position + 1, position);
      step(position);
    }
  }

 private:
  void step(int position) {
    Arena::Frame frame(work_.arena);
    const float* x = decoder_.read(rows_, left_);
    Choice* choices = work_.arena.take<Choice>(left_);
    choose(x, position, choices);
    int kept = 0;
    for (int i = 0; i < left_; ++i) {
      WordDecoder::Row row = rows_[i];
      if (limits_[row.sentence] <= position) {
        choices[i] = {output_.end(), choices[i].end_score, 0.0f};
      }
      write(translations_[row.sentence], choices[i]);
      previous_[row.sentence] = choices[i].word;
      ++row.position;
      if (choices[i].word != output_.end()) rows_[kept++] = row;
    }
    left_ = kept;
  }

  void choose(const float* x, int position, Choice* choices) {
    const bool full = std::any_of(rows_, rows_ + left_, [&](const WordDecoder::Row& row) {
      return limits_[row.sentence] <= position;
    });
    const bool scores = options_.want_scores;
    Asked asked;
    asked.scores = scores;
    asked.end_scores = full;
    asked.may_end = position >= options_.min_length;
    if (shortlists_ == nullptr) {
      output_.best(x, left_, asked, choices, work_);
      return;
    }
    for (int i = 0; i < left_; ++i) {
      const Allowed& allowed = shortlists_[rows_[i].sentence];
      output_.best_of(*allowed.linear, allowed.words.data(),
                      x + size(i, output_.linear().in), 1, asked, choices + i, work_);
    }
  }

  void write(Translation& translation, const Choice& choice) const {
    translation.tokens.push_back(choice.word);
    if (options_.want_scores) translation.positional_scores.push_back(choice.score);
    if (choice.word == output_.end()) finish_greedy(translation, options_);
  }

  const Output& output_;
  const Options& options_;
  const Allowed* shortlists_;
  Translation* translations_;
  Work& work_;
  WordDecoder decoder_;
  WordDecoder::Row* rows_;
  int *previous_, *limits_;
  int left_;
};

/// Computes the states of whole wordings, (R, C); all words before a word are given.
const float* states_of(const Weights& weights, const Memory* memories,
                       const Wording* wordings, int count, int rows, Work& work) {
  const int width = weights.description.width;
  float* x = work.arena.take<float>(size(rows, width));
  Own* own = work.arena.take<Own>(count);
  Reading* readings = work.arena.take<Reading>(count);
  int start = 0;
  for (int i = 0; i < count; ++i) {
    const Wording& one = wordings[i];
    float* first = x + size(start, width);
    embed(weights.embed_target, &weights.description.eos, 1, first, weights.decoder_positions);
    embed(weights.embed_target, one.words, one.length - 1, first + width,
          weights.decoder_positions + width);
    own[i] = {start, one.length, true};
    readings[i] = {start, one.length, memories[one.sentence]};
    start += one.length;
  }
  run(weights.decoder, x, rows, {own, count, readings, count}, work);
  return x;
}

}  // namespace

WordDecoder::WordDecoder(const Weights& weights, const Sources& sources, int hypotheses, Work& work)
    : weights_(weights), work_(work), memories_(read_all(weights, sources, work)),
      caches_(weights.decoder, hypotheses, kFirstCapacity, work.arena) {}

const float* WordDecoder::read(const Row* rows, int count) {
  const InStage stage(work_.clock, Stage::words);
  const int width = weights_.description.width;
  int total = 0, sources = 0;
  for (int i = 0; i < count; ++i) total += rows[i].count;
  float* x = work_.arena.take<float>(size(total, width));
  Own* own = work_.arena.take<Own>(count);
  Reading* readings = work_.arena.take<Reading>(count);
  for (int i = 0, start = 0; i < count; start += rows[i++].count) {
    const Row& row = rows[i];
    embed(weights_.embed_target, row.words, row.count, x + size(start, width),
          weights_.decoder_positions + size(row.position, width));
    own[i] = {start, row.count, true, caches_[row.cache], row.position};
    if (i > 0 && row.sentence == rows[i - 1].sentence) {
      readings[sources - 1].count += row.count;
    } else {
      readings[sources++] = {start, row.count, memories_[row.sentence]};
    }
  }
  run(weights_.decoder, x, total, {own, count, readings, sources, caches_.capacity()}, work_);
  return x;
}

void finish_greedy(Translation& translation, const Options& options) {
  for (float score : translation.positional_scores) translation.score += score;
  const auto words = static_cast<float>(translation.tokens.size());
  if (options.normalise) translation.score /= std::pow(words, options.length_penalty);
  translation.rank_score = translation.score;
}

void translate_greedily(const Weights& weights, const Output& output,
                        const Sources& sources, const Options& options,
                        const Allowed* shortlists, Translation* translations, Work& work) {
  Arena::Frame frame(work.arena);
  Greedy(weights, output, sources, options, shortlists, translations, work).run();
}

void score_words(const Weights& weights, const Output& output, const Sources& sources,
                 const std::vector<Wording>& wordings, std::vector<float>* scores,
                 Work& work) {
  Arena::Frame frame(work.arena);
  const Memory* memories = read_all(weights, sources, work);
  const int count = static_cast<int>(wordings.size());
  for (int first = 0, last = 0; first < count; first = last) {
    int rows = 0;
    while (last < count && (last == first || rows + wordings[last].length <= kRowsAtOnce)) {
      rows += wordings[last++].length;
    }
    Arena::Frame part(work.arena);
    const float* x = states_of(weights, memories, &wordings[first], last - first, rows, work);
    int* words = work.arena.take<int>(rows);
    float* logp = work.arena.take<float>(rows);
    int* next = words;
    for (int i = first; i < last; ++i) {
      next = std::copy(wordings[i].words, wordings[i].words + wordings[i].length, next);
    }
    output.scores(x, rows, words, logp, work);
    for (int i = first; i < last; logp += wordings[i++].length) {
      scores[i].assign(logp, logp + wordings[i].length);
    }
  }
}

}  // namespace vq
