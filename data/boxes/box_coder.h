// Boxes as differences from others: what a detector's heads predict (Girshick et al., R-CNN, 2014).
//
// With centre (x, y), width w and height h of the box, and of the reference p:
//   dx = w_x (x - x_p) / w_p,  dy = w_y (y - y_p) / h_p,  dw = w_w ln(w / w_p),  dh = w_h ln(h / h_p)
// Decoding undoes it, dw / w_w and dh / w_h held to at most ln(1000 / 16), so that no box grows beyond 62.5 times its
// reference.
#pragma once

#include <array>

#include "data/boxes/boxes.h"

namespace tessera {

struct BoxCoder {
  std::array<double, 4> weights{1, 1, 1, 1};  // (10, 10, 5, 5) for regions: deviations of 0.1 and 0.2

  // A row each. Boxes and references need finite sides above 0.
  Boxes encode(const Boxes& boxes, const Boxes& references) const;
  // deltas [n, 4 · classes] for n references → [n · classes, 4]: of the first reference all classes, then of the next.
  // What is no number gives corners that are none.
  using Deltas = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Boxes decode(const Deltas& deltas, const Boxes& references) const;
};

}  // namespace tessera
