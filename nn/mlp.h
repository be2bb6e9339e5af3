// The feed-forward branch of a transformer block: fc2(dropout(activation(fc1(x)))).
#pragma once

#include "nn/forward_context.h"
#include "nn/linear.h"

namespace tessera {

Variable activate(Activation activation, const Variable& x);

struct Mlp {
  Linear fc1;  // [hidden, d]
  Linear fc2;  // [d, hidden]
  Activation activation = Activation::gelu;
  double dropout = 0;

  Mlp() = default;
  Mlp(int64_t d, int64_t hidden, Activation function = Activation::gelu, double dropout_rate = 0)
      : fc1(d, hidden), fc2(hidden, d), activation(function), dropout(dropout_rate) {}

  // x [..., d] → [..., d], in one op, which keeps little of the hidden layer for backward.
  Variable operator()(const Variable& x, const ForwardContext& context) const;

  // fc1.*, fc2.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
