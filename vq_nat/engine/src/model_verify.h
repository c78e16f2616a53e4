// Owns draft and verify: an autoregressive model reads a whole draft in one pass, and
// keeps the longest prefix that it would have written itself.
#pragma once

#include "autoregressive.h"

namespace vq {

/// Gives the greedy translations of `weights`, faster where drafts are good.
///
/// Args: drafts, words of each sentence, which may be any; translations (B), whose `steps` are
/// the passes of the decoder.
void verify_drafts(const Weights& weights, const Output& output, const Sources& sources,
                   const std::vector<std::vector<int>>& drafts, const Options& options,
                   Translation* translations, Work& work);

}  // namespace vq
