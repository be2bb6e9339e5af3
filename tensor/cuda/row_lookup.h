// A row of several tables laid one after another. Include from .cu files.
#pragma once

#include "tensor/cuda/row_tables.h"
#include "tensor/cuda/warp.h"

namespace tessera::cuda {

template <class T>
__device__ __forceinline__ const T* row_of(const RowTables<T>& tables, int64_t row, int width) {
  // Unrolled: a parameter that is indexed by a variable would be copied to local memory.
  const T* data = tables.data[0];
  int64_t end = tables.rows[0], begin = 0;
#ifdef __CUDACC__
#pragma unroll
#endif
  for (int k = 1; k < RowTables<T>::kMost; ++k) {
    if (row >= end) {
      data = tables.data[k];
      begin = end;
    }
    end += tables.rows[k];
  }
  return data + (row - begin) * width;
}

}  // namespace tessera::cuda
