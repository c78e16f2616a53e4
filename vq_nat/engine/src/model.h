// Owns the door of the engine: from ids to ids in one call, on several threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layers_output.h"
#include "model_encoder.h"
#include "search_options.h"
#include "search_shortlist.h"

namespace vq {

using Sentence = std::vector<int>;
using Candidates = std::vector<Translation>;  // of one sentence, the best first

/// A model that is ready to translate. Calls may run at the same time.
///
/// Whatever is found for a sentence depends on the sentence alone: not on the others of
/// the call, nor on their order or the number of threads.
class Model {
 public:
  Model(const std::string& path, const Description& description);

  /// Translates sentences, each with its end of sentence as it was in training.
  std::vector<Candidates> translate(const std::vector<Sentence>& sources,
                                    const Options& options, const Lexicon* lexicon) const;

  /// Noisy parallel decoding (Gu et al. 2018, section 4): candidates of this latent
  /// model, ranked by the autoregressive teacher's log p per word^penalty.
  std::vector<Candidates> translate_ranked(const std::vector<Sentence>& sources,
                                           const Model& teacher, const Options& options,
                                           const Lexicon* lexicon) const;

  /// Gives exactly the teacher's greedy translations: this latent model drafts, the
  /// teacher reads the draft in one pass and keeps what it would have written itself.
  std::vector<Candidates> translate_verified(const std::vector<Sentence>& sources,
                                             const Model& teacher, const Options& options,
                                             const Options& draft_options) const;

  /// Decodes given codes, (L, G) of each sentence, and says what the predictor thinks of
  /// each step, with so many rivals of it.
  std::vector<Inspection> inspect(const std::vector<Sentence>& sources,
                                  const std::vector<Sentence>& codes, int rivals,
                                  const Options& options) const;

  /// Computes log p of every word of given translations, for autoregressive models.
  std::vector<std::vector<float>> score(const std::vector<Sentence>& sources,
                                        const std::vector<Sentence>& targets,
                                        int threads) const;

  /// Translates on one thread, and returns the seconds of each stage.
  StageClock::Times stages(const std::vector<Sentence>& sources, const Options& options,
                           const Lexicon* lexicon) const;

  const Description& description() const { return weights_.description; }

 private:
  void translate_piece(const Sources& sources, const Options& options,
                       const Lexicon* lexicon, Candidates* candidates, Work& work) const;
  void check(const Options& options, const Lexicon* lexicon) const;
  void check(const std::vector<Sentence>& sentences, int vocabulary, int longest,
             const char* what) const;
  void check_teacher(const Model& teacher) const;
  void check_codes(const std::vector<Sentence>& codes, int count) const;

  Weights weights_;
  Output output_;
  Output inside_;                    // see `WordOutputs`
  std::unique_ptr<Output> between_;  // where codes are words
};

}  // namespace vq
