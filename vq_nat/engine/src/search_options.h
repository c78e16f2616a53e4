// Owns what a search is asked for, and what it gives back.
#pragma once

#include <cstdint>
#include <vector>

namespace vq {

enum class SearchKind { greedy, beam, sample, lengths };

struct Options {
  SearchKind kind = SearchKind::greedy;
  int width = 1;  // W, candidates of each sentence
  int beam = 0;   // sequences of codes that a beam keeps, if more than W
  float temperature = 1.0f;
  float length_penalty = 1.0f;  // score / steps^penalty
  std::int64_t seed = 1;

  // At most a · S + b words, S being the tokens of the source; what follows is for
  // latent models, see vq_nat/translation/decoding/lengths.py.
  double max_len_a = 0.0, max_len_b = 200.0;
  double min_length_ratio = 0.0, max_length_ratio = 0.0, length_ratio = 0.0;
  bool guarded = false;
  int passes = 0;  // of refinement

  int min_length = 1;     // words at least, their end not counted
  bool normalise = true;  // scores of autoregressive models, by their length

  float rank_penalty = 1.0f;  // candidates are ranked by score / words^penalty
  bool want_scores = true;  // without them a greedy search is faster
  bool keep_history = false;  // the words of every pass
  int threads = 1;

  int beam_width() const { return beam > width ? beam : width; }

  /// Refuses, by std::invalid_argument with a sentence, what cannot be served.
  void check() const;
};

struct Translation {
  std::vector<int> tokens;  // with the end of sentence
  std::vector<int> codes;   // (L, G)
  std::vector<float> positional_scores;
  float score = 0.0f;       // log p; of a latent model codes and words together
  float code_score = 0.0f;
  float rank_score = 0.0f;  // what candidates are sorted by
  float teacher_score = 0.0f;
  int steps = 0;            // passes of refinement, or of a draft's verification
  int count = 1;            // candidates with these words
  std::vector<std::vector<int>> history;  // the words of every pass, if they are kept
};

/// Codes of a step that stand in another's place, and differ from it in one slice.
struct Rival {
  int slice, code;
  float score;  // log p of the step with it
};

/// One step of given codes.
struct CodeStep {
  float score = 0.0f;         // log p after the codes before it
  std::vector<Rival> rivals;  // the most probable first
};

/// What a model makes of given codes.
struct Inspection {
  Translation translation;
  std::vector<CodeStep> steps;  // (L)
};

/// How many codes a sentence may have.
struct CodeBounds {
  int least = 1, most = 1;
  bool ends = true;  // false: `most` codes, and no end of codes is predicted or paid
};

/// Bounds for a source of `length` tokens (LengthRule of the PyTorch model).
CodeBounds code_bounds(const Options& options, int length, int chunk, int max_latents);

/// Words of a latent model's translation, the end not counted; what is more is cut off.
int most_words(const Options& options, int length);

/// Words that an autoregressive model may write before the end of sentence.
int word_limit(const Options& options, int length, int max_target);

}  // namespace vq
