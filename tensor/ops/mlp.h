// The feed-forward branch of a transformer block in one op: y = dropout(f(a)) W₂ᵀ + b₂, a = x W₁ᵀ + b₁, where f is
// GELU, QuickGELU or ReLU.
//
//   x [..., d], first.weight W₁ [hidden, d], second.weight W₂ [out, hidden], y [..., out]
//
// Of the hidden layer only `before` = a is kept. Backward computes f(a) again, in the pass that needs its
// derivative, and the mask from the ticket. With h = dropout(f(a)) and m the mask (0 or 1/(1-p)):
//
//   da = (dy W₂) m f'(a),  dW₂ = dyᵀ h,  db₂ = Σ dy,  dW₁ = daᵀ x,  db₁ = Σ da,  dx = da W₁.
//
// Element i of a (row-major) is kept iff word i of the ticket is at least p · 2^32; 0 <= p < 1. f32, f64, and bf16 with
// f32 parameters, as ops::linear; then h and da are bf16 too. Its specification is the composition of ops::linear, f,
// ops::dropout and ops::linear. Errors name the shapes.
#pragma once

#include "tensor/ops/activation_function.h"
#include "tensor/ops/parameter_gradients.h"
#include "tensor/philox.h"
#include "tensor/tensor.h"

namespace tessera::ops {

struct LinearParameters {
  Tensor weight, bias;  // a bias may be undefined
};

struct Mlp {
  Tensor y, before;
};
// Without `keep`, for passes that nothing will be differentiated in, `before` stays undefined.
Mlp mlp(const Tensor& x, const LinearParameters& first, const LinearParameters& second, double p, const Ticket& ticket,
        bool keep = true, Activation activation = Activation::gelu);

// Returns dx (undefined unless `needs_dx`). The gradients of the parameters go to their places.
Tensor mlp_backward(const Tensor& dy, const Tensor& x, const Tensor& before, const Tensor& first_weight,
                    const Tensor& second_weight, double p, const Ticket& ticket, ParameterGradients first,
                    ParameterGradients second, bool needs_dx = true, Activation activation = Activation::gelu);

}  // namespace tessera::ops
