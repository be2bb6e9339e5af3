#include "vilt/input/patch_masking.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace tessera {

PatchMasking mask_patches(int64_t patches, const PatchMaskingOptions& options, Random& random) {
  PatchMasking out;
  for (int64_t place = 0; place < patches; ++place) {
    const double target = random.uniform(), replaced = random.uniform();
    if (target >= options.rate) continue;
    out.targets.push_back(place);
    if (replaced < options.replaced) out.replaced.push_back(place);
  }
  return out;
}

std::array<int64_t, 3> mean_colour(std::span<const float> patch, const PixelNorm& norm) {
  constexpr double kTolerance = 1.0 / 16384;
  check(!patch.empty() && patch.size() % 3 == 0, "mean_colour: a patch of ", patch.size(), " values");
  const size_t area = patch.size() / 3;
  std::array<int64_t, 3> levels{};
  for (size_t channel = 0; channel < 3; ++channel) {
    double sum = 0;
    for (const float value : patch.subspan(channel * area, area)) sum += static_cast<double>(value);
    const double mean = sum / static_cast<double>(area) * static_cast<double>(norm.std[channel]) +
                        static_cast<double>(norm.mean[channel]);
    levels[channel] = static_cast<int64_t>(std::clamp(std::floor(255 * mean + kTolerance), 0.0, 255.0));
  }
  return levels;
}

std::array<int64_t, 3> mean_colour(std::span<const uint8_t> patch) {
  check(!patch.empty() && patch.size() % 3 == 0, "mean_colour: a patch of ", patch.size(), " values");
  const size_t area = patch.size() / 3;
  std::array<int64_t, 3> levels{};
  for (size_t channel = 0; channel < 3; ++channel) {
    for (const uint8_t level : patch.subspan(channel * area, area)) levels[channel] += level;
    levels[channel] /= static_cast<int64_t>(area);
  }
  return levels;
}

}  // namespace tessera
