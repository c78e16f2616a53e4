// The parallel decoder; the equations are those of vq_nat/translation/decoder.py.
#include "latent_words.h"

#include <algorithm>

namespace vq {
namespace {

constexpr int kRowsAtOnce = 512;

std::size_t size(int count, int width) { return static_cast<std::size_t>(count) * width; }

/// Decodes candidates whose rows are computed together.
class Decoding {
 public:
  Decoding(const Weights& weights, const WordTask* tasks, int count, Work& work)
      : weights_(weights), d_(weights.description), tasks_(tasks), count_(count),
        work_(work), starts_(work.arena.take<int>(count + 1)) {
    starts_[0] = 0;
    for (int i = 0; i < count; ++i) {
      const int codes = static_cast<int>(tasks[i].codes->size()) / d_.slices;
      starts_[i + 1] = starts_[i] + (words() ? codes * d_.chunk : codes);
    }
  }

  /// Returns the states from which words are chosen, (R, C).
  const float* states(const Memory* memories) {
    float* x = work_.arena.take<float>(size(rows(), d_.width));
    words() ? place(x) : lookup(x);
    for (const Upsampling& one : weights_.upsamplings) x = upsample(one, x);
    Own* own = work_.arena.take<Own>(count_);
    Reading* readings = work_.arena.take<Reading>(count_);
    for (int i = 0; i < count_; ++i) {
      const int length = starts_[i + 1] - starts_[i];
      show(tasks_[i], x + size(starts_[i], d_.width), length);
      own[i] = {starts_[i], length};
      readings[i] = {starts_[i], length, memories[tasks_[i].sentence]};
    }
    run(weights_.decoder, x, rows(), {own, count_, readings, count_}, work_);
    return x;
  }

  int rows() const { return starts_[count_]; }
  int start(int task) const { return starts_[task]; }

 private:
  bool words() const { return d_.codes == Codes::words; }

  void lookup(float* x) const {
    const int part = d_.width / d_.slices;
    for (int i = 0; i < count_; ++i) {
      const std::vector<int>& codes = *tasks_[i].codes;
      for (std::size_t j = 0; j < codes.size(); ++j, x += part) {
        const int row = static_cast<int>(j % d_.slices) * d_.codes_per_slice + codes[j];
        embed(weights_.codes, &row, 1, x);
      }
    }
  }

  /// Nothing stands below the words that are shown.
  void place(float* x) const { std::fill(x, x + size(rows(), d_.width), 0.0f); }

  /// Returns the word that is shown at a position, or -1.
  int shown_at(const WordTask& task, int position) const {
    if (words() && (position + 1) % d_.chunk == 0) return (*task.codes)[position / d_.chunk];
    return task.shown == nullptr ? -1 : task.shown[position];
  }

  /// Doubles the length, then adds a convolution that sees both neighbours.
  float* upsample(const Upsampling& one, const float* x) {
    const int width = d_.width, before = rows();
    float* doubled = work_.arena.take<float>(size(before, 2 * width));
    apply(one.doubling, x, before, doubled, work_);
    for (int i = 0; i <= count_; ++i) starts_[i] *= 2;
    Arena::Frame frame(work_.arena);
    float* normed = work_.arena.take<float>(size(rows(), width));
    float* around = work_.arena.take<float>(size(rows(), 3 * width));
    layer_norm(one.norm, doubled, rows(), normed);
    for (int i = 0; i < count_; ++i) gather(normed, starts_[i], starts_[i + 1], around);
    apply(one.conv, around, rows(), normed, work_, After::relu);
    for (std::size_t j = 0; j < size(rows(), width); ++j) doubled[j] += normed[j];
    return doubled;
  }

  /// Puts each row between its neighbours; beyond the ends are zeros.
  void gather(const float* x, int first, int last, float* around) const {
    const int width = d_.width;
    for (int t = first; t < last; ++t) {
      float* out = around + size(t, 3 * width);
      for (int neighbour = t - 1; neighbour <= t + 1; ++neighbour, out += width) {
        if (neighbour < first || neighbour >= last) {
          std::fill(out, out + width, 0.0f);
        } else {
          std::copy(x + size(neighbour, width), x + size(neighbour + 1, width), out);
        }
      }
    }
  }

  /// Adds positions, and the embeddings of what is shown.
  void show(const WordTask& task, float* x, int length) {
    Arena::Frame frame(work_.arena);
    const int width = d_.width;
    const float* place = weights_.decoder_positions;
    float* word = work_.arena.take<float>(width);
    for (int t = 0; t < length; ++t, x += width, place += width) {
      const int shown = shown_at(task, t);
      if (shown >= 0) embed(weights_.embed_target, &shown, 1, word);
      const float* input = shown >= 0 ? word : weights_.hidden_word;
      for (int c = 0; c < width; ++c) x[c] = x[c] + input[c] + place[c];
    }
  }

  const Weights& weights_;
  const Description& d_;
  const WordTask* tasks_;
  int count_;
  Work& work_;
  int* starts_;
};

/// Chooses words for the candidates of one pass.
class Choosing {
 public:
  Choosing(const Description& description, const WordOutputs& outputs, const Asked& asked,
           const WordTask* tasks, int count, const Decoding& decoding, Work& work)
      : d_(description), outputs_(outputs), asked_(asked), tasks_(tasks), count_(count),
        decoding_(decoding), work_(work) {}

