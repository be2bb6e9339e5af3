// RoIAlign (He et al., Mask R-CNN, 2017), as torchvision defines it: for each region and channel a grid of bins, each
// the mean of features that are interpolated at points inside of it.
//
// With offset o = 1/2 if `aligned`, else 0, a region is [x1 s - o, x2 s - o] × [y1 s - o, y2 s - o] in cells, s =
// scale; if not aligned, it is at least one cell wide and high. Along each axis it is cut into bins of equal length b,
// and each bin holds g points, in the middle of equal parts: g = sampling, or ⌈length / bins⌉ for sampling 0, so that
// points are at most a cell apart. A point beyond [-1, extent] counts as 0; others are held to [0, extent - 1] and
// interpolated between their neighbours. A bin without points (aligned, of length 0, sampling 0) is 0.
//
// Everything is a product of what happens along y and along x, the weights of bilinear interpolation, the exclusion and
// the mean alike. So each bin has weights for rows, W_y [bins, height], and for columns, W_x [bins, width], both zero
// but for a short run, and for a region and a channel F [height, width]
//
//   out = W_y F W_xᵀ,   dF = Σ over regions of W_yᵀ dout W_x,
//
// which visits each cell once for each bin that it belongs to, however many points there are. Regions are constants.
//
// Weights are found in f64 from the coordinates as given. f32, f64, bf16 (on a GPU f32 and bf16). Sums over regions
// follow their order.
#pragma once

#include "tensor/ops/roi_boxes.h"

namespace tessera::ops {

struct RoiAlignOptions {
  int64_t height = 1, width = 1;  // of the grid of bins
  double scale = 1;               // cells of the features for a pixel
  int64_t sampling = 0;           // points of a bin along each axis; 0: as many as the region has cells
  bool aligned = false;
};

// Where the regions lie among features of a given size.
struct RoiAlignGrid {
  RoiBoxes boxes;
  RoiAxis y, x;
  Shape features;  // [images, channels, height, width]

  RoiAlignGrid(const Tensor& features, const Tensor& rois, const RoiAlignOptions& options);
};

// features [images, channels, height, width] → [rois, channels, bins, bins].
Tensor roi_align(const Tensor& features, const RoiAlignGrid& grid);
Tensor roi_align_backward(const Tensor& dout, const RoiAlignGrid& grid);

}  // namespace tessera::ops
