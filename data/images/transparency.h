// What files say beyond the RGB values of `decode_image`: transparency, and whether levels are indices. Preparations of
// pictures differ in what they make of both.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "data/images/image.h"
#include "data/images/resize.h"

namespace tessera {

struct PictureWithAlpha {
  enum class Storage {
    colour,   // levels of colour or grey
    alpha,    // the same with a channel of alpha
    indexed,  // indices into a palette, or single bits
  };
  Image image;  // RGB as decode_image gives it, alpha not applied
  Storage storage = Storage::colour;
  Image alpha;                            // three equal channels, 0 to 255; no pixels where nothing is transparent
  std::array<uint8_t, 3> first_colour{};  // of the palette
};

// Alpha channels of PNG and WebP, PNG's tRNS (palette, grey, and colour of 8 bits) and palettes, as Pillow 13 sees
// them. The transparent colour of a GIF and of 16-bit pictures is not looked at. Errors are those of decode_image.
PictureWithAlpha decode_with_alpha(std::span<const uint8_t> bytes, const std::string& name,
                                   const DecodeOptions& options = {});

// The picture before a white background: (c a + 255 (255 - a)) / 255, rounded as Pillow's Image.alpha_composite does.
Image composite_on_white(const PictureWithAlpha& picture);

// Pillow's resizing of pictures that have an alpha channel: colours are multiplied by alpha (rounded) before, and
// divided by it (rounded down) after; alpha is resized likewise, and then dropped. Fully opaque and fully transparent
// pixels stay as they are in the division. A picture that has the size already is not changed.
Image resize_premultiplied(const PictureWithAlpha& picture, ImageSize size, FilterKind filter = FilterKind::bicubic);

}  // namespace tessera
