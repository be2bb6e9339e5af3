#include "autograd/functions.h"
#include "autograd/tape.h"
#include "tensor/ops/concatenate.h"

namespace tessera {

Variable reshape(const Variable& x, const Shape& shape) {
  return record("reshape", x.value().reshape(shape), {x},
                [from = x.shape()](const Tensor& dy, GradSlots) -> Grads { return {dy.reshape(from)}; });
}

Variable permute(const Variable& x, std::initializer_list<int> order) {
  Tensor y = x.value().permute(order);
  std::vector<int> inverse(order.size());
  int to = 0;
  for (const int from : order) inverse[static_cast<size_t>(from < 0 ? from + x.value().dim() : from)] = to++;
  return record("permute", std::move(y), {x},
                [inverse](const Tensor& dy, GradSlots) -> Grads { return {dy.permute(inverse)}; });
}

Variable transpose(const Variable& x, int a, int b) {
  return record("transpose", x.value().transpose(a, b), {x},
                [a, b](const Tensor& dy, GradSlots) -> Grads { return {dy.transpose(a, b)}; });
}

Variable narrow(const Variable& x, int dimension, int64_t start, int64_t length) {
  return record("narrow", x.value().narrow(dimension, start, length), {x},
                [from = x.shape(), dimension, start, length](const Tensor& dy, GradSlots) -> Grads {
                  const Tensor dx = Tensor::zeros(from, dy.dtype(), dy.device());
                  dx.narrow(dimension, start, length).copy_(dy);
                  return {dx};
                });
}

// The engine sums the gradient to the input's shape, as for every broadcast.
Variable expand(const Variable& x, const Shape& shape) {
  return record("expand", x.value().expand(shape), {x}, [](const Tensor& dy, GradSlots) -> Grads { return {dy}; });
}

Variable contiguous(const Variable& x) {
  return record("contiguous", x.value().contiguous(), {x}, [](const Tensor& dy, GradSlots) -> Grads { return {dy}; });
}

Variable concatenate(const std::vector<Variable>& parts, int dimension) {
  std::vector<Tensor> values;
  for (const Variable& part : parts) values.push_back(part.value());
  Tensor y = ops::concatenate(values, dimension);
  std::vector<int64_t> sizes;
  for (const Tensor& value : values) sizes.push_back(value.size(dimension));
  return record("concatenate", std::move(y), parts, [sizes, dimension](const Tensor& dy, GradSlots) -> Grads {
    Grads grads;
    int64_t start = 0;
    for (const int64_t size : sizes) {
      grads.push_back(dy.narrow(dimension, start, size));
      start += size;
    }
    return grads;
  });
}

}  // namespace tessera
