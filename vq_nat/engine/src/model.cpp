#include "model.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "autoregressive.h"
#include "latent.h"
#include "model_pieces.h"
#include "model_verify.h"

namespace vq {
namespace {

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

std::vector<int> forbidden(const Description& d) {
  return {d.kind == Kind::latent ? d.bos : d.pad};
}

/// Shortlists of the sentences of a piece; none without a lexicon.
std::vector<Allowed> shortlists(const Lexicon* lexicon, const Sources& sources,
                                const Description& d, const Output& output) {
  std::vector<Allowed> allowed(lexicon == nullptr ? 0 : sources.count);
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    std::vector<int>& words = allowed[i].words;
    const int* tokens = sources.tokens + sources.starts[i];
    words = lexicon->words_for(tokens, sources.length(static_cast<int>(i)));
    add_word(words, d.eos);
    if (d.kind == Kind::latent) add_word(words, d.pad);
    words.erase(std::remove_if(words.begin(), words.end(),
                               [&](int word) { return output.forbids(word); }),
                words.end());
    const std::size_t ends = d.kind == Kind::latent ? 2 : 1;
    if (words.size() == ends) add_word(words, d.unk);  // there must be a choice
    allowed[i].linear = &allowed[i].shortlist.set(output.linear(), words.data(),
                                                  static_cast<int>(words.size()));
  }
  return allowed;
}

/// What an empty source is translated to: nothing.
Candidates nothing(const Description& d) {
  Translation empty;
  empty.tokens = {d.eos};
  empty.positional_scores = {0.0f};
  return {empty};
}

void rank_by_teacher(Candidates& candidates, const std::vector<float>* scores, float penalty) {
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    Translation& one = candidates[i];
    one.teacher_score = 0.0f;
    for (float score : scores[i]) one.teacher_score += score;
    const auto words = static_cast<float>(one.tokens.size());
    one.rank_score = one.teacher_score / std::pow(words, penalty);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Translation& a, const Translation& b) {
                     return a.rank_score > b.rank_score;
                   });
}

}  // namespace

Model::Model(const std::string& path, const Description& description)
    : weights_(path, description),
      output_(weights_.output, forbidden(description), description.eos, {},
              weights_.output_rows),
      inside_(weights_.output, {description.bos, description.pad}, description.eos, {},
              weights_.output_rows) {
  const Description& d = description;
  if (d.kind != Kind::latent || d.codes != Codes::words) return;
  between_ = std::make_unique<Output>(weights_.output, forbidden(d), d.eos,
                                    std::vector<int>{d.eos, d.pad}, weights_.output_rows);
}

void Model::check(const Options& options, const Lexicon* lexicon) const {
  options.check();
  const Description& d = description();
  if (d.kind == Kind::autoregressive) {
    require(options.kind == SearchKind::greedy || options.kind == SearchKind::beam,
            "`search` must be greedy or beam for an autoregressive model.");
    require(options.passes == 0, "`passes` must be 0 for an autoregressive model, but is " +
                                     std::to_string(options.passes) + " instead.");
    require(options.beam == 0, "`beam` must be 0 for an autoregressive model, but is " +
                                   std::to_string(options.beam) + " instead.");
    require(4 * options.width <= d.target_vocabulary,
            "`width` must be at most a quarter of the vocabulary.");
  }
  if (lexicon == nullptr) return;
  require(lexicon->source_vocabulary() == d.source_vocabulary &&
              lexicon->target_vocabulary() == d.target_vocabulary,
          "the shortlist must be for the model's vocabularies, but is for others.");
}

void Model::check(const std::vector<Sentence>& sentences, int vocabulary, int longest,
                  const char* what) const {
  for (const Sentence& sentence : sentences) {
    require(sentence.size() <= static_cast<std::size_t>(longest),
            std::string("a ") + what + " must have at most " + std::to_string(longest) +
                " tokens, but has " + std::to_string(sentence.size()) + " instead.");
    for (int token : sentence) {
      require(token >= 0 && token < vocabulary && token != description().pad,
              std::string("tokens of a ") + what + " must be from 0 to " +
                  std::to_string(vocabulary - 1) + " and no padding, but one is " +
                  std::to_string(token) + " instead.");
    }
  }
}

