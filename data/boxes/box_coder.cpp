#include "data/boxes/box_coder.h"

#include <cmath>

namespace tessera {
namespace {

void check_sides(const char* what, const Boxes& boxes) {
  for (Eigen::Index i = 0; i < boxes.rows(); ++i) {
    const double width = boxes(i, 2) - boxes(i, 0), height = boxes(i, 3) - boxes(i, 1);
    check(width > 0 && height > 0 && std::isfinite(width) && std::isfinite(height), "box coder: ", what, ' ', i, " is ",
          width, " × ", height, ", expected finite sides above 0");
  }
}

}  // namespace

Boxes BoxCoder::encode(const Boxes& boxes, const Boxes& references) const {
  check(boxes.rows() == references.rows(), "box coder: ", boxes.rows(), " boxes, ", references.rows(), " references");
  check_sides("box", boxes);
  check_sides("reference", references);
  Boxes deltas(boxes.rows(), 4);
  if (boxes.rows() == 0) return deltas;
  for (int axis = 0; axis < 2; ++axis) {
    const Eigen::ArrayXd length = boxes.col(axis + 2) - boxes.col(axis);
    const Eigen::ArrayXd of_reference = references.col(axis + 2) - references.col(axis);
    const Eigen::ArrayXd centre = boxes.col(axis) + 0.5 * length;
    const auto k = static_cast<size_t>(axis);
    deltas.col(axis) = weights[k] * (centre - (references.col(axis) + 0.5 * of_reference)) / of_reference;
    deltas.col(axis + 2) = weights[k + 2] * (length / of_reference).log();
  }
  return deltas;
}

Boxes BoxCoder::decode(const Deltas& deltas, const Boxes& references) const {
  check(deltas.rows() == references.rows() && deltas.cols() % 4 == 0, "box coder: deltas are [", deltas.rows(), ", ",
        deltas.cols(), "], expected [", references.rows(), ", 4 · classes]");
  const double largest = std::log(1000.0 / 16);
  const Eigen::Index classes = deltas.cols() / 4;
  Boxes boxes(deltas.rows() * classes, 4);
  for (Eigen::Index i = 0; i < boxes.rows(); ++i) {
    const auto reference = references.row(i / classes);
    for (int axis = 0; axis < 2; ++axis) {
      const auto k = static_cast<size_t>(axis);
      const Eigen::Index at = i % classes * 4 + axis;
      const double length = reference(axis + 2) - reference(axis), centre = reference(axis) + 0.5 * length;
      const double moved = deltas(i / classes, at) / weights[k] * length + centre;
      const double grown = std::exp(std::min(deltas(i / classes, at + 2) / weights[k + 2], largest)) * length;
      boxes(i, axis) = moved - 0.5 * grown;
      boxes(i, axis + 2) = moved + 0.5 * grown;
    }
  }
  return boxes;
}

}  // namespace tessera
