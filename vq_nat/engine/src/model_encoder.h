// Owns the way from source words to states, the same for both kinds of model.
//
// Letters: B sentences, R rows (words of all of them), C width.
#pragma once

#include "model_weights.h"

namespace vq {

/// Sentences that are translated together, one behind the other without padding.
struct Sources {
  int count;          // B
  const int* tokens;  // (R)
  const int* starts;  // (B + 1)

  int length(int sentence) const { return starts[sentence + 1] - starts[sentence]; }
};

/// Returns the encoder's states, (R, C), which live as long as the arena's frame.
const float* encode(const Weights& weights, const Sources& sources, Work& work);

}  // namespace vq
