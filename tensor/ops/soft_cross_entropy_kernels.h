// The kernels of tensor/ops/soft_cross_entropy.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::cuda {

// logits, targets, dx [rows, classes], log_sum_exp, mass, losses (workspace) [rows]; loss [1] = Σ losses · factor.
template <class T>
void soft_cross_entropy(const T* logits, const float* targets, double* log_sum_exp, double* mass, double* losses,
                        float* loss, int64_t rows, int64_t classes, double factor, bool divergence);
// dloss [1]. dx may be logits.
template <class T>
void soft_cross_entropy_backward(const float* dloss, double factor, const T* logits, const float* targets,
                                 const double* log_sum_exp, const double* mass, T* dx, int64_t rows, int64_t classes);

}  // namespace tessera::cuda
