// Translation with a latent model, as vq_nat/translation/decoding/generator.py does it.
#include "latent.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vq {
namespace {

using Guess = std::vector<Choice>;  // of each position

/// A candidate between two passes.
struct Draft {
  int sentence;
  CodeSequence codes;
  Guess guess;
  int steps = 0;
  std::vector<std::vector<int>> history;
};

class Latent {
 public:
  Latent(const Weights& weights, const WordOutputs& outputs, const Sources& sources,
         const Options& options, const Allowed* shortlists, Work& work)
      : weights_(weights), outputs_(outputs), sources_(sources), options_(options),
        shortlists_(shortlists), work_(work),
        memories_(work.arena.take<Memory>(2 * sources.count)) {
    const InStage stage(work.clock, Stage::encode);
    const float* states = encode(weights, sources, work);
    read_sources(weights.predictor, states, sources.starts, sources.count, memories_, work);
    read_sources(weights.decoder, states, sources.starts, sources.count,
                 memories_ + sources.count, work);
  }

  std::vector<CodeSequence> search() {
    const InStage stage(work_.clock, Stage::codes);
    Arena::Frame frame(work_.arena);
    return search_codes(code_task(), work_);
  }

  std::vector<std::vector<CodeStep>> judge(int rivals, std::vector<CodeSequence>& given) {
    return judge_codes(code_task(), rivals, given, work_);
  }

  /// Decodes codes, W sequences a sentence.
  std::vector<Draft> candidates(std::vector<CodeSequence> codes) {
    std::vector<Draft> candidates;
    for (CodeSequence& one : codes) {
      const int sentence = static_cast<int>(candidates.size()) / options_.width;
      candidates.push_back({sentence, std::move(one), {}, 0, {}});
    }
    std::vector<int> all(candidates.size());
    std::iota(all.begin(), all.end(), 0);
    std::vector<Guess> guesses = decode(candidates, all, {});
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      candidates[i].guess = std::move(guesses[i]);
      remember(candidates[i]);
    }
    return candidates;
  }

  /// Predicts the least certain words again; who stands still is finished.
  void refine(std::vector<Draft>& candidates) {
    std::vector<int> left(candidates.size());
    std::iota(left.begin(), left.end(), 0);
    for (int pass = 1; pass <= options_.passes && !left.empty(); ++pass) {
      std::vector<std::vector<int>> hidden, shown;
      for (int i : left) {
        const Draft& one = candidates[i];
        const WordTask task{one.sentence, &one.codes.codes};
        hidden.push_back(least_certain(one.guess, most_of(task), pass));
        shown.push_back(shown_words(one.guess, hidden.back()));
        shown.back().resize(one.codes.codes.size() / weights_.description.slices *
                                weights_.description.chunk, kHidden);
      }
      const std::vector<Guess> guesses = decode(candidates, left, shown);
      std::vector<int> changed;
      for (std::size_t j = 0; j < left.size(); ++j) {
        Draft& one = candidates[left[j]];
        one.steps = pass;
        if (replace(one.guess, guesses[j], hidden[j])) changed.push_back(left[j]);
        remember(one);
      }
      left = std::move(changed);
    }
  }

  /// Cuts a candidate at its first end, or behind its last word.
  Translation cut(Draft& candidate) const {
    const Description& d = weights_.description;
    Translation translation;
    float end_score = 0.0f;  // who ends without saying so pays nothing for it
    for (const Choice& one : candidate.guess) {
      if (one.word == d.eos || one.word == d.pad) {
        end_score = one.end_score;
        break;
      }
      translation.tokens.push_back(one.word);
      if (options_.want_scores) translation.positional_scores.push_back(one.score);
    }
    translation.tokens.push_back(d.eos);
    if (options_.want_scores) translation.positional_scores.push_back(end_score);
    translation.code_score = candidate.codes.score;
    translation.score = std::accumulate(translation.positional_scores.begin(),
                                        translation.positional_scores.end(), 0.0f) +
                        translation.code_score;
    translation.rank_score = translation.score;
    translation.codes = std::move(candidate.codes.codes);
    translation.steps = candidate.steps;
    translation.history = std::move(candidate.history);
    return translation;
  }

 private:
  CodeTask code_task() const {
    const Output* words = outputs_.between ? &outputs_.inside : nullptr;
    return {weights_, sources_, memories_, words, words == nullptr ? nullptr : shortlists_,
            options_};
  }

  /// Keeps the words of a pass, up to their end.
  void remember(Draft& candidate) const {
    if (!options_.keep_history) return;
    const Description& d = weights_.description;
    std::vector<int> words;
    for (const Choice& one : candidate.guess) {
      if (one.word == d.eos || one.word == d.pad) break;
      words.push_back(one.word);
    }
    words.push_back(d.eos);
    candidate.history.push_back(std::move(words));
  }

