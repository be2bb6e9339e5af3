// The kernels of tensor/ops/roi_pool.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::cuda {

struct RoiPoolSizes {
  int64_t rois, channels, height, width, bins_y, bins_x;
};

// features [images, channels, height, width], image [rois], cells_y [rois, bins_y, 2], cells_x [rois, bins_x, 2]: the
// first cell of each bin and the one behind its last; y, largest [rois, channels, bins_y, bins_x].
template <class T>
void roi_pool(const T* features, const int64_t* image, const int64_t* cells_y, const int64_t* cells_x,
              const RoiPoolSizes& sizes, T* y, int64_t* largest);
// dy, largest [rois, channels, bins], order [rois], image_begins [images + 1], gradient [images, channels, cells].
template <class T>
void roi_pool_backward(const T* dy, const int64_t* largest, const int64_t* order, const int64_t* image_begins,
                       int64_t images, int64_t channels, int64_t cells, int64_t bins, T* gradient);

}  // namespace tessera::cuda
