// The feed-forward branch of a transformer block: fc2(dropout(gelu(fc1(x)))).
#pragma once

#include "nn/forward_context.h"
#include "nn/linear.h"

namespace tessera {

struct Mlp {
  Linear fc1;  // [hidden, d]
  Linear fc2;  // [d, hidden]

  Mlp() = default;
  Mlp(int64_t d, int64_t hidden) : fc1(d, hidden), fc2(hidden, d) {}

  // x [..., d] → [..., d]
  Variable operator()(const Variable& x, const ForwardContext& context) const;

  // intermediate.dense.*, output.dense.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
