// A row of several tables laid one after another. Include from .cu files.
#pragma once

#include "tensor/cuda/kernels.h"
#include "tensor/cuda/warp.h"

namespace tessera::cuda {

template <class T>
__device__ __forceinline__ const T* row_of(const RowTables<T>& tables, int64_t row, int width) {
  int k = 0;
  while (row >= tables.rows[k]) row -= tables.rows[k++];
  return tables.data[k] + row * width;
}

}  // namespace tessera::cuda
