// Owns the weights of a model: what each tensor of the file is to the layers.
//
// Letters: V vocabulary, C width, G slices, K codes per slice, N layers.
#pragma once

#include <string>
#include <vector>

#include "layers.h"
#include "layers_embedding.h"
#include "layers_rows.h"
#include "model_description.h"
#include "weights_file.h"

namespace vq {

/// One doubling of the length: a linear layer, and a residual convolution.
struct Upsampling {
  Linear doubling;  // (2C, C)
  Norm norm;
  Linear conv;  // (C, 3C): the row before, the row itself, the row after
};

/// The weights of either kind of model; views into the file, which is mapped.
struct Weights {
  Weights(const std::string& path, const Description& description);
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  Description description;
  WeightsFile file;
  Embedding embed_source, embed_target;
  const float* encoder_positions = nullptr;  // (positions, C)
  const float* decoder_positions = nullptr;  // of predictor and decoder
  Stack encoder, predictor, decoder;
  Linear output;
  LinearRows output_rows;  // the same in float32, beside int8; not in old files

  // Of latent models alone.
  Embedding embed_codes;         // (G · K, C)
  const float* begin = nullptr;  // (C)
  Linear code_output;            // (G · (K + 1), C)
  LinearRows code_rows;          // the same in float32, beside int8; not in old files
  Embedding codes;               // (G · K, C / G), what lookup gives
  std::vector<Upsampling> upsamplings;
  const float* hidden_word = nullptr;  // (C)

 private:
  void read_latent();
};

}  // namespace vq
