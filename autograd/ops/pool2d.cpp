#include "autograd/functions.h"
#include "autograd/tape.h"
#include "tensor/ops/avg_pool2d.h"
#include "tensor/ops/max_pool2d.h"

namespace tessera {

Variable max_pool2d(const Variable& x, const Pool2dSettings& settings) {
  return record("max_pool2d", ops::max_pool2d(x.value(), settings), {x},
                [x = x.value(), settings](const Tensor& dy, GradSlots) -> Grads {
                  return {ops::max_pool2d_backward(dy, x, settings)};
                });
}

Variable avg_pool2d(const Variable& x, const Pool2dSettings& settings) {
  return record("avg_pool2d", ops::avg_pool2d(x.value(), settings), {x},
                [shape = x.shape(), settings](const Tensor& dy, GradSlots) -> Grads {
                  return {ops::avg_pool2d_backward(dy, shape, settings)};
                });
}

Variable adaptive_avg_pool2d(const Variable& x, Size2d output) {
  return record("adaptive_avg_pool2d", ops::adaptive_avg_pool2d(x.value(), output), {x},
                [shape = x.shape()](const Tensor& dy, GradSlots) -> Grads {
                  return {ops::adaptive_avg_pool2d_backward(dy, shape)};
                });
}

}  // namespace tessera