void Model::check_teacher(const Model& teacher) const {
  const Description &own = description(), &other = teacher.description();
  require(own.kind == Kind::latent, "the first model must be a latent model.");
  require(other.kind == Kind::autoregressive, "the teacher must be autoregressive.");
  require(own.source_vocabulary == other.source_vocabulary &&
              own.target_vocabulary == other.target_vocabulary && own.eos == other.eos &&
              own.pad == other.pad,
          "the teacher must have the dictionaries of the model, but has others.");
  require(own.max_source <= other.max_source,
          "the teacher must read sources as long as the model, but reads shorter ones.");
}

std::vector<Candidates> Model::translate(const std::vector<Sentence>& sources,
                                         const Options& options,
                                         const Lexicon* lexicon) const {
  check(options, lexicon);
  const Description& d = description();
  check(sources, d.source_vocabulary, d.max_source, "source");
  std::vector<Candidates> results(sources.size(), nothing(d));
  const std::vector<Piece> pieces = cut_into_pieces(sources, options.threads);
  for_each_piece(pieces, options.threads, [&](const Piece& piece, Work& work) {
    std::vector<Candidates> candidates(piece.count());
    translate_piece(piece.sources(), options, lexicon, candidates.data(), work);
    for (int i = 0; i < piece.count(); ++i) results[piece.members()[i]] = std::move(candidates[i]);
  });
  return results;
}

StageClock::Times Model::stages(const std::vector<Sentence>& sources,
                                const Options& options, const Lexicon* lexicon) const {
  check(options, lexicon);
  check(sources, description().source_vocabulary, description().max_source, "source");
  StageClock::Times totals{};
  for_each_piece(cut_into_pieces(sources, 1), 1, [&](const Piece& piece, Work& work) {
    std::vector<Candidates> translations(piece.count());
    work.clock.start();
    translate_piece(piece.sources(), options, lexicon, translations.data(), work);
    const StageClock::Times times = work.clock.stop();
    for (int i = 0; i < kStages; ++i) totals[i] += times[i];
  });
  return totals;
}

void Model::translate_piece(const Sources& sources, const Options& options,
                            const Lexicon* lexicon, Candidates* candidates, Work& work) const {
  const std::vector<Allowed> allowed = shortlists(lexicon, sources, description(), output_);
  const Allowed* lists = allowed.empty() ? nullptr : allowed.data();
  if (description().kind == Kind::latent) {
    translate_latent(weights_, {output_, inside_, between_.get()}, sources, options, lists,
                     candidates, work);
    for (int i = 0; options.width > 1 && i < sources.count; ++i) {
      rank_by_score(candidates[i], options.rank_penalty);
    }
  } else if (options.kind == SearchKind::beam) {
    translate_with_beam(weights_, output_, sources, options, lists, candidates, work);
  } else {
    std::vector<Translation> best(sources.count);
    translate_greedily(weights_, output_, sources, options, lists, best.data(), work);
    for (int i = 0; i < sources.count; ++i) candidates[i].push_back(std::move(best[i]));
  }
}

