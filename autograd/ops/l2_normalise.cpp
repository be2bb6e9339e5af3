#include "tensor/ops/l2_normalise.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable l2_normalise(const Variable& x, double eps) {
  const ops::L2Normalise result = ops::l2_normalise(x.value(), eps);
  return record("l2_normalise", result.y, {x}, [result, eps](const Tensor& dy, GradSlots) -> Grads {
    return {ops::l2_normalise_backward(dy, result, eps)};
  });
}

}  // namespace tessera
