#include "nn/mlp.h"

namespace tessera {

Variable activate(Activation activation, const Variable& x) {
  switch (activation) {
    case Activation::quick_gelu: return quick_gelu(x);
    case Activation::relu: return relu(x);
    default: return gelu(x);
  }
}

Variable Mlp::operator()(const Variable& x, const ForwardContext& context) const {
  const auto [p, ticket] = context.dropout(dropout);
  return mlp(x, fc1.weight, fc1.bias, fc2.weight, fc2.bias, p, ticket, activation);
}

void Mlp::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  fc1.visit(join_name(prefix, "fc1"), visitor);
  fc2.visit(join_name(prefix, "fc2"), visitor);
}

}  // namespace tessera
