// Boxes in pictures: corners x1, y1, x2, y2 in pixels, a row each. In f64: there are thousands of them, not millions,
// and thresholds that decide are not met by rounding. No gradient goes through anything here.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/eigen.h"

namespace tessera {

using Boxes = Eigen::Array<double, Eigen::Dynamic, 4, Eigen::RowMajor>;

// f32 or f64 [n, 4]; and back, in `dtype`.
Boxes boxes_of(const Tensor& corners);
Tensor tensor_of(const Boxes& boxes, DType dtype = DType::f32);

// Where a box ends: at its corner (width x2 - x1: torchvision), or behind the pixel of its corner (x2 - x1 + 1: the
// first detectors, and so bottom-up-attention).
enum class BoxEnds : uint8_t { at_corner, behind_pixel };

// Width times height; negative sides make it what they make it.
Eigen::ArrayXd areas(const Boxes& boxes, BoxEnds ends = BoxEnds::at_corner);

// Intersection over union of every row of a with every row of b: [a, b]. Two boxes without area,
// and boxes that are not numbers, have 0.
Eigen::ArrayXXd intersection_over_union(const Boxes& a, const Boxes& b, BoxEnds ends = BoxEnds::at_corner);

// Corners held to [0, width] and [0, height].
Boxes clipped(const Boxes& boxes, double height, double width);

// The rows whose sides are both at least `shortest`, in order.
std::vector<int64_t> boxes_with_sides(const Boxes& boxes, double shortest);

// The level of a feature pyramid that each box is pooled from (Lin et al., Feature Pyramid Networks, 2017, equation 1,
// with torchvision's 1e-6): ⌊canonical_level + log2(√area / canonical_size) + 1e-6⌋, held to the levels that there are,
// counted from the first of them.
struct PyramidLevels {
  int64_t first = 2, last = 5;
  double canonical_size = 224;
  int64_t canonical_level = 4;
};
std::vector<int64_t> pyramid_levels(const Boxes& boxes, const PyramidLevels& levels = {});

}  // namespace tessera
