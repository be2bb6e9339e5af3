// Pictures as VSE++'s network takes them: all of one size, none cropped as long as it fits.
#pragma once

#include <span>

#include "data/images/image.h"
#include "data/images/patches.h"

namespace tessera {

// The picture in the middle of a square of `side` pixels, normalised: out [3, side, side]. Around it are zeros, the
// mean colour; of a picture that is larger the middle is taken. Where the difference is odd the larger part of the
// border, or of what is cut off, is below and to the right.
void centred_planes(const Image& image, int side, const PixelNorm& norm, std::span<float> out);

}  // namespace tessera
