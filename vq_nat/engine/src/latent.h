// Owns translation with a latent model: codes, words, passes of refinement, candidates.
#pragma once

#include <vector>

#include "latent_codes.h"
#include "latent_words.h"

namespace vq {

/// Translates sentences; each gets its different candidates, in the order in which they
/// were found.
///
/// Args: shortlists, words each sentence may use, or null; translations (B).
void translate_latent(const Weights& weights, const WordOutputs& outputs, const Sources& sources,
                      const Options& options, const Allowed* shortlists,
                      std::vector<Translation>* translations, Work& work);

/// Decodes given codes, one sequence a sentence, and says what the predictor thinks of
/// them; with so many rivals of each step.
std::vector<Inspection> inspect_latent(const Weights& weights, const WordOutputs& outputs,
                                       const Sources& sources, const Options& options,
                                       int rivals, std::vector<CodeSequence> given, Work& work);

/// Sorts candidates by their score per word^penalty, the best first.
void rank_by_score(std::vector<Translation>& candidates, float penalty);

}  // namespace vq
