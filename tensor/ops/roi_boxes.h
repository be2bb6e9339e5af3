// Regions of interest, read and checked: what roi_align and roi_pool have in common.
#pragma once

#include <array>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::ops {

struct RoiBoxes {
  std::vector<std::array<double, 4>> boxes;  // x1, y1, x2, y2, as given
  Tensor image;                              // i64 [rois]: of each
  Tensor order;                              // i64 [rois]: those of image 0 first, each image's in the order given
  Tensor image_begins;                       // i64 [images + 1]: where each image's begin there

  // features [images, channels, height, width], rois f32 or f64 [rois, 5] on the host: image, x1, y1, x2, y2 in pixels.
  // An image that there is not, and a coordinate that is not finite or lies beyond a million cells after `scale`, is an
  // error that names the op and the region.
  RoiBoxes(const char* op, const Tensor& features, const Tensor& rois, double scale);
  int64_t count() const { return static_cast<int64_t>(boxes.size()); }
};

// A region's bins along one axis, each a run of neighbouring rows (or columns) of the features.
struct RoiAxis {
  Tensor first;   // i64 [rois, bins]
  Tensor begin;   // i64 [rois · bins + 1]: where the run's entries begin in `weight`; the last one is their number
  Tensor weight;  // [entries], of the arithmetic's type

  int64_t bins() const { return first.size(1); }
};

}  // namespace tessera::ops
