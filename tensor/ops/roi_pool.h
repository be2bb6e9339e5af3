// RoIPool (Girshick, Fast R-CNN, 2015), as torchvision defines it: for each region and channel a grid of bins, each the
// largest feature inside of it.
//
// Corners are rounded to cells, halves away from zero, and both ends belong to the region: it is
// max(round(x2 s) - round(x1 s) + 1, 1) cells wide, s = scale. Of `bins` bins of length b = cells / bins, bin k takes
// the cells from ⌊k b⌋ to ⌈(k + 1) b⌉ of it, so that neighbours may share one; what lies outside of the features is cut
// off. An empty bin is 0.
//
// Gradient: of dout to the largest cell of the bin, the first of equal ones in raster order; of an empty bin nowhere.
// Regions are constants.
//
// f32, f64, bf16 (on a GPU f32 and bf16). Coordinates are taken in f64. Sums over regions follow their order.
#pragma once

#include "tensor/ops/roi_boxes.h"

namespace tessera::ops {

struct RoiPoolOptions {
  int64_t height = 1, width = 1;  // of the grid of bins
  double scale = 1;               // cells of the features for a pixel
};

struct RoiPool {
  Tensor y;        // [rois, channels, bins, bins]
  Tensor largest;  // i64, likewise: the cell (row · width + column) that each came from, -1 for an empty bin
  RoiBoxes boxes;
};
RoiPool roi_pool(const Tensor& features, const Tensor& rois, const RoiPoolOptions& options);

// `features`: the shape of the features.
Tensor roi_pool_backward(const Tensor& dy, const RoiPool& forward, const Shape& features);

}  // namespace tessera::ops
