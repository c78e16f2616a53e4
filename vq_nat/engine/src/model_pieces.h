// Owns how the sentences of a call are parted: pieces of similar length that fit the
// cache, and threads that take one piece after the other.
#pragma once

#include <functional>
#include <vector>

#include "model_encoder.h"

namespace vq {

/// Sentences that are computed together, and their words one behind the other.
class Piece {
 public:
  Piece(const std::vector<std::vector<int>>& sentences, std::vector<int> members);

  /// Numbers in the call, of each sentence of the piece.
  const std::vector<int>& members() const { return members_; }
  int count() const { return static_cast<int>(members_.size()); }
  Sources sources() const { return {count(), tokens_.data(), starts_.data()}; }

 private:
  std::vector<int> members_, tokens_, starts_;
};

/// Parts sentences; empty ones are in no piece.
std::vector<Piece> cut_into_pieces(const std::vector<std::vector<int>>& sentences,
                                   int threads);

/// Runs a job for each piece, at most `threads` at a time. What a job throws is thrown
/// again when all threads have stopped.
void for_each_piece(const std::vector<Piece>& pieces, int threads,
                    const std::function<void(const Piece&, Work&)>& job);

}  // namespace vq
