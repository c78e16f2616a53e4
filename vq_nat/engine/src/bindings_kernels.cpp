// Doors for tests and benchmarks: each kernel alone, on NumPy arrays.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <time.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "isa.h"
#include "layers_top.h"
#include "norms_attention.h"
#include "products.h"

namespace py = pybind11;

namespace vq {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;
using Floats = Array<float>;

void must(bool condition, const char* sentence) {
  if (!condition) throw std::invalid_argument(sentence);
}

int width(const py::array& x) {
  must(x.ndim() == 2, "`x` must have two axes.");
  return static_cast<int>(x.shape(1));
}

// A Linear that keeps the arrays it borrows.
class Weights {
 public:
  Weights(int in, Array<std::int8_t> packed, Floats scales, Array<std::int32_t> sums,
          std::optional<Floats> bias)
      : kept_{packed, scales, sums} {
    linear_.in = in, linear_.out = static_cast<int>(scales.size());
    must(packed.size() == std::ptrdiff_t{linear_.blocks()} * linear_.depth() * kLanes &&
             sums.size() == scales.size(),
         "`packed`, `scales` and `sums` must be of one matrix.");
    linear_.packed = packed.data(), linear_.scales = scales.data();
    linear_.sums = sums.data();
    keep_bias(bias);
  }
  Weights(int in, int out, Floats dense, std::optional<Floats> bias) : kept_{dense} {
    linear_.format = Format::float32, linear_.in = in, linear_.out = out;
    must(dense.size() == std::ptrdiff_t{linear_.blocks()} * in * kLanes,
         "`dense` must have `in` inputs and `out` outputs.");
    linear_.dense = dense.data();
    keep_bias(bias);
  }
  const Linear& linear() const { return linear_; }
  void check(const Floats& x) const {
    must(width(x) == linear_.in, "`x` must be as wide as the weights' inputs.");
  }

