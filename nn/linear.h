// y = x Wᵀ + b.
#pragma once

#include "autograd/functions.h"
#include "nn/parameter.h"

namespace tessera {

struct Linear {
  Variable weight;  // [out, in]
  Variable bias;    // [out]; undefined without

  Linear() = default;
  Linear(int64_t in, int64_t out, bool with_bias = true)
      : weight(Tensor::zeros({out, in}), true), bias(with_bias ? Variable(Tensor::zeros({out}), true) : Variable()) {}

  // x [..., in] → [..., out]
  Variable operator()(const Variable& x) const { return linear(x, weight, bias); }

  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    visitor(join_name(prefix, "weight"), weight);
    if (bias.defined()) visitor(join_name(prefix, "bias"), bias);
  }
};

}  // namespace tessera
