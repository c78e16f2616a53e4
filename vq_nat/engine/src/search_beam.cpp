// Beam search over words, as fairseq's SequenceGenerator does it: 2W candidates a step,
// an end of sentence counts if it is among the first W, a sentence is done with its
// W-th end, scores are divided by steps^penalty.
#include <algorithm>
#include <cmath>
#include <limits>

#include "autoregressive.h"
#include "search_top.h"

namespace vq {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// A hypothesis: its last word, how it came about, log p so far, its cache.
struct Live {
  int word, parent;  // parent: its place in the step before
  float score;
  int cache;
};

/// The beam of one sentence.
class Beam {
 public:
  Beam(const Options& options, int sentence, int limit, int end)
      : options_(options), sentence_(sentence), limit_(limit), end_(end),
        live_{{end, 0, 0.0f, sentence * options.width}} {}

  const std::vector<Live>& live() const { return live_; }
  int sentence() const { return sentence_; }
  int limit() const { return limit_; }
  std::vector<Translation>& finished() { return finished_; }

  /// Goes on with the candidates of one step, the best first; `parent` is a place among
  /// the live hypotheses. Returns false when the sentence is done.
  bool advance(const Candidate* candidates, int count, int position) {
    std::vector<Live> next;
    next.reserve(options_.width);
    for (int i = 0; i < count; ++i) {
      const Candidate& one = candidates[i];
      const bool ends = one.word == end_ && one.score > kNever;
      if (ends && i < options_.width) finish(one, position);
      if (!ends && one.score > kNever && static_cast<int>(next.size()) < options_.width) {
        next.push_back({one.word, one.parent, one.score, 0});
      }
    }
    const bool enough = static_cast<int>(finished_.size()) == options_.width;
    if (enough || position >= limit_ || next.empty()) return false;
    history_.push_back(live_);
    live_ = std::move(next);
    return true;
  }

  void place_caches(WordDecoder& decoder, int used) {
    std::vector<int> caches;
    for (const Live& one : live_) caches.push_back(history_.back()[one.parent].cache);
    inherit_caches(caches, sentence_ * options_.width, options_.width,
                   [&](int from, int to) { decoder.copy(from, to, used); });
    for (std::size_t i = 0; i < live_.size(); ++i) live_[i].cache = caches[i];
  }

  void sort() {
    std::stable_sort(finished_.begin(), finished_.end(),
                     [](const Translation& a, const Translation& b) { return a.score > b.score; });
  }

 private:
  void finish(const Candidate& last, int position) {
    if (static_cast<int>(finished_.size()) >= options_.width) return;
    Translation translation;
    translation.tokens.assign(position + 1, end_);
    translation.positional_scores.assign(position + 1, 0.0f);
    float score = last.score;
    int place = last.parent;
    for (int t = position; t > 0; --t) {
      const Live& one = t == position ? live_[place] : history_[t][place];
      translation.tokens[t - 1] = one.word;
      translation.positional_scores[t] = score - one.score;
      score = one.score;
      place = one.parent;
    }
    translation.positional_scores[0] = score;
    const auto words = static_cast<float>(position + 1);
    translation.score = last.score;
    if (options_.normalise) translation.score /= std::pow(words, options_.length_penalty);
    translation.rank_score = translation.score;
    finished_.push_back(std::move(translation));
  }

  const Options& options_;
  int sentence_, limit_, end_;
  std::vector<Live> live_;
  std::vector<std::vector<Live>> history_;  // of each step before, what it began with
  std::vector<Translation> finished_;
};

/// The words that a sentence may use: all of the vocabulary, or a shortlist.
struct Choices {
  const Linear& weights;
  const int* words;  // null = column j is word j
  int end;           // its column

