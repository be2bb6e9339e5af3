// Regions of pictures, as a detector found them: what models of pictures and texts read instead of pixels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace tessera {

// Of one picture, in the order in which models see them. There may be none: the tensors then have no rows.
struct Regions {
  int64_t height = 0, width = 0;  // of the picture's file, in pixels
  Tensor boxes;                   // f32 [n, 4]: x1, y1, x2, y2 in these pixels
  Tensor features;                // f32 [n, features]
  Tensor distributions;           // f32 [n, classes]: probabilities, of background first
  Tensor confidences;             // f32 [n], from 0 to 1
  std::vector<int64_t> objects;   // [n] the class that each is taken for, never background: 1 … classes - 1

  int64_t count() const { return boxes.defined() ? boxes.size(0) : 0; }
};

// The class names of a detector; [0] is background.
using RegionClasses = std::vector<std::string>;

// Throws unless the shapes fit these sizes and every number is one that can be; `where` starts the message.
//   boxes          finite, x1 <= x2, y1 <= y2, in the picture
//   features       finite
//   distributions  from 0 to 1, of each region with the sum 1, to 1/100
//   confidences    from 0 to 1
// A box that leaves the picture by no more than one pixel (detectors that count a box as ending behind its last pixel
// make such) is held to it; one that leaves it by more is an error, since it tells that boxes and sizes are not of the
// same picture.
void check_regions(Regions& regions, int64_t features, int64_t classes, const std::string& where);

}  // namespace tessera
