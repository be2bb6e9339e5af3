// Anchors: the boxes that a region proposal network's predictions are differences from.
#pragma once

#include <span>

#include "data/boxes/boxes.h"

namespace tessera {

// torchvision's, around the origin: for each ratio r (height over width), and for it each size s, a box of s / √r × s
// √r, its corners rounded, halves to even. [ratios · sizes, 4].
Boxes cell_anchors(std::span<const double> sizes, std::span<const double> ratios);
// bottom-up-attention's (Faster R-CNN as first published; a box ends behind the pixel of its corner): around the centre
// of a box of `base` pixels at the origin, for each ratio r a width of round(base / √r) and a height of round(r ·
// width), halves to even, and these times each scale. [ratios · scales, 4].
Boxes first_cell_anchors(std::span<const double> ratios, std::span<const double> scales, double base = 16);

// The cell's anchors at each place of a grid, `stride` pixels apart, row by row: [rows · columns · cell, 4].
Boxes grid_anchors(const Boxes& cell, int64_t rows, int64_t columns, double row_stride, double column_stride);

}  // namespace tessera