  int word(int column) const { return words == nullptr ? column : words[column]; }
};

Choices choices_of(const Output& output, const Allowed* shortlist) {
  if (shortlist == nullptr) return {output.linear(), nullptr, output.end()};
  const std::vector<int>& words = shortlist->words;
  const auto end = std::lower_bound(words.begin(), words.end(), output.end());
  return {*shortlist->linear, words.data(), static_cast<int>(end - words.begin())};
}

/// Rules words out, as fairseq does in this order.
void forbid(const Output& output, const Choices& choices, float* logp, bool may_end,
            bool only_end) {
  const int columns = choices.weights.out;
  const float last = may_end ? logp[choices.end] : kNever;
  if (only_end) std::fill(logp, logp + columns, kNever);
  logp[choices.end] = last;
  if (choices.words != nullptr) return;  // a shortlist has none that are forbidden
  for (int word : output.forbidden()) logp[word] = kNever;
}

/// The beams of sentences that are searched together.
class Search {
 public:
  Search(const Weights& weights, const Output& output, const Sources& sources,
         const Options& options, const Allowed* shortlists,
         std::vector<Translation>* translations, Work& work)
      : output_(output), options_(options), shortlists_(shortlists), translations_(translations),
        work_(work),
        decoder_(weights, sources, sources.count * options.width, work) {
    for (int i = 0; i < sources.count; ++i) {
      const int limit = word_limit(options, sources.length(i), weights.description.max_target);
      beams_.emplace_back(options, i, limit, output.end());
    }
  }

  void run() {
    for (int position = 0; !beams_.empty(); ++position) {
      decoder_.reserve(position + 1, position);
      step(position);
    }
  }

 private:
  void step(int position) {
    Arena::Frame frame(work_.arena);
    const float* x = states(position);
    std::vector<Beam> left;
    for (Beam& beam : beams_) {
      const int rows = static_cast<int>(beam.live().size());
      extend(beam, x, position);
      x += static_cast<std::size_t>(rows) * output_.linear().in;
      const int count = static_cast<int>(candidates_.size());
      if (beam.advance(candidates_.data(), count, position)) {
        beam.place_caches(decoder_, position + 1);
        left.push_back(std::move(beam));
      } else {
        beam.sort();
        translations_[beam.sentence()] = std::move(beam.finished());
      }
    }
    beams_ = std::move(left);
  }

  const float* states(int position) {
    rows_.clear();
    for (const Beam& beam : beams_) {
      for (const Live& one : beam.live()) {
        rows_.push_back({&one.word, 1, position, one.cache, beam.sentence()});
      }
    }
    return decoder_.read(rows_.data(), static_cast<int>(rows_.size()));
  }

  /// Finds the 2W best words behind all hypotheses of a sentence.
  void extend(const Beam& beam, const float* x, int position) {
    const InStage stage(work_.clock, Stage::output);
    Arena::Frame frame(work_.arena);
    const Allowed* shortlist = shortlists_ == nullptr ? nullptr : shortlists_ + beam.sentence();
    const Choices choices = choices_of(output_, shortlist);
    const int rows = static_cast<int>(beam.live().size()), size = choices.weights.out;
    const int wanted = 2 * options_.width;
    float* logp = work_.arena.take<float>(static_cast<std::size_t>(rows) * size);
    log_probs(choices.weights, x, rows, logp, work_);
    candidates_.clear();
    for (int i = 0; i < rows; ++i, logp += size) {
      const bool may_end = position >= options_.min_length;
      forbid(output_, choices, logp, may_end, position >= beam.limit());
      const auto first = candidates_.size();
      best_of_row(logp, size, i, beam.live()[i].score, wanted, candidates_);
      sharpen(output_.exact(), x + static_cast<std::size_t>(i) * choices.weights.in, choices.words,
              candidates_.data() + first, static_cast<int>(candidates_.size() - first));
    }
    for (Candidate& one : candidates_) one.word = choices.word(one.word);
    keep_best(candidates_, wanted);
  }

  const Output& output_;
  const Options& options_;
  const Allowed* shortlists_;
  std::vector<Translation>* translations_;
  Work& work_;
  WordDecoder decoder_;
  std::vector<Beam> beams_;
  std::vector<WordDecoder::Row> rows_;
  std::vector<Candidate> candidates_;
};

}  // namespace

void translate_with_beam(const Weights& weights, const Output& output,
                         const Sources& sources, const Options& options,
                         const Allowed* shortlists, std::vector<Translation>* translations,
                         Work& work) {
  Arena::Frame frame(work.arena);
  Search(weights, output, sources, options, shortlists, translations, work).run();
}

}  // namespace vq
