// What the predictor thinks of codes that are given: log p of each step, and which codes
// it could have had instead. Words are judged as a greedy search chooses them.
#include <algorithm>
#include <cmath>

#include "latent_codes.h"
#include "search_top.h"

namespace vq {
namespace {

constexpr int kSpare = 4;  // rivals that float32 may put before others

/// Judges a step whose code is a word. Args: state, (C); logp, (V + 1), of int8 alone.
CodeStep judge_word(const Output& words, const float* state, const float* logp, int code,
                    int rivals, Work& work) {
  const auto score = [&](int word) {
    float logp = 0.0f;
    words.scores(state, 1, &word, &logp, work);
    return logp;
  };
  CodeStep step;
  step.score = score(code);
  std::vector<Candidate> all;
  if (rivals > 0) best_of_row(logp, words.linear().out, 0, 0.0f, rivals + 1 + kSpare, all);
  for (Candidate& one : all) {
    if (one.word == code || !std::isfinite(one.score)) continue;
    step.rivals.push_back({0, one.word, score(one.word)});
  }
  std::stable_sort(step.rivals.begin(), step.rivals.end(),
                   [](const Rival& a, const Rival& b) { return a.score > b.score; });
  if (static_cast<int>(step.rivals.size()) > rivals) step.rivals.resize(rivals);
  return step;
}

/// Judges one step. Args: logp, (G, K + 1); codes, (G).
CodeStep judge(const float* logp, const int* codes, const Predictor& predictor, int rivals) {
  CodeStep step;
  for (int g = 0; g < predictor.slices(); ++g) {
    step.score += logp[g * predictor.symbols() + codes[g]];
  }
  std::vector<Candidate> all;
  for (int g = 0; g < predictor.slices(); ++g, logp += predictor.symbols()) {
    const float others = step.score - logp[codes[g]];
    best_of_row(logp, predictor.end(), g, others, rivals + 1, all);
  }
  all.erase(std::remove_if(all.begin(), all.end(),
                           [&](const Candidate& one) {
                             return one.word == codes[one.parent] || !std::isfinite(one.score);
                           }),
            all.end());
  keep_best(all, rivals);
  for (const Candidate& one : all) step.rivals.push_back({one.parent, one.word, one.score});
  return step;
}

}  // namespace

std::vector<std::vector<CodeStep>> judge_codes(const CodeTask& task, int rivals,
                                               std::vector<CodeSequence>& given, Work& work) {
  Arena::Frame frame(work.arena);
  const Description& d = task.weights.description;
  const bool words = d.codes == Codes::words;  // whose end is one of the codes
  const int count = static_cast<int>(given.size());
  const auto steps = [&](const CodeSequence& one) {
    return static_cast<int>(one.codes.size()) / d.slices;
  };
  int longest = 0;
  for (const CodeSequence& one : given) longest = std::max(longest, steps(one));
  Predictor predictor(task, count, longest, work);
  std::vector<std::vector<CodeStep>> judged(count);
  std::vector<Predictor::Row> rows;
  for (int position = 0; position < longest + !words; ++position) {
    rows.clear();
    for (int i = 0; i < count; ++i) {
      if (position >= steps(given[i]) + !words) continue;
      const int* codes = given[i].codes.data();
      rows.push_back({codes + std::max(0, position - 1) * d.slices, i, i});
    }
    predictor.reserve(position + 1, position);
    Arena::Frame step(work.arena);
    const int left = static_cast<int>(rows.size());
    const float* states = predictor.states(rows.data(), left, position);
    float* logp = predictor.scores(states, rows.data(), left, true);
    for (const Predictor::Row& row : rows) {
      CodeSequence& one = given[row.sentence];
      if (words) logp[d.eos] = logp[predictor.end()];
      if (position == steps(one)) {
        one.score += logp[predictor.end()];
      } else {
        const int* codes = one.codes.data() + position * d.slices;
        judged[row.sentence].push_back(
            words ? judge_word(*task.words, states, logp, *codes, rivals, work)
                  : judge(logp, codes, predictor, rivals));
        one.score += judged[row.sentence].back().score;
      }
      logp += predictor.row_size();
      states += d.width;
    }
  }
  return judged;
}

}  // namespace vq
