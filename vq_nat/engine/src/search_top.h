// Owns what beams share: the few best among many scores, and who inherits a cache.
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

/// Appends the `wanted` best of a row of gains, added to what its hypothesis has. What is
/// no number, because weights were huge, is worst: `better` must be an order.
inline void best_of_row(const float* gains, int size, int parent, float score, int wanted,
                        std::vector<Candidate>& best) {
  const auto first = best.size();
  const auto most = std::min<std::size_t>(wanted, size);
  constexpr float kLeast = -std::numeric_limits<float>::infinity();
  float worst = kLeast;
  bool full = false;
  for (int word = 0; word < size; ++word) {
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

/// Keeps the `wanted` best, in order.
inline void keep_best(std::vector<Candidate>& candidates, int wanted) {
  std::sort(candidates.begin(), candidates.end(), better);
  if (static_cast<int>(candidates.size()) > wanted) candidates.resize(wanted);
}

/// Gives the hypotheses of the next step caches of their own, of those from `first` on.
/// The first child of a hypothesis keeps its cache, others get a copy.
///
/// Args: caches, in: of each one's parent; copy(from, to).
template <class Copy>
void inherit_caches(std::vector<int>& caches, int first, int width, Copy copy) {
  std::vector<bool> used(width, false), kept(width, false);
  for (int cache : caches) used[cache - first] = true;
  int free = 0;
  for (int& cache : caches) {
    if (!kept[cache - first]) {
      kept[cache - first] = true;
      continue;
    }
    while (used[free]) ++free;
    used[free] = true;
    copy(cache, first + free);
    cache = first + free;
  }
}

}  // namespace vq
