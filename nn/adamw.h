// AdamW over the arena of a parameter set, in groups that differ in decay and learning rate. The formulas of the two
// variants are those of tensor/ops/adamw.h.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "nn/parameter.h"
#include "tensor/ops/adamw.h"

namespace tessera {

using AdamWVariant = ops::AdamWVariant;

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.98;
  double eps = 1e-8;
  double weight_decay = 0.01;
  AdamWVariant variant = AdamWVariant::torch;
};

struct ParameterGroup {
  bool decay = true;
  double learning_rate_multiplier = 1;
};

using GroupFunction = std::function<ParameterGroup(const std::string& name, const Variable& parameter)>;

// Everything decays but vectors: biases and the weights of LayerNorms are the parameters with one dimension. Matrices,
// tables, class token and position embeddings have more.
ParameterGroup default_group(const std::string& name, const Variable& parameter);

class AdamW {
 public:
  // `parameters` must outlive the optimiser. With `trained`, the other parameters are in no group: they neither decay
  // nor move, and have no state (parameters that no active loss reaches). A name in `trained` that does not exist is an
  // error.
  AdamW(ParameterSet& parameters, const AdamWOptions& options, const GroupFunction& group = default_group,
        const std::optional<std::set<std::string>>& trained = std::nullopt);

  // One update from the gradients in the arena (those that none has reached count as zero) times `gradient_scale`.
  void step(double learning_rate, double gradient_scale = 1);
  // The same on a GPU, times a factor that lies there (f32 [1]); if it is not finite, nothing is updated, but counted.
  void step(double learning_rate, const Tensor& device_scale);

  int64_t updates() const { return updates_; }  // made so far
  const AdamWOptions& options() const { return options_; }
  const std::vector<std::string>& trained() const { return trained_; }

  // "step" (i64), and "exp_avg.NAME" and "exp_avg_sq.NAME" of every trained parameter: views, not copies.
  std::map<std::string, Tensor> state() const;
  // Strict, like ParameterSet::load_state. Also refuses a negative step and a negative second moment.
  void load_state(const std::map<std::string, Tensor>& state, const std::string& source);

 private:
  // A run of neighbouring parameters of one group.
  struct Run {
    int64_t begin = 0, end = 0;
    ParameterGroup group;
  };
  Tensor place_in(const Tensor& arena, size_t slot) const;
  void update(double learning_rate, double gradient_scale, const Tensor& device_scale);

  ParameterSet& parameters_;
  AdamWOptions options_;
  std::vector<Run> runs_;
  std::vector<std::string> trained_;
  std::vector<size_t> trained_slots_;
  Tensor exp_avg_, exp_avg_sq_;
  int64_t updates_ = 0;
};

}  // namespace tessera
