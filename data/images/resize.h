// Resizing of 8-bit pictures, byte for byte as Pillow's `Image.resize(size, BICUBIC)`, `BILINEAR` and `NEAREST`, and
// the sizes that ViLT and CLIP ask for.
#pragma once

#include "data/images/image.h"
#include "data/images/resize_filter.h"

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

// The shorter side becomes `shorter`, the longer the whole part of shorter * longer / shorter side (the rule of
// torchvision and of transformers). Throws when a side is not positive or the longer one would exceed 2^20.
ImageSize shorter_side_size(int height, int width, int shorter);

// Keys' cubic with a = -0.5; shrinking widens it by the factor of the shrinking, so that no pixel is skipped. Two
// passes, one along each side, with rounding to 8 bits after each; which comes first is Pillow 13's choice. In each
//   out(i) = (2^21 + sum_j round(2^22 w_ij) in(j)) >> 22, clamped to 0..255,
//   w_ij = k((j + 0.5 - centre_i) / stretch) / sum_j k(...),  centre_i = (i + 0.5) in/out,  stretch = max(in/out, 1).
// Throws when a side of either size is not positive or too many pixels are asked for.
Image resize_bicubic(const Image& image, ImageSize size);
// Into `result`, another picture, whose memory is used again.
void resize_bicubic(const Image& image, ImageSize size, Image& result);

// The same with either filter: bilinear has a triangle for k, one pixel (or the stretch) to each side.
Image resize_by(FilterKind filter, const Image& image, ImageSize size);

// Pixel i of a side is the input's at floor(c_i): c_0 = in/out / 2, c_i+1 = c_i + in/out, summed up in double.
Image resize_nearest(const Image& image, ImageSize size);

// With these inner loops; the result is the same with any.
struct PixelKernels;
void resize_bicubic(const Image& image, ImageSize size, Image& result, const PixelKernels& kernels);

}  // namespace tessera
