// Pictures as CLIP and networks trained on ImageNet take them: the shorter side becomes so many pixels, the middle is
// cut out, the levels are normalised.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "data/images/image.h"
#include "data/images/patches.h"
#include "data/images/resize.h"
#include "data/images/transparency.h"

namespace tessera {

// Two libraries, two orders and two ways of rounding.
enum class CropRule {
  // Transparency over white, then RGB, then resizing and cropping. The middle begins at floor((side - crop) / 2).
  transformers,
  // As the published code of CLIP and torchvision: resizing and cropping, then RGB, which drops alpha. Pictures with a
  // palette or of single bits are resized by nearest pixels, those with an alpha channel with premultiplied colours.
  // The middle begins at (side - crop) / 2, one half rounded to even.
  torchvision,
};

// The middle of a picture. Where it is smaller than the crop it is padded, in front by half of what is missing
// (rounded up: transformers, down: torchvision) with `fill`.
Image centre_crop(const Image& image, ImageSize crop, CropRule rule, std::array<uint8_t, 3> fill = {});

inline constexpr PixelNorm kClipNorm = {{0.48145466f, 0.4578275f, 0.40821073f},
                                        {0.26862954f, 0.26130258f, 0.27577711f}};
inline constexpr PixelNorm kImageNetNorm = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

struct CropPreparation {
  int shorter = 224;
  ImageSize crop = {224, 224};
  FilterKind filter = FilterKind::bicubic;
  CropRule rule = CropRule::torchvision;
  PixelNorm norm = kClipNorm;
};

// What CLIP's models of this input side take.
CropPreparation clip_preparation(int side, CropRule rule = CropRule::torchvision);
// What ResNets of torchvision are tested with, VSE++'s among them: 256 pixels, bilinear, the middle 224.
CropPreparation imagenet_preparation();

// The levels. JPEGs in CMYK and 16-bit grey are RGB before all else under either rule.
Image prepare_crop(const PictureWithAlpha& picture, const CropPreparation& preparation);
Image prepare_crop(std::span<const uint8_t> bytes, const std::string& name, const CropPreparation& preparation,
                   const DecodeOptions& options = {});

// out [3, height, width]: (x / 255 - mean) / std of each level, in float32 in this order.
void normalised_planes(const Image& image, const PixelNorm& norm, std::span<float> out);

}  // namespace tessera
