// The kernels of tensor/ops/roi_align.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::cuda {

// ops::RoiAxis.
struct RoiRuns {
  const int64_t *first, *begin;
  const float* weight;
  int64_t bins;
};

// ops::RoiAlignGrid: tables, then sizes.
struct RoiGrid {
  const int64_t *image, *order, *image_begins;
  RoiRuns y, x;
  int64_t rois, images, channels, height, width;
};

// features, gradient [images, channels, height, width], out, dout [rois, channels, y.bins, x.bins].
template <class T>
void roi_align(const T* features, const RoiGrid& grid, T* out);
template <class T>
void roi_align_backward(const T* dout, const RoiGrid& grid, T* gradient);

}  // namespace tessera::cuda
