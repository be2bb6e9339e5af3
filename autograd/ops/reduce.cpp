#include "tensor/ops/reduce.h"

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "tensor/ops/elementwise.h"

namespace tessera {
namespace {

// dy, with the reduced dimension as size 1 again, repeated along it.
Tensor repeat(const Tensor& dy, Shape shape, int dimension) {
  const Shape full = shape;
  shape[dimension < 0 ? dimension + shape.dim() : dimension] = 1;
  return dy.view(shape).expand(full);
}

}  // namespace

Variable sum(const Variable& x) {
  return record("sum", ops::sum(x.value()), {x},
                [shape = x.shape()](const Tensor& dy, GradSlots) -> Grads { return {dy.expand(shape)}; });
}

Variable mean(const Variable& x) {
  return record("mean", ops::mean(x.value()), {x}, [shape = x.shape()](const Tensor& dy, GradSlots) -> Grads {
    return {ops::mul(dy, 1.0 / static_cast<double>(shape.numel())).expand(shape)};
  });
}

Variable sum(const Variable& x, int dimension, bool keep) {
  return record(
      "sum", ops::sum(x.value(), dimension, keep), {x},
      [shape = x.shape(), dimension](const Tensor& dy, GradSlots) -> Grads { return {repeat(dy, shape, dimension)}; });
}

Variable mean(const Variable& x, int dimension, bool keep) {
  return record("mean", ops::mean(x.value(), dimension, keep), {x},
                [shape = x.shape(), dimension, count = x.size(dimension)](const Tensor& dy, GradSlots) -> Grads {
                  return {repeat(ops::mul(dy, count > 0 ? 1.0 / static_cast<double>(count) : 0.0), shape, dimension)};
                });
}

Variable max(const Variable& x, int dimension, bool keep) {
  const ops::Maximum maximum = ops::max(x.value(), dimension, keep);
  return record("max", maximum.value, {x},
                [index = maximum.index, shape = x.shape(), dimension](const Tensor& dy, GradSlots) -> Grads {
                  return {ops::max_backward(dy, index, shape, dimension)};
                });
}

}  // namespace tessera
