// Owns the few best among many scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
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

/// Returns the largest of some numbers, side by side; what is none counts as least.
inline float largest_of(const float* x, int count) {
  constexpr int kAtOnce = 16;
  float most[kAtOnce];
  std::fill_n(most, kAtOnce, -std::numeric_limits<float>::infinity());
  int i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce)
    for (int j = 0; j < kAtOnce; ++j) most[j] = x[i + j] > most[j] ? x[i + j] : most[j];
  for (; i < count; ++i) most[0] = x[i] > most[0] ? x[i] : most[0];
  return *std::max_element(most, most + kAtOnce);
}

constexpr int kStretch = 64;  // of a row, looked at as a whole: few have one of the best

/// Writes the largest of each stretch, and returns what `wanted` of a row reach at least.
inline float least_of_best(const float* row, int size, int wanted, std::vector<float>& largest) {
  largest.clear();
  for (int i = 0; i < size; i += kStretch) {
    largest.push_back(largest_of(row + i, std::min(kStretch, size - i)));
  }
  constexpr float kLeast = -std::numeric_limits<float>::infinity();
  if (static_cast<int>(largest.size()) < wanted) return kLeast;
  static thread_local std::vector<float> sorted;
  sorted = largest;
  const auto last = sorted.begin() + (wanted - 1);
  std::nth_element(sorted.begin(), last, sorted.end(), std::greater<float>());
  return *last;
}

/// Appends the `wanted` best of a row of gains, added to what its hypothesis has. What is
/// no number, because weights were huge, is worst: `better` must be an order.
inline void best_of_row(const float* gains, int size, int parent, float score, int wanted,
                        std::vector<Candidate>& best) {
  static thread_local std::vector<float> largest;
  const float least = least_of_best(gains, size, wanted, largest);
  const auto first = best.size();
  const auto most = std::min<std::size_t>(wanted, size);
  for (int word = 0; word < size; ++word) {
    if (word % kStretch == 0 && largest[word / kStretch] < least) {
      word += kStretch - 1;
      continue;
    }
    if (gains[word] < least) continue;
    const bool full = best.size() - first == most;
    if (full && !(gains[word] > best.back().score)) continue;
    constexpr float kLeast = -std::numeric_limits<float>::infinity();
    const float gain = std::isnan(gains[word]) ? kLeast : gains[word];
    if (full) best.pop_back();
    auto place = best.end();
    while (place != best.begin() + first && (place - 1)->score < gain) --place;
    best.insert(place, {gain, parent, word});
  }
  for (auto i = first; i < best.size(); ++i) best[i].score += score;
}

}  // namespace vq