 private:
  void keep_bias(const std::optional<Floats>& bias) {
    if (!bias) return;
    must(bias->size() == linear_.out, "`bias` must have a number for each output.");
    kept_.push_back(*bias);
    linear_.bias = bias->data();
  }
  std::vector<py::array> kept_;
  Linear linear_;
};

Floats linear_door(const Weights& w, Floats x, const std::string& after,
                   std::optional<Floats> residual) {
  w.check(x);
  const int rows = static_cast<int>(x.shape(0)), out = w.linear().out;
  must(!residual || (residual->shape(0) == rows && width(*residual) == out),
       "`residual` must have the shape of the output.");
  must((after == "residual") == residual.has_value(), "`residual` must come with its mode.");
  const After mode = after == "relu"       ? After::relu
                     : after == "residual" ? After::residual
                                           : After::nothing;
  Floats y({rows, out});
  Activations activations;
  const Rows& r = activations.set(w.linear().format, x.data(), rows, w.linear().in);
  linear(w.linear(), r, y.mutable_data(), out, mode, residual ? residual->data() : nullptr);
  return y;
}

py::tuple argmax_door(const Weights& w, Floats x, bool log_sum_exp) {
  w.check(x);
  const int rows = static_cast<int>(x.shape(0));
  Activations activations;
  std::vector<Best> best(rows);
  argmax(w.linear(), activations.set(w.linear().format, x.data(), rows, w.linear().in),
         best.data(), log_sum_exp);
  Array<std::int32_t> columns(rows);
  Floats logits(rows), sums(rows);
  for (int r = 0; r < rows; ++r) {
    columns.mutable_at(r) = best[r].column;
    logits.mutable_at(r) = best[r].logit;
    sums.mutable_at(r) = best[r].log_sum_exp;
  }
  return py::make_tuple(columns, logits, sums);
}

py::list best_door(const Floats& row, int count) {
  std::vector<Candidate> best;
  best_of_row(row.data(), static_cast<int>(row.size()), 0, 0.0f, count, best);
  py::list words;
  for (const Candidate& one : best) words.append(one.word);
  return words;
}

// The integers of rows that are given as int8, so that extremes can be tried.
Array<std::int32_t> integers_door(const Weights& w, Array<std::int8_t> x) {
  must(width(x) == w.linear().in, "`x` must be as wide as the weights' inputs.");
  Rows r;
  r.rows = static_cast<int>(x.shape(0)), r.in = w.linear().in;
  Buffer<std::uint8_t> values;
  const std::size_t size = static_cast<std::size_t>(round_up(r.rows, kLanes)) * r.depth();
  std::uint8_t* to = values.reserve(size);
  for (std::size_t i = 0; i < size; ++i) to[i] = 0;
  for (int i = 0; i < r.rows; ++i)
    for (int k = 0; k < r.in; ++k)
      to[static_cast<std::size_t>(i) * r.depth() + k] = x.at(i, k) + 128;
  r.values = to;
  Array<std::int32_t> y({r.rows, w.linear().out});
  integers(w.linear(), r, y.mutable_data());
  return y;
}

py::tuple quantise_door(Floats x) {
  const int rows = static_cast<int>(x.shape(0)), in = width(x);
  Activations activations;
  const Rows& r = activations.set(Format::int8, x.data(), rows, in);
  Array<std::int16_t> values({rows, r.depth()});
  Floats scales(rows);
  for (int i = 0; i < rows; ++i) {
    scales.mutable_at(i) = r.scales[i];
    for (int k = 0; k < r.depth(); ++k)
      values.mutable_at(i, k) = r.values[static_cast<std::size_t>(i) * r.depth() + k];
  }
  return py::make_tuple(values, scales);
}

Floats shortlist_door(const Weights& w, Floats x, Array<std::int32_t> columns) {
  w.check(x);
  for (int i = 0; i < columns.size(); ++i)
    must(columns.at(i) >= 0 && columns.at(i) < w.linear().out,
         "`columns` must be outputs of the weights.");
  Shortlist list;
  const Linear& some =
      list.set(w.linear(), columns.data(), static_cast<int>(columns.size()));
  Activations activations;
  const int rows = static_cast<int>(x.shape(0));
  Floats y({rows, some.out});
  linear(some, activations.set(some.format, x.data(), rows, some.in), y.mutable_data(),
         some.out);
  return y;
}

Floats layer_norm_door(Floats x, Floats weight, Floats bias, float epsilon) {
  const Norm norm{width(x), weight.data(), bias.data(), epsilon};
  must(weight.size() == norm.width && bias.size() == norm.width,
       "`weight` and `bias` must be as wide as `x`.");
  const int rows = static_cast<int>(x.shape(0));
  Floats y({rows, norm.width});
  layer_norm(norm, x.data(), rows, y.mutable_data());
  return y;
}

Floats softmax_door(Floats x, bool logarithm) {
  const int rows = static_cast<int>(x.shape(0)), columns = width(x);
  Floats y({rows, columns});
  std::copy(x.data(), x.data() + x.size(), y.mutable_data());
  softmax(y.mutable_data(), rows, columns, columns, logarithm);
  return y;
}

Floats attention_door(Floats q, Floats k, Floats v, int heads, float scale, bool causal,
                      int first_seen) {
  Attention task;
  task.queries = static_cast<int>(q.shape(0)), task.keys = static_cast<int>(k.shape(0));
  const int all = width(q);
  must(heads > 0 && all % heads == 0, "`heads` must divide the width.");
  must(width(k) == all && width(v) == all && v.shape(0) == k.shape(0),
       "`q`, `k` and `v` must have one width, `k` and `v` one length.");
  must(task.keys > 0 && first_seen >= 0, "`k` must have a row, `first_seen` be 0 or more.");
  task.heads = heads, task.size = all / heads;
  task.k_capacity = round_up(task.keys, kLanes);
  std::vector<float> transposed(static_cast<std::size_t>(all) * task.k_capacity);
  transpose(k.data(), task.keys, all, all, transposed.data(), task.k_capacity);
  Floats out({task.queries, all});
  task.q = q.data(), task.k = transposed.data(), task.v = v.data();
  task.q_stride = task.v_stride = task.out_stride = all;
  task.out = out.mutable_data();
  task.scale = scale, task.causal = causal, task.first_seen = first_seen;
  attention(task);
  return out;
}

Floats sinusoids_door(int first, int count, int columns) {
  Floats y({count, columns});
  sinusoids(first, count, columns, y.mutable_data());
  return y;
}

double processor_time() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Seconds of a piece of work, by this thread's own clock, which other processes do not
// move: `repeats` figures, each the mean of `at_once`, since the clock itself takes time.
template <class Work>
std::vector<double> times_of(Work work, int repeats, int at_once) {
  std::vector<double> times(repeats);
  for (double& time : times) {
    const double start = processor_time();
    for (int i = 0; i < at_once; ++i) work();
    time = (processor_time() - start) / at_once;
  }
  return times;
}

// A product with what is around it: rows are quantised. `what`: linear, argmax or
// log_sum_exp.
std::vector<double> time_door(const Weights& w, Floats x, const std::string& what,
                              int repeats, int at_once) {
  w.check(x);
  const Linear& weights = w.linear();
  const int rows = static_cast<int>(x.shape(0)), out = weights.out;
  Activations activations;
  std::vector<float> y(what == "linear" ? static_cast<std::size_t>(rows) * out : 0);
  std::vector<Best> best(rows);
  const float* data = x.data();
  const auto work = [&] {
    const Rows& r = activations.set(weights.format, data, rows, weights.in);
    if (what == "linear")
      linear(weights, r, y.data(), out, After::relu);
    else
      argmax(weights, r, best.data(), what == "log_sum_exp");
  };
  py::gil_scoped_release free;
  return times_of(work, repeats, at_once);
}

// Attention of one sentence with itself; keys transposed each time, as in an encoder.
std::vector<double> time_attention_door(int length, int heads, int size, int repeats,
                                        int at_once) {
  const int width = heads * size, capacity = round_up(length, kLanes);
  std::vector<float> x(3 * static_cast<std::size_t>(length) * width, 0.5f);
  std::vector<float> k(static_cast<std::size_t>(width) * capacity), out(x.size() / 3);
  Attention task;
  task.queries = task.keys = length, task.heads = heads, task.size = size;
  task.q = x.data(), task.k = k.data(), task.v = x.data() + 2 * width;
  task.q_stride = task.v_stride = 3 * width, task.k_capacity = capacity;
  task.out = out.data(), task.out_stride = width, task.scale = 0.1f;
  const auto work = [&] {
    transpose(x.data() + width, length, width, 3 * width, k.data(), capacity);
    attention(task);
  };
  py::gil_scoped_release free;
  return times_of(work, repeats, at_once);
}

std::vector<std::string> supported_door() {
  std::vector<std::string> names;
  for (Isa isa : supported()) names.push_back(name(isa));
  return names;
}

}  // namespace

