#include "tensor/ops/elementwise.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {
namespace {

// A unary op whose backward reads one saved tensor.
template <class Derivative>
Variable unary(const char* op, const Tensor& y, const Variable& x, const Tensor& saved, Derivative derivative) {
  return record(op, y, {x},
                [saved, derivative](const Tensor& dy, GradSlots) -> Grads { return {derivative(dy, saved)}; });
}

}  // namespace

Variable add(const Variable& a, const Variable& b) {
  return record("add", ops::add(a.value(), b.value()), {a, b}, [](const Tensor& dy, GradSlots) -> Grads {
    return {dy, dy};
  });
}

Variable sub(const Variable& a, const Variable& b) {
  return record("sub", ops::sub(a.value(), b.value()), {a, b}, [](const Tensor& dy, GradSlots slots) -> Grads {
    return {dy, slots[1].needed ? ops::mul(dy, -1) : Tensor{}};
  });
}

Variable mul(const Variable& a, const Variable& b) {
  return record("mul", ops::mul(a.value(), b.value()), {a, b},
                [a = a.value(), b = b.value()](const Tensor& dy, GradSlots slots) -> Grads {
                  return {slots[0].needed ? ops::mul(dy, b) : Tensor{}, slots[1].needed ? ops::mul(dy, a) : Tensor{}};
                });
}

// y = a / b: da = dy / b, db = -dy a / b² = -da y.
Variable div(const Variable& a, const Variable& b) {
  const Tensor y = ops::div(a.value(), b.value());
  return record("div", y, {a, b}, [y, b = b.value()](const Tensor& dy, GradSlots slots) -> Grads {
    const Tensor da = ops::div(dy, b);
    return {da, slots[1].needed ? ops::negated_product(da, y) : Tensor{}};
  });
}

Variable add(const Variable& a, double b) {
  return record("add", ops::add(a.value(), b), {a}, [](const Tensor& dy, GradSlots) -> Grads { return {dy}; });
}

Variable mul(const Variable& a, double b) {
  return record("mul", ops::mul(a.value(), b), {a},
                [b](const Tensor& dy, GradSlots) -> Grads { return {ops::mul(dy, b)}; });
}

Variable exp(const Variable& x) {
  const Tensor y = ops::exp(x.value());
  return unary("exp", y, x, y, [](const Tensor& dy, const Tensor& v) { return ops::mul(dy, v); });
}

Variable log(const Variable& x) {
  return unary("log", ops::log(x.value()), x, x.value(),
               [](const Tensor& dy, const Tensor& v) { return ops::div(dy, v); });
}

Variable sqrt(const Variable& x) {
  const Tensor y = ops::sqrt(x.value());
  return unary("sqrt", y, x, y, ops::sqrt_backward);
}

Variable square(const Variable& x) {
  return unary("square", ops::square(x.value()), x, x.value(), ops::square_backward);
}

Variable tanh(const Variable& x) {
  const Tensor y = ops::tanh(x.value());
  return unary("tanh", y, x, y, ops::tanh_backward);
}

Variable sigmoid(const Variable& x) {
  const Tensor y = ops::sigmoid(x.value());
  return unary("sigmoid", y, x, y, ops::sigmoid_backward);
}

Variable relu(const Variable& x) {
  const Tensor y = ops::relu(x.value());
  return unary("relu", y, x, y, ops::relu_backward);
}

Variable gelu(const Variable& x) { return unary("gelu", ops::gelu(x.value()), x, x.value(), ops::gelu_backward); }

Variable quick_gelu(const Variable& x) {
  return unary("quick_gelu", ops::quick_gelu(x.value()), x, x.value(), ops::quick_gelu_backward);
}

Variable cast(const Variable& x, DType dtype) {
  check(is_floating(x.dtype()) && is_floating(dtype), "cast: from ", x.dtype(), " to ", dtype,
        ", expected two floating-point types");
  return record("cast", x.value().to(dtype), {x},
                [from = x.dtype()](const Tensor& dy, GradSlots) -> Grads { return {dy.to(from)}; });
}

}  // namespace tessera
