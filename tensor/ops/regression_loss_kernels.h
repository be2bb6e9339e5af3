// The kernels of tensor/ops/regression_loss.h.
#pragma once

#include <cstdint>

#include "tensor/ops/regression_loss.h"

namespace tessera::cuda {

// x, targets, dx [count]; loss [1] = their sum · factor. workspace [sum_workspace(count)]
// (tensor/cuda/sum_workspace.h). dx may be x.
template <class T>
void regression_loss(ops::RegressionLoss loss, const T* x, const float* targets, float beta, double factor, float* out,
                     double* workspace, int64_t count);
// dloss [1].
template <class T>
void regression_loss_backward(ops::RegressionLoss loss, const float* dloss, double factor, const T* x,
                              const float* targets, float beta, T* dx, int64_t count);

}  // namespace tessera::cuda
