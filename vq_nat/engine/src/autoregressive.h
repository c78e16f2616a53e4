// Owns fairseq's autoregressive Transformer: one word after the other, and the scores of
// given words.
//
// Letters: B sentences, R rows, C width, V vocabulary.
#pragma once

#include "layers_output.h"
#include "model_encoder.h"
#include "search_options.h"
#include "search_shortlist.h"

namespace vq {

/// A decoder that has read its sources, and keeps the past of several hypotheses.
class WordDecoder {
 public:
  /// Args: hypotheses, how many there are at most.
  WordDecoder(const Weights& weights, const Sources& sources, int hypotheses, Work& work);

  /// Words of one hypothesis that are known, from `position` on; its cache holds the
  /// keys and values of all before.
  struct Row {
    const int* words;
    int count, position, cache, sentence;
  };

  /// Computes the states behind the last norm, (R, C), from which the word after each is
  /// chosen; hypotheses of a sentence follow each other. They live as long as the
  /// arena's frame.
  const float* read(const Row* rows, int count);
  /// Makes room for so many words; outside of any frame that `read` is called in.
  void reserve(int length, int used) { caches_.reserve(length, used); }
  void copy(int from, int to, int used) { caches_.copy(from, to, used); }

 private:
  const Weights& weights_;
  Work& work_;
  Memory* memories_;
  Caches caches_;
};

/// Translates greedily.
///
/// Args: shortlists, words each sentence may use, or null; translations (B).
void translate_greedily(const Weights& weights, const Output& output,
                        const Sources& sources, const Options& options,
                        const Allowed* shortlists, Translation* translations, Work& work);

/// Sets the score of a finished greedy translation, as fairseq's.
void finish_greedy(Translation& translation, const Options& options);

/// Translates with a beam, as fairseq's SequenceGenerator does.
///
/// Args: shortlists, words each sentence may use, or null; translations (B), W translations of
/// each sentence or fewer, the best first.
void translate_with_beam(const Weights& weights, const Output& output,
                         const Sources& sources, const Options& options,
                         const Allowed* shortlists, std::vector<Translation>* translations,
                         Work& work);

/// A wording whose words are to be scored.
struct Wording {
  int sentence;
  const int* words;  // with the end of sentence
  int length;
};

/// Computes log p(y_t | y_<t, x) of every word, in one pass.
///
/// Args: wordings, those of a sentence one after the other; scores, as many vectors.
void score_words(const Weights& weights, const Output& output, const Sources& sources,
                 const std::vector<Wording>& wordings, std::vector<float>* scores,
                 Work& work);

}  // namespace vq
