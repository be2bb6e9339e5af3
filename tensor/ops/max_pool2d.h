// The largest element of each window; padding counts as -∞.
//
//   y[n, c, i, j] = max x[n, c, i s - p + ky d, j s - p + kx d] over the places (ky, kx) that lie in the plane
//
// and dx[n, c, y, x] is the sum of dy over the windows whose largest element this is: of equal ones the first in row
// order, as torch has it. A NaN is larger than everything. Backward looks for the largest again: x is kept by what made
// it, and an index of 8 bytes for each output is not kept.
//
// x [n, channels, height, width], y [n, channels, output height, output width], sizes as of window_count (window2d.h).
// f32, f64, bf16. Windows begin in the plane or in front of it, and padding is at most half of what a window covers, so
// that none lies in padding alone; else an error. Errors name the shapes.
#pragma once

#include "tensor/ops/window2d.h"
#include "tensor/tensor.h"

namespace tessera::ops {

Tensor max_pool2d(const Tensor& x, const Pool2dSettings& settings);
// dx of dy.
Tensor max_pool2d_backward(const Tensor& dy, const Tensor& x, const Pool2dSettings& settings);

}  // namespace tessera::ops
