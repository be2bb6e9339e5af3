// The kernels of tensor/ops/gather_rows.h; those of its gradients are in scatter_rows_kernels.h.
#pragma once

#include <cstdint>

#include "tensor/cuda/row_tables.h"

namespace tessera::cuda {

// out [entries, width] = the tables' rows index[0 .. entries).
template <class T>
void gather_rows(const RowTables<T>& tables, const int64_t* index, T* out, int64_t entries, int64_t width);
// index, weight [entries, taps].
void interpolate_rows(const float* table, const int64_t* index, const float* weight, float* out, int64_t entries,
                      int64_t taps, int64_t width);

}  // namespace tessera::cuda
