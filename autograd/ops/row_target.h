// For ops whose inputs are tables of rows.
#pragma once

#include "autograd/tape.h"
#include "tensor/ops/gather_rows.h"

namespace tessera {

// The place of a table's gradient: the leaf's own memory where there is one, else a tensor on `device` that is to be
// returned.
inline ops::RowTarget row_target(GradSlot& slot, const Shape& shape, DType dtype, Device device) {
  if (!slot.needed) return {shape[0], {}, false};
  if (!slot.target.defined()) return {shape[0], Tensor::empty(shape, dtype, device), false};
  slot.written = true;
  return {shape[0], slot.target, slot.accumulate};
}

}  // namespace tessera
