// Owns the parallel decoder of a latent model: from codes to all words at once.
//
// Letters: L codes, T = L · chunk word positions, R rows (of all candidates), C width.
#pragma once

#include <vector>

#include "layers_output.h"
#include "model_encoder.h"
#include "search_shortlist.h"

namespace vq {

/// One candidate: its codes, and what the decoder is shown of its words.
struct WordTask {
  int sentence;
  const std::vector<int>* codes;  // (L, G)
  const int* shown = nullptr;     // (T) words, -1 = hidden; null = all are
};

/// What words are chosen from.
struct WordOutputs {
  const Output& words;
  const Output& inside;   // the same without padding: of codes that are words, and of
                          // places where nothing may end yet
  const Output* between;  // where codes are words, else null: words of chunks behind
                          // which others follow, so that nothing ends there
};

/// Predicts all words of some candidates. Where codes are words, each is the last of
/// its chunk, with probability 1.
///
/// Args: memories, the decoder's, of each sentence; shortlists, of each sentence, or
/// null; shortest, words before which nothing ends; guesses (count), a choice for each position.
void decode_words(const Weights& weights, const WordOutputs& outputs, const Memory* memories,
                  const Allowed* shortlists, const std::vector<WordTask>& tasks,
                  const Asked& asked, int shortest, std::vector<Choice>* guesses, Work& work);

}  // namespace vq