void bind_kernels(py::module_& m) {
  using py::arg;
  py::class_<Weights>(m, "Weights")
      .def(py::init<int, Array<std::int8_t>, Floats, Array<std::int32_t>,
                    std::optional<Floats>>(),
           arg("inputs"), arg("packed"), arg("scales"), arg("sums"),
           arg("bias") = py::none())
      .def(py::init<int, int, Floats, std::optional<Floats>>(), arg("inputs"),
           arg("outputs"), arg("dense"), arg("bias") = py::none());
  m.def("supported", supported_door, "Instruction sets of this machine, best last.");
  m.def("instruction_set", [] { return std::string(name(current())); });
  m.def("choose", choose, arg("instruction_set"), "Forces one; empty: the best.");
  m.def("linear", linear_door, arg("weights"), arg("x"), arg("after") = "nothing",
        arg("residual") = py::none());
  m.def("argmax", argmax_door, arg("weights"), arg("x"), arg("log_sum_exp") = false);
  m.def("best", best_door, arg("row"), arg("count"), "The places of a row's largest.");
  m.def("integers", integers_door, arg("weights"), arg("x"));
  m.def("quantise", quantise_door, arg("x"));
  m.def("shortlist", shortlist_door, arg("weights"), arg("x"), arg("columns"));
  m.def("layer_norm", layer_norm_door, arg("x"), arg("weight"), arg("bias"),
        arg("epsilon") = 1e-5f);
  m.def("softmax", softmax_door, arg("x"), arg("logarithm") = false);
  m.def("attention", attention_door, arg("q"), arg("k"), arg("v"), arg("heads"),
        arg("scale"), arg("causal") = false, arg("first_seen") = 0);
  m.def("sinusoids", sinusoids_door, arg("first"), arg("count"), arg("width"));
  m.def("time_attention", time_attention_door, arg("length"), arg("heads"), arg("size"),
        arg("repeats"), arg("at_once") = 1);
  m.def("time", time_door, arg("weights"), arg("x"), arg("what"), arg("repeats"),
        arg("at_once") = 1);
}

}  // namespace vq
