#include "model_encoder.h"

namespace vq {

const float* encode(const Weights& weights, const Sources& sources, Work& work) {
  const int width = weights.description.width, rows = sources.starts[sources.count];
  float* x = work.arena.take<float>(static_cast<std::size_t>(rows) * width);
  Own* own = work.arena.take<Own>(sources.count);
  for (int i = 0; i < sources.count; ++i) {
    const int start = sources.starts[i], length = sources.length(i);
    embed(weights.embed_source, sources.tokens + start, length,
          x + static_cast<std::size_t>(start) * width, weights.encoder_positions);
    own[i] = {start, length};
  }
  run(weights.encoder, x, rows, {own, sources.count}, work);
  return x;
}

}  // namespace vq
