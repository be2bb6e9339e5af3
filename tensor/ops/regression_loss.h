// Losses of a difference d = x - t, summed over elements.
//
//   squared      d²                                      (mean squared error)
//   absolute     |d|                                     (L1)
//   smooth_l1    d² / (2 beta) where |d| < beta, else |d| - beta / 2
//                (Girshick, Fast R-CNN, 2015; its sigma is beta^(-1/2); torch's and torchvision's `beta`)
//
// Gradients: 2 d; the sign of d (0 at 0); and d / beta held to [-1, 1]. Targets have no gradient.
//
// f32, f64, and bf16 with f32 targets and loss; each term is found in that type, and terms are summed in f64. Targets
// may lie on the host or beside x.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

enum class RegressionLoss : uint8_t { squared, absolute, smooth_l1 };

struct RegressionOptions {
  RegressionLoss loss = RegressionLoss::squared;
  double beta = 1;      // of smooth_l1; above 0
  double factor = 1;    // of the sum
  const char* op = "";  // for messages
};

// Scalar: the sum over all elements times `factor`. targets of the shape of x.
Tensor regression_loss(const Tensor& x, const Tensor& targets, const RegressionOptions& options);
// dloss [] · factor · the derivative.
Tensor regression_loss_backward(const Tensor& dloss, const Tensor& x, const Tensor& targets,
                                const RegressionOptions& options);

}  // namespace tessera::ops
