// What the targets of both picture formats check.
#pragma once

#include "data/images/image_codecs.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

// A picture that was decoded is whole and as large as its sides say; turning it keeps its bytes' number.
inline void check_decoded(const DecodedImage& decoded, int64_t most_pixels) {
  const Image& image = decoded.image;
  check_image(image, "fuzz");
  ensure(int64_t{image.height} * image.width <= most_pixels, "more pixels than the bytes could hold");
  ensure(decoded.orientation >= 1 && decoded.orientation <= 8, "orientation ", decoded.orientation);
  if (image.pixels.size() > 100'000) return;
  const Image turned = apply_orientation(image, decoded.orientation);
  check_image(turned, "turned");
  ensure(turned.pixels.size() == image.pixels.size(), "turning changed the size");
}

}  // namespace tessera::fuzz
