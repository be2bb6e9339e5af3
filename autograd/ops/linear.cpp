#include "tensor/ops/linear.h"
#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"
#include "autograd/tape.h"

namespace tessera {
namespace {

std::vector<Variable> inputs_of(const Variable& x, const Variable& weight, const Variable& bias) {
  return bias.defined() ? std::vector{x, weight, bias} : std::vector{x, weight};
}

// What both ops have in common once the gradient `dy` of x Wᵀ + b is known.
Grads product_gradients(const Tensor& dy, const Tensor& x, const Tensor& weight, GradSlots slots) {
  Grads grads(slots.size());
  if (slots[0].needed) grads[0] = ops::linear_data_gradient(dy, weight);
  GradientPlace place = gradient_place(slots[1], weight.shape(), weight.dtype(), weight.device(), grads[1]);
  if (place.tensor.defined()) ops::linear_weight_gradient_(place.tensor, dy, x, place.accumulate);
  return grads;
}

GradientPlace bias_place(GradSlots slots, const Tensor& weight, Tensor& grad) {
  return slots.size() == 3 ? gradient_place(slots[2], {weight.size(0)}, weight.dtype(), weight.device(), grad)
                           : GradientPlace{};
}

}  // namespace

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  return record("linear", ops::linear(x.value(), weight.value(), bias.value()), inputs_of(x, weight, bias),
                [x = x.value(), w = weight.value()](const Tensor& dy, GradSlots slots) -> Grads {
                  Grads grads = product_gradients(dy, x, w, slots);
                  GradientPlace db = bias_place(slots, w, grads.back());
                  if (db.tensor.defined()) ops::column_sums_(db.tensor, dy, db.accumulate);
                  return grads;
                });
}

Variable linear_gelu(const Variable& x, const Variable& weight, const Variable& bias) {
  ops::LinearGelu result = ops::linear_gelu(x.value(), weight.value(), bias.value());
  return record(
      "linear_gelu", result.y, inputs_of(x, weight, bias),
      [x = x.value(), w = weight.value(), before = result.before](const Tensor& dy, GradSlots slots) -> Grads {
        Tensor db;
        const GradientPlace place = bias_place(slots, w, db);
        const Tensor da = ops::gelu_gradient(dy, before, place.tensor, place.accumulate);
        Grads grads = product_gradients(da, x, w, slots);
        if (slots.size() == 3) grads[2] = db;
        return grads;
      });
}

}  // namespace tessera
