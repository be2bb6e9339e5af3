#include "data/images/patches.h"

#include <doctest/doctest.h>

#include <limits>

#include "tensor/error.h"
#include "tensor/gemm/packed/instruction_set.h"

namespace tessera::patches_test {

namespace {

// Every byte differs from its neighbours in all three directions.
Image numbered(int height, int width) {
  Image image = make_image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) image.row(y)[x * 3 + c] = static_cast<uint8_t>(y * 41 + x * 7 + c * 101);
  return image;
}

float normalised(uint8_t x, float mean, float deviation) { return (static_cast<float>(x) / 255.0f - mean) / deviation; }

}  // namespace

TEST_CASE("patches in raster order, values in the order channel, row, column") {
  for (int patch : {1, 2, 5}) {
    CAPTURE(patch);
    const Image image = numbered(2 * patch, 3 * patch);
    const PixelNorm norm{{0.1f, 0.2f, 0.3f}, {0.5f, 1.0f, 2.0f}};
    const PatchExtractor extractor(patch, norm);
    CHECK(extractor.count(image) == 6);
    CHECK(extractor.values_per_patch() == 3 * patch * patch);
    const std::vector<float> rows = extractor.extract(image);
    std::vector<uint8_t> levels(rows.size());
    extractor.extract_levels(image, levels);
    size_t i = 0;
    for (int n = 0; n < 6; ++n)
      for (size_t c = 0; c < 3; ++c)
        for (int y = 0; y < patch; ++y)
          for (int x = 0; x < patch; ++x) {
            const uint8_t pixel = image.row(n / 3 * patch + y)[(n % 3 * patch + x) * 3 + static_cast<int>(c)];
            REQUIRE(levels[i] == pixel);
            REQUIRE(rows[i++] == normalised(pixel, norm.mean[c], norm.std[c]));
          }
    CHECK(i == rows.size());
  }
}

// Sides around the 16 pixels of a vector. The means and deviations are those of ViLT, of ImageNet and of others, among
// them one whose quotients overflow, where the table alone is right.
TEST_CASE("every set of inner loops gives the table's values") {
  const PixelNorm norms[] = {{},
                             {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
                             {{0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}},
                             {{0, 1, -3}, {1, 3, 1e-3f}},
                             {{0.1f, 0.2f, 0.3f}, {1e-38f, 1e38f, 1e-45f}}};
  for (const InstructionSet set : {InstructionSet::portable, machine_instruction_sets().front()}) {
    force_instruction_set(set);
    for (const PixelNorm& norm : norms)
      for (int patch : {1, 3, 15, 16, 17, 31, 32, 33, 48}) {
        CAPTURE(name_of(set));
        CAPTURE(patch);
        const PatchExtractor extractor(patch, norm);
        Image image = numbered(patch, 2 * patch);
        const std::vector<float> rows = extractor.extract(image);
        size_t i = 0, wrong = 0;
        for (int n = 0; n < 2; ++n)
          for (size_t c = 0; c < 3; ++c)
            for (int y = 0; y < patch; ++y)
              for (int x = 0; x < patch; ++x) {
                const uint8_t pixel = image.row(y)[(n * patch + x) * 3 + static_cast<int>(c)];
                wrong += rows[i++] != normalised(pixel, norm.mean[c], norm.std[c]);
              }
        CHECK(wrong == 0);
      }
  }
  force_instruction_set(std::nullopt);
}

TEST_CASE("chosen patches come in the order asked for") {
  const Image image = numbered(8, 12);
  const PatchExtractor extractor(4);
  const std::vector<float> all = extractor.extract(image);
  const std::vector<int64_t> indices = {5, 0, 3, 3};
  const auto values = static_cast<size_t>(extractor.values_per_patch());
  std::vector<float> some(indices.size() * values);
  extractor.extract(image, indices, some);
  for (size_t n = 0; n < indices.size(); ++n)
    for (size_t v = 0; v < values; ++v)
      REQUIRE(some[n * values + v] == all[static_cast<size_t>(indices[n]) * values + v]);
}

TEST_CASE("a mean and a deviation given on the scale of 0 to 255") {
  const float mean = 51.0f / 255.0f, deviation = 64.0f / 255.0f;
  const PatchExtractor extractor(16, {{mean, mean, mean}, {deviation, deviation, deviation}});
  // Three roundings, each of at most half a unit in the last place of a value below 4.
  for (int x = 0; x < 256; ++x)
    CHECK(extractor.value(1, static_cast<uint8_t>(x)) == doctest::Approx((x - 51) / 64.0).epsilon(1e-6));
  CHECK(extractor.value(0, 51) == 0.0f);
}

TEST_CASE("what cannot be cut into patches") {
  CHECK_THROWS_WITH_AS(PatchExtractor(0), "patches: patch is 0, expected 1 to 4096", Error);
  CHECK_THROWS_WITH_AS(PatchExtractor(16, {{0, 0, 0}, {1, 0, 1}}),
                       "patches: std of channel 1 is 0, expected a positive number", Error);
  CHECK_THROWS_WITH_AS(PatchExtractor(16, {{0, 0, std::numeric_limits<float>::infinity()}, {1, 1, 1}}),
                       "patches: mean of channel 2 is inf", Error);
  const PatchExtractor extractor(16);
  CHECK_THROWS_WITH_AS(extractor.count(make_image(32, 40)),
                       "patches: the picture is 40 x 32 pixels, expected sides that are multiples of the patch, 16",
                       Error);
  std::vector<float> room(768);
  CHECK_THROWS_WITH_AS(extractor.extract(make_image(16, 32), std::span<float>(room)),
                       "patches: room for 768 values, expected 1536", Error);
  std::vector<uint8_t> levels(768);
  CHECK_THROWS_WITH_AS(extractor.extract_levels(make_image(16, 32), levels),
                       "patches: room for 768 values, expected 1536", Error);
  const std::vector<int64_t> beyond = {2};
  CHECK_THROWS_WITH_AS(extractor.extract(make_image(16, 32), beyond, room),
                       "patches: patch number 2 of a picture with 2", Error);
}
// The authors' code finds the padding of a batch by the pixels: where the three normalised channels sum to 0. That no
// real pixel passes for padding is a property of the normalisation: 2 (r + g + b) / 255 = 3 has no solution in whole
// numbers, and the nearest sums are 1/255 away, far beyond f32 rounding. All triples, so every order of summation is
// among them.
TEST_CASE("No pixel of 8-bit levels sums to 0 under mean 0.5 and deviation 0.5") {
  const PatchExtractor extractor(1);
  std::array<float, 256> level{};
  for (int x = 0; x < 256; ++x) level[static_cast<size_t>(x)] = extractor.value(0, static_cast<uint8_t>(x));
  float smallest = 3;
  for (const float r : level)
    for (const float g : level) {
      const float two = r + g;
      for (const float b : level) smallest = std::min(smallest, std::abs(two + b));
    }
  CHECK(smallest > 0.0039f);
  CHECK(smallest == doctest::Approx(1.0 / 255).epsilon(1e-4));
}

}  // namespace tessera::patches_test
