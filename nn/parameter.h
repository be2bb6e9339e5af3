// Parameters: how a model names them, and the arena in which they live.
//
// A layer is a plain struct with `operator()` and `void visit(const std::string& prefix, const ParameterVisitor&)`,
// which calls the visitor once for each of its parameters.
//
// A buffer is what a layer keeps and saves beside its parameters and nobody trains, such as the running statistics of
// batch normalisation: a variable that needs no gradient. It is visited as they are, so that names, nesting and
// checkpoints need nothing of their own for it; only the arena leaves it out.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "autograd/variable.h"

namespace tessera {

using ParameterVisitor = std::function<void(const std::string& name, Variable& parameter)>;

// "prefix.name", or "name" without a prefix.
inline std::string join_name(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

// A visitor for the parameters of a layer whose names a model chooses: each name gets `prefix` in front, and what it
// begins with is replaced as the table {{of the layer, of the model}, …} says, in whole words between dots; the first
// entry that fits counts. {{"mlp.fc1", "intermediate.dense"}} makes "prefix.intermediate.dense.bias" of "mlp.fc1.bias".
using NameTable = std::vector<std::pair<std::string, std::string>>;
ParameterVisitor with_names(const NameTable& table, const std::string& prefix, const ParameterVisitor& visitor);

// A buffer of f32 whose elements start as `value`.
inline Variable buffer(const Shape& shape, double value) { return Variable(Tensor::full(shape, value)); }

// A parameter that starts as zeros; the arena, or whoever initialises it, gives it other values.
inline Variable zero_parameter(const Shape& shape) { return Variable(Tensor::zeros(shape), true); }

// The named parameters of a model. Their values lie in one flat arena and their gradients in another, each at a 64-byte
// aligned place of its own (the gaps hold zeros), so that one pass updates all, one takes the norm, one clears. Buffers
// are kept apart: they are part of the state alone.
class ParameterSet {
 public:
  struct Slot {
    std::string name;
    Variable parameter;
    int64_t offset = 0;  // of the first element in both arenas
  };

  // Collects everything that `model.visit` names, in visiting order, moves the values into the arena (converted to
  // `dtype`, f32 or f64, on `device`; buffers to places of their own) and replaces the model's variables by ones that
  // lie there. Handles on the old
  // variables that were copied before no longer belong to the model. A name or a variable that occurs twice, or a
  // variable without a value, is an error.
  template <class Model>
  explicit ParameterSet(Model& model, DType dtype = DType::f32, const std::string& prefix = "", Device device = {}) {
    std::vector<Named> found;
    model.visit(prefix, [&found](const std::string& name, Variable& parameter) {
      found.push_back({name, &parameter});
    });
    build(found, dtype, device);
  }
  ParameterSet(const ParameterSet&) = delete;
  ParameterSet& operator=(const ParameterSet&) = delete;

  DType dtype() const { return values_.dtype(); }
  Device device() const { return values_.device(); }
  int64_t total() const { return total_; }  // elements of all parameters, without the gaps
  const std::vector<Slot>& slots() const { return slots_; }
  std::vector<std::string> names() const;
  const Variable& at(const std::string& name) const;    // an error that names it if there is none
  const Variable* find(const std::string& name) const;  // nullptr if there is none

  // The arenas, flat, gaps included.
  Tensor& values() { return values_; }
  Tensor& gradients() { return gradients_; }

  // Forgets all gradients, at no cost: the next one that arrives overwrites.
  void clear_gradients();
  // The parameters that a gradient has reached since the last clear (before finish_gradients).
  std::vector<std::string> reached() const;
  // Zero-fills the gradients that none has reached, so that the arena may be read as a whole.
  void finish_gradients();
  // The 2-norm of the whole gradient; finishes the gradients first.
  double global_norm();

  // Parameters and buffers by name: views of the arena or of the buffers, not copies.
  std::map<std::string, Tensor> state() const;
  // Copies values in. Every missing, unexpected and misshaped tensor is listed at once in the error, and then nothing
  // is loaded. Floating types are converted. `source` (a path) is for messages.
  void load_state(const std::map<std::string, Tensor>& state, const std::string& source);

 private:
  struct Named {
    std::string name;
    Variable* parameter;
  };
  void build(const std::vector<Named>& visited, DType dtype, Device device);

  std::vector<Slot> slots_;
  std::unordered_map<std::string, size_t> index_;
  std::map<std::string, Variable> buffers_;
  Tensor values_, gradients_;
  int64_t total_ = 0;
};

struct StateDifference {
  enum class Kind : uint8_t { missing, shape, type, unexpected };
  Kind kind;
  std::string name, line;  // the line for people: what it is and what is expected
};
// What of `state` is not as in `expected`: a tensor that is missing, unexpected, of another shape or not of a floating
// type.
std::vector<StateDifference> state_differences(const std::map<std::string, Tensor>& expected,
                                               const std::map<std::string, Tensor>& state);
// "" or the lines of all of them.
std::string compare_state(const std::map<std::string, Tensor>& expected, const std::map<std::string, Tensor>& state);

}  // namespace tessera
