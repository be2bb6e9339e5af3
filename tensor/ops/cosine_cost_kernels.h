// The kernels of tensor/ops/cosine_cost.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// Ragged pairs of row sets, one pair for each sample: marks cu_x and cu_y, and where the matrix of each pair begins in
// a flat array of them all, offsets; [samples + 1] on the device. The largest sizes of one sample are the host's.
struct RaggedPairs {
  const int64_t *cu_x, *cu_y, *offsets;
  int64_t samples, most_x, most_y;
};
// x [rows of x, width], y [rows of y, width], scales [rows], cost flat. workspace: f64 [rows of x and of y].
void cosine_cost(const float* x, const float* y, const RaggedPairs& pairs, int64_t rows_x, int64_t rows_y,
                 int64_t width, double eps, float* x_scale, float* y_scale, float* cost, double* workspace);
void cosine_cost_backward(const float* dcost, const float* x, const float* y, const float* x_scale,
                          const float* y_scale, const RaggedPairs& pairs, int64_t width, double eps, float* dx,
                          float* dy);

}  // namespace tessera::cuda
