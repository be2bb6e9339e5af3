#include "tensor/ops/elementwise.h"

#include "tensor/activation.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/broadcast.h"
#include "tensor/ops/elementwise_kernels.h"
#include "tensor/simd/vector_math.h"

namespace tessera::ops {
namespace {

using cuda::Binary, cuda::Unary;

// y = f(x) by the kernel for it.
Tensor unary_on_device(const char* op, Unary f, double scalar, const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  if constexpr (kHasCuda)
    dispatch_activation(op, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      cuda::unary(f, x.device_data<T>(), x.strides(), y.mutable_device_data<T>(), x.shape(), scalar);
    });
  return y;
}

Tensor binary_on_device(const char* op, Binary f, const Tensor& a, const Tensor& b, const Shape& shape) {
  Tensor y = Tensor::empty(shape, a.dtype(), a.device());
  if constexpr (kHasCuda)
    dispatch_activation(op, a.dtype(), [&](auto tag) {
      using T = decltype(tag);
      cuda::binary(f, a.device_data<T>(), a.expand(shape).strides(), b.device_data<T>(), b.expand(shape).strides(),
                   y.mutable_device_data<T>(), shape);
    });
  return y;
}

// Every f computes in Arithmetic<T>: the conversions below do nothing but for bf16.
template <class F>
Tensor unary(const char* op, Unary kernel, const Tensor& x, F f, double scalar = 0) {
  if (x.on_cuda()) return unary_on_device(op, kernel, scalar, x);
  const Tensor source = x.contiguous();
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  dispatch_activation(op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = source.data<T>();
    T* to = out.mutable_data<T>();
    parallel_for(x.numel(), 16384, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(f(static_cast<A>(from[i])));
    });
  });
  return out;
}

template <class T, class F>
void binary_row(const T* a, int64_t step_a, const T* b, int64_t step_b, T* y, int64_t count, F f) {
  using A = Arithmetic<T>;
  if (step_a == 1 && step_b == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(f(static_cast<A>(a[i]), static_cast<A>(b[i])));
  } else if (step_a == 1 && step_b == 0) {
    const A value = static_cast<A>(*b);
    for (int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(f(static_cast<A>(a[i]), value));
  } else {
    for (int64_t i = 0; i < count; ++i)
      y[i] = static_cast<T>(f(static_cast<A>(a[i * step_a]), static_cast<A>(b[i * step_b])));
  }
}

template <class F>
Tensor binary(const char* op, Binary kernel, const Tensor& a, const Tensor& b, F f) {
  check(a.dtype() == b.dtype(), op, ": dtypes are ", a.dtype(), " and ", b.dtype(), "; cast one of them");
  check(a.device() == b.device(), op, ": one tensor is on ", a.device(), ", the other on ", b.device());
  const Shape shape = broadcast_shapes(op, a.shape(), b.shape());
  if (a.on_cuda()) return binary_on_device(op, kernel, a, b, shape);
  Tensor out = Tensor::empty(shape, a.dtype());
  const BroadcastRows rows(shape, a, b);
  dispatch_activation(op, a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from_a = a.data<T>();
    const T* from_b = b.data<T>();
    T* to = out.mutable_data<T>();
    rows.for_each([&](int64_t y, int64_t ia, int64_t ib, int64_t count) {
      binary_row(from_a + ia, rows.step_a(), from_b + ib, rows.step_b(), to + y, count, f);
    });
  });
  return out;
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return binary("add", Binary::add, a, b, [](auto u, auto v) { return u + v; });
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return binary("sub", Binary::subtract, a, b, [](auto u, auto v) { return u - v; });
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return binary("mul", Binary::multiply, a, b, [](auto u, auto v) { return u * v; });
}
Tensor div(const Tensor& a, const Tensor& b) {
  return binary("div", Binary::divide, a, b, [](auto u, auto v) { return u / v; });
}
Tensor negated_product(const Tensor& a, const Tensor& b) {
  return binary("negated_product", Binary::negated_product, a, b, [](auto u, auto v) { return -(u * v); });
}
Tensor add(const Tensor& a, double b) {
  return unary(
      "add", Unary::add_scalar, a, [b](auto v) { return v + static_cast<decltype(v)>(b); }, b);
}
Tensor mul(const Tensor& a, double b) {
  return unary(
      "mul", Unary::multiply_scalar, a, [b](auto v) { return v * static_cast<decltype(v)>(b); }, b);
}

Tensor exp(const Tensor& x) {
  return unary("exp", Unary::exp, x, [](auto v) { return vmath::exp(v); });
}
Tensor log(const Tensor& x) {
  return unary("log", Unary::log, x, [](auto v) { return vmath::log(v); });
}
Tensor sqrt(const Tensor& x) {
  return unary("sqrt", Unary::sqrt, x, [](auto v) { return std::sqrt(v); });
}
Tensor square(const Tensor& x) {
  return unary("square", Unary::square, x, [](auto v) { return v * v; });
}
Tensor tanh(const Tensor& x) {
  return unary("tanh", Unary::tanh, x, [](auto v) { return vmath::tanh(v); });
}
Tensor sigmoid(const Tensor& x) {
  return unary("sigmoid", Unary::sigmoid, x, [](auto v) { return vmath::sigmoid(v); });
}
Tensor relu(const Tensor& x) {
  return unary("relu", Unary::relu, x, [](auto v) { return v < 0 ? decltype(v){0} : v; });
}
Tensor gelu(const Tensor& x) {
  return unary("gelu", Unary::gelu, x, [](auto v) { return vmath::gelu(v); });
}
Tensor quick_gelu(const Tensor& x) {
  return unary("quick_gelu", Unary::quick_gelu, x,
               [](auto v) { return v * vmath::sigmoid(static_cast<decltype(v)>(1.702) * v); });
}

Tensor sqrt_backward(const Tensor& dy, const Tensor& y) {
  return binary("sqrt_backward", Binary::sqrt_backward, dy, y, [](auto d, auto v) { return d / (v + v); });
}
Tensor square_backward(const Tensor& dy, const Tensor& x) {
  return binary("square_backward", Binary::square_backward, dy, x, [](auto d, auto v) { return d * (v + v); });
}
Tensor tanh_backward(const Tensor& dy, const Tensor& y) {
  return binary("tanh_backward", Binary::tanh_backward, dy, y, [](auto d, auto v) { return d * (1 - v * v); });
}
Tensor sigmoid_backward(const Tensor& dy, const Tensor& y) {
  return binary("sigmoid_backward", Binary::sigmoid_backward, dy, y, [](auto d, auto v) { return d * (v * (1 - v)); });
}
Tensor relu_backward(const Tensor& dy, const Tensor& y) {
  return binary("relu_backward", Binary::relu_backward, dy, y,
                [](auto d, auto v) { return v > 0 ? d : decltype(d){0}; });
}
Tensor gelu_backward(const Tensor& dy, const Tensor& x) {
  return binary("gelu_backward", Binary::gelu_backward, dy, x,
                [](auto d, auto v) { return d * vmath::gelu_derivative(v); });
}
Tensor quick_gelu_backward(const Tensor& dy, const Tensor& x) {
  return binary("quick_gelu_backward", Binary::quick_gelu_backward, dy, x, [](auto d, auto v) {
    const auto scaled = static_cast<decltype(v)>(1.702) * v, s = vmath::sigmoid(scaled);
    return d * (s * (1 + scaled * (1 - s)));
  });
}

}  // namespace tessera::ops
