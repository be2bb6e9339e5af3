// Gated recurrent units: layers, each in one direction or in both.
#pragma once

#include <vector>

#include "autograd/functions.h"
#include "nn/parameter.h"

namespace tessera {

struct GruOptions {
  int64_t input = 0, hidden = 0;
  int64_t layers = 1;
  bool bidirectional = false;  // the second direction goes through each sequence from its own end
  bool bias = true;
};

struct GruLayer {
  Variable weight_ih;         // [3 hidden, input]: gates in the order reset, update, new
  Variable weight_hh;         // [3 hidden, hidden]
  Variable bias_ih, bias_hh;  // [3 hidden]; undefined without
};

struct GruLayers {
  GruOptions options;
  std::vector<GruLayer> directions;  // [layers · directions]: of each layer the forward one, then the reverse

  GruLayers() = default;
  explicit GruLayers(const GruOptions& given);

  struct States {
    Variable output;             // [tokens, directions · hidden] of the last layer: the directions side by side
    std::vector<Variable> last;  // [sequences, hidden] each, in the order of `directions`
  };
  // x [tokens, input], cu_seqlens i64 [sequences + 1]; h0: none, or one [sequences, hidden] for each of `directions`.
  States operator()(const Variable& x, const Tensor& cu_seqlens, const std::vector<Variable>& h0 = {}) const;

  // torch's names: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, …, weight_ih_l1, …
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
