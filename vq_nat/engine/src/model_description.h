// Owns what is known of a model beside its weights, and the bounds of every figure.
#pragma once

#include <string>

namespace vq {

enum class Kind { latent, autoregressive };
enum class Codes { learned, words };

struct Description {
  Kind kind = Kind::latent;
  Codes codes = Codes::learned;
  bool pre_norm = true, encoder_pre_norm = true, decoder_final_norm = true;
  int width = 0, heads = 0, encoder_heads = 0;
  int encoder_layers = 0, predictor_layers = 0, decoder_layers = 0;
  int slices = 1, codes_per_slice = 1, chunk = 1;
  int source_vocabulary = 0, target_vocabulary = 0;
  int pad = 1, eos = 2, unk = 3, bos = 0;
  int max_source = 1024, max_target = 1024;

  /// Longest sequence of codes.
  int max_latents() const { return (max_target + chunk - 1) / chunk; }

  /// Positions that a decoder may need: behind a last chunk an end, or those of words.
  int target_positions() const {
    return kind == Kind::latent ? max_latents() * chunk + 1 : max_target;
  }

  /// Refuses, by std::invalid_argument with a sentence, what cannot be.
  void check() const;
};

}  // namespace vq
