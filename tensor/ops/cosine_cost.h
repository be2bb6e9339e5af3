// The cost of moving words onto patches: C_ij = 1 - cos(x_i, y_j), for ragged pairs of row sets.
//
// With r_i = 1 / max(|x_i|, eps) and x̂_i = r_i x_i (likewise y): C_ij = 1 - x̂_i · ŷ_j. r is saved for backward.
// For the cotangent G of C:
//
//   dx̂_i = -Σ_j G_ij ŷ_j,   dx_i = r_i (dx̂_i - (x̂_i · dx̂_i) x̂_i) if |x_i| > eps, else r_i dx̂_i  (r is constant there),
//
// and dy likewise with Gᵀ. On a GPU f32 alone (distances f64 as well), with the marks on the host.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

struct CosineCostResult {
  Tensor cost;              // flat [Σ_s m_s n_s]: the [m_s, n_s] matrices one after another
  Tensor x_scale, y_scale;  // r of every row of x and of y
};

// Sample s has rows cu_x[s] .. cu_x[s+1] of x [rows, d] and cu_y[s] .. cu_y[s+1] of y [rows, d]. f32 or f64; eps > 0.
CosineCostResult cosine_cost(const Tensor& x, const Tensor& y, const Tensor& cu_x, const Tensor& cu_y, double eps);

struct CosineCostGradients {
  Tensor dx, dy;
};
CosineCostGradients cosine_cost_backward(const Tensor& dcost, const Tensor& x, const Tensor& y,
                                         const CosineCostResult& forward, const Tensor& cu_x, const Tensor& cu_y,
                                         double eps);

}  // namespace tessera::ops
