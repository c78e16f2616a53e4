#include "model_verify.h"

#include <algorithm>
#include <cmath>

namespace vq {
namespace {

constexpr int kFurthest = 4;  // places by which a draft may be off

/// One sentence: what is written, and what is drafted behind it.
class Verified {
 public:
  Verified(const std::vector<int>& draft, int limit, int end, Translation& translation)
      : draft_(draft), limit_(limit), end_(end), translation_(translation), input_{end} {}

  /// Prepares a pass: the last word, and the draft's words behind it.
  WordDecoder::Row row(int sentence) {
    const int written = static_cast<int>(translation_.tokens.size());
    input_.resize(1);
    for (std::size_t i = next_; i < draft_.size() && draft_[i] != end_; ++i) {
      if (written + static_cast<int>(input_.size()) > limit_) break;
      input_.push_back(draft_[i]);
    }
    ++translation_.steps;
    return {input_.data(), static_cast<int>(input_.size()), written, sentence, sentence};
  }

  /// Takes what the model chooses behind each word of the pass; returns whether the
  /// sentence goes on.
  bool take(const Choice* choices, bool scores) {
    const int count = static_cast<int>(input_.size());
    for (int i = 0; i < count; ++i) {
      const bool full = static_cast<int>(translation_.tokens.size()) >= limit_;
      const int word = full ? end_ : choices[i].word;
      translation_.tokens.push_back(word);
      if (scores) {
        translation_.positional_scores.push_back(full ? choices[i].end_score : choices[i].score);
      }
      if (word == end_) return false;
      const bool drafted = i + 1 < count && input_[i + 1] == word;
      if (!drafted) {
        align(word);
        input_[0] = word;
        return true;
      }
      ++next_;
    }
    return true;
  }

  int count() const { return static_cast<int>(input_.size()); }
  int first() const { return static_cast<int>(translation_.tokens.size()); }
  bool reaches_limit() const { return first() + count() > limit_; }

 private:
  /// Goes on behind the word where the draft has it nearby, else behind its place.
  void align(int word) {
    const std::size_t last = std::min(draft_.size(), next_ + kFurthest);
    for (std::size_t i = next_; i < last; ++i) {
      if (draft_[i] != word) continue;
      next_ = i + 1;
      return;
    }
    next_ = std::min(next_ + 1, draft_.size());
  }

  const std::vector<int>& draft_;
  int limit_, end_;
  Translation& translation_;
  std::vector<int> input_;
  std::size_t next_ = 0;  // of the draft's words
};

}  // namespace

void verify_drafts(const Weights& weights, const Output& output, const Sources& sources,
                   const std::vector<std::vector<int>>& drafts, const Options& options,
                   Translation* translations, Work& work) {
  Arena::Frame frame(work.arena);
  WordDecoder decoder(weights, sources, sources.count, work);
  std::vector<Verified> sentences;
  std::vector<int> left;
  for (int i = 0; i < sources.count; ++i) {
    const int limit = word_limit(options, sources.length(i), weights.description.max_target);
    sentences.emplace_back(drafts[i], limit, output.end(), translations[i]);
    left.push_back(i);
  }
  std::vector<WordDecoder::Row> rows;
  for (int used = 0; !left.empty();) {
    rows.clear();
    int total = 0, longest = 0;
    bool full = false;
    for (int i : left) {
      rows.push_back(sentences[i].row(i));
      total += rows.back().count;
      longest = std::max(longest, rows.back().position + rows.back().count);
      full = full || sentences[i].reaches_limit();
    }
    decoder.reserve(longest, used);
    used = std::max(used, longest);
    Arena::Frame pass(work.arena);
    const float* x = decoder.read(rows.data(), static_cast<int>(rows.size()));
    Choice* choices = work.arena.take<Choice>(total);
    Asked asked;
    asked.scores = options.want_scores;
    asked.end_scores = full;
    output.best(x, total, asked, choices, work);
    std::vector<int> next;
    int start = 0;
    for (std::size_t j = 0; j < left.size(); start += rows[j++].count) {
      Choice* own = choices + start;
      for (int t = 0; rows[j].position + t < options.min_length && t < rows[j].count; ++t) {
        const std::size_t width = output.linear().in;
        output.best_but_end(x + (start + t) * width, asked, own[t], work);
      }
      if (sentences[left[j]].take(own, options.want_scores)) next.push_back(left[j]);
    }
    left = std::move(next);
  }
  for (int i = 0; i < sources.count; ++i) finish_greedy(translations[i], options);
}

}  // namespace vq
