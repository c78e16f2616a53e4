#include "search_shortlist.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace vq {
namespace {

constexpr int kBits = 64;

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
}

std::vector<int> Lexicon::words_for(const int* tokens, int count) const {
  std::vector<std::uint64_t> bits(target_vocabulary_ / kBits + 1);  // faster than sorting
  const auto add = [&](int word) { bits[word / kBits] |= std::uint64_t{1} << word % kBits; };
  for (int word : always_) add(word);
  for (int i = 0; i < count; ++i) {
    for (int j = offsets_[tokens[i]]; j < offsets_[tokens[i] + 1]; ++j) add(words_[j]);
  }
  std::vector<int> words;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    for (std::uint64_t left = bits[i]; left != 0; left &= left - 1) {
      words.push_back(static_cast<int>(i) * kBits + __builtin_ctzll(left));
    }
  }
  return words;
}

void add_word(std::vector<int>& words, int word) {
  const auto place = std::lower_bound(words.begin(), words.end(), word);
  if (place == words.end() || *place != word) words.insert(place, word);
}

}  // namespace vq
