// Pictures of any aspect ratio reach the model as at least one patch each way.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "data/samples.h"
#include "vilt/input/position_taps.h"

namespace tessera::extreme_images_test {
namespace {

// Black in the first half of the longer side, white in the second.
Image half_white(int height, int width) {
  Image image = make_image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      if (width >= height ? 2 * x >= width : 2 * y >= height) std::fill_n(image.row(y) + 3 * x, 3, uint8_t{255});
  return image;
}

void check_taps(const PositionTaps& taps, size_t patches, int side) {
  REQUIRE(taps.index.size() == 4 * patches);
  REQUIRE(taps.weight.size() == 4 * patches);
  for (size_t p = 0; p < patches; ++p) {
    double sum = 0;
    for (size_t k = 4 * p; k < 4 * p + 4; ++k) {
      CHECK(taps.index[k] >= 1);
      CHECK(taps.index[k] <= side * side);
      CHECK(taps.weight[k] >= 0);
      sum += taps.weight[k];
    }
    CHECK(std::abs(sum - 1) < 1e-14);  // four weights with a few roundings each
  }
}

}  // namespace

TEST_CASE("Long and thin pictures become one row or one column of patches") {
  // At the published setting the longer side ends at 639 pixels, 19 whole patches; the shorter one would be 639 /
  // ratio.
  const SampleOptions options;
  for (const auto& [shorter, longer] :
       {std::pair(1, 2000), std::pair(40, 800), std::pair(10, 1000), std::pair(1, 60000), std::pair(3, 70)}) {
    for (const bool wide : {true, false}) {
      CAPTURE(longer);
      CAPTURE(wide);
      const int height = wide ? shorter : longer, width = wide ? longer : shorter;
      const ResizedImage ready = prepare_image(half_white(height, width), options, "x");
      CHECK(ready.original_height == height);
      CHECK(ready.original_width == width);
      CHECK(ready.image.height == (wide ? 32 : 608));
      CHECK(ready.image.width == (wide ? 608 : 32));

      const PatchExtractor extractor(options.patch, options.norm);
      const std::vector<float> patches = extractor.extract(ready.image);
      REQUIRE(patches.size() == 19 * 3072);
      const auto constant = [&](int64_t patch, float level) {
        const auto first = patches.begin() + patch * 3072;
        return std::all_of(first, first + 3072, [&](float value) { return value == level; });
      };
      // Bicubic weights reach two source pixels to each side, which is less than eight patches in all these cases.
      CHECK(constant(0, -1));
      CHECK(constant(18, 1));
      const int rows = ready.image.height / 32, columns = ready.image.width / 32;
      check_taps(position_taps(12, rows, columns), 19, 12);
    }
  }
}

TEST_CASE("A single pixel is enlarged to the whole square") {
  Image pixel = make_image(1, 1);
  std::fill(pixel.pixels.begin(), pixel.pixels.end(), uint8_t{201});
  const ResizedImage ready = prepare_image(Image(pixel), SampleOptions{}, "x");
  CHECK(ready.image.height == 384);
  CHECK(ready.image.width == 384);
  CHECK(std::all_of(ready.image.pixels.begin(), ready.image.pixels.end(), [](uint8_t level) { return level == 201; }));
}

TEST_CASE("At native size a strip of a hundred patches is taken as it is") {
  SampleOptions options;
  options.resize = false;
  const ResizedImage ready = prepare_image(half_white(32, 3200), options, "x");
  CHECK(ready.image.pixels == half_white(32, 3200).pixels);
  CHECK(PatchExtractor(32).count(ready.image) == 100);
  check_taps(position_taps(12, 1, 100), 100, 12);
  check_taps(position_taps(12, 100, 1), 100, 12);
}

}  // namespace tessera::extreme_images_test
