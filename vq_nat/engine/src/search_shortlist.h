// Owns lexical shortlists: the few words that a sentence's translation may use.
#pragma once

#include <vector>

#include "products.h"

namespace vq {

/// For each source word its likely translations, and words that are always allowed.
class Lexicon {
 public:
  /// Args: offsets (source vocabulary + 1) into `words`.
  Lexicon(std::vector<int> offsets, std::vector<int> words, std::vector<int> always,
          int target_vocabulary);

  /// Returns the words allowed for a source, in ascending order.
  std::vector<int> words_for(const int* tokens, int count) const;
  int source_vocabulary() const { return static_cast<int>(offsets_.size()) - 1; }
  int target_vocabulary() const { return target_vocabulary_; }

 private:
  std::vector<int> offsets_, words_, always_;
  int target_vocabulary_;
};

/// Puts a word among those in ascending order, unless it is there.
void add_word(std::vector<int>& words, int word);

/// The words allowed for one sentence, and their part of the product.
struct Allowed {
  std::vector<int> words;
  Shortlist shortlist;
  const Linear* linear = nullptr;
};

}  // namespace vq
