// Functions of one number on the GPU, in f32 and f64: CUDA's own, good to 2 ulp, under one name for both. Include from
// .cu files.
#pragma once

#include "tensor/cuda/simt.h"

namespace tessera::cuda {

__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return ::exp(x); }
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ double logarithm(double x) { return ::log(x); }
__device__ __forceinline__ float square_root(float x) { return sqrtf(x); }
__device__ __forceinline__ double square_root(double x) { return ::sqrt(x); }
__device__ __forceinline__ float hyperbolic_tangent(float x) { return tanhf(x); }
__device__ __forceinline__ double hyperbolic_tangent(double x) { return ::tanh(x); }

// 1 / (1 + e^-x); where e^-x overflows the quotient is 0.
template <class A>
__device__ __forceinline__ A logistic(A x) {
  return A{1} / (A{1} + exponential(-x));
}

// Φ(-a) = erfc(a / √2) / 2.
__device__ __forceinline__ float upper_tail(float a) { return 0.5f * erfcf(0.707106781f * a); }
__device__ __forceinline__ double upper_tail(double a) { return 0.5 * ::erfc(0.70710678118654752440 * a); }
__device__ __forceinline__ float normal_density(float x) { return 0.398942280f * expf(-0.5f * x * x); }
__device__ __forceinline__ double normal_density(double x) { return 0.39894228040143267794 * ::exp(-0.5 * x * x); }

// |x|, at most 40, where Φ(-x) and φ(x) have fallen to 0 in f64 too: infinities give the limits. NaN stays NaN.
template <class A>
__device__ __forceinline__ A bounded_magnitude(A x) {
  const A a = x < 0 ? -x : x;
  return a > A{40} ? A{40} : a;
}

// x Φ(x) = max(x, 0) - |x| Φ(-|x|).
template <class A>
__device__ __forceinline__ A exact_gelu(A x) {
  const A a = bounded_magnitude(x);
  return (x > 0 ? x : A{0}) - a * upper_tail(a);
}

// Φ(x) + x φ(x).
template <class A>
__device__ __forceinline__ A exact_gelu_derivative(A x) {
  const A a = bounded_magnitude(x), tail = upper_tail(a), slope = a * normal_density(a);
  return x > 0 ? (A{1} - tail) + slope : tail - slope;
}

// x σ(1.702 x), and its derivative.
template <class A>
__device__ __forceinline__ A sigmoid_gelu(A x) {
  return x * logistic(A(1.702) * x);
}
template <class A>
__device__ __forceinline__ A sigmoid_gelu_derivative(A x) {
  const A scaled = A(1.702) * x, s = logistic(scaled);
  return s * (1 + scaled * (1 - s));
}

}  // namespace tessera::cuda
