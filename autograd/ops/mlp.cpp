#include "tensor/ops/mlp.h"

#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"
#include "autograd/tape.h"

namespace tessera {

Variable mlp(const Variable& x, const Variable& weight1, const Variable& bias1, const Variable& weight2,
             const Variable& bias2, double p, const Ticket& ticket, Activation activation) {
  std::vector<Variable> inputs{x, weight1, weight2};
  const auto position = [&](const Variable& bias) {
    if (!bias.defined()) return kNoInput;
    inputs.push_back(bias);
    return inputs.size() - 1;
  };
  const size_t at1 = position(bias1), at2 = position(bias2);
  bool keep = false;
  for (const Variable& input : inputs) keep |= input.requires_grad();
  const ops::Mlp result = ops::mlp(x.value(), {weight1.value(), bias1.value()}, {weight2.value(), bias2.value()}, p,
                                   ticket, keep && grad_enabled(), activation);
  return record("mlp", result.y, std::move(inputs),
                [=, x = x.value(), w1 = weight1.value(), w2 = weight2.value(), before = result.before](
                    const Tensor& dy, GradSlots slots) -> Grads {
                  Grads grads(slots.size());
                  const ops::ParameterGradients first = parameter_places(slots, grads, w1, 1, at1);
                  const ops::ParameterGradients second = parameter_places(slots, grads, w2, 2, at2);
                  grads[0] =
                      ops::mlp_backward(dy, x, before, w1, w2, p, ticket, first, second, slots[0].needed, activation);
                  return grads;
                });
}

}  // namespace tessera
