// The kernels of tensor/ops/bce_with_logits.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// logits, targets [count], loss [1] = their sum · factor. Targets are not checked. dx may be logits.
// workspace [sum_workspace(count)] (tensor/cuda/sum_workspace.h).
template <class T>
void bce_with_logits(const T* logits, const float* targets, float* loss, double* workspace, int64_t count,
                     double factor);
template <class T>
void bce_with_logits_backward(const float* dloss, double factor, const T* logits, const float* targets, T* dx,
                              int64_t count);

}  // namespace tessera::cuda
