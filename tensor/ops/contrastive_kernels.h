// The kernels of tensor/ops/contrastive.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// similarity [n, n], log_scale [1], lines [2, n, 2], loss [1]. workspace [sum_workspace(n)]
// (tensor/cuda/sum_workspace.h).
void contrastive(const float* similarity, const float* log_scale, int64_t n, double* lines, double* workspace,
                 float* loss);
// dloss, d_log_scale [1], d_similarity [n, n]. workspace [sum_workspace(n · n)].
void contrastive_backward(const float* dloss, const float* similarity, const float* log_scale, int64_t n,
                          const double* lines, float* d_similarity, float* d_log_scale, double* workspace);

}  // namespace tessera::cuda
