// Owns the few best among many scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace vq {

/// One way to go on: log p with it, the hypothesis it belongs to, and the word.
struct Candidate {
  float score;
  int parent, word;
};

inline bool better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.parent != b.parent ? a.parent < b.parent : a.word < b.word;
}

constexpr int kTogether = 16;  // gains that are passed over by one comparison

/// Tells whether one of `kTogether` gains is above a bound.
inline bool some_above(const float* gains, float bound) {
  int above = 0;
  for (int i = 0; i < kTogether; ++i) above |= gains[i] > bound;
  return above != 0;
}

/// Appends the `wanted` best of a row of gains, added to what its hypothesis has. What is
/// no number, because weights were huge, is worst: `better` must be an order.
inline void best_of_row(const float* gains, int size, int parent, float score, int wanted,
                        std::vector<Candidate>& best) {
  if (wanted < 1) return;
  const auto first = best.size();
  const auto most = std::min<std::size_t>(wanted, size);
  constexpr float kLeast = -std::numeric_limits<float>::infinity();
  float worst = kLeast;
  bool full = false;
  for (int word = 0; word < size; ++word) {
    while (full && size - word > kTogether && !some_above(gains + word, worst)) word += kTogether;
    if (full && !(gains[word] > worst)) continue;
    const float gain = std::isnan(gains[word]) ? kLeast : gains[word];
    auto place = best.end();
    while (place != best.begin() + first && (place - 1)->score < gain) --place;
    best.insert(place, {gain, parent, word});
    if (best.size() - first > most) best.pop_back();
    full = best.size() - first == most;
    worst = best.back().score;
  }
  for (auto i = first; i < best.size(); ++i) best[i].score += score;
}

}  // namespace vq
