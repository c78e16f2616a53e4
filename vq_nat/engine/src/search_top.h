// Owns what beams share: who inherits a cache, and which candidates are kept.
#pragma once

#include <algorithm>
#include <vector>

#include "layers_top.h"

namespace vq {

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
