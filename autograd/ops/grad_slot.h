// For ops that write a gradient straight into a leaf's own memory.
#pragma once

#include "autograd/tape.h"
#include "tensor/ops/gather_rows.h"
#include "tensor/ops/parameter_gradients.h"

namespace tessera {

// A place for the gradient of `slot`'s input: the slot's own memory if it has one, and then the slot counts as written;
// else a new tensor on `device`, which is also put into `grad`. Undefined if the gradient is not needed.
struct GradientPlace {
  Tensor tensor;
  bool accumulate = false;
};
inline GradientPlace gradient_place(GradSlot& slot, const Shape& shape, DType dtype, Device device, Tensor& grad) {
  if (!slot.needed) return {};
  if (slot.target.defined()) {
    slot.written = true;
    return {slot.target, slot.accumulate};
  }
  grad = Tensor::empty(shape, dtype, device);
  return {grad, false};
}

// The places for a weight, input `weight_at` of its op, and for a bias of its first size, input `bias_at`, or kNoInput.
inline constexpr size_t kNoInput = ~size_t{0};
inline ops::ParameterGradients parameter_places(GradSlots slots, Grads& grads, const Tensor& weight, size_t weight_at,
                                                size_t bias_at) {
  const DType dtype = weight.dtype();
  const Device device = weight.device();
  const GradientPlace w = gradient_place(slots[weight_at], weight.shape(), dtype, device, grads[weight_at]);
  if (bias_at == kNoInput) return {w.tensor, {}, w.accumulate, false};
  const GradientPlace b = gradient_place(slots[bias_at], {weight.size(0)}, dtype, device, grads[bias_at]);
  return {w.tensor, b.tensor, w.accumulate, b.accumulate};
}

// The place of a table's gradient: the leaf's own memory where there is one, else a tensor on `device` that is to be
// returned.
inline ops::RowTarget row_target(GradSlot& slot, const Shape& shape, DType dtype, Device device) {
  if (!slot.needed) return {shape[0], {}, false};
  if (!slot.target.defined()) return {shape[0], Tensor::empty(shape, dtype, device), false};
  slot.written = true;
  return {shape[0], slot.target, slot.accumulate};
}

}  // namespace tessera
