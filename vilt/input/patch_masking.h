// Masking for masked patch prediction, ViLT's fourth objective: patches are hidden, and the mean colour of each is to
// be restored.
//
// As in the authors' code, every patch is a target by itself with probability `rate`; of the targets a share `replaced`
// is replaced by the mask token, the others stay as they are (none becomes another patch). An image may have no target.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/images/patches.h"
#include "tensor/philox.h"

namespace tessera {

struct PatchMaskingOptions {
  double rate = 0.15;     // 0..1
  double replaced = 0.8;  // 0..1
};

struct PatchMasking {
  std::vector<int64_t> targets;   // places among the `patches` of a sequence, ascending
  std::vector<int64_t> replaced;  // those of them that are replaced
};

// Two draws for each patch, whatever they decide.
PatchMasking mask_patches(int64_t patches, const PatchMaskingOptions& options, Random& random);

// For each channel floor(255 · mean of (value · std + mean)) over a normalised patch [3 · P²] (channel, y, x): the mean
// colour as one of 256 levels.
//
// Of a picture of 8-bit levels this is the whole part of their exact mean, whatever the normalisation: the sum is taken
// in f64, and 2^-14 of a level is added before the cut. Normalised values are levels up to f32 rounding, less than
// 2^-15 of a level, and a mean that is no whole number is at least 1 / P² below the next. (The authors take the mean in
// f32 without such care. For patches of one constant level k their label is k - 1 for 12 of the 256 levels, because 255
// · mean falls just below k. A label that depends on such rounding is not worth having.) Values beyond the levels
// 0..255 are clamped.
std::array<int64_t, 3> mean_colour(std::span<const float> patch, const PixelNorm& norm);
// Of the levels themselves: the same.
std::array<int64_t, 3> mean_colour(std::span<const uint8_t> patch);

}  // namespace tessera
