#include "nn/mlp.h"

namespace tessera {

Variable Mlp::operator()(const Variable& x, const BlockContext& context) const {
  Variable hidden = linear_gelu(x, fc1.weight, fc1.bias);
  const double p = context.activation_probability();
  if (p > 0) hidden = dropout(hidden, p, context.ticket(p));
  return fc2(hidden);
}

void Mlp::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  fc1.visit(join_name(prefix, "intermediate.dense"), visitor);
  fc2.visit(join_name(prefix, "output.dense"), visitor);
}

}  // namespace tessera
