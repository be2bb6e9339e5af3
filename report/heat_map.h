// Maps of weights over the patches of a picture, drawn over it.
//
// The scale is the same for all maps: a patch's colour says how many times the uniform share of the weights it has,
// so that a flat map looks flat and maps can be compared.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "data/images/image.h"
#include "data/images/patches.h"
#include "data/sets/annotations.h"

namespace tessera {

struct Colour {
  uint8_t red = 0, green = 0, blue = 0;
};

// From dark violet (0) over red to light yellow (1). Made in OKLCh (Björn Ottosson, "A perceptual color space for
// image processing", 2020): lightness rises linearly with `level`, so equal steps look equal, also without colour
// vision.
Colour heat_colour(double level);

// How strongly a patch of this level covers the picture: 0.45 to 0.9.
double heat_opacity(double level);

// r = weight · patches / Σ weights, the share in units of the uniform one; level = log2(1 + r) / 4, at most 1:
// 0 → 0, uniform → 0.25, 3 times → 0.5, 7 times → 0.75, 15 times and more → 1. Weights below 0 count as 0.
std::vector<double> heat_levels(std::span<const float> weights);

// The picture in grey, enlarged `scale` times, under its weights [grid.rows · grid.columns] in raster order; the grid
// of patches shows, and `box` (pixels of `image`) is outlined. Errors: a number of weights that is not the grid's,
// sides that are no multiples of it, a scale below 1.
Image overlay_heat_map(const Image& image, std::span<const float> weights, Grid grid, int scale,
                       const std::optional<Box>& box = {});

}  // namespace tessera
