#include "tensor/ops/softmax.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable softmax(const Variable& x) {
  const Tensor y = ops::softmax(x.value());
  return record("softmax", y, {x},
                [y](const Tensor& dy, GradSlots) -> Grads { return {ops::softmax_backward(dy, y)}; });
}

Variable masked_softmax(const Variable& x, const Tensor& mask) {
  const Tensor y = ops::masked_softmax(x.value(), mask);
  return record("masked_softmax", y, {x},
                [y](const Tensor& dy, GradSlots) -> Grads { return {ops::softmax_backward(dy, y)}; });
}

}  // namespace tessera
