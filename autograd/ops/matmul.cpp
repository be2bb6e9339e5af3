#include "tensor/ops/matmul.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable matmul(const Variable& a, const Variable& b) {
  return record("matmul", ops::matmul(a.value(), b.value()), {a, b},
                [a = a.value(), b = b.value()](const Tensor& dy, GradSlots slots) -> Grads {
                  Grads grads(2);
                  if (slots[0].needed) grads[0] = ops::matmul_gradient_a(dy, a, b);
                  if (slots[1].needed) grads[1] = ops::matmul_gradient_b(dy, a, b);
                  return grads;
                });
}

}  // namespace tessera
