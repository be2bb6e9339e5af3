// The picture operations that augmentation is made of, byte for byte as Pillow 13 performs them on 8-bit RGB. All keep
// the size. Reals that Pillow takes as C floats are rounded to float here, too.
#pragma once

#include <array>

#include "data/images/image.h"

namespace tessera {

// Each channel by a table of its own.

// Stretches the levels that occur to 0..255; a channel of one level stays.
Image auto_contrast(Image image);
// Makes the histogram as flat as a table of levels can; a channel of one level, or one whose most frequent top level
// leaves fewer than 255 pixels, stays.
Image equalize(Image image);
// Keeps the upper `bits` (1 to 8) of each level.
Image posterize(Image image, int bits);
// Inverts the levels from `threshold` on.
Image solarize(Image image, double threshold);
// Adds to each level, clips to 0..255, drops the fraction, then solarize(128).
Image solarize_add(Image image, double addition);

// degenerate + factor (image - degenerate), in float; 1 gives the image, more goes on beyond it, with clipping.

Image adjust_colour(Image image, double factor);      // degenerate: the grey picture
Image adjust_contrast(Image image, double factor);    // its mean grey level everywhere
Image adjust_brightness(Image image, double factor);  // black
Image adjust_sharpness(Image image,
                       double factor);  // a 3x3 smoothing with weights 1, in the middle 5; the border stays

// Nearest neighbour, black where there is none.

// Output pixel (x, y) is the input's at (a x' + b y' + c, d x' + e y' + f), where x' = x + 0.5 and y' = y + 0.5 and the
// result is rounded down. `coefficients` are a to f, in Pillow's order.
Image transform_affine(const Image& image, const std::array<double, 6>& coefficients);
// Counter-clockwise about the middle, in degrees.
Image rotate(const Image& image, double degrees);

}  // namespace tessera
