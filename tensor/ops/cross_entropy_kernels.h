// The kernels of tensor/ops/cross_entropy.h. A factor that the host does not know, such as the gradient of a loss, is
// read where it lies: on the device.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// logits [rows, classes], labels [rows], each below `classes` or ignore_index; log_sum_exp [rows] (not written in rows
// that do not count), losses [rows] (workspace), loss [1] = their sum / divisor.
template <class T>
void cross_entropy(const T* logits, const int64_t* labels, double* log_sum_exp, double* losses, float* loss,
                   int64_t rows, int64_t classes, double divisor, int64_t ignore_index);
// dloss [1]. dx may be logits.
template <class T>
void cross_entropy_backward(const float* dloss, double divisor, const T* logits, const int64_t* labels,
                            const double* log_sum_exp, T* dx, int64_t rows, int64_t classes, int64_t ignore_index);

}  // namespace tessera::cuda
