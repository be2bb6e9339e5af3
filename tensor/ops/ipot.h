// Optimal transport plans by IPOT, the inexact proximal point method (Xie, Wang, Wang, Zha: "A fast proximal point
// method for computing exact Wasserstein distance", UAI 2019, algorithm 1 with one inner step), as word-patch alignment
// in UNITER and ViLT uses it.
//
// For a cost C [m, n] with row marginals p and column marginals q (each sums to 1; uniform unless given):
//
//   A = exp(-C / beta),  T = 1,  sigma = 1/m;  repeated:
//     Q = A ∘ T
//     delta_j = q_j / Σ_i Q_ij sigma_i
//     sigma_i = p_i / Σ_j Q_ij delta_j
//     T_ij = sigma_i Q_ij delta_j
//
// Row sums are those wanted after every iteration, column sums in the limit. A factor on A cancels (delta takes it), so
// the kernel uses exp((min C - C) / beta), whose largest element is 1.
//
// f32 plans are computed in f32, like the reference, with results below the smallest normal number taken as 0; where
// beta is so small that f32 has no room for A (costs that span more than 40 beta), in f64. Where f64 has none (more
// than 650 beta), that is an error; on a GPU (f32 alone, marks and marginals on the host) such a plan is NaN, and the
// error is thrown by cuda::check_deferred_errors().
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

// cost flat [Σ_s m_s n_s], f32 or f64: the [m_s, n_s] matrices one after another, where m_s and n_s are the distances
// of the marks cu_rows and cu_columns (i64 [samples + 1]). Returns the plans, laid out as the cost. A sample with m_s =
// 0 or n_s = 0 has an empty plan. row_marginals [Σ m_s] and column_marginals [Σ n_s], of the cost's dtype, may be
// undefined: uniform.
Tensor ipot(const Tensor& cost, const Tensor& cu_rows, const Tensor& cu_columns, double beta, int64_t iterations,
            const Tensor& row_marginals = {}, const Tensor& column_marginals = {});

}  // namespace tessera::ops
