#include "data/images/transparency.h"

#include <algorithm>

#include "data/images/image_codecs.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// a b / 255, rounded.
uint8_t product_of_levels(int a, int b) {
  const int sum = a * b + 128;
  return static_cast<uint8_t>(((sum >> 8) + sum) >> 8);
}

void check_alpha(const PictureWithAlpha& picture, const char* name) {
  check_image(picture.image, name);
  check(picture.alpha.pixels.size() == picture.image.pixels.size(), name, ": alpha has ", picture.alpha.pixels.size(),
        " levels, the picture ", picture.image.pixels.size());
}

}  // namespace

PictureWithAlpha decode_with_alpha(std::span<const uint8_t> bytes, const std::string& name,
                                   const DecodeOptions& options) {
  PictureWithAlpha picture;
  const bool png = is_png(bytes);
  if (!png && !is_webp(bytes)) {
    picture.image = decode_image(bytes, name, options);
    return picture;
  }
  DecodedImage decoded = png ? decode_png(bytes, name, options) : decode_webp(bytes, name, options);
  picture.image = std::move(decoded.image);
  if (png)
    add_png_alpha(bytes, name, picture);
  else
    add_webp_alpha(bytes, name, picture);
  if (decoded.orientation != 1) {
    picture.image = apply_orientation(picture.image, decoded.orientation);
    if (!picture.alpha.pixels.empty()) picture.alpha = apply_orientation(picture.alpha, decoded.orientation);
  }
  return picture;
}

Image composite_on_white(const PictureWithAlpha& picture) {
  Image result = picture.image;
  if (picture.alpha.pixels.empty()) return result;
  check_alpha(picture, "composite_on_white");
  // Pillow keeps seven bits below the level and divides by 255 at the end.
  constexpr int kBits = 7;
  for (size_t i = 0; i < result.pixels.size(); ++i) {
    const int alpha = picture.alpha.pixels[i];
    const int sum = ((result.pixels[i] * alpha + 255 * (255 - alpha)) << kBits) + (128 << kBits);
    result.pixels[i] = static_cast<uint8_t>((((sum >> 8) + sum) >> 8) >> kBits);
  }
  return result;
}

Image resize_premultiplied(const PictureWithAlpha& picture, ImageSize size, FilterKind filter) {
  check_alpha(picture, "resize_premultiplied");
  if (size == ImageSize{picture.image.height, picture.image.width}) return picture.image;
  Image colours = picture.image;
  for (size_t i = 0; i < colours.pixels.size(); ++i)
    colours.pixels[i] = product_of_levels(colours.pixels[i], picture.alpha.pixels[i]);
  Image result = resize_by(filter, colours, size);
  const Image alpha = resize_by(filter, picture.alpha, size);
  for (size_t i = 0; i < result.pixels.size(); ++i) {
    const int a = alpha.pixels[i];
    if (a != 0 && a != 255) result.pixels[i] = static_cast<uint8_t>(std::min(255 * result.pixels[i] / a, 255));
  }
  return result;
}

}  // namespace tessera
