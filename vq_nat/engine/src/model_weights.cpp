// Reads the tensors of a model by name, and refuses what does not fit together.
#include "model_weights.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace vq {
namespace {

using Shape = std::vector<std::int64_t>;

std::string text(const Shape& shape) {
  std::string tuple = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    tuple += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return tuple + ")";
}

/// A sum of so many products of a byte and a signed byte fits into 32 bits.
constexpr int kMostSummed = std::numeric_limits<std::int32_t>::max() / (255 * 128);

void refuse_overflow(const std::string& name, int in) {
  if (in <= kMostSummed) return;
  throw std::invalid_argument("`" + name + "` must have at most " + std::to_string(kMostSummed) +
                              " inputs in int8, but has " + std::to_string(in) +
                              " instead: export it with float32.");
}

/// Reads tensors of known shapes.
class Reader {
 public:
  explicit Reader(const WeightsFile& file) : file_(file) {}

  bool has(const std::string& name) const { return file_.has(name); }

  const float* floats(const std::string& name, const Shape& shape) const {
    return static_cast<const float*>(data(name, shape, Dtype::float32));
  }

  Norm norm(const std::string& name, int width) const {
    return {width, floats(name + ".weight", {width}), floats(name + ".bias", {width})};
  }

  Embedding embedding(const std::string& name, int rows, int width) const {
    Embedding embedding{};
    embedding.rows = rows;
    embedding.width = width;
    embedding.table = floats(name + ".table", {rows, width});
    return embedding;
  }

  Linear linear(const std::string& name, int in, int out) const {
    Linear linear{};
    linear.in = in;
    linear.out = out;
    const std::int64_t blocks = (out + 15) / 16;
    if (has(name + ".packed")) {
      refuse_overflow(name, in);
      linear.format = Format::int8;
      const std::int64_t groups = (in + 63) / 64 * 16;
      linear.packed = static_cast<const std::int8_t*>(
          data(name + ".packed", {blocks, groups, 16, 4}, Dtype::int8));
      linear.sums = static_cast<const std::int32_t*>(
          data(name + ".sums", {out}, Dtype::int32));
      linear.scales = floats(name + ".scales", {out});
    } else {
      linear.format = Format::float32;
      linear.dense = floats(name + ".dense", {blocks, in, 16});
    }
    if (has(name + ".bias")) linear.bias = floats(name + ".bias", {out});
    return linear;
  }

  /// Reads what the words are scored with once more, in float32: the embedding by a
  /// factor, or a table of its own. Older files have neither.
  LinearRows rows_of_words(const Linear& output, const Embedding& embedding) const {
    LinearRows rows{output.in};
    if (output.format == Format::float32) return rows;
    if (has("output.rows")) {
      rows.rows = floats("output.rows", {output.out, output.in});
    } else if (has("output.of_embedding")) {
      rows.rows = embedding.table;
      rows.scale = *floats("output.of_embedding", {1});
    }
    return rows;
  }

  /// Reads a side's own table of positions, or that of both; more rows are no harm.
  const float* positions(const std::string& side, int least, int width) const {
    const std::string own = side + ".positions.table";
    const std::string name = has(own) ? own : "positions.table";
    const Shape& shape = file_.get(name).shape;
    if (shape.empty() || shape[0] < least) {
      throw std::invalid_argument("the tensor `" + name + "` must have at least " +
                                  std::to_string(least) + " rows, but has shape " +
                                  text(shape) + " instead.");
    }
    return floats(name, {shape[0], width});
  }

  /// Reads a linear layer whose number of outputs the file tells.
  Linear linear_of_any_size(const std::string& name, int in, int largest) const {
    const std::string bias = name + ".bias";
    const Shape shape = file_.get(bias).shape;
    if (shape.size() != 1 || shape[0] < 1 || shape[0] > largest) {
      throw std::invalid_argument("the tensor `" + bias + "` must have from 1 to " +
                                  std::to_string(largest) + " values, but has shape " +
                                  text(shape) + " instead.");
    }
    return linear(name, in, static_cast<int>(shape[0]));
  }

 private:
  const void* data(const std::string& name, const Shape& shape, Dtype type) const {
    return file_.get(name, type, shape).data;
  }

