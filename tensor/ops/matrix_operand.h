// How a tensor's last two dimensions are handed to the BLAS: as they lie in memory, through the transpose flag, or,
// where neither fits, as a contiguous copy.
#pragma once

#include <algorithm>

#include "tensor/tensor.h"

namespace tessera::ops {

struct MatrixOperand {
  Tensor tensor;  // the operand itself, or its copy
  int64_t ld = 1;
  bool transpose = false;
};

inline MatrixOperand matrix_operand(const Tensor& x) {
  const int64_t rows = x.size(-2), columns = x.size(-1), row_stride = x.stride(-2), column_stride = x.stride(-1);
  if ((column_stride == 1 || columns <= 1) && (rows <= 1 || row_stride >= std::max<int64_t>(1, columns)))
    return {x, std::max<int64_t>({1, columns, rows > 1 ? row_stride : 1}), false};
  if ((row_stride == 1 || rows <= 1) && (columns <= 1 || column_stride >= std::max<int64_t>(1, rows)))
    return {x, std::max<int64_t>({1, rows, columns > 1 ? column_stride : 1}), true};
  return {x.contiguous(), std::max<int64_t>(1, columns), false};
}

// The number of rows of x [..., columns].
inline int64_t row_count(const Tensor& x) {
  int64_t rows = 1;
  for (int d = 0; d + 1 < x.dim(); ++d) rows *= x.size(d);
  return rows;
}

// x [..., columns] as a matrix [rows, columns] whose rows are contiguous; a copy where its memory does not lie so.
inline MatrixOperand rows_operand(const Tensor& x) {
  if (x.dim() == 2) {
    MatrixOperand operand = matrix_operand(x);
    if (!operand.transpose) return operand;
  }
  return {x.contiguous(), std::max<int64_t>(1, x.size(-1)), false};
}

}  // namespace tessera::ops
