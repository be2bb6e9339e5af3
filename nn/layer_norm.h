// y = (x - mean) / sqrt(variance + eps) · weight + bias, over the last dimension.
#pragma once

#include "autograd/functions.h"
#include "nn/parameter.h"

namespace tessera {

struct LayerNorm {
  Variable weight, bias;  // [size]
  double eps = 1e-12;

  LayerNorm() = default;
  LayerNorm(int64_t size, double epsilon)
      : weight(Tensor::full({size}, 1), true), bias(Tensor::zeros({size}), true), eps(epsilon) {}

  Variable operator()(const Variable& x) const { return layer_norm(x, weight, bias, eps); }

  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    visitor(join_name(prefix, "weight"), weight);
    visitor(join_name(prefix, "bias"), bias);
  }
};

}  // namespace tessera
