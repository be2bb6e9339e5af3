// The kernels of tensor/ops/softmax.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::cuda {

// x, y [rows, n].
template <class T>
void softmax(const T* x, T* y, int64_t rows, int64_t n);
// Where the mask of each row of x lies: the dimensions of x outside the row, and the distances of elements of the mask
// along them; `step` between neighbours in a row. 0 where it is broadcast.
struct MaskLayout {
  static constexpr int kMost = 8;
  int dims = 0;
  int64_t sizes[kMost] = {}, strides[kMost] = {}, step = 0;
};
template <class T>
void masked_softmax(const T* x, const int64_t* mask, const MaskLayout& layout, T* y, int64_t rows, int64_t n);
template <class T>
void softmax_backward(const T* dy, const T* y, T* dx, int64_t rows, int64_t n);

}  // namespace tessera::cuda
