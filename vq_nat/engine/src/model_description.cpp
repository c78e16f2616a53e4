#include "model_description.h"

#include <set>
#include <stdexcept>
#include <utility>

namespace vq {
namespace {

void between(const char* name, int value, int least, int most) {
  if (value >= least && value <= most) return;
  throw std::invalid_argument("`" + std::string(name) + "` must be from " +
                              std::to_string(least) + " to " + std::to_string(most) +
                              ", but is " + std::to_string(value) + " instead.");
}

void divides(const char* name, int value, int width) {
  between(name, value, 1, 1024);
  if (width % value == 0) return;
  throw std::invalid_argument("`" + std::string(name) + "` must divide `width` (" +
                              std::to_string(width) + "), but is " +
                              std::to_string(value) + " instead.");
}

constexpr int kMaxVocabulary = 1 << 22, kMaxLength = 1 << 20, kMaxLayers = 256;

}  // namespace

void Description::check() const {
  between("width", width, 4, 1 << 14);
  divides("heads", heads, width);
  divides("encoder_heads", encoder_heads, width);
  between("encoder_layers", encoder_layers, 1, kMaxLayers);
  between("decoder_layers", decoder_layers, 1, kMaxLayers);
  between("source vocabulary", source_vocabulary, 4, kMaxVocabulary);
  between("target vocabulary", target_vocabulary, 4, kMaxVocabulary);
  for (auto [name, value] : {std::pair{"pad", pad}, std::pair{"eos", eos},
                             std::pair{"unk", unk}, std::pair{"bos", bos}}) {
    between(name, value, 0, target_vocabulary - 1);
    between(name, value, 0, source_vocabulary - 1);
  }
  if (std::set<int>{pad, eos, unk, bos}.size() < 4) {
    throw std::invalid_argument("`pad`, `eos`, `unk` and `bos` must be four symbols, but are " +
                                std::to_string(pad) + ", " + std::to_string(eos) + ", " +
                                std::to_string(unk) + " and " + std::to_string(bos) +
                                " instead.");
  }
  between("max_source", max_source, 2, kMaxLength);  // a word and the end of sentence
  between("max_target", max_target, 2, kMaxLength);
  if (kind == Kind::autoregressive) return;
  between("predictor_layers", predictor_layers, 1, kMaxLayers);
  between("chunk", chunk, 1, 1 << 10);
  if (codes == Codes::words) {
    between("slices", slices, 1, 1);
    between("codes_per_slice", codes_per_slice, target_vocabulary, target_vocabulary);
    return;
  }
  divides("slices", slices, width);
  between("codes_per_slice", codes_per_slice, 2, kMaxVocabulary / slices);
  if ((chunk & (chunk - 1)) != 0) {
    throw std::invalid_argument(
        "`chunk` must be a power of two for learned codes, but is " +
        std::to_string(chunk) + " instead.");
  }
}

}  // namespace vq
