// Beam search over codes, as vq_nat/translation/decoding/beam.py does it: the best unfinished
// sequences of each sentence, and the best finished, as many as the beam is wide, of which W are
// given; the G codes of a step count as one symbol.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "latent_codes.h"
#include "search_top.h"

namespace vq {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// A combination of one code per slice.
struct Combination {
  float score;
  std::vector<int> codes;  // (G)
};

/// Finds the best combinations: the best of the first g slices suffice for slice g + 1.
std::vector<Combination> joint_best(const float* logp, int slices, int codes, int symbols,
                                    int wanted) {
  std::vector<Combination> best{{0.0f, {}}};
  std::vector<Candidate> here, both;
  for (int g = 0; g < slices; ++g, logp += symbols) {
    here.clear();
    both.clear();
    best_of_row(logp, codes, 0, 0.0f, wanted, here);
    for (int i = 0; i < static_cast<int>(best.size()); ++i) {
      for (const Candidate& one : here) both.push_back({best[i].score + one.score, i, one.word});
    }
    keep_best(both, wanted);
    std::vector<Combination> next;
    for (const Candidate& one : both) {
      next.push_back({one.score, best[one.parent].codes});
      next.back().codes.push_back(one.word);
    }
    best = std::move(next);
  }
  return best;
}

struct Live {
  float score;
  int cache;
  std::vector<int> codes;  // (steps, G)
};

struct Finished {
  float rank, score;  // rank: score / steps^penalty
  std::vector<int> codes;
};

/// The beam of one sentence.
class Beam {
 public:
  Beam(const Options& options, int sentence, const CodeBounds& bounds, int slices)
      : options_(options), width_(options.beam_width()), sentence_(sentence),
        slices_(slices), bounds_(bounds), live_{{0.0f, sentence * width_, {}}} {}

  int sentence() const { return sentence_; }
  const std::vector<Live>& live() const { return live_; }

  /// Makes one step; returns false when the sentence is done.
  template <class Copy>
  bool advance(float* logp, const Predictor& predictor, int position, Copy copy) {
    const int end = predictor.end();
    std::vector<Candidate> all;
    std::vector<std::vector<Combination>> combinations;
    std::vector<float> ends;
    for (int i = 0; i < static_cast<int>(live_.size()); ++i, logp += predictor.row_size()) {
      forbid(logp, end, position);
      ends.push_back(live_[i].score + logp[end]);
      combinations.push_back(joint_best(logp, slices_, end, predictor.symbols(), width_));
      for (int j = 0; j < static_cast<int>(combinations.back().size()); ++j) {
        all.push_back({live_[i].score + combinations.back()[j].score, i, j});
      }
    }
    if (bounds_.ends) {
      finish(ends, position + 1);
      count_ends(ends, all);
    }
    keep_best(all, width_);
    go_on(all, combinations, copy);
    if (!bounds_.ends && bounds_.most == position + 1) {
      ends.clear();
      for (const Live& one : live_) ends.push_back(one.score);
      finish(ends, position + 1);
    }
    return !done(position);
  }

  /// Gives W sequences; where there are fewer, the best once more.
  void give(CodeSequence* sequences) const {
    for (int i = 0; i < options_.width && !finished_.empty(); ++i) {
      const bool there = i < static_cast<int>(finished_.size());
      const Finished& one = finished_[there ? i : 0];
      sequences[i] = {one.codes, one.score};
    }
  }

 private:
  void forbid(float* logp, int end, int position) const {
    if (!bounds_.ends || position < bounds_.least) logp[end] = kNever;
    if (bounds_.ends && position >= bounds_.most) std::fill(logp, logp + end, kNever);
  }

  /// Lets live sequences end that have a score.
  void finish(const std::vector<float>& scores, int steps) {
    const float divisor = std::pow(static_cast<float>(steps), options_.length_penalty);
    for (std::size_t i = 0; i < live_.size(); ++i) {
      if (scores[i] == kNever) continue;
      finished_.push_back({scores[i] / divisor, scores[i], live_[i].codes});
    }
    std::stable_sort(finished_.begin(), finished_.end(),
                     [](const Finished& a, const Finished& b) { return a.rank > b.rank; });
    if (static_cast<int>(finished_.size()) > width_) finished_.resize(width_);
  }

