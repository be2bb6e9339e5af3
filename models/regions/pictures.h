// Pictures as the detector sees them: normalised, resized, on one canvas.
#pragma once

#include "data/boxes/boxes.h"
#include "data/images/image.h"
#include "models/regions/config.h"

namespace tessera {

struct PictureBatch {
  Tensor pixels;                           // [n, 3, height, width], both multiples of 32
  std::vector<Size2d> originals, resized;  // of each picture
};

// A picture's pixels, from 0 to 1: f32 [3, height, width].
Tensor picture_pixels(const Image& image);

// pictures f32 or f64 [3, height, width] of values from 0 to 1 → a batch in `dtype`. Each is normalised, then scaled by
// s = min(min_size / short side, max_size / long side) to ⌊s height⌋ × ⌊s width⌋ (rounding may lose a pixel), bilinear
// with pixel centres at halves, no smoothing, and lies in the upper left of zeros. The padding is not masked: biases
// make it differ from 0 in every feature map, so results depend on the other pictures of a batch.
PictureBatch picture_batch(const std::vector<Tensor>& pictures, const RegionsConfig& config, DType dtype);

// Boxes of a picture of one size in the same picture of another. Ratios are quotients in f32, as torchvision has them.
Boxes rescaled(const Boxes& boxes, Size2d from, Size2d to);

}  // namespace tessera
