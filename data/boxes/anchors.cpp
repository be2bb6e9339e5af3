#include "data/boxes/anchors.h"

#include <cmath>

namespace tessera {

Boxes cell_anchors(std::span<const double> sizes, std::span<const double> ratios) {
  Boxes cell(static_cast<Eigen::Index>(sizes.size() * ratios.size()), 4);
  Eigen::Index row = 0;
  for (const double ratio : ratios)
    for (const double size : sizes) {
      check(ratio > 0 && size > 0, "anchors: size ", size, ", ratio ", ratio, ", expected both above 0");
      const double root = std::sqrt(ratio), x = std::nearbyint(size / root / 2), y = std::nearbyint(size * root / 2);
      cell.row(row++) << -x, -y, x, y;
    }
  return cell;
}

Boxes first_cell_anchors(std::span<const double> ratios, std::span<const double> scales, double base) {
  Boxes cell(static_cast<Eigen::Index>(scales.size() * ratios.size()), 4);
  const double centre = (base - 1) / 2;
  Eigen::Index row = 0;
  for (const double ratio : ratios) {
    check(ratio > 0, "anchors: ratio ", ratio, ", expected above 0");
    const double width = std::nearbyint(std::sqrt(base * base / ratio)), height = std::nearbyint(width * ratio);
    for (const double scale : scales) {
      const double x = (width * scale - 1) / 2, y = (height * scale - 1) / 2;
      cell.row(row++) << centre - x, centre - y, centre + x, centre + y;
    }
  }
  return cell;
}

Boxes grid_anchors(const Boxes& cell, int64_t rows, int64_t columns, double row_stride, double column_stride) {
  check(rows >= 0 && columns >= 0, "anchors: a grid of ", rows, " × ", columns);
  Boxes anchors(rows * columns * cell.rows(), 4);
  for (int64_t place = 0; place < rows * columns; ++place) {
    const double y = static_cast<double>(place / columns) * row_stride;
    const double x = static_cast<double>(place % columns) * column_stride;
    const Eigen::Array<double, 1, 4> shift(x, y, x, y);
    anchors.middleRows(place * cell.rows(), cell.rows()) = cell.rowwise() + shift;
  }
  return anchors;
}

}  // namespace tessera
