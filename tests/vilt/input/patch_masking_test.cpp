#include "vilt/input/patch_masking.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tensor/error.h"

namespace tessera::patch_masking_test {
namespace {

// What the labels are said to be for pictures of 8-bit levels: the whole part of the exact mean.
int64_t whole_mean(const std::vector<uint8_t>& levels) {
  int64_t sum = 0;
  for (const uint8_t level : levels) sum += level;
  return sum / static_cast<int64_t>(levels.size());
}

// A picture of one patch, its three channels alike.
std::vector<float> normalised(const std::vector<uint8_t>& levels, int side, const PixelNorm& norm) {
  Image image;
  image.width = image.height = side;
  for (const uint8_t level : levels) image.pixels.insert(image.pixels.end(), 3, level);
  return PatchExtractor(side, norm).extract(image);
}

const PixelNorm kNorms[] = {{},
                            {{0.2f, 0.2f, 0.2f}, {0.25f, 0.25f, 0.25f}},
                            {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
                            {{0, 0, 0}, {1, 1, 1}}};

}  // namespace

TEST_CASE("A patch of one colour has that colour, at every level and with every normalisation") {
  for (const PixelNorm& norm : kNorms)
    for (int level = 0; level < 256; ++level) {
      const std::vector<uint8_t> levels(16 * 16, static_cast<uint8_t>(level));
      for (const int64_t colour : mean_colour(normalised(levels, 16, norm), norm)) CHECK(colour == level);
    }
}

TEST_CASE("Colours are the whole part of the exact mean, also where it is just below a whole number") {
  for (const int side : {4, 16, 32})
    for (const PixelNorm& norm : kNorms)
      for (uint64_t trial = 0; trial < 40; ++trial) {
        Random random(3, static_cast<uint64_t>(side), trial);
        std::vector<uint8_t> levels(static_cast<size_t>(side * side), static_cast<uint8_t>(1 + random.below(255)));
        if (trial % 2 == 0)
          for (uint8_t& level : levels) level = static_cast<uint8_t>(random.below(256));
        else
          --levels[random.below(levels.size())];  // one below a constant: the mean is 1 / P² below a whole number
        for (const int64_t colour : mean_colour(normalised(levels, side, norm), norm))
          CHECK(colour == whole_mean(levels));
        std::vector<uint8_t> channels(levels);
        for (int c = 0; c < 2; ++c) channels.insert(channels.end(), levels.begin(), levels.end());
        for (const int64_t colour : mean_colour(channels)) CHECK(colour == whole_mean(levels));
      }
}

TEST_CASE("Channels are told apart; values beyond the levels are clamped") {
  std::vector<float> patch;
  for (const float value : {-0.5f, 7.0f, -7.0f}) patch.insert(patch.end(), 4, value);
  CHECK(mean_colour(patch, {}) == std::array<int64_t, 3>{63, 255, 0});  // 255 · 0.25 = 63.75
  CHECK_THROWS_WITH(mean_colour(std::vector<float>(4), {}), "mean_colour: a patch of 4 values");
  CHECK(mean_colour(std::vector<uint8_t>{1, 2, 255, 254, 0, 9}) == std::array<int64_t, 3>{1, 254, 4});
  CHECK_THROWS_WITH(mean_colour(std::vector<uint8_t>(4)), "mean_colour: a patch of 4 values");
}

TEST_CASE("Every patch is a target with the given chance, and a share of the targets is replaced") {
  // 40,000 draws: the shares' standard deviations are 0.0018 and 0.005; the bounds are five of them.
  int64_t targets = 0, replaced = 0;
  for (uint64_t image = 0; image < 400; ++image) {
    Random random(1, image);
    const PatchMasking masking = mask_patches(100, {}, random);
    targets += static_cast<int64_t>(masking.targets.size());
    replaced += static_cast<int64_t>(masking.replaced.size());
    CHECK(std::is_sorted(masking.targets.begin(), masking.targets.end()));
    CHECK(std::includes(masking.targets.begin(), masking.targets.end(), masking.replaced.begin(),
                        masking.replaced.end()));
  }
  CHECK(static_cast<double>(targets) / 40000 == doctest::Approx(0.15).epsilon(0.06));
  CHECK(static_cast<double>(replaced) / static_cast<double>(targets) == doctest::Approx(0.8).epsilon(0.032));
}

TEST_CASE("Rates of 0 and 1, and an image of no patch") {
  Random random(1);
  CHECK(mask_patches(10, {.rate = 0, .replaced = 1}, random).targets.empty());
  CHECK(mask_patches(10, {.rate = 1, .replaced = 1}, random).replaced.size() == 10);
  CHECK(mask_patches(10, {.rate = 1, .replaced = 0}, random).replaced.empty());
  CHECK(mask_patches(0, {.rate = 1, .replaced = 1}, random).targets.empty());
}

TEST_CASE("Another rate moves no other patch's draw") {
  Random a(5), b(5);
  const PatchMasking few = mask_patches(200, {.rate = 0.1, .replaced = 0.8}, a);
  const PatchMasking many = mask_patches(200, {.rate = 0.3, .replaced = 0.8}, b);
  CHECK(std::includes(many.targets.begin(), many.targets.end(), few.targets.begin(), few.targets.end()));
  CHECK(std::includes(many.replaced.begin(), many.replaced.end(), few.replaced.begin(), few.replaced.end()));
}

}  // namespace tessera::patch_masking_test
