// The symmetric contrastive loss (Radford et al., CLIP, 2021): each picture has to find its text among all, and each
// text its picture.
//
// For similarities S [n, n], pairs on the diagonal, and logits L = s S, s = e^log_scale:
//
//   loss = 1/(2n) Σ_i (log Σ_j exp L_ij - L_ii) + 1/(2n) Σ_j (log Σ_i exp L_ij - L_jj)
//
// Gradient, with p_ij = exp L_ij / Σ_k exp L_ik and q_ij = exp L_ij / Σ_k exp L_kj:
//
//   dL_ij = (p_ij + q_ij - 2 [i = j]) / (2n),   dS = s dL,   dlog_scale = Σ_ij dL_ij L_ij;   all times dloss.
//
// Everything is f64 between S and the results, which are rounded once: dlog_scale is a sum of n² terms that cancel (all
// of it where features are equal), and roundings of equal probabilities would add up, all with one sign. Logarithms of
// sums are kept relative to the line's largest similarity, so that of one pair nothing is left but zeros: a batch of
// one has nothing to be told apart from, and trains nothing.
//
// S and log_scale (one number, any shape) f32 or f64, on a GPU f32. n = 0: the loss is 0.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

struct Contrastive {
  Tensor loss;   // scalar
  Tensor lines;  // f64 [2, n, 2]: of rows and of columns the largest similarity m, and log Σ exp(s (S - m))
};
Contrastive contrastive(const Tensor& similarity, const Tensor& log_scale);

struct ContrastiveGradients {
  Tensor d_similarity, d_log_scale;
};
ContrastiveGradients contrastive_backward(const Tensor& dloss, const Tensor& similarity, const Tensor& log_scale,
                                          const Tensor& lines);

}  // namespace tessera::ops
