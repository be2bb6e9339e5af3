// From pixels to the rows that the patch projection takes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/images/image.h"
#include "data/images/pixel_kernels.h"

namespace tessera {

// A channel's value x (0..255) becomes (x / 255 - mean) / std, in float32 in this order. ViLT's setting is 0.5
// throughout; a mean of 51 and a deviation of 64 on the 0..255 scale are 51/255 and 64/255 here.
struct PixelNorm {
  std::array<float, 3> mean{0.5f, 0.5f, 0.5f};
  std::array<float, 3> std{0.5f, 0.5f, 0.5f};
};

struct Grid {
  int rows = 0, columns = 0;
};

// One image, cut into patches: rows in raster order.
struct PatchedImage {
  int rows = 0, columns = 0;   // of patches
  std::vector<float> patches;  // [rows · columns, patch size]: normalised, each row (channel, y, x)
};

// Cuts a picture of whole patches into rows [3 * patch * patch] of float32 in the order (channel, row, column): the
// order of a convolution kernel [out, 3, patch, patch] reshaped to [out, 3 * patch * patch]. Patches are numbered row
// by row.
class PatchExtractor {
 public:
  // Throws when patch < 1 or a std is not positive and finite, or a mean not finite.
  explicit PatchExtractor(int patch, const PixelNorm& norm = {});

  int patch() const { return patch_; }
  int values_per_patch() const { return 3 * patch_ * patch_; }

  // (height / patch) * (width / patch). Throws when a side is not a multiple of the patch.
  int count(const Image& image) const;

  // All patches: out [count(image), 3 * patch * patch].
  void extract(const Image& image, std::span<float> out) const;
  std::vector<float> extract(const Image& image) const;

  // The same as levels 0..255, not normalised.
  void extract_levels(const Image& image, std::span<uint8_t> out) const;

  // The patches with these numbers in this order: out [indices.size(), 3 * patch * patch].
  void extract(const Image& image, std::span<const int64_t> indices, std::span<float> out) const;

  // What level `x` of `channel` becomes.
  float value(int channel, uint8_t x) const { return levels_.levels[channel][x]; }

 private:
  void copy_patch(const Image& image, int row, int column, float* out) const;

  int patch_;
  PixelLevels levels_;
  decltype(PixelKernels::normalise) normalise_;
};

}  // namespace tessera
