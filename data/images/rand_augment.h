// RandAugment (Cubuk, Zoph, Shlens, Le: "RandAugment: practical automated data augmentation with a reduced search
// space", 2020) as ViLT fine-tunes with it: two operations per picture of fourteen, at magnitude 9 of 30. There is no
// colour inversion and no cutout: they would change what a caption says. It is applied to the decoded picture, before
// resizing.
#pragma once

#include <array>
#include <cstdint>

#include "data/images/image.h"
#include "tensor/philox.h"

namespace tessera {

enum class AugmentOp : uint8_t {
  auto_contrast,
  equalize,
  rotate,
  posterize,
  solarize,
  solarize_add,
  colour,
  contrast,
  brightness,
  sharpness,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
};

struct AugmentRange {
  AugmentOp op;
  const char* name;  // of the published list
  double low, high;  // the value at magnitude 0 and at 30
  bool has_sign;     // a coin decides the sign of the value
};

inline constexpr std::array<AugmentRange, 14> kAugmentRanges = {{
    {AugmentOp::auto_contrast, "AutoContrast", 0, 1, false},  // takes no value
    {AugmentOp::equalize, "Equalize", 0, 1, false},           // takes no value
    {AugmentOp::rotate, "Rotate", 0, 30, true},               // degrees, counter-clockwise
    {AugmentOp::posterize, "Posterize", 0, 4, false},         // bits that stay: whole, at least 1
    {AugmentOp::solarize, "Solarize", 0, 256, false},         // levels from here on are inverted
    {AugmentOp::solarize_add, "SolarizeAdd", 0, 110, false},  // added before solarizing at 128
    {AugmentOp::colour, "Color", 0.1, 1.9, false},            // 1 is the picture itself, here and in the next three
    {AugmentOp::contrast, "Contrast", 0.1, 1.9, false},
    {AugmentOp::brightness, "Brightness", 0.1, 1.9, false},
    {AugmentOp::sharpness, "Sharpness", 0.1, 1.9, false},
    {AugmentOp::shear_x, "ShearX", 0, 0.3, true},             // columns per row
    {AugmentOp::shear_y, "ShearY", 0, 0.3, true},             // rows per column
    {AugmentOp::translate_x, "TranslateXabs", 0, 100, true},  // pixels
    {AugmentOp::translate_y, "TranslateYabs", 0, 100, true},
}};

// low + magnitude / 30 (high - low), without the sign.
double augment_value(AugmentOp op, double magnitude);

// One operation. Throws for a value that is not finite, and for more than 8 bits of Posterize.
Image augment(Image image, AugmentOp op, double value);

struct AugmentStep {
  AugmentOp op;
  double value;
};

// Two operations, each any of the fourteen, at magnitude 9.
std::array<AugmentStep, 2> draw_augmentation(Random& random);
Image rand_augment(Image image, Random& random);

}  // namespace tessera