  void all(const float* x, const Allowed* shortlists, Choice* choices) {
    if (outputs_.between != nullptr) {
      between_codes(x, shortlists, choices);
    } else if (shortlists == nullptr) {
      outputs_.words.best(x, decoding_.rows(), asked_, choices, work_);
    } else {
      from_shortlists(x, shortlists, choices);
    }
  }

  /// Chooses again where nothing may end yet, but does; the end that a code is stays.
  void begin(const float* x, const Allowed* shortlists, int shortest, Choice* choices) {
    Asked asked = asked_;
    asked.may_end = false;
    for (int i = 0; i < count_; ++i) {
      const int start = decoding_.start(i), length = decoding_.start(i + 1) - start;
      for (int row = start; row < start + std::min(shortest, length); ++row) {
        const int word = choices[row].word;
        if ((word != d_.eos && word != d_.pad) || is_given(row - start)) continue;
        const float* state = x + size(row, d_.width);
        if (shortlists == nullptr) {
          outputs_.inside.best(state, 1, asked, choices + row, work_);
        } else {
          const Allowed& allowed = shortlists[tasks_[i].sentence];
          outputs_.words.best_of(*allowed.linear, allowed.words.data(), state, 1, asked,
                                 choices + row, work_);
        }
      }
    }
  }

 private:
  /// Tells whether the word of a position is its code.
  bool is_given(int position) const {
    return outputs_.between != nullptr && (position + 1) % d_.chunk == 0;
  }

  void from_shortlists(const float* x, const Allowed* shortlists, Choice* choices) {
    for (int i = 0; i < count_; ++i) {
      const Allowed& allowed = shortlists[tasks_[i].sentence];
      const int start = decoding_.start(i), rows = decoding_.start(i + 1) - start;
      outputs_.words.best_of(*allowed.linear, allowed.words.data(),
                             x + size(start, d_.width), rows, asked_, choices + start, work_);
    }
  }

  /// The words of codes are given: only rows between them are multiplied.
  void between_codes(const float* x, const Allowed* shortlists, Choice* choices) {
    Arena::Frame frame(work_.arena);
    int* inner = work_.arena.take<int>(decoding_.rows());
    int* last = work_.arena.take<int>(decoding_.rows());
    int inner_count = 0, last_count = 0;
    for (int i = 0; i < count_; ++i) {
      const std::vector<int>& codes = *tasks_[i].codes;
      const int start = decoding_.start(i), length = decoding_.start(i + 1) - start;
      for (int t = 0; t < length; ++t) {
        const int code = codes[t / d_.chunk];
        if (is_given(t)) {
          choices[start + t] = {code, 0.0f, code == d_.eos ? 0.0f : kNever};
        } else {
          (code == d_.eos ? last[last_count++] : inner[inner_count++]) = start + t;
        }
      }
      if (shortlists == nullptr && i + 1 < count_) continue;  // all of them at once
      const Allowed* allowed =
          shortlists == nullptr ? nullptr : shortlists + tasks_[i].sentence;
      some(*outputs_.between, inner, inner_count, allowed, x, choices);
      some(outputs_.words, last, last_count, allowed, x, choices);
      inner_count = last_count = 0;
    }
  }

  void some(const Output& output, const int* rows, int count, const Allowed* allowed,
            const float* x, Choice* choices) {
    if (count == 0) return;
    Arena::Frame frame(work_.arena);
    float* gathered = work_.arena.take<float>(size(count, d_.width));
    Choice* chosen = work_.arena.take<Choice>(count);
    for (int i = 0; i < count; ++i) {
      const float* row = x + size(rows[i], d_.width);
      std::copy(row, row + d_.width, gathered + size(i, d_.width));
    }
    if (allowed == nullptr) {
      output.best(gathered, count, asked_, chosen, work_);
    } else {
      output.best_of(*allowed->linear, allowed->words.data(), gathered, count, asked_, chosen,
                     work_);
    }
    for (int i = 0; i < count; ++i) choices[rows[i]] = chosen[i];
  }

  static constexpr float kNever = -1e4f;  // log p of another word where one is given

  const Description& d_;
  const WordOutputs& outputs_;
  const Asked& asked_;
  const WordTask* tasks_;
  int count_;
  const Decoding& decoding_;
  Work& work_;
};

}  // namespace

void decode_words(const Weights& weights, const WordOutputs& outputs, const Memory* memories,
                  const Allowed* shortlists, const std::vector<WordTask>& tasks,
                  const Asked& asked, int shortest, std::vector<Choice>* guesses, Work& work) {
  const Description& d = weights.description;
  const int count = static_cast<int>(tasks.size());
  const auto length = [&](int i) {
    return static_cast<int>(tasks[i].codes->size()) / d.slices * d.chunk;
  };
  for (int first = 0, last = 0; first < count; first = last) {
    int rows = 0;
    while (last < count && (last == first || rows + length(last) <= kRowsAtOnce)) {
      rows += length(last++);
    }
    Arena::Frame frame(work.arena);
    Decoding decoding(weights, &tasks[first], last - first, work);
    const float* x = decoding.states(memories);
    Choice* choices = work.arena.take<Choice>(rows);
    Choosing choosing(d, outputs, asked, &tasks[first], last - first, decoding, work);
    choosing.all(x, shortlists, choices);
    if (shortest > 1) choosing.begin(x, shortlists, shortest, choices);
    for (int i = first; i < last; ++i) {
      const Choice* start = choices + decoding.start(i - first);
      guesses[i].assign(start, start + length(i));
    }
  }
}

}  // namespace vq
