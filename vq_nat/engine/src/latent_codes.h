// Owns the codes of a latent model: one step of the predictor after the other, and the
// searches of vq_nat/translation/decoding/search.py over them.
//
// Letters: B sentences, R rows, L steps, C width, G slices, K codes per slice.
#pragma once

#include <cstdint>
#include <vector>

#include "layers_output.h"
#include "model_encoder.h"
#include "search_options.h"
#include "search_shortlist.h"

namespace vq {

/// A sequence of codes and log p of it, its end included.
struct CodeSequence {
  std::vector<int> codes;  // (L, G)
  float score = 0.0f;
};

/// What a search over codes starts from.
struct CodeTask {
  const Weights& weights;
  const Sources& sources;
  const Memory* memories;     // the predictor's
  const Output* words;        // where codes are words: what they are chosen from, else null
  const Allowed* shortlists;  // where codes are words: of each sentence, or null
  const Options& options;
};

/// The causal Transformer over codes; symbol K of slice 0 is their end. Where codes are
/// words, K = V, that is the end of sentence, which has no other place.
class Predictor {
 public:
  /// A hypothesis: the codes before, (G), the cache of its past, and its sentence.
  struct Row {
    const int* previous;
    int cache, sentence;
  };

  /// Args: hypotheses, how many at most.
  Predictor(const CodeTask& task, int hypotheses, int longest, Work& work);

  /// Returns the states behind the last norm, (R, C), at `position`; rows of a sentence
  /// follow each other. They live as long as the arena's frame, and so do logits.
  const float* states(const Row* rows, int count, int position);
  /// Returns scores, (R, G, K + 1), of what follows: logits, or log p if asked to, and
  /// always of words; -∞ of what is no code, or on no shortlist.
  float* scores(const float* states, const Row* rows, int count, bool log_probs);

  void reserve(int length, int used) { caches_.reserve(length, used); }
  void copy(int from, int to, int used) { caches_.copy(from, to, used); }
  int slices() const { return weights_.description.slices; }
  int end() const { return weights_.description.codes_per_slice; }
  int symbols() const { return end() + 1; }
  int row_size() const { return slices() * symbols(); }

 private:
  bool words() const { return words_ != nullptr; }
  void score_codes(const float* states, int count, bool log_probs, float* scores) const;
  void score_words(const float* states, int count, float* scores) const;
  void score_listed(const float* states, const Row* rows, int count, float* scores) const;
  void sharpen_codes(const float* state, float* logits) const;
  void embed_previous(const Row* rows, int count, int position, float* x) const;
  void embed_codes(const Row& row, float* x, float* part) const;

  const Weights& weights_;
  const Memory* memories_;
  const Output* words_;
  const Allowed* shortlists_;
  Work& work_;
  Caches caches_;
};

/// Finds W sequences of codes for each sentence, a beam's best first; where there are
/// fewer than W to find, some once more. Those of sentence b begin at b · W.
std::vector<CodeSequence> search_codes(const CodeTask& task, Work& work);

std::vector<CodeSequence> search_codes_with_beam(const CodeTask& task,
                                                 const std::vector<CodeBounds>& bounds,
                                                 Work& work);

/// Computes what the predictor thinks of given codes, one sequence a sentence, and fills
/// in their scores.
///
/// Returns: of each sentence its steps, with so many rivals of each.
std::vector<std::vector<CodeStep>> judge_codes(const CodeTask& task, int rivals,
                                               std::vector<CodeSequence>& given, Work& work);

/// Gumbel noise that depends on a sentence's words, sample and position alone: a hash of
/// its coordinates (the finaliser of SplitMix64, Steele et al. 2014).
std::uint64_t mix(std::uint64_t x);
std::uint64_t sentence_key(const int* tokens, int count);

}  // namespace vq
