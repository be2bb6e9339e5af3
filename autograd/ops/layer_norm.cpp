#include "tensor/ops/layer_norm.h"

#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"
#include "autograd/tape.h"

namespace tessera {

Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps) {
  ops::LayerNorm result = ops::layer_norm(x.value(), weight.value(), bias.value(), eps);
  return record("layer_norm", result.y, {x, weight, bias},
                [x = x.value(), w = weight.value(), mean = result.mean, rstd = result.rstd](const Tensor& dy,
                                                                                            GradSlots slots) -> Grads {
                  Grads grads(3);
                  const ops::ParameterGradients places = parameter_places(slots, grads, w, 1, 2);
                  grads[0] = ops::layer_norm_backward(dy, x, w, mean, rstd, places);
                  return grads;
                });
}

AddLayerNorm dropout_add_layer_norm(const Variable& x, const Variable& residual, const Variable& weight,
                                    const Variable& bias, double eps, double p, const Ticket& ticket) {
  ops::DropoutAddLayerNorm result =
      ops::dropout_add_layer_norm(x.value(), residual.value(), weight.value(), bias.value(), eps, p, ticket);
  std::vector<Variable> outputs =
      record_many("dropout_add_layer_norm", {result.sum, result.normalised}, {x, residual, weight, bias},
                  [sum = result.sum, w = weight.value(), mean = result.mean, rstd = result.rstd, p, ticket](
                      std::span<const Tensor> dys, GradSlots slots) -> Grads {
                    Grads grads(4);
                    const ops::ParameterGradients places = parameter_places(slots, grads, w, 2, 3);
                    ops::DropoutAddGradients gradients =
                        ops::dropout_add_layer_norm_backward(dys[0], dys[1], sum, w, mean, rstd, p, ticket, places);
                    grads[0] = std::move(gradients.dx);
                    grads[1] = std::move(gradients.d_residual);
                    return grads;
                  });
  return {outputs[0], outputs[1]};
}

}  // namespace tessera
