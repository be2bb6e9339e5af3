// Φ and its derivative, which GELU is made of. Include from .cu files.
#pragma once

#include "tensor/cuda/simt.h"

namespace tessera::cuda {

__device__ __forceinline__ float normal_cdf(float x) {
  constexpr float kSqrtHalf = 0.707106781f;
  return 0.5f * erfcf(-kSqrtHalf * x);
}

// The derivative of x Φ(x), Φ(x) + x φ(x), where Φ(x) is known.
__device__ __forceinline__ float gelu_derivative(float x, float cdf) {
  constexpr float kInverseSqrt2Pi = 0.398942280f;
  return cdf + x * kInverseSqrt2Pi * expf(-0.5f * x * x);
}

}  // namespace tessera::cuda
