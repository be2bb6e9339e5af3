#include "data/images/centre_crop.h"

#include <algorithm>

#include "tensor/error.h"

namespace tessera {
namespace {

// Where the crop begins in the picture; negative where the picture begins in the crop.
int crop_offset(int side, int crop, CropRule rule) {
  const int more = side - crop;
  // Arithmetic shifts round down, so that padding in front is rounded up.
  if (rule == CropRule::transformers) return more >> 1;
  if (more < 0) return -(-more >> 1);
  const int half = more >> 1;
  return half + (more % 2 != 0 && half % 2 != 0 ? 1 : 0);
}

Image resize_as_stored(const PictureWithAlpha& picture, ImageSize size, FilterKind filter) {
  switch (picture.storage) {
    case PictureWithAlpha::Storage::indexed: return resize_nearest(picture.image, size);
    case PictureWithAlpha::Storage::alpha: return resize_premultiplied(picture, size, filter);
    case PictureWithAlpha::Storage::colour: break;
  }
  return resize_by(filter, picture.image, size);
}

}  // namespace

Image centre_crop(const Image& image, ImageSize crop, CropRule rule, std::array<uint8_t, 3> fill) {
  check_image(image, "centre_crop");
  Image result = make_image(crop.height, crop.width);
  for (size_t i = 0; i < result.pixels.size(); ++i) result.pixels[i] = fill[i % 3];
  const int top = crop_offset(image.height, crop.height, rule), left = crop_offset(image.width, crop.width, rule);
  const int first = std::max(0, -left), last = std::min(crop.width, image.width - left);
  for (int y = std::max(0, -top); y < std::min(crop.height, image.height - top); ++y)
    std::copy_n(image.row(y + top) + size_t{3} * static_cast<size_t>(first + left),
                size_t{3} * static_cast<size_t>(last - first), result.row(y) + size_t{3} * static_cast<size_t>(first));
  return result;
}

CropPreparation clip_preparation(int side, CropRule rule) {
  return {.shorter = side, .crop = {side, side}, .rule = rule};
}

CropPreparation imagenet_preparation() {
  return {.shorter = 256, .filter = FilterKind::bilinear, .norm = kImageNetNorm};
}

Image prepare_crop(const PictureWithAlpha& picture, const CropPreparation& preparation) {
  check_image(picture.image, "prepare_crop");
  const ImageSize size = shorter_side_size(picture.image.height, picture.image.width, preparation.shorter);
  if (preparation.rule == CropRule::transformers)
    return centre_crop(resize_by(preparation.filter, composite_on_white(picture), size), preparation.crop,
                       preparation.rule);
  return centre_crop(resize_as_stored(picture, size, preparation.filter), preparation.crop, preparation.rule,
                     picture.first_colour);
}

Image prepare_crop(std::span<const uint8_t> bytes, const std::string& name, const CropPreparation& preparation,
                   const DecodeOptions& options) {
  return prepare_crop(decode_with_alpha(bytes, name, options), preparation);
}

void normalised_planes(const Image& image, const PixelNorm& norm, std::span<float> out) {
  check_image(image, "normalised_planes");
  check(out.size() == image.pixels.size(), "normalised_planes: room for ", out.size(), " values, expected ",
        image.pixels.size());
  const PatchExtractor levels(1, norm);
  const size_t area = image.pixels.size() / 3;
  for (size_t c = 0; c < 3; ++c) {
    std::array<float, 256> values;
    for (size_t x = 0; x < 256; ++x) values[x] = levels.value(static_cast<int>(c), static_cast<uint8_t>(x));
    for (size_t i = 0; i < area; ++i) out[c * area + i] = values[image.pixels[3 * i + c]];
  }
}

}  // namespace tessera
