#include "tensor/ops/layer_norm.h"

#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"
#include "autograd/tape.h"

namespace tessera {

Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps) {
  ops::LayerNorm result = ops::layer_norm(x.value(), weight.value(), bias.value(), eps);
  return record("layer_norm", result.y, {x, weight, bias},
                [x = x.value(), w = weight.value(), mean = result.mean, rstd = result.rstd](
                    const Tensor& dy, GradSlots slots) -> Grads {
                  Grads grads(3);
                  const ops::ParameterGradients places = parameter_places(slots, grads, w, 1, 2);
                  grads[0] = ops::layer_norm_backward(dy, x, w, mean, rstd, places);
                  return grads;
                });
}

}  // namespace tessera
