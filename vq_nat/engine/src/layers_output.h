// Owns the choice of words from the vocabulary: the best of each row, without logits
// where none are asked for.
//
// Letters: R rows, V vocabulary.
#pragma once

#include <vector>

#include "layers.h"
#include "layers_rows.h"

namespace vq {

/// A word, and log p of it and of the end of sentence instead.
struct Choice {
  int word;
  float score, end_score;
};

/// What is asked of each row beside its best word.
struct Asked {
  bool scores = false;
  bool end_scores = false;  // of every row, not only where the end is the best
  int padding = -1;         // a word that stands for an end: end scores of its rows too
  bool may_end = true;

  bool end_score_of(int word) const { return scores && (end_scores || word == padding); }
};

class Output {
 public:
  /// Args: all (V, C); forbidden, words that are never chosen, and keep their share of
  /// the probability all the same, as in the PyTorch models; end of sentence; silenced,
  /// words that are never chosen and have no share; exact, the same in float32 beside
  /// int8, which decides among the best.
  Output(const Linear& all, std::vector<int> forbidden, int end,
         const std::vector<int>& silenced = {}, const LinearRows& exact = {});
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Chooses the best allowed word of each row of x, (R, C).
  void best(const float* x, int rows, const Asked& asked, Choice* choices,
            Work& work) const;
  /// Chooses again for one row, (C), whose choice is an end where none may be yet.
  void best_but_end(const float* x, Asked asked, Choice& choice, Work& work) const;
  /// Chooses among the words of a shortlist, which share all of the probability but for
  /// the silenced ones.
  void best_of(const Linear& some, const int* words, const float* x, int rows,
               const Asked& asked, Choice* choices, Work& work) const;
  /// Computes log p of a given word of each row.
  void scores(const float* x, int rows, const int* words, float* logp, Work& work) const;

  const std::vector<int>& forbidden() const { return forbidden_; }
  int end() const { return end_; }
  bool forbids(int word) const;
  bool allows(int word, const Asked& asked) const;
  const Linear& linear() const { return all_; }
  const LinearRows& exact() const { return exact_; }  // without rows, if there is no float32

 private:
  /// The same product with biases that rule words out.
  static Linear without(const Linear& all, const std::vector<int>& words,
                        std::vector<float>& biases);

  /// Finds the best column of each row, and returns the rows as they were multiplied.
  const Rows& find(const Linear& some, const float* x, int rows, bool log_sum_exp, Best* best,
                   Work& work) const;
  /// Takes the silenced words out of the logits of a shortlist.
  void silence(float* logits, const int* words, int count) const;
  /// Finds the best word of a shortlist among the logits of a row, and decides as `find`.
  Best best_allowed(const float* logits, const int* words, int count, const Asked& asked,
                    const float* x) const;
  /// Returns the logit of a word by how far it is from the best in float32: a part of what
  /// int8 is off by is the same for all words.
  float beside(const Best& best, const float* x, int word) const;
  /// Returns the logit of a word of a row, so where there is float32.
  float logit(const Rows& input, const float* x, int row, int word, const Best& best) const;

  std::vector<float> biases_, allowed_biases_, unended_biases_;
  Linear all_, allowed_, unended_;
  LinearRows exact_;
  std::vector<int> forbidden_, silenced_;
  int end_;
};

/// Computes log p of all columns, (R, N).
void log_probs(const Linear& weights, const float* x, int rows, float* logp, Work& work);

/// Returns one number of a product: x[row] · W[column] + b[column].
float single(const Linear& weights, const Rows& x, int row, int column);

}  // namespace vq
