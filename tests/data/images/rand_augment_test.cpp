#include "data/images/rand_augment.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>

#include "data/images/image_operations.h"
#include "tests/error_text.h"

namespace tessera::rand_augment_test {
namespace {

using tests::error_of;

Image filled(int height, int width, std::initializer_list<int> levels) {
  Image image = make_image(height, width);
  REQUIRE(levels.size() == image.pixels.size());
  std::copy(levels.begin(), levels.end(), image.pixels.begin());
  return image;
}

// A row of grey levels.
Image grey_row(std::initializer_list<int> levels) {
  Image image = make_image(1, static_cast<int>(levels.size()));
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(levels.begin()[i / 3]);
  return image;
}

std::vector<int> grey_of(const Image& image) {
  std::vector<int> out;
  for (size_t i = 0; i < image.pixels.size(); i += 3) out.push_back(image.pixels[i]);
  return out;
}

Image patterned(int height, int width) {
  Image image = make_image(height, width);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * i * 7 + i * 13);
  return image;
}

}  // namespace

// The golden tests hold every operation on whole pictures; here are results that can be seen by hand.
TEST_CASE("Operations on levels") {
  CHECK(grey_of(auto_contrast(grey_row({10, 20, 30}))) == std::vector{0, 127, 255});
  CHECK(grey_of(auto_contrast(grey_row({9, 9}))) == std::vector{9, 9});
  CHECK(grey_of(equalize(grey_row({9, 200}))) == std::vector{9, 200});  // fewer than 255 pixels below the top level
  CHECK(grey_of(posterize(grey_row({255, 129, 64}), 1)) == std::vector{128, 128, 0});
  CHECK(grey_of(posterize(grey_row({255, 129, 64}), 8)) == std::vector{255, 129, 64});
  CHECK(grey_of(solarize(grey_row({76, 77, 255}), 76.8)) == std::vector{76, 178, 0});
  CHECK(grey_of(solarize_add(grey_row({0, 121, 250}), 7.33)) == std::vector{7, 127, 0});  // 250 + 7 stops at 255
  CHECK(grey_of(adjust_brightness(grey_row({0, 99, 200}), 1.3)) == std::vector{0, 128, 255});
  CHECK(grey_of(adjust_contrast(grey_row({0, 100, 200}), 0.5)) == std::vector{50, 100, 150});
  CHECK(adjust_colour(filled(1, 1, {255, 0, 0}), 0).pixels == std::vector<uint8_t>{76, 76, 76});
  const Image image = patterned(5, 7);
  for (const auto adjust : {adjust_colour, adjust_contrast, adjust_brightness, adjust_sharpness})
    CHECK(adjust(image, 1).pixels == image.pixels);
}

TEST_CASE("Equalizing spreads 512 pixels of two levels") {
  Image image = make_image(16, 32);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = i < image.pixels.size() / 2 ? 100 : 101;
  const std::vector<int> levels = grey_of(equalize(image));
  // step = 256 / 255 = 1; nothing lies below 100, and 256 pixels below 101.
  CHECK(levels.front() == 0);
  CHECK(levels.back() == 255);
}

TEST_CASE("Smoothing leaves the border as it is") {
  Image image = make_image(3, 3);
  image.row(1)[3] = 130;  // red of the middle
  const Image smoothed = adjust_sharpness(image, 0);
  CHECK(smoothed.row(1)[3] == 50);  // 130 * 5 / 13
  CHECK(grey_of(smoothed) == std::vector{0, 0, 0, 0, 50, 0, 0, 0, 0});
  for (const auto& [height, width] : {std::pair(1, 9), std::pair(9, 1), std::pair(2, 2), std::pair(1, 1)})
    CHECK(adjust_sharpness(patterned(height, width), 0).pixels == patterned(height, width).pixels);
}

TEST_CASE("Operations on places: nearest pixel, black outside") {
  const Image row = grey_row({1, 2, 3, 4});
  CHECK(grey_of(augment(row, AugmentOp::translate_x, 1)) == std::vector{2, 3, 4, 0});
  CHECK(grey_of(augment(row, AugmentOp::translate_x, -2)) == std::vector{0, 0, 1, 2});
  CHECK(grey_of(augment(row, AugmentOp::translate_x, 66.7)) == std::vector{0, 0, 0, 0});
  CHECK(grey_of(augment(row, AugmentOp::translate_y, 1)) == std::vector{0, 0, 0, 0});
  const Image square = filled(2, 2, {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4});
  CHECK(grey_of(rotate(square, 90)) == std::vector{2, 4, 1, 3});  // counter-clockwise
  CHECK(grey_of(rotate(square, -90)) == std::vector{3, 1, 4, 2});
  CHECK(grey_of(rotate(square, 180)) == std::vector{4, 3, 2, 1});
  CHECK(grey_of(rotate(square, 720)) == std::vector{1, 2, 3, 4});
  // Row y is read from v (y + 0.5) columns further on: 0.5 + 0.5 and 1.5 + 0.5 columns.
  const Image shear = filled(2, 3, {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6});
  CHECK(grey_of(augment(shear, AugmentOp::shear_x, 1)) == std::vector{2, 3, 0, 6, 0, 0});
  CHECK(grey_of(augment(shear, AugmentOp::shear_y, 1)) == std::vector{4, 0, 0, 0, 0, 0});
}