  const WeightsFile& file_;
};

constexpr int kLargestInner = 1 << 17;  // of a feed-forward part

struct StackSize {
  int layers, width, heads;
  bool pre_norm, source, last_norm;
};

Stack read_stack(const Reader& reader, const std::string& stage, const StackSize& size) {
  Stack stack;
  stack.width = size.width;
  stack.heads = size.heads;
  stack.pre_norm = size.pre_norm;
  stack.source = size.source;
  const int width = size.width;
  for (int i = 0; i < size.layers; ++i) {
    const std::string name = stage + ".layers." + std::to_string(i) + ".";
    Layer layer;
    layer.self_norm = reader.norm(name + "self_attn_norm", width);
    layer.qkv = reader.linear(name + "self_attn.qkv", width, 3 * width);
    layer.out = reader.linear(name + "self_attn.out", width, width);
    if (size.source) {
      layer.cross_norm = reader.norm(name + "encoder_attn_norm", width);
      layer.cross_query = reader.linear(name + "encoder_attn.q", width, width);
      layer.cross_out = reader.linear(name + "encoder_attn.out", width, width);
    }
    layer.final_norm = reader.norm(name + "final_norm", width);
    layer.fc1 = reader.linear_of_any_size(name + "fc1", width, kLargestInner);
    layer.fc2 = reader.linear(name + "fc2", layer.fc1.out, width);
    stack.layers.push_back(layer);
  }
  if (size.last_norm) stack.norm = reader.norm(stage + ".norm", width);
  if (size.source) {
    stack.memory = reader.linear(stage + ".memory", width, 2 * stack.count() * width);
  }
  return stack;
}

}  // namespace

Weights::Weights(const std::string& path, const Description& given)
    : description(given), file(path) {
  description.check();
  const Description& d = description;
  const Reader reader(file);
  const bool joint = reader.has("embed.table");
  embed_source = reader.embedding(joint ? "embed" : "embed_source", d.source_vocabulary,
                                  d.width);
  embed_target = reader.embedding(joint ? "embed" : "embed_target", d.target_vocabulary,
                                  d.width);
  encoder = read_stack(reader, "encoder",
                       {d.encoder_layers, d.width, d.encoder_heads, d.encoder_pre_norm,
                        false, d.encoder_pre_norm});
  decoder = read_stack(reader, "decoder",
                       {d.decoder_layers, d.width, d.heads, d.pre_norm, true,
                        d.pre_norm && d.decoder_final_norm});
  output = reader.linear("output", d.width, d.target_vocabulary);
  output_rows = reader.rows_of_words(output, embed_target);
  encoder_positions = reader.positions("encoder", d.max_source, d.width);
  decoder_positions = reader.positions("decoder", d.target_positions(), d.width);
  if (d.kind == Kind::latent) read_latent();
}

void Weights::read_latent() {
  const Description& d = description;
  const Reader reader(file);
  predictor = read_stack(reader, "predictor",
                         {d.predictor_layers, d.width, d.heads, true, true, true});
  hidden_word = reader.floats("hidden_word", {d.width});
  if (d.codes == Codes::words) return;  // embedded and scored as words are
  begin = reader.floats("predictor.begin", {d.width});
  const int codes_in_all = d.slices * d.codes_per_slice;
  embed_codes = reader.embedding("predictor.embed_codes", codes_in_all, d.width);
  code_output = reader.linear("predictor.output", d.width, codes_in_all + d.slices);
  if (reader.has("predictor.output.rows")) {
    const Shape shape{code_output.out, d.width};
    code_rows = {d.width, reader.floats("predictor.output.rows", shape), code_output.bias};
  }
  codes = reader.embedding("codes", codes_in_all, d.width / d.slices);
  for (int chunk = d.chunk, i = 0; chunk > 1; chunk /= 2, ++i) {
    const std::string number = std::to_string(i);
    const std::string refinement = "decoder.refinements." + number;
    upsamplings.push_back(
        {reader.linear("decoder.doublings." + number, d.width, 2 * d.width),
         reader.norm(refinement + ".norm", d.width),
         reader.linear(refinement + ".conv", 3 * d.width, d.width)});
  }
}

}  // namespace vq
