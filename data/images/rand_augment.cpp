#include "data/images/rand_augment.h"

#include <algorithm>
#include <cmath>

#include "data/images/image_operations.h"
#include "tensor/error.h"

namespace tessera {
namespace {

constexpr double kMagnitude = 9, kLargestMagnitude = 30;

const AugmentRange& range_of(AugmentOp op) {
  const auto index = static_cast<size_t>(op);
  check(index < kAugmentRanges.size(), "augment: operation ", index, ", expected 0 to 13");
  return kAugmentRanges[index];
}

}  // namespace

double augment_value(AugmentOp op, double magnitude) {
  const AugmentRange& range = range_of(op);
  return magnitude / kLargestMagnitude * (range.high - range.low) + range.low;
}

Image augment(Image image, AugmentOp op, double value) {
  check_image(image, "augment");
  const char* name = range_of(op).name;
  check(std::isfinite(value), "augment: ", name, " with the value ", value);
  switch (op) {
    case AugmentOp::auto_contrast: return auto_contrast(std::move(image));
    case AugmentOp::equalize: return equalize(std::move(image));
    case AugmentOp::rotate: return rotate(image, value);
    case AugmentOp::posterize: return posterize(std::move(image), static_cast<int>(std::clamp(value, 1.0, 1e6)));
    case AugmentOp::solarize: return solarize(std::move(image), value);
    case AugmentOp::solarize_add: return solarize_add(std::move(image), value);
    case AugmentOp::colour: return adjust_colour(std::move(image), value);
    case AugmentOp::contrast: return adjust_contrast(std::move(image), value);
    case AugmentOp::brightness: return adjust_brightness(std::move(image), value);
    case AugmentOp::sharpness: return adjust_sharpness(std::move(image), value);
    case AugmentOp::shear_x: return transform_affine(image, {1, value, 0, 0, 1, 0});
    case AugmentOp::shear_y: return transform_affine(image, {1, 0, 0, value, 1, 0});
    case AugmentOp::translate_x: return transform_affine(image, {1, 0, value, 0, 1, 0});
    case AugmentOp::translate_y: return transform_affine(image, {1, 0, 0, 0, 1, value});
  }
  return image;
}

std::array<AugmentStep, 2> draw_augmentation(Random& random) {
  std::array<AugmentStep, 2> steps{};
  for (AugmentStep& step : steps) {
    const AugmentRange& range = kAugmentRanges[random.below(kAugmentRanges.size())];
    step = {range.op, augment_value(range.op, kMagnitude)};
    if (range.has_sign && random.below(2) == 1) step.value = -step.value;
  }
  return steps;
}

Image rand_augment(Image image, Random& random) {
  for (const AugmentStep& step : draw_augmentation(random)) image = augment(std::move(image), step.op, step.value);
  return image;
}

}  // namespace tessera
