// The door of `Model` for codes that are given.
#include <stdexcept>

#include "latent.h"
#include "model.h"
#include "model_pieces.h"

namespace vq {
namespace {

constexpr int kMostRivals = 1000;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

}  // namespace

void Model::check_codes(const std::vector<Sentence>& codes, int count) const {
  const Description& d = description();
  require(d.kind == Kind::latent, "the model must have codes, but is autoregressive instead.");
  require(static_cast<int>(codes.size()) == count,
          "there must be codes for each source (" + std::to_string(count) +
              "), but there are codes for " + std::to_string(codes.size()) + " instead.");
  for (const Sentence& one : codes) {
    const std::size_t most = static_cast<std::size_t>(d.max_latents()) * d.slices;
    require(!one.empty() && one.size() % d.slices == 0 && one.size() <= most,
            "a sentence must have from 1 to " + std::to_string(d.max_latents()) +
                " steps of " + std::to_string(d.slices) + " codes, but has " +
                std::to_string(one.size()) + " codes instead.");
    for (int code : one) {
      const bool is_word = d.codes == Codes::learned || (code != d.bos && code != d.pad);
      require(code >= 0 && code < d.codes_per_slice && is_word,
              "codes must be from 0 to " + std::to_string(d.codes_per_slice - 1) +
                  " and no padding, but one is " + std::to_string(code) + " instead.");
    }
  }
}

std::vector<Inspection> Model::inspect(const std::vector<Sentence>& sources,
                                       const std::vector<Sentence>& codes, int rivals,
                                       const Options& options) const {
  check(options, nullptr);
  const Description& d = description();
  check_codes(codes, static_cast<int>(sources.size()));
  check(sources, d.source_vocabulary, d.max_source, "source");
  require(options.width == 1, "`width` must be 1 for given codes, but is " +
                                  std::to_string(options.width) + " instead.");
  require(rivals >= 0 && rivals <= kMostRivals,
          "`rivals` must be from 0 to " + std::to_string(kMostRivals) + ", but is " +
              std::to_string(rivals) + " instead.");
  for (const Sentence& one : sources) {
    require(!one.empty(), "a source must have words to be inspected, but has none.");
  }
  std::vector<Inspection> results(sources.size());
  const std::vector<Piece> pieces = cut_into_pieces(sources, options.threads);
  for_each_piece(pieces, options.threads, [&](const Piece& piece, Work& work) {
    std::vector<CodeSequence> given;
    for (int member : piece.members()) given.push_back({codes[member]});
    std::vector<Inspection> inspections =
        inspect_latent(weights_, {output_, inside_, between_.get()}, piece.sources(), options,
                       rivals, std::move(given), work);
    for (int i = 0; i < piece.count(); ++i) results[piece.members()[i]] = std::move(inspections[i]);
  });
  return results;
}

}  // namespace vq
