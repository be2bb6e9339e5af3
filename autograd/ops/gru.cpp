#include "tensor/ops/gru.h"

#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"
#include "autograd/tape.h"

namespace tessera {

Gru gru(const Variable& x, const Variable& weight_ih, const Variable& weight_hh, const Variable& bias_ih,
        const Variable& bias_hh, const Tensor& cu_seqlens, const Variable& h0, bool reverse) {
  check(x.defined() && x.shape().dim() == 2, "gru: x is ", describe(x.value()), ", expected [tokens, input]");
  const ops::GruSteps steps(cu_seqlens, x.size(0), reverse);
  std::vector<Variable> inputs{linear(x, weight_ih, bias_ih), weight_hh};
  const auto position = [&](const Variable& input) {
    if (!input.defined()) return kNoInput;
    inputs.push_back(input);
    return inputs.size() - 1;
  };
  const size_t bias_at = position(bias_hh), h0_at = position(h0);
  const ops::GruForward forward = ops::gru(inputs[0].value(), weight_hh.value(), bias_hh.value(), h0.value(), steps);
  std::vector<Variable> outputs =
      record_many("gru", {forward.output, forward.last}, std::move(inputs),
                  [=, w = weight_hh.value()](std::span<const Tensor> dys, GradSlots slots) -> Grads {
                    Grads grads(slots.size());
                    const ops::ParameterGradients places = parameter_places(slots, grads, w, 1, bias_at);
                    ops::GruGradients gradients = ops::gru_backward(dys[0], dys[1], forward, w, steps, places);
                    grads[0] = std::move(gradients.d_input);
                    if (h0_at != kNoInput) grads[h0_at] = std::move(gradients.dh0);
                    return grads;
                  });
  return {outputs[0], outputs[1]};
}

}  // namespace tessera
