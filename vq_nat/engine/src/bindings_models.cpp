// Doors to whole models: one call from ids to ids, without Python's lock.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <type_traits>

#include "model.h"

namespace py = pybind11;

namespace vq {
namespace {

py::object entry(const py::dict& fields, const char* name) {
  if (!fields.contains(name)) {
    throw std::invalid_argument("the description must have `" + std::string(name) +
                                "`, but has not.");
  }
  return fields[name];
}

template <class T>
T value(const py::dict& fields, const char* name) {
  try {
    return entry(fields, name).cast<T>();
  } catch (const py::cast_error&) {
    throw std::invalid_argument("`" + std::string(name) +
                                "` of the description has a wrong type.");
  }
}

template <class T>
T value_or(const py::dict& fields, const char* name, T otherwise) {
  return fields.contains(name) ? value<T>(fields, name) : otherwise;
}

/// Chooses by name, and refuses other names.
template <class T>
T named(const std::string& what, const std::string& name,
        std::initializer_list<std::pair<const char*, T>> choices) {
  std::string all;
  for (const auto& [own, choice] : choices) {
    if (name == own) return choice;
    all += (all.empty() ? "" : ", ") + std::string(own);
  }
  throw std::invalid_argument("`" + what + "` must be one of " + all + ", but is '" + name +
                              "' instead.");
}

void read_codes(const py::dict& fields, Description& d) {
  d.predictor_layers = value<int>(fields, "predictor_layers");
  d.codes = named<Codes>("codes", value_or<std::string>(fields, "codes", "learned"),
                         {{"learned", Codes::learned}, {"words", Codes::words}});
  d.slices = value_or(fields, "slices", 1);
  d.codes_per_slice = d.codes == Codes::words ? d.target_vocabulary
                                              : value<int>(fields, "codes_per_slice");
  d.chunk = value<int>(fields, "chunk");
}

void read_norms(const py::dict& fields, Description& d) {
  d.pre_norm = value<bool>(fields, "pre_norm");
  d.encoder_pre_norm = value_or(fields, "encoder_pre_norm", d.pre_norm);
  d.decoder_final_norm = value_or(fields, "decoder_final_norm", true);
}

Description read_description(const py::dict& fields) {
  Description d;
  d.kind = named<Kind>("kind", value<std::string>(fields, "kind"),
                       {{"latent", Kind::latent}, {"autoregressive", Kind::autoregressive}});
  d.width = value<int>(fields, "width");
  d.heads = value<int>(fields, "heads");
  d.encoder_heads = value_or(fields, "encoder_heads", d.heads);
  d.encoder_layers = value<int>(fields, "encoder_layers");
  d.decoder_layers = value<int>(fields, "decoder_layers");
  read_norms(fields, d);
  const auto vocabulary = value<py::dict>(fields, "vocabulary");
  d.source_vocabulary = value<int>(vocabulary, "source");
  d.target_vocabulary = value<int>(vocabulary, "target");
  const auto special = value<py::dict>(fields, "special");
  d.pad = value<int>(special, "pad");
  d.eos = value<int>(special, "eos");
  d.unk = value<int>(special, "unk");
  d.bos = value<int>(special, "bos");
  d.max_source = value<int>(fields, "max_source");
  d.max_target = value<int>(fields, "max_target");
  if (d.kind == Kind::latent) read_codes(fields, d);
  return d;
}

constexpr std::pair<const char*, SearchKind> kSearches[] = {
    {"greedy", SearchKind::greedy},
    {"beam", SearchKind::beam},
    {"sample", SearchKind::sample},
    {"lengths", SearchKind::lengths},
};

void set_search(Options& options, const std::string& name) {
  options.kind = named<SearchKind>(
      "search", name, {kSearches[0], kSearches[1], kSearches[2], kSearches[3]});
}

std::string search_name(const Options& options) {
  for (const auto& [name, kind] : kSearches) {
    if (kind == options.kind) return name;
  }
  return "";
}

/// Options are copied while Python is locked: another thread may change them in a call.
template <class T>
using Kept = std::conditional_t<std::is_same_v<T, const Options&>, Options, T>;

/// Makes a door to a method that runs without Python's lock.
template <class Result, class... Arguments>
auto unlocked(Result (Model::*method)(Arguments...) const) {
  return [method](const Model& model, Kept<Arguments>... own) {
    const py::gil_scoped_release release;
    return (model.*method)(own...);
  };
}

void bind_records(py::module_& module) {
  py::class_<Options>(module, "Options", "What a search is asked for; greedy at first.")
      .def(py::init<>())
      .def_property("search", &search_name, &set_search)
      .def_readwrite("width", &Options::width)
      .def_readwrite("beam", &Options::beam)
      .def_readwrite("temperature", &Options::temperature)
      .def_readwrite("length_penalty", &Options::length_penalty)
      .def_readwrite("rank_penalty", &Options::rank_penalty)
      .def_readwrite("seed", &Options::seed)
      .def_readwrite("max_len_a", &Options::max_len_a)
      .def_readwrite("max_len_b", &Options::max_len_b)
      .def_readwrite("min_length_ratio", &Options::min_length_ratio)
      .def_readwrite("max_length_ratio", &Options::max_length_ratio)
      .def_readwrite("length_ratio", &Options::length_ratio)
      .def_readwrite("guarded", &Options::guarded)
      .def_readwrite("passes", &Options::passes)
      .def_readwrite("min_length", &Options::min_length)
      .def_readwrite("normalise", &Options::normalise)
      .def_readwrite("want_scores", &Options::want_scores)
      .def_readwrite("keep_history", &Options::keep_history)
      .def_readwrite("threads", &Options::threads);
  py::class_<Translation>(module, "Translation", "One candidate and what is known of it.")
      .def_readonly("tokens", &Translation::tokens)
      .def_readonly("codes", &Translation::codes)
      .def_readonly("positional_scores", &Translation::positional_scores)
      .def_readonly("score", &Translation::score)
      .def_readonly("code_score", &Translation::code_score)
      .def_readonly("rank_score", &Translation::rank_score)
      .def_readonly("teacher_score", &Translation::teacher_score)
      .def_readonly("steps", &Translation::steps)
      .def_readonly("count", &Translation::count)
      .def_readonly("history", &Translation::history);
  py::class_<Rival>(module, "Rival", "What could stand in the place of a step's code.")
      .def_readonly("slice", &Rival::slice)
      .def_readonly("code", &Rival::code)
      .def_readonly("score", &Rival::score);
  py::class_<CodeStep>(module, "CodeStep", "What the predictor thinks of one step.")
      .def_readonly("score", &CodeStep::score)
      .def_readonly("rivals", &CodeStep::rivals);
  py::class_<Inspection>(module, "Inspection", "What a model makes of given codes.")
      .def_readonly("translation", &Inspection::translation)
      .def_readonly("steps", &Inspection::steps);
  py::class_<Lexicon>(module, "Lexicon", "Words allowed for each source word.")
      .def(py::init<std::vector<int>, std::vector<int>, std::vector<int>, int>(),
           py::arg("offsets"), py::arg("words"), py::arg("always"),
           py::arg("target_vocabulary"));
}

}  // namespace

void bind_models(py::module_& module) {
  bind_records(module);
  py::class_<Model>(module, "Model", "A model in a weights file, ready to translate.")
      .def(py::init([](const std::string& path, const py::dict& description) {
             const Description d = read_description(description);
             const py::gil_scoped_release release;
             return std::make_unique<Model>(path, d);
           }),
           py::arg("path"), py::arg("description"))
      .def("translate", unlocked(&Model::translate), py::arg("sources"), py::arg("options") = Options(),
           py::arg("lexicon") = nullptr)
      .def("stages", unlocked(&Model::stages), py::arg("sources"), py::arg("options") = Options(),
           py::arg("lexicon") = nullptr,
           "Seconds of encoding, codes, words, the vocabulary, and the rest.")
      .def("translate_ranked", unlocked(&Model::translate_ranked), py::arg("sources"),
           py::arg("teacher"), py::arg("options"), py::arg("lexicon") = nullptr)
      .def("translate_verified", unlocked(&Model::translate_verified), py::arg("sources"),
           py::arg("teacher"), py::arg("options") = Options(),
           py::arg("draft_options") = Options())
      .def("inspect", unlocked(&Model::inspect), py::arg("sources"), py::arg("codes"),
           py::arg("rivals") = 0, py::arg("options") = Options())
      .def("score", unlocked(&Model::score), py::arg("sources"), py::arg("targets"),
           py::arg("threads") = 1);
}

}  // namespace vq