  std::vector<Guess> decode(const std::vector<Draft>& candidates,
                            const std::vector<int>& which,
                            const std::vector<std::vector<int>>& shown) {
    const InStage stage(work_.clock, Stage::words);
    std::vector<WordTask> tasks;
    for (std::size_t j = 0; j < which.size(); ++j) {
      const Draft& one = candidates[which[j]];
      tasks.push_back({one.sentence, &one.codes.codes, shown.empty() ? nullptr : shown[j].data()});
    }
    Asked asked;
    asked.scores = options_.want_scores || options_.passes > 0;
    asked.padding = weights_.description.pad;
    asked.end_scores = options_.want_scores && some_too_long(tasks);
    std::vector<Guess> guesses(which.size());
    decode_words(weights_, outputs_, memories_ + sources_.count, shortlists_, tasks, asked,
                 options_.min_length, guesses.data(), work_);
    for (std::size_t j = 0; j < which.size(); ++j) cut_off(guesses[j], most_of(tasks[j]));
    return guesses;
  }

  std::size_t most_of(const WordTask& task) const {
    const int room = weights_.description.max_target - 1;  // a last chunk reaches beyond
    return std::min(most_words(options_, sources_.length(task.sentence)), room);
  }

  bool some_too_long(const std::vector<WordTask>& tasks) const {
    const Description& d = weights_.description;
    return std::any_of(tasks.begin(), tasks.end(), [&](const WordTask& task) {
      return task.codes->size() / d.slices * d.chunk > most_of(task);
    });
  }

  /// Leaves the first words, and the place behind them for their end.
  void cut_off(Guess& guess, std::size_t most) const {
    if (guess.size() <= most) return;
    guess.resize(most + 1);
    guess[most].word = weights_.description.pad;
  }

  /// Returns the ⌊T · (1 - i / (N + 1))⌋ least certain places, which pass i hides.
  std::vector<int> least_certain(const Guess& guess, std::size_t most, int pass) const {
    const auto share = static_cast<float>(1.0 - pass / (options_.passes + 1.0));
    std::vector<int> places(std::min(guess.size(), most));
    const auto count = static_cast<std::size_t>(static_cast<float>(places.size()) * share);
    std::iota(places.begin(), places.end(), 0);
    std::stable_sort(places.begin(), places.end(),
                     [&](int a, int b) { return guess[a].score < guess[b].score; });
    places.resize(count);
    return places;
  }

  /// Shows all other words; no padding, as in training.
  std::vector<int> shown_words(const Guess& guess, const std::vector<int>& hidden) const {
    std::vector<int> shown;
    for (const Choice& one : guess) {
      shown.push_back(one.word == weights_.description.pad ? kHidden : one.word);
    }
    for (int place : hidden) shown[place] = kHidden;
    return shown;
  }

  /// Puts new choices in some places; returns whether a word changed.
  static bool replace(Guess& guess, const Guess& again, const std::vector<int>& places) {
    bool changed = false;
    for (int place : places) {
      changed = changed || guess[place].word != again[place].word;
      guess[place] = again[place];
    }
    return changed;
  }

  static constexpr int kHidden = -1;

  const Weights& weights_;
  const WordOutputs& outputs_;
  const Sources& sources_;
  const Options& options_;
  const Allowed* shortlists_;
  Work& work_;
  Memory* memories_;  // the predictor's, then the decoder's
};

/// Keeps one candidate for each wording, that of the highest score.
void add_different(std::vector<Translation>& translations, Translation&& one) {
  for (Translation& other : translations) {
    if (other.tokens != one.tokens) continue;
    const int count = other.count + 1;
    if (one.score > other.score) other = std::move(one);
    other.count = count;
    return;
  }
  translations.push_back(std::move(one));
}

}  // namespace

void translate_latent(const Weights& weights, const WordOutputs& outputs, const Sources& sources,
                      const Options& options, const Allowed* shortlists,
                      std::vector<Translation>* translations, Work& work) {
  Arena::Frame frame(work.arena);
  Latent latent(weights, outputs, sources, options, shortlists, work);
  std::vector<Draft> candidates = latent.candidates(latent.search());
  latent.refine(candidates);
  for (Draft& one : candidates) add_different(translations[one.sentence], latent.cut(one));
}

std::vector<Inspection> inspect_latent(const Weights& weights, const WordOutputs& outputs,
                                       const Sources& sources, const Options& options,
                                       int rivals, std::vector<CodeSequence> given, Work& work) {
  Arena::Frame frame(work.arena);
  Latent latent(weights, outputs, sources, options, nullptr, work);
  std::vector<std::vector<CodeStep>> steps = latent.judge(rivals, given);
  std::vector<Draft> candidates = latent.candidates(std::move(given));
  latent.refine(candidates);
  std::vector<Inspection> inspections;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    inspections.push_back({latent.cut(candidates[i]), std::move(steps[i])});
  }
  return inspections;
}

void rank_by_score(std::vector<Translation>& candidates, float penalty) {
  for (Translation& one : candidates) {
    const auto words = static_cast<float>(one.tokens.size());
    one.rank_score = one.score / std::pow(words, penalty);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Translation& a, const Translation& b) {
                     return a.rank_score > b.rank_score;
                   });
}

}  // namespace vq
