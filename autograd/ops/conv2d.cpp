#include "tensor/ops/conv2d/conv2d.h"

#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"
#include "autograd/tape.h"

namespace tessera {

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const Conv2dSettings& settings) {
  const std::vector<Variable> inputs = bias.defined() ? std::vector{x, weight, bias} : std::vector{x, weight};
  return record("conv2d", ops::conv2d(x.value(), weight.value(), bias.value(), settings), inputs,
                [x = x.value(), w = weight.value(), settings](const Tensor& dy, GradSlots slots) -> Grads {
                  Grads grads(slots.size());
                  if (slots[0].needed) grads[0] = ops::conv2d_data_gradient(dy, w, x.shape(), settings);
                  ops::ParameterGradients places =
                      parameter_places(slots, grads, w, 1, slots.size() == 3 ? 2 : kNoInput);
                  if (places.dweight.defined())
                    ops::conv2d_weight_gradient_(places.dweight, dy, x, settings, places.accumulate_weight);
                  if (places.dbias.defined()) ops::channel_sums_(places.dbias, dy, places.accumulate_bias);
                  return grads;
                });
}

}  // namespace tessera
