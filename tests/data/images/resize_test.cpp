#include "data/images/resize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "data/images/pixel_kernels.h"
#include "tensor/error.h"

namespace tessera::resize_test {

namespace {

Image noise(int height, int width, uint64_t seed) {
  Image image = make_image(height, width);
  uint32_t state = static_cast<uint32_t>(seed) * 2654435761u + 1;
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  return image;
}

double kernel(double x) {
  x = std::abs(x);
  if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
  if (x < 2) return -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2;
  return 0;
}

int32_t value_of(WeightDigits digits) { return digits.low + 256 * digits.middle + 65536 * digits.high; }

// One side resized in double precision, with no fixed-point weights: the mean before rounding.
double filtered(const std::vector<double>& line, int out, int i) {
  const int in = static_cast<int>(line.size());
  const double scale = static_cast<double>(in) / out, stretch = std::max(scale, 1.0), centre = (i + 0.5) * scale;
  double sum = 0, total = 0;
  for (int j = 0; j < in; ++j) {
    const double weight = kernel((j + 0.5 - centre) / stretch);
    sum += weight * line[j];
    total += weight;
  }
  return sum / total;
}

// How far the bytes are from the clamped means of the definition, along one side.
double distance_from_definition(const Image& image, ImageSize size) {
  const Image resized = resize_bicubic(image, size);
  REQUIRE(resized.height == size.height);
  REQUIRE(resized.width == size.width);
  const bool along_width = size.height == image.height;
  double largest = 0;
  for (int k = 0; k < (along_width ? size.height : size.width); ++k)
    for (int c = 0; c < 3; ++c) {
      std::vector<double> line;
      for (int j = 0; j < (along_width ? image.width : image.height); ++j)
        line.push_back(along_width ? image.row(k)[j * 3 + c] : image.row(j)[k * 3 + c]);
      for (int i = 0; i < (along_width ? size.width : size.height); ++i) {
        const double mean = filtered(line, along_width ? size.width : size.height, i);
        const int byte = along_width ? resized.row(k)[i * 3 + c] : resized.row(i)[k * 3 + c];
        largest = std::max(largest, std::abs(std::clamp(mean, 0.0, 255.0) - byte));
      }
    }
  return largest;
}

}  // namespace

TEST_CASE("each side follows the definition at sizes around the block of 64") {
  for (int other : {1, 2, 7, 63, 64, 65, 130})
    for (auto [from, to] : {std::pair{1, 5}, {2, 3}, {3, 2}, {9, 64}, {64, 9}, {65, 64}, {100, 1}, {31, 97}}) {
      CAPTURE(other);
      CAPTURE(from);
      CAPTURE(to);
      // Half a level by rounding, and at most 2^-23 * 255 for each of the up to 401 weights: 0.012.
      CHECK(distance_from_definition(noise(other, from, 1), {other, to}) <= 0.512);
      CHECK(distance_from_definition(noise(from, other, 2), {to, other}) <= 0.512);
    }
}

// Widths whose rows are shorter than a vector, end within one, and fill them; shrinking by up to 9 (a block of 16
// values reaches over 64 bytes from about 3) and enlarging; pictures of extreme levels, where the result has to be
// clamped on both sides.
TEST_CASE("every set of inner loops gives the bytes of the portable one") {
  const std::vector<const PixelKernels*> usable = usable_pixel_kernels();
  CHECK(usable.front() == &portable_pixel_kernels());
  uint64_t seed = 1;
  for (int from : {1, 2, 3, 5, 16, 21, 22, 37, 64, 101, 331})
    for (int to : {1, 2, 4, 5, 6, 15, 16, 17, 32, 43, 64, 100, 131, 400}) {
      Image image = noise(from, to % 40 + 1, seed++);
      if (seed % 2)
        for (uint8_t& value : image.pixels) value = value < 128 ? 0 : 255;
      const Image turned{image.width, image.height, image.pixels};  // the same bytes as other rows
      Image expected, actual;
      for (const PixelKernels* kernels : usable) {
        CAPTURE(kernels->name);
        CAPTURE(from);
        CAPTURE(to);
        for (const auto& [picture, size] : {std::pair{&std::as_const(image), ImageSize{to, image.width}},
                                            {&turned, ImageSize{turned.height, to}},
                                            {&image, ImageSize{to, from}}}) {
          resize_bicubic(*picture, size, expected, portable_pixel_kernels());
          resize_bicubic(*picture, size, actual, *kernels);
          CHECK(actual.height == size.height);
          CHECK(actual.width == size.width);
          CHECK(actual.pixels == expected.pixels);
        }
      }
    }
}

// 1.13 at an edge, where the window is cut off.
TEST_CASE("bicubic weights are far from what three digits hold, and the digits give them back") {
  for (int in = 1; in < 60; ++in)
    for (int out = 1; out < 300; ++out) {
      const Filter filter = make_filter(in, out);
      REQUIRE(filter.in_digits);
      int32_t largest = 0;
      bool same = true;
      for (const int32_t weight : filter.weights) {
        largest = std::max(largest, std::abs(weight));
        same &= value_of(digits_of(weight)) == weight;
      }
      REQUIRE(largest < 1.2 * (1 << kFilterWeightBits));
      REQUIRE(same);
    }
  for (const int32_t weight : {kLargestDigitWeight, -kLargestDigitWeight, 0, 127, 128, -128, -129, 32640, 32895, 32896})
    CHECK(value_of(digits_of(weight)) == weight);
}

TEST_CASE("the height goes first when it loses more than twice as many rows as the width loses columns") {
  const auto width_first = [](const Image& image, ImageSize size) {
    return resize_bicubic(resize_bicubic(image, {image.height, size.width}), size).pixels;
  };
  const auto height_first = [](const Image& image, ImageSize size) {
    return resize_bicubic(resize_bicubic(image, {size.height, image.width}), size).pixels;
  };
  const Image image = noise(60, 40, 3);
  for (auto [size, height] : {std::pair{ImageSize{40, 30}, false},
                              {ImageSize{39, 30}, true},
                              {ImageSize{59, 41}, true},
                              {ImageSize{61, 80}, false},
                              {ImageSize{61, 30}, false}}) {
    CAPTURE(size.height);
    REQUIRE(width_first(image, size) != height_first(image, size));
    CHECK(resize_bicubic(image, size).pixels == (height ? height_first(image, size) : width_first(image, size)));
  }
}

TEST_CASE("a picture of one colour stays so, and its own size changes nothing") {
  Image flat = make_image(17, 23);
  for (size_t i = 0; i < flat.pixels.size(); ++i) flat.pixels[i] = static_cast<uint8_t>(100 + i % 3);
  const Image resized = resize_bicubic(flat, {96, 32});
  for (size_t i = 0; i < resized.pixels.size(); ++i) REQUIRE(resized.pixels[i] == 100 + i % 3);
  const Image image = noise(12, 34, 4);
  CHECK(resize_bicubic(image, {12, 34}).pixels == image.pixels);
}

TEST_CASE("reference pictures, byte for byte") {
  for (const char* name : {"two_by_three.png", "checker.png", "odd_420.jpg", "grey_jpg.jpg", "adam7.png", "tall.png",
                           "one_high.png", "progressive.jpg"}) {
    CAPTURE(name);
    const std::filesystem::path input = std::filesystem::path(TESSERA_GOLDEN_DIR) / "data/resize" / name;
    const Image expected = read_image(std::filesystem::path(input).replace_extension(".expected.png"));
    CHECK(resize_bicubic(read_image(input), {expected.height, expected.width}).pixels == expected.pixels);
  }
}

TEST_CASE("ViLT's size rule") {
  CHECK(vilt_size(480, 640, 384, 32) == ImageSize{384, 512});
  CHECK(vilt_size(640, 384, 384, 32) == ImageSize{608, 352});  // both sides shrink where the longer is held at 639
  CHECK(vilt_size(5000, 1, 384, 32) == ImageSize{608, 32});    // the rule alone would give a width of 0
  CHECK(vilt_size(80, 80, 80, 16) == ImageSize{80, 80});
  CHECK(vilt_size(1, 1, 100, 16) == ImageSize{96, 96});
  CHECK_THROWS_WITH_AS(vilt_size(0, 5, 384, 32), "vilt_size: the picture is 5 x 0 pixels", Error);
  CHECK_THROWS_WITH_AS(vilt_size(5, 5, 384, 0), "vilt_size: patch is 0, expected at least 1", Error);
  CHECK_THROWS_WITH_AS(vilt_size(5, 5, 31, 32), "vilt_size: shorter side is 31, expected 32 (one patch) to 65536",
                       Error);
}

TEST_CASE("what cannot be resized") {
  CHECK_THROWS_WITH_AS(resize_bicubic(make_image(2, 2), {0, 4}), "resize_bicubic: the picture is 4 x 0 pixels", Error);
  CHECK_THROWS_WITH_AS(resize_bicubic(make_image(2, 2), {100'000, 100'000}),
                       "resize_bicubic: the picture is 100000 x 100000 pixels, the limit is 178956970 in all", Error);
  CHECK_THROWS_WITH_AS(resize_bicubic(make_image(1, (1 << 20) + 1), {4, 4}),
                       "resize_bicubic: the picture is 1048577 x 1 pixels, the limit of a side is 1048576", Error);
  Image same = make_image(2, 2);
  CHECK_THROWS_WITH_AS(resize_bicubic(same, {4, 4}, same), "resize_bicubic: the result cannot be the picture itself",
                       Error);
  Image wrong = make_image(2, 2);
  wrong.pixels.pop_back();
  CHECK_THROWS_WITH_AS(resize_bicubic(wrong, {4, 4}),
                       "resize_bicubic: the picture has 11 bytes, expected 3 for each of 2 x 2 pixels", Error);
}

}  // namespace tessera::resize_test
