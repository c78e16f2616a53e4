// Greedy search, sampling, and several lengths, as vq_nat/translation/decoding/search.py
// does it.
#include "latent_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vq {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15u;  // 2^64 / φ

/// Gumbel noise of one sequence.
class Noise {
 public:
  explicit Noise(std::uint64_t key) : key_(key) {}

  void at(int position) { here_ = mix(key_ + static_cast<std::uint64_t>(position)); }

  float operator()(int cell) const {
    const std::uint64_t bits = mix(here_ + static_cast<std::uint64_t>(cell) * kGolden);
    const double uniform =
        (static_cast<double>(bits >> 11) + 0.5) / 9007199254740992.0;  // 2^53
    return static_cast<float>(-std::log(-std::log(uniform)));
  }

 private:
  std::uint64_t key_, here_ = 0;
};

/// A sequence that is searched for: one of a sentence's W.
struct Sequence {
  int sentence;
  CodeBounds bounds;
  Noise noise;
};

/// Takes one code after the other: the most probable, or a draw.
class Ancestral {
 public:
  Ancestral(const CodeTask& task, std::vector<Sequence> sequences, Work& work)
      : options_(task.options), words_(task.words), shortlists_(task.shortlists),
        sequences_(std::move(sequences)), work_(work), longest_(0),
        chosen_(sequences_.size()) {
    for (const Sequence& one : sequences_) longest_ = std::max(longest_, one.bounds.most);
    draws_ = options_.kind == SearchKind::sample;
    normalised_ = options_.want_scores || draws_ || task.weights.description.slices > 1;
    slices_ = task.weights.description.slices;
  }

  std::vector<CodeSequence> run(const CodeTask& task) {
    Arena::Frame frame(work_.arena);
    const int count = static_cast<int>(sequences_.size());
    Predictor predictor(task, count, longest_, work_);
    auto* rows = work_.arena.take<Predictor::Row>(count);
    int* codes = work_.arena.take<int>(static_cast<std::size_t>(count) * slices_);
    int left = 0;
    for (int i = 0; i < count; ++i) {
      const CodeBounds& bounds = sequences_[i].bounds;
      if (!bounds.ends && bounds.most == 0) continue;
      rows[left++] = {codes + i * slices_, i, sequences_[i].sentence};
    }
    for (int position = 0; left > 0; ++position) {
      predictor.reserve(position + 1, position);
      Arena::Frame step(work_.arena);
      const float* states = predictor.states(rows, left, position);
      if (words_ != nullptr && !draws_) {
        left = advance_words(rows, left, states, codes, position);
        continue;
      }
      float* scores = predictor.scores(states, rows, left, normalised_);
      left = advance(predictor, rows, left, scores, codes, position);
    }
    return std::move(chosen_);
  }

 private:
  /// Chooses a code for each row, and returns how many rows go on.
  int advance(const Predictor& predictor, Predictor::Row* rows, int left, float* logits,
              int* codes, int position) {
    int kept = 0;
    for (int i = 0; i < left; ++i, logits += predictor.row_size()) {
      const Predictor::Row row = rows[i];
      int* chosen = codes + row.cache * slices_;
      if (!choose(predictor, logits, row.cache, position, chosen)) continue;
      std::vector<int>& all = chosen_[row.cache].codes;
      all.insert(all.end(), chosen, chosen + slices_);
      if (!sequences_[row.cache].bounds.ends &&
          position + 1 >= sequences_[row.cache].bounds.most) {
        continue;
      }
      rows[kept++] = row;
    }
    return kept;
  }

  /// Chooses words without writing logits, and returns how many rows go on.
  int advance_words(Predictor::Row* rows, int left, const float* states, int* codes,
                    int position) {
    Asked asked;
    asked.scores = asked.end_scores = normalised_;
    Choice* choices = work_.arena.take<Choice>(left);
    if (shortlists_ == nullptr) words_->best(states, left, asked, choices, work_);
    const std::size_t width = words_->linear().in;
    int kept = 0;
    for (int i = 0; i < left; ++i) {
      const Predictor::Row row = rows[i];
      const CodeBounds& bounds = sequences_[row.cache].bounds;
      const bool full = bounds.ends && position >= bounds.most;
      const bool may_end = bounds.ends && position >= bounds.least;
      const float* state = states + i * width;
      if (shortlists_ != nullptr) {
        asked.may_end = full || may_end;
        const Allowed& allowed = shortlists_[row.sentence];
        words_->best_of(*allowed.linear, allowed.words.data(), state, 1, asked, choices + i,
                        work_);
      } else if (!full && !may_end) {
        words_->best_but_end(state, asked, choices[i], work_);
      }
      const bool ends = full || choices[i].word == words_->end();
      if (normalised_) chosen_[row.cache].score += ends ? choices[i].end_score : choices[i].score;
      if (ends) continue;
      codes[row.cache] = choices[i].word;
      chosen_[row.cache].codes.push_back(choices[i].word);
      if (bounds.ends || position + 1 < bounds.most) rows[kept++] = row;
    }
    return kept;
  }

