// The kernels of tensor/ops/elementwise.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/ops/activation_function.h"
#include "tensor/philox.h"
#include "tensor/shape.h"

namespace tessera::cuda {

// Elementwise, [count]; results may overwrite inputs. With p = 0 nothing is dropped.
template <class T>
void add(const T* a, const T* b, T* y, int64_t count);
// dropout(f(x)).
template <class T>
void activation_dropout(Activation f, const T* x, T* y, int64_t count, double p, const Ticket& ticket);
// The gradient of dropout(gelu(x)).
template <class T>
void gelu_dropout_backward(const T* dy, const T* x, T* dx, int64_t count, double p, const Ticket& ticket);

// ---- arrays with strides ----
// Where strides are given (in elements, 0 where an array repeats) a pointer is that of the first element; other arrays
// are row-major. T is float, bf16 (computed in f32 and rounded once) or double.

// y = f(x) (tensor/ops/elementwise_unary.cu). `scalar` is that of add_scalar and multiply_scalar.
enum class Unary : uint8_t {
  add_scalar,
  multiply_scalar,
  exp,
  log,
  sqrt,
  square,
  tanh,
  sigmoid,
  relu,
  gelu,
  quick_gelu
};
template <class T>
void unary(Unary f, const T* x, const Shape& x_strides, T* y, const Shape& shape, double scalar = 0);

// y = f(a, b) (tensor/ops/elementwise_binary.cu); of the gradients a is dy. y may be a or b if that is row-major.
enum class Binary : uint8_t {
  add,
  subtract,
  multiply,
  divide,
  negated_product,
  sqrt_backward,
  square_backward,
  tanh_backward,
  sigmoid_backward,
  relu_backward,
  gelu_backward,
  quick_gelu_backward
};
template <class T>
void binary(Binary f, const T* a, const Shape& a_strides, const T* b, const Shape& b_strides, T* y, const Shape& shape);

}  // namespace tessera::cuda
