#include "nn/mlp.h"

namespace tessera {

Variable Mlp::operator()(const Variable& x, const ForwardContext& context) const {
  const double p = context.activation_probability();
  return mlp(x, fc1.weight, fc1.bias, fc2.weight, fc2.bias, p, context.ticket(p));
}

void Mlp::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  fc1.visit(join_name(prefix, "intermediate.dense"), visitor);
  fc2.visit(join_name(prefix, "output.dense"), visitor);
}

}  // namespace tessera