  /// Counts the ends that are among the W best symbols of this step.
  void count_ends(const std::vector<float>& ends, const std::vector<Candidate>& all) {
    std::vector<float> symbols = ends;
    for (const Candidate& one : all) symbols.push_back(one.score);
    const auto most = std::min<std::size_t>(width_, symbols.size());
    std::nth_element(symbols.begin(), symbols.begin() + (most - 1), symbols.end(),
                     std::greater<float>());
    const float worst = symbols[most - 1];
    for (float end : ends) ended_ += end >= worst && end > kNever;
  }

  template <class Copy>
  void go_on(const std::vector<Candidate>& best,
             const std::vector<std::vector<Combination>>& combinations, Copy copy) {
    std::vector<Live> next;
    std::vector<int> caches;
    for (const Candidate& one : best) {
      next.push_back({one.score, 0, live_[one.parent].codes});
      const std::vector<int>& codes = combinations[one.parent][one.word].codes;
      next.back().codes.insert(next.back().codes.end(), codes.begin(), codes.end());
      caches.push_back(live_[one.parent].cache);
    }
    inherit_caches(caches, sentence_ * width_, width_, copy);
    for (std::size_t i = 0; i < next.size(); ++i) next[i].cache = caches[i];
    live_ = std::move(next);
  }

  bool done(int position) const {
    if (bounds_.most <= position + !bounds_.ends || ended_ >= width_) return true;
    if (static_cast<int>(finished_.size()) < width_) return false;
    const auto steps = static_cast<float>(bounds_.most + bounds_.ends);
    const float hope = live_[0].score / std::pow(steps, options_.length_penalty);
    return finished_.back().rank >= hope;  // if nothing more had to be paid
  }

  const Options& options_;
  int width_;  // of the beam; W of its sequences are given
  int sentence_, slices_, ended_ = 0;
  CodeBounds bounds_;
  std::vector<Live> live_;
  std::vector<Finished> finished_;
};

}  // namespace

std::vector<CodeSequence> search_codes_with_beam(const CodeTask& task,
                                                 const std::vector<CodeBounds>& bounds,
                                                 Work& work) {
  Arena::Frame frame(work.arena);
  const int count = task.sources.count, width = task.options.width;
  const int slices = task.weights.description.slices;
  int longest = 0;
  std::vector<Beam> beams;
  for (int i = 0; i < count; ++i) {
    longest = std::max(longest, bounds[i].most);
    beams.emplace_back(task.options, i, bounds[i], slices);
  }
  std::vector<CodeSequence> sequences(static_cast<std::size_t>(count) * width);
  const int hypotheses = count * task.options.beam_width();
  Predictor predictor(task, hypotheses, longest, work);
  std::vector<Predictor::Row> rows;
  for (int position = 0; !beams.empty(); ++position) {
    predictor.reserve(position + 1, position);
    Arena::Frame step(work.arena);
    rows.clear();
    for (const Beam& beam : beams) {
      for (const Live& one : beam.live()) {
        const int* previous = one.codes.data() + std::max(0, position - 1) * slices;
        rows.push_back({previous, one.cache, beam.sentence()});
      }
    }
    const int row_count = static_cast<int>(rows.size());
    const float* states = predictor.states(rows.data(), row_count, position);
    float* logp = predictor.scores(states, rows.data(), row_count, true);
    std::vector<Beam> left;
    for (Beam& beam : beams) {
      const int own = static_cast<int>(beam.live().size());
      const auto copy = [&](int from, int to) { predictor.copy(from, to, position + 1); };
      if (beam.advance(logp, predictor, position, copy)) {
        left.push_back(std::move(beam));
      } else {
        beam.give(&sequences[static_cast<std::size_t>(beam.sentence()) * width]);
      }
      logp += static_cast<std::size_t>(own) * predictor.row_size();
    }
    beams = std::move(left);
  }
  return sequences;
}

}  // namespace vq
