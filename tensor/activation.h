// Element types of activations: f32, bf16, and f64 for checks. A kernel computes in f32 on bf16 data and rounds once,
// when it stores.
#pragma once

#include "tensor/dtype.h"

namespace tessera {

namespace detail {
template <class T>
struct ArithmeticOf {
  using type = T;
};
template <>
struct ArithmeticOf<bf16> {
  using type = float;
};
}  // namespace detail

// The type in which a kernel computes on elements of type T; that of the f32 parameters beside bf16 activations, too.
template <class T>
using Arithmetic = typename detail::ArithmeticOf<T>::type;

constexpr DType arithmetic_dtype(DType dtype) { return dtype == DType::bf16 ? DType::f32 : dtype; }

// Calls f(T{}) with T = float, double or bf16; anything else is an error that names the op.
template <class F>
decltype(auto) dispatch_activation(const char* op, DType dtype, F&& f) {
  if (dtype == DType::bf16) return f(bf16{});
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::f64) return f(double{});
  fail(op, ": dtype is ", dtype, ", expected f32, f64 or bf16");
}

// to[i] = from[i] for i < n, converted.
template <class From, class To>
inline void convert_row(const From* from, To* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(from[i]);
}

}  // namespace tessera
