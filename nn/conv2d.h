// Convolution of pictures, channels first.
#pragma once

#include "autograd/functions.h"
#include "nn/parameter.h"

namespace tessera {

struct Conv2d {
  Variable weight;  // [out, in / groups, kernel height, kernel width]
  Variable bias;    // [out]; undefined without
  Conv2dSettings settings;

  Conv2d() = default;
  Conv2d(int64_t in, int64_t out, Size2d kernel, const Conv2dSettings& of = {}, bool with_bias = true)
      : bias(with_bias ? zero_parameter({out}) : Variable()), settings(of) {
    check(of.groups >= 1 && in % of.groups == 0 && out % of.groups == 0, "conv2d: ", of.groups, " groups of ", in,
          " input and ", out, " output channels, expected a divisor of both");
    weight = zero_parameter({out, in / of.groups, kernel.height, kernel.width});
  }

  // x [n, in, height, width] → [n, out, ...], sizes as of tensor/ops/window2d.h.
  Variable operator()(const Variable& x) const { return conv2d(x, weight, bias, settings); }

  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    visitor(join_name(prefix, "weight"), weight);
    if (bias.defined()) visitor(join_name(prefix, "bias"), bias);
  }
};

}  // namespace tessera
