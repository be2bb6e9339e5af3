// The kernels of tensor/ops/gru.h: what a step does beside its product.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// gates [rows, 3 hidden]: g, overwritten by r, z, n; products [rows, 3 hidden]; hidden, before, after [rows, hidden].
void gru_cell(float* gates, const float* products, float* hidden, const float* before, float* after, int64_t rows,
              int64_t h);
// carry [rows, hidden] is read and overwritten; product [carried, hidden], carried <= rows, null if that is 0.
void gru_cell_backward(const float* d_after, float* carry, const float* product, int64_t carried, const float* gates,
                       const float* hidden, const float* before, float* d_gates, float* d_products, int64_t rows,
                       int64_t h);

}  // namespace tessera::cuda
