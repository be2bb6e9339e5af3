#include "data/boxes/boxes.h"

#include <algorithm>
#include <cmath>

namespace tessera {

Boxes boxes_of(const Tensor& corners) {
  check(corners.defined() && corners.dim() == 2 && corners.size(1) == 4 &&
            (corners.dtype() == DType::f32 || corners.dtype() == DType::f64),
        "boxes: got ", describe(corners), ", expected f32 or f64 [n, 4]");
  return matrix_map<double>(corners.to(DType::f64).contiguous()).array();
}

Tensor tensor_of(const Boxes& boxes, DType dtype) {
  Tensor corners = Tensor::empty({boxes.rows(), 4}, DType::f64);
  mutable_matrix_map<double>(corners).array() = boxes;
  return corners.to(dtype);
}

// Columns of no rows are formed nowhere below: Eigen would count on from a null pointer.
Eigen::ArrayXd areas(const Boxes& boxes, BoxEnds ends) {
  if (boxes.rows() == 0) return Eigen::ArrayXd(0);
  const double more = ends == BoxEnds::behind_pixel ? 1 : 0;
  return (boxes.col(2) - boxes.col(0) + more) * (boxes.col(3) - boxes.col(1) + more);
}

Eigen::ArrayXXd intersection_over_union(const Boxes& a, const Boxes& b, BoxEnds ends) {
  const double more = ends == BoxEnds::behind_pixel ? 1 : 0;
  const Eigen::ArrayXd area_a = areas(a, ends), area_b = areas(b, ends);
  Eigen::ArrayXXd result(a.rows(), b.rows());
  if (result.size() == 0) return result;
  for (Eigen::Index j = 0; j < b.rows(); ++j) {
    const Eigen::ArrayXd width = a.col(2).min(b(j, 2)) - a.col(0).max(b(j, 0)) + more;
    const Eigen::ArrayXd height = a.col(3).min(b(j, 3)) - a.col(1).max(b(j, 1)) + more;
    const Eigen::ArrayXd common = width.max(0) * height.max(0), all = area_a + area_b(j) - common;
    result.col(j) = (all > 0).select(common / all, 0.0);
  }
  return result;
}

Boxes clipped(const Boxes& boxes, double height, double width) {
  Boxes result(boxes.rows(), 4);
  if (boxes.rows() == 0) return result;
  for (int k = 0; k < 4; ++k) result.col(k) = boxes.col(k).max(0).min(k % 2 == 0 ? width : height);
  return result;
}

std::vector<int64_t> boxes_with_sides(const Boxes& boxes, double shortest) {
  std::vector<int64_t> kept;
  for (Eigen::Index i = 0; i < boxes.rows(); ++i)
    if (boxes(i, 2) - boxes(i, 0) >= shortest && boxes(i, 3) - boxes(i, 1) >= shortest) kept.push_back(i);
  return kept;
}

std::vector<int64_t> pyramid_levels(const Boxes& boxes, const PyramidLevels& levels) {
  std::vector<int64_t> result;
  for (const double area : areas(boxes)) {
    const double level = std::floor(static_cast<double>(levels.canonical_level) +
                                    std::log2(std::sqrt(area) / levels.canonical_size) + 1e-6);
    // Of an area of 0 the logarithm is -∞; of a negative one there is none, and the box counts as small.
    const double held = level >= static_cast<double>(levels.first) ? level : static_cast<double>(levels.first);
    result.push_back(static_cast<int64_t>(std::min(held, static_cast<double>(levels.last))) - levels.first);
  }
  return result;
}

}  // namespace tessera
