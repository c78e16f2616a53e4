#include "search_options.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace vq {
namespace {

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

constexpr int kManyWords = 1'000'000'000;

/// Cuts off the fraction, within bounds: of other numbers C++ says nothing.
int whole(double words, int least, int most) {
  if (!(words > least)) return least;
  return words < most ? static_cast<int>(words) : most;
}

/// Codes that hold so many words, at least one. As torch does: in float32.
int codes_for(float words, int chunk) {
  return whole(std::ceil(words / static_cast<float>(chunk)), 1, kManyWords / chunk + 1);
}

/// Words that an output may have, as torch computes them: in float32.
float longest(const Options& o, float words) {
  float most = words * static_cast<float>(o.max_len_a) + static_cast<float>(o.max_len_b);
  if (o.max_length_ratio > 0) most = std::min(most, words * static_cast<float>(o.max_length_ratio));
  return most;
}

bool ratio(double value) { return value >= 0 && std::isfinite(value); }

}  // namespace

void Options::check() const {
  require(width >= 1 && width <= 4096, "`width` must be from 1 to 4096, but is " +
                                           std::to_string(width) + " instead.");
  require(kind != SearchKind::greedy || width == 1,
          "`width` must be 1 for a greedy search, but is " + std::to_string(width) +
              " instead.");
  require(beam == 0 || (kind == SearchKind::beam && beam > width && beam <= 4096),
          "`beam` must be 0, or of a beam search from `width` + 1 to 4096, but is " +
              std::to_string(beam) + " instead.");
  require(temperature > 0 && std::isfinite(temperature),
          "`temperature` must be above 0 and finite, but is " +
              std::to_string(temperature) + " instead.");
  require(length_penalty >= 0 && std::isfinite(length_penalty),
          "`length_penalty` must not be negative, but is " +
              std::to_string(length_penalty) + " instead.");
  require(ratio(max_len_a) && std::isfinite(max_len_b),
          "`max_len_a` and `max_len_b` must be finite, the first not negative.");
  require(ratio(min_length_ratio) && ratio(max_length_ratio) && ratio(length_ratio),
          "ratios of lengths must be at least 0 and finite.");
  require(max_length_ratio == 0 || min_length_ratio <= max_length_ratio,
          "`min_length_ratio` must be at most `max_length_ratio` (" +
              std::to_string(max_length_ratio) + "), but is " +
              std::to_string(min_length_ratio) + " instead.");
  require(length_ratio == 0 || kind != SearchKind::lengths,
          "`search` must not be for several lengths when the length is fixed.");
  require(passes >= 0 && passes <= 1000, "`passes` must be from 0 to 1000, but is " +
                                             std::to_string(passes) + " instead.");
  require(threads >= 1 && threads <= 1024, "`threads` must be from 1 to 1024, but is " +
                                               std::to_string(threads) + " instead.");
  require(min_length >= 0, "`min_length` must not be negative, but is " +
                               std::to_string(min_length) + " instead.");
}

CodeBounds code_bounds(const Options& o, int length, int chunk, int max_latents) {
  const auto words = static_cast<float>(length);
  CodeBounds bounds;
  if (o.length_ratio > 0) {
    bounds.least = bounds.most = codes_for(words * static_cast<float>(o.length_ratio), chunk);
    bounds.ends = false;
  } else {
    const float end = o.min_length > 1 ? 1.0f : 0.0f;  // has room as well
    const float least = std::max(words * static_cast<float>(o.min_length_ratio),
                                 static_cast<float>(o.min_length) + end);
    float most = longest(o, words);
    if (o.guarded) most = std::min(most, std::max(2 * words + 20, least));
    bounds.least = codes_for(least, chunk);
    bounds.most = codes_for(most, chunk);
  }
  bounds.most = std::clamp(bounds.most, 1, max_latents);
  bounds.least = std::min(bounds.least, bounds.most);
  return bounds;
}

int most_words(const Options& o, int length) {
  if (o.length_ratio > 0) return kManyWords;
  return whole(longest(o, static_cast<float>(length)), 0, kManyWords);
}

int word_limit(const Options& o, int length, int max_target) {
  const double words = std::floor(o.max_len_a * length + o.max_len_b);
  const int limit = whole(words, -1, max_target - 1);
  require(o.min_length <= limit, "`min_length` must be at most the longest output (" +
                                     std::to_string(limit) + "), but is " +
                                     std::to_string(o.min_length) + " instead.");
  return limit;
}

}  // namespace vq