  /// Chooses the codes of one step; returns false for their end.
  bool choose(const Predictor& predictor, float* logp, int index, int position, int* chosen) {
    Sequence& one = sequences_[index];
    const int end = predictor.end();
    if (!one.bounds.ends || position < one.bounds.least) logp[end] = kNever;
    if (one.bounds.ends && position >= one.bounds.most) std::fill(logp, logp + end, kNever);
    if (draws_) one.noise.at(position);
    float gain = 0.0f;
    for (int g = 0; g < slices_; ++g) {
      const float* slice = logp + g * predictor.symbols();
      chosen[g] = best(slice, predictor.symbols(), g * predictor.symbols(), one.noise);
      gain += slice[chosen[g]];
      if (g == 0 && chosen[0] == end) break;
    }
    if (normalised_) chosen_[index].score += gain;
    return chosen[0] != end;
  }

  int best(const float* logp, int symbols, int first_cell, const Noise& noise) const {
    int symbol = 0;
    float most = kNever;
    for (int i = 0; i < symbols; ++i) {
      float belief = logp[i];
      if (draws_) belief = belief / options_.temperature + noise(first_cell + i);
      if (belief > most) most = belief, symbol = i;
    }
    require_finite(most);
    return symbol;
  }

  const Options& options_;
  const Output* words_;
  const Allowed* shortlists_;
  std::vector<Sequence> sequences_;
  Work& work_;
  int longest_, slices_ = 1;
  bool draws_ = false, normalised_ = true;
  std::vector<CodeSequence> chosen_;
};

std::vector<CodeBounds> bounds_of(const CodeTask& task) {
  const Description& d = task.weights.description;
  std::vector<CodeBounds> bounds;
  for (int i = 0; i < task.sources.count; ++i) {
    bounds.push_back(code_bounds(task.options, task.sources.length(i), d.chunk, d.max_latents()));
    if (d.codes == Codes::words) --bounds.back().least, --bounds.back().most;
  }
  return bounds;
}

std::vector<CodeSequence> ancestral(const CodeTask& task, std::vector<Sequence> sequences,
                                    Work& work) {
  return Ancestral(task, std::move(sequences), work).run(task);
}

std::vector<Sequence> one_each(const std::vector<CodeBounds>& bounds) {
  std::vector<Sequence> sequences;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    sequences.push_back({static_cast<int>(i), bounds[i], Noise(0)});
  }
  return sequences;
}

/// Searches greedily with W lengths: the predicted one, and those next to it.
std::vector<CodeSequence> neighbours(const CodeTask& task,
                                     const std::vector<CodeBounds>& bounds, Work& work) {
  const std::vector<CodeSequence> greedy = ancestral(task, one_each(bounds), work);
  std::vector<Sequence> sequences;
  for (int i = 0; i < static_cast<int>(bounds.size()); ++i) {
    const int length = static_cast<int>(greedy[i].codes.size()) / task.weights.description.slices;
    for (int j = 0; j < task.options.width; ++j) {
      const int step = (j + 1) / 2 * (j % 2 ? 1 : -1);
      const int wanted = std::min(std::max(length + step, bounds[i].least), bounds[i].most);
      sequences.push_back({i, {wanted, wanted, true}, Noise(0)});
    }
  }
  return ancestral(task, std::move(sequences), work);
}

std::vector<CodeSequence> samples(const CodeTask& task,
                                  const std::vector<CodeBounds>& bounds, Work& work) {
  std::vector<Sequence> sequences;
  for (int i = 0; i < task.sources.count; ++i) {
    const int* tokens = task.sources.tokens + task.sources.starts[i];
    const std::uint64_t key = mix(sentence_key(tokens, task.sources.length(i)));
    for (int j = 0; j < task.options.width; ++j) {
      const std::uint64_t own = key + static_cast<std::uint64_t>(j) * kGolden;
      const auto seed = static_cast<std::uint64_t>(task.options.seed);
      sequences.push_back({i, bounds[i], Noise(mix(own + seed))});
    }
  }
  return ancestral(task, std::move(sequences), work);
}

}  // namespace

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::uint64_t sentence_key(const int* tokens, int count) {
  std::uint64_t key = 0;
  for (int i = 0; i < count; ++i) {
    key += mix(static_cast<std::uint64_t>(tokens[i]) +
               mix(static_cast<std::uint64_t>(i + 1) * kGolden));
  }
  return key;
}

std::vector<CodeSequence> search_codes(const CodeTask& task, Work& work) {
  const std::vector<CodeBounds> bounds = bounds_of(task);
  std::vector<CodeSequence> sequences;
  switch (task.options.kind) {
    case SearchKind::beam: sequences = search_codes_with_beam(task, bounds, work); break;
    case SearchKind::sample: sequences = samples(task, bounds, work); break;
    case SearchKind::lengths: sequences = neighbours(task, bounds, work); break;
    default: sequences = ancestral(task, one_each(bounds), work);
  }
  const Description& d = task.weights.description;
  if (d.codes == Codes::words) {  // the end is the last chunk's code
    for (CodeSequence& one : sequences) one.codes.push_back(d.eos);
  }
  return sequences;
}

}  // namespace vq
