// Bicubic resizing of 8-bit pictures, byte for byte as Pillow's `Image.resize(size, BICUBIC)`, and the size that ViLT
// asks for.
#pragma once

#include "data/images/image.h"

namespace tessera {

struct ImageSize {
  int height = 0;
  int width = 0;
  bool operator==(const ImageSize&) const = default;
};

// ViLT's rule: the shorter side becomes `shorter`, the longer at most int(1333/800 * shorter); both are rounded to
// whole pixels, floored to multiples of `patch`, and are at least one patch (where the rule itself gives 0 and the
// original code fails). Evaluated in double in the order of the original, on whose rounding borderline sizes depend.
ImageSize vilt_size(int height, int width, int shorter, int patch);

// Keys' cubic with a = -0.5; shrinking widens it by the factor of the shrinking, so that no pixel is skipped. Two
// passes, one along each side, with rounding to 8 bits after each; which comes first is Pillow 13's choice. In each
//   out(i) = (2^21 + sum_j round(2^22 w_ij) in(j)) >> 22, clamped to 0..255,
//   w_ij = k((j + 0.5 - centre_i) / stretch) / sum_j k(...),  centre_i = (i + 0.5) in/out,  stretch = max(in/out, 1).
// Throws when a side of either size is not positive or too many pixels are asked for.
Image resize_bicubic(const Image& image, ImageSize size);
// Into `result`, another picture, whose memory is used again.
void resize_bicubic(const Image& image, ImageSize size, Image& result);

// With these inner loops; the result is the same with any.
struct PixelKernels;
void resize_bicubic(const Image& image, ImageSize size, Image& result, const PixelKernels& kernels);

}  // namespace tessera
