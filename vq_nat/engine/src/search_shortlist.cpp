#include "search_shortlist.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace vq {
namespace {

void check_words(const std::vector<int>& words, int vocabulary) {
  for (int word : words) {
    if (word >= 0 && word < vocabulary) continue;
    throw std::invalid_argument(
        "words of a shortlist must be from 0 to " + std::to_string(vocabulary - 1) +
        ", but one is " + std::to_string(word) + " instead.");
  }
}

}  // namespace

Lexicon::Lexicon(std::vector<int> offsets, std::vector<int> words,
                 std::vector<int> always, int target_vocabulary)
    : offsets_(std::move(offsets)), words_(std::move(words)), always_(std::move(always)),
      target_vocabulary_(target_vocabulary) {
  const bool whole = !offsets_.empty() && offsets_.front() == 0 &&
                     offsets_.back() == static_cast<int>(words_.size());
  if (!whole || !std::is_sorted(offsets_.begin(), offsets_.end())) {
    throw std::invalid_argument(
        "`offsets` must ascend from 0 to the number of words (" +
        std::to_string(words_.size()) + ").");
  }
  check_words(words_, target_vocabulary);
  check_words(always_, target_vocabulary);
  std::sort(always_.begin(), always_.end());
}

std::vector<int> Lexicon::words_for(const int* tokens, int count) const {
  std::vector<int> words = always_;
  for (int i = 0; i < count; ++i) {
    words.insert(words.end(), words_.begin() + offsets_[tokens[i]],
                 words_.begin() + offsets_[tokens[i] + 1]);
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

}  // namespace vq
