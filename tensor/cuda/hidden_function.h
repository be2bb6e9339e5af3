// The functions between the layers of ops::mlp on the GPU, each with its derivative. Include from .cu files.
#pragma once

#include "tensor/cuda/normal_cdf.h"
#include "tensor/cuda/scalar_math.h"
#include "tensor/ops/activation_function.h"

namespace tessera::cuda {

// What of(x) finds at once; the derivative only where it is asked for.
template <Activation activation>
struct HiddenFunction;

template <>
struct HiddenFunction<Activation::gelu> {
  float value, x, cdf;

  __device__ static HiddenFunction of(float x) {
    const float cdf = normal_cdf(x);
    return {x * cdf, x, cdf};
  }
  __device__ float derivative() const { return gelu_derivative(x, cdf); }
};

template <>
struct HiddenFunction<Activation::quick_gelu> {
  float value, scaled, sigmoid;

  __device__ static HiddenFunction of(float x) {
    const float scaled = 1.702f * x, sigmoid = logistic(scaled);
    return {x * sigmoid, scaled, sigmoid};
  }
  __device__ float derivative() const { return sigmoid * (1.0f + scaled * (1.0f - sigmoid)); }
};

template <>
struct HiddenFunction<Activation::relu> {
  float value;

  __device__ static HiddenFunction of(float x) { return {x < 0.0f ? 0.0f : x}; }
  __device__ float derivative() const { return value > 0.0f ? 1.0f : 0.0f; }
};

}  // namespace tessera::cuda
