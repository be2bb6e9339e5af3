// The two decoders behind decode_image, for its use and their tests. Errors are those of decode_image.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/images/image.h"

namespace tessera {

struct DecodedImage {
  Image image;
  int orientation = 1;  // EXIF, 1 to 8; 1 where the file says nothing or options.respect_orientation is off
};

// The result takes over the memory of `reused`.
DecodedImage decode_jpeg(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                         Image reused = {});
DecodedImage decode_png(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                        Image reused = {});

// The orientation tag (0x0112) of the first directory of a TIFF block, as EXIF stores it in JPEG (after "Exif\0\0") and
// in PNG's eXIf; 1 for anything that cannot be read or is not 1 to 8.
int exif_orientation(std::span<const uint8_t> tiff);

// The picture as it is meant to be seen: one of the eight flips and quarter turns.
Image apply_orientation(const Image& image, int orientation);

}  // namespace tessera
