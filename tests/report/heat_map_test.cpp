#include "report/heat_map.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/error.h"

namespace tessera::heat_map_test {

namespace {

// Lightness L* of CIE 1976, by way of relative luminance.
double lightness(Colour c) {
  const auto linear = [](uint8_t v) {
    const double x = v / 255.0;
    return x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4);
  };
  const double y = 0.2126 * linear(c.red) + 0.7152 * linear(c.green) + 0.0722 * linear(c.blue);
  return y > 0.008856 ? 116 * std::cbrt(y) - 16 : 903.3 * y;
}

Image grey_image(int height, int width, uint8_t level) {
  Image image = make_image(height, width);
  std::fill(image.pixels.begin(), image.pixels.end(), level);
  return image;
}

double luma(const Image& image, int y, int x) {
  const uint8_t* p = image.row(y) + 3 * x;
  return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
}

}  // namespace

TEST_CASE("heat map: equal steps of level are nearly equal steps of lightness") {
  double previous = lightness(heat_colour(0));
  CHECK(previous < 15);
  const double total = lightness(heat_colour(1)) - previous;
  CHECK(total > 75);
  for (int i = 1; i <= 20; ++i) {
    const double now = lightness(heat_colour(i / 20.0));
    // OKLab's lightness and L* differ by some bend, rounding to bytes adds less than half a unit.
    CHECK(now - previous > 0.5 * total / 20);
    CHECK(now - previous < 1.7 * total / 20);
    previous = now;
  }
}

TEST_CASE("heat map: levels are shares in units of the flat one") {
  const std::vector<float> flat(4, 0.3f);
  for (const double level : heat_levels(flat)) CHECK(level == doctest::Approx(0.25));
  const std::vector<double> peak = heat_levels(std::vector<float>{3, 1, 0, 0});
  CHECK(peak[0] == doctest::Approx(0.5));  // three times
  CHECK(peak[1] == doctest::Approx(0.25));
  CHECK(peak[2] == 0);
  std::vector<float> single(100, 0);
  single[7] = 2;
  CHECK(heat_levels(single)[7] == 1);  // hundred times: the end of the scale
  CHECK(heat_levels(std::vector<float>{0, 0}) == std::vector<double>{0, 0});
  CHECK(heat_levels(std::vector<float>{-1, 1})[0] == 0);
}

TEST_CASE("heat map: the patch with the weight is the light one") {
  const Image image = grey_image(8, 12, 100);
  const std::vector<float> weights{0, 0, 0, 0, 5, 0};
  const Image map = overlay_heat_map(image, weights, {2, 3}, 3);
  CHECK(map.height == 24);
  CHECK(map.width == 36);
  CHECK(luma(map, 18, 18) > 60 + luma(map, 6, 6));  // row 1, column 1 of 12 × 12 pixels each
  CHECK(luma(map, 18, 6) == doctest::Approx(luma(map, 6, 30)));
  CHECK(luma(map, 12, 6) > luma(map, 11, 6));  // the line between two rows of patches
}

TEST_CASE("heat map: the box is outlined, also where it leaves the picture") {
  const Image image = grey_image(8, 8, 100);
  const std::vector<float> weights{1, 1, 1, 1};
  const Image map = overlay_heat_map(image, weights, {2, 2}, 4, Box{2, 2, 4, 4});
  CHECK(luma(map, 9, 20) == doctest::Approx(255));
  CHECK(luma(map, 8, 20) == 0);
  const Image outside = overlay_heat_map(image, weights, {2, 2}, 4, Box{-4, -4, 100, 100});
  const Image plain = overlay_heat_map(image, weights, {2, 2}, 4);
  CHECK(outside.pixels == plain.pixels);
}

TEST_CASE("heat map: what does not fit is told") {
  const Image image = grey_image(8, 8, 0);
  CHECK_THROWS_WITH(overlay_heat_map(image, std::vector<float>(3), {2, 2}, 1), "heat map: 3 weights, expected 2 x 2");
  CHECK_THROWS_WITH(overlay_heat_map(image, std::vector<float>(9), {3, 3}, 1),
                    "heat map: a picture of 8 x 8 pixels cannot be cut into 3 x 3 patches");
  CHECK_THROWS_WITH(overlay_heat_map(image, std::vector<float>(4), {2, 2}, 0),
                    "heat map: scale is 0, expected at least 1");
  CHECK_THROWS_AS(overlay_heat_map(image, std::vector<float>(4), {2, 2}, 1000000), Error);
}

}  // namespace tessera::heat_map_test