std::vector<Candidates> Model::translate_ranked(const std::vector<Sentence>& sources,
                                                const Model& teacher, const Options& options,
                                                const Lexicon* lexicon) const {
  check(options, lexicon);
  check_teacher(teacher);
  const Description& d = description();
  check(sources, d.source_vocabulary, d.max_source, "source");
  require(d.max_target <= teacher.description().max_target,
          "the teacher must write translations as long as the model's.");
  std::vector<Candidates> results(sources.size(), nothing(d));
  const std::vector<Piece> pieces = cut_into_pieces(sources, options.threads);
  for_each_piece(pieces, options.threads, [&](const Piece& piece, Work& work) {
    std::vector<Candidates> candidates(piece.count());
    translate_piece(piece.sources(), options, lexicon, candidates.data(), work);
    std::vector<Wording> wordings;
    for (int i = 0; i < piece.count(); ++i) {
      for (const Translation& one : candidates[i]) {
        wordings.push_back({i, one.tokens.data(), static_cast<int>(one.tokens.size())});
      }
    }
    std::vector<std::vector<float>> scores(wordings.size());
    score_words(teacher.weights_, teacher.output_, piece.sources(), wordings, scores.data(), work);
    const std::vector<float>* own = scores.data();
    for (int i = 0; i < piece.count(); ++i) {
      const auto count = candidates[i].size();
      rank_by_teacher(candidates[i], own, options.rank_penalty);
      own += count;
      results[piece.members()[i]] = std::move(candidates[i]);
    }
  });
  return results;
}

std::vector<Candidates> Model::translate_verified(const std::vector<Sentence>& sources,
                                                  const Model& teacher, const Options& options,
                                                  const Options& draft_options) const {
  teacher.check(options, nullptr);
  check(draft_options, nullptr);
  require(options.kind == SearchKind::greedy,
          "`search` must be greedy to verify drafts: a beam has no single next word.");
  check_teacher(teacher);
  const Description& d = description();
  check(sources, d.source_vocabulary, d.max_source, "source");
  std::vector<Candidates> results(sources.size(), nothing(d));
  const std::vector<Piece> pieces = cut_into_pieces(sources, options.threads);
  for_each_piece(pieces, options.threads, [&](const Piece& piece, Work& work) {
    std::vector<Candidates> drafts(piece.count());
    translate_piece(piece.sources(), draft_options, nullptr, drafts.data(), work);
    std::vector<std::vector<int>> words;
    std::vector<Translation> translations(piece.count());
    for (int i = 0; i < piece.count(); ++i) {
      words.push_back(std::move(drafts[i].front().tokens));
      translations[i].codes = std::move(drafts[i].front().codes);
      translations[i].history = std::move(drafts[i].front().history);
    }
    verify_drafts(teacher.weights_, teacher.output_, piece.sources(), words, options,
                  translations.data(), work);
    for (int i = 0; i < piece.count(); ++i) {
      if (draft_options.keep_history) translations[i].history.push_back(translations[i].tokens);
      results[piece.members()[i]] = {std::move(translations[i])};
    }
  });
  return results;
}

std::vector<std::vector<float>> Model::score(const std::vector<Sentence>& sources,
                                             const std::vector<Sentence>& targets,
                                             int threads) const {
  const Description& d = description();
  require(d.kind == Kind::autoregressive,
          "the model must be autoregressive to score given translations.");
  require(sources.size() == targets.size(),
          "there must be as many targets as sources (" + std::to_string(sources.size()) +
              "), but there are " + std::to_string(targets.size()) + " instead.");
  require(threads >= 1, "`threads` must be at least 1.");
  check(sources, d.source_vocabulary, d.max_source, "source");
  check(targets, d.target_vocabulary, d.max_target, "target");
  for (std::size_t i = 0; i < sources.size(); ++i) {
    require(!sources[i].empty() && !targets[i].empty(),
            "sources and targets must not be empty to be scored.");
  }
  std::vector<std::vector<float>> results(sources.size());
  const std::vector<Piece> pieces = cut_into_pieces(sources, threads);
  for_each_piece(pieces, threads, [&](const Piece& piece, Work& work) {
    std::vector<Wording> wordings;
    for (int i = 0; i < piece.count(); ++i) {
      const Sentence& target = targets[piece.members()[i]];
      wordings.push_back({i, target.data(), static_cast<int>(target.size())});
    }
    std::vector<std::vector<float>> scores(wordings.size());
    score_words(weights_, output_, piece.sources(), wordings, scores.data(), work);
    for (int i = 0; i < piece.count(); ++i) results[piece.members()[i]] = std::move(scores[i]);
  });
  return results;
}

}  // namespace vq
