// Cross-entropy of class logits with target distributions, and the Kullback-Leibler divergence, which differs from it
// by a constant.
//
// For logits x [n, classes], targets t of that shape (at least 0; rows usually sum to 1) and
// log_sum_exp_i = log Σ_c exp x_ic:
//
//   cross-entropy   H_i  = -Σ_c t_ic log softmax(x)_ic = (Σ_c t_ic) log_sum_exp_i - Σ_c t_ic x_ic
//   divergence      KL_i = H_i + Σ_c t_ic log t_ic                                       (0 log 0 = 0)
//
// Both have the gradient dx_ic = dloss · factor · ((Σ_k t_ik) softmax(x)_ic - t_ic): a row of zeros neither costs nor
// gives any. Targets are constants.
//
// Classes with t = 0 take no part in Σ t x, so that a logit of -∞ there costs nothing. All sums and the loss are f64,
// rounded once: H is a difference of near-equal numbers where the model is right. log_sum_exp is kept in f64, as in
// tensor/ops/cross_entropy.h.
//
// f32, f64, and bf16 logits with f32 targets and loss. Targets may lie on the host or beside the logits.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

struct SoftCrossEntropy {
  Tensor loss;         // scalar: Σ_i, times the factor
  Tensor log_sum_exp;  // f64 [n]
  Tensor mass;         // f64 [n]: Σ_c t_ic
};

// `divergence`: KL instead of H. `op` is named in errors. A target below 0 or NaN is an error on the CPU.
SoftCrossEntropy soft_cross_entropy(const char* op, const Tensor& logits, const Tensor& targets, double factor,
                                    bool divergence);

// dloss []; forward.loss is not read.
Tensor soft_cross_entropy_backward(const Tensor& dloss, double factor, const Tensor& logits, const Tensor& targets,
                                   const SoftCrossEntropy& forward);

}  // namespace tessera::ops