TEST_CASE("Every operation keeps the size, also of a picture of one pixel or one row") {
  for (const auto& [height, width] :
       {std::pair(1, 1), std::pair(1, 37), std::pair(37, 1), std::pair(2, 3), std::pair(31, 17)}) {
    for (const AugmentRange& range : kAugmentRanges) {
      for (const double magnitude : {0.0, 9.0, 30.0}) {
        const double value = augment_value(range.op, magnitude);
        const Image out = augment(patterned(height, width), range.op, range.has_sign ? -value : value);
        CAPTURE(range.name);
        CHECK(out.height == height);
        CHECK(out.width == width);
        CHECK_NOTHROW(check_image(out, "out"));
      }
    }
  }
}

TEST_CASE("A picture beyond the range of fixed-point coordinates is sheared, too") {
  const Image wide = patterned(2, 40000);
  const Image out = augment(wide, AugmentOp::shear_x, 3);
  // Row 0 begins 1.5 + 0.5 columns in, row 1 at 4.5 + 0.5.
  for (int x = 0; x < 39990; x += 7) {
    CHECK(out.row(0)[3 * x] == wide.row(0)[3 * (x + 2)]);
    CHECK(out.row(1)[3 * x] == wide.row(1)[3 * (x + 5)]);
  }
}

TEST_CASE("Magnitudes become values by the published rule") {
  CHECK(augment_value(AugmentOp::rotate, 9) == 9);
  CHECK(augment_value(AugmentOp::solarize, 9) == 0.3 * 256);
  CHECK(augment_value(AugmentOp::colour, 9) == doctest::Approx(0.64));
  CHECK(augment_value(AugmentOp::colour, 30) == 1.9);
  CHECK(augment_value(AugmentOp::translate_x, 0) == 0);
  for (size_t i = 0; i < kAugmentRanges.size(); ++i) CHECK(static_cast<size_t>(kAugmentRanges[i].op) == i);
}

TEST_CASE("Two draws from all fourteen, with repetition, the sign by coin") {
  std::map<AugmentOp, int> counts, negative;
  int repeated = 0;
  constexpr int kDraws = 14000;
  for (int i = 0; i < kDraws; ++i) {
    Random random(5, i);
    const auto steps = draw_augmentation(random);
    repeated += steps[0].op == steps[1].op;
    for (const AugmentStep& step : steps) {
      ++counts[step.op];
      negative[step.op] += step.value < 0;
      CHECK(std::abs(step.value) == augment_value(step.op, 9));
    }
  }
  // Binomial: 2000 of each with a deviation of 43, 1000 repeated with one of 30, half of the signs with one of 22; five
  // deviations are allowed.
  CHECK(std::abs(repeated - 1000) < 150);
  for (const AugmentRange& range : kAugmentRanges) {
    CAPTURE(range.name);
    CHECK(std::abs(counts[range.op] - 2000) < 215);
    if (range.has_sign) CHECK(std::abs(negative[range.op] - counts[range.op] / 2) < 115);
    if (!range.has_sign) CHECK(negative[range.op] == 0);
  }
}

TEST_CASE("The augmented picture is the two operations one after the other, and a function of the generator") {
  const Image image = patterned(23, 31);
  bool changed = false;
  for (int seed = 0; seed < 20; ++seed) {
    Random random(seed), same(seed), again(seed);
    const auto steps = draw_augmentation(random);
    const Image out = rand_augment(image, same);
    CHECK(out.pixels == augment(augment(image, steps[0].op, steps[0].value), steps[1].op, steps[1].value).pixels);
    CHECK(out.pixels == rand_augment(image, again).pixels);
    changed = changed || out.pixels != image.pixels;
  }
  CHECK(changed);
}

TEST_CASE("Values and pictures that cannot be") {
  const Image image = patterned(2, 2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(error_of([&] { augment(image, AugmentOp::rotate, nan); }) == "augment: Rotate with the value nan");
  CHECK(error_of([&] { augment(image, AugmentOp::posterize, 9); }) == "posterize: 9 bits, expected 1 to 8");
  CHECK(error_of([&] { posterize(image, 0); }) == "posterize: 0 bits, expected 1 to 8");
  CHECK(error_of([&] { augment({}, AugmentOp::solarize, 1); }) == "augment: the picture is 0 x 0 pixels");
  CHECK(error_of([&] { augment(image, static_cast<AugmentOp>(14), 1); }) == "augment: operation 14, expected 0 to 13");
  CHECK(error_of([&] { augment(image, AugmentOp::contrast, 1e300); }) == "blend: the factor is 1e+300");
  CHECK(grey_of(augment(image, AugmentOp::shear_x, 1e308)) == std::vector{0, 0, 0, 0});
  CHECK(grey_of(augment(image, AugmentOp::translate_y, 1e308)) == std::vector{0, 0, 0, 0});
  CHECK(error_of([&] { rotate(image, nan); }) == "rotate: the angle is nan");
  CHECK(error_of([&] { rotate({}, 1); }) == "rotate: the picture is 0 x 0 pixels");
  CHECK(error_of([&] { transform_affine({}, {1, 0, 0, 0, 1, 0}); }) == "transform_affine: the picture is 0 x 0 pixels");
  CHECK(error_of([&] { transform_affine(image, {1, 0, nan, 0, 1, 0}); }) == "transform_affine: coefficient nan");
}

}  // namespace tessera::rand_augment_test
