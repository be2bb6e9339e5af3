// For ops that write a gradient straight into a leaf's own memory.
#pragma once

#include "autograd/tape.h"
#include "tensor/ops/parameter_gradients.h"

namespace tessera {

// A place for the gradient of `slot`'s input: the slot's own memory if it has one, and then the slot counts as written;
// else a new tensor, which is also put into `grad`. Undefined if the gradient is not needed.
struct GradientPlace {
  Tensor tensor;
  bool accumulate = false;
};
inline GradientPlace gradient_place(GradSlot& slot, const Shape& shape, DType dtype, Tensor& grad) {
  if (!slot.needed) return {};
  if (slot.target.defined()) {
    slot.written = true;
    return {slot.target, slot.accumulate};
  }
  grad = Tensor::empty(shape, dtype);
  return {grad, false};
}

inline ops::ParameterGradients norm_gradient_places(GradSlot& weight_slot, GradSlot& bias_slot, const Tensor& weight,
                                                    Tensor& dweight, Tensor& dbias) {
  const GradientPlace w = gradient_place(weight_slot, weight.shape(), weight.dtype(), dweight);
  const GradientPlace b = gradient_place(bias_slot, weight.shape(), weight.dtype(), dbias);
  return {w.tensor, b.tensor, w.accumulate, b.accumulate};
}

}  // namespace tessera
