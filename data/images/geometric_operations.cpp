// Which pixel is nearest is decided on the last bit of a coordinate, so the arithmetic is Pillow's: three ways, chosen
// by the coefficients as there. The data library is compiled without fused multiply-add.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numbers>
#include <system_error>

#include "data/images/image_codecs.h"
#include "data/images/image_operations.h"
#include "tensor/error.h"

namespace tessera {
namespace {

void copy_pixel(const Image& from, int64_t y, int64_t x, uint8_t* to) {
  if (y < 0 || y >= from.height || x < 0 || x >= from.width) return;
  std::memcpy(to, from.row(static_cast<int>(y)) + 3 * x, 3);
}

// A coordinate's pixel; -1 for one before the picture or beyond any, and for what is no number.
int64_t pixel_of(double coordinate) {
  return coordinate >= 0 && coordinate < 0x1p31 ? static_cast<int64_t>(coordinate) : -1;
}

// Positions of the output that have a pixel, [begin, end): coordinates change in one direction.
struct Run {
  size_t begin = 0, end = 0;
};
Run covered(const std::vector<int64_t>& columns, int width) {
  const auto inside = [width](int64_t column) { return column >= 0 && column < width; };
  const auto first = std::find_if(columns.begin(), columns.end(), inside);
  const auto last = std::find_if_not(first, columns.end(), inside);
  return {static_cast<size_t>(first - columns.begin()), static_cast<size_t>(last - columns.begin())};
}

// Without shear: columns and rows by themselves, coordinates by repeated addition.
Image scaled(const Image& image, const std::array<double, 6>& m) {
  Image out = make_image(image.height, image.width);
  std::vector<int64_t> columns(static_cast<size_t>(image.width));
  double x_in = m[2] + m[0] * 0.5;
  for (int64_t& column : columns) {
    column = pixel_of(x_in);
    x_in += m[0];
  }
  const Run run = covered(columns, image.width);
  const size_t length = run.end - run.begin;
  // A translation: its columns follow each other, and a row is one piece.
  const bool one_piece =
      m[0] == 1 && length > 0 && columns[run.end - 1] - columns[run.begin] + 1 == static_cast<int64_t>(length);
  double y_in = m[5] + m[4] * 0.5;
  for (int y = 0; y < out.height; ++y, y_in += m[4]) {
    const int64_t row = pixel_of(y_in);
    if (row < 0 || row >= image.height || length == 0) continue;
    const uint8_t* from = image.row(static_cast<int>(row));
    uint8_t* to = out.row(y);
    if (one_piece) {
      std::memcpy(to + 3 * run.begin, from + 3 * columns[run.begin], 3 * length);
      continue;
    }
    for (size_t x = run.begin; x < run.end; ++x) std::memcpy(to + 3 * x, from + 3 * columns[x], 3);
  }
  return out;
}

// Whether the corner (x, y) of the output stays within what 16 integer bits hold.
bool fits_fixed_point(const std::array<double, 6>& m, double x, double y) {
  return std::abs(x * m[0] + y * m[1] + m[2]) < 32768.0 && std::abs(x * m[3] + y * m[4] + m[5]) < 32768.0;
}

// Coordinates with 16 fraction bits.
Image sheared_fixed(const Image& image, const std::array<double, 6>& m) {
  Image out = make_image(image.height, image.width);
  const auto fixed = [](double value) { return static_cast<int64_t>(std::floor(value * 65536.0 + 0.5)); };
  const int64_t x_by_x = fixed(m[0]), x_by_y = fixed(m[1]), y_by_x = fixed(m[3]), y_by_y = fixed(m[4]);
  int64_t x_first = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), y_first = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (int y = 0; y < out.height; ++y, x_first += x_by_y, y_first += y_by_y) {
    int64_t x_in = x_first, y_in = y_first;
    uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += 3, x_in += x_by_x, y_in += y_by_x)
      copy_pixel(image, y_in >> 16, x_in >> 16, to);
  }
  return out;
}

// Pictures too large for that: coordinates by repeated addition.
Image sheared_double(const Image& image, const std::array<double, 6>& m) {
  Image out = make_image(image.height, image.width);
  double x_first = m[2] + m[1] * 0.5 + m[0] * 0.5, y_first = m[5] + m[4] * 0.5 + m[3] * 0.5;
  for (int y = 0; y < out.height; ++y, x_first += m[1], y_first += m[4]) {
    double x_in = x_first, y_in = y_first;
    uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += 3, x_in += m[0], y_in += m[3])
      copy_pixel(image, pixel_of(y_in), pixel_of(x_in), to);
  }
  return out;
}

// To the nearest number of 15 decimals: what makes the cosine of a right angle 0.
double rounded_15(double value) {
  std::array<char, 64> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed, 15).ptr;
  std::from_chars(digits.data(), end, value);
  return value;
}

}  // namespace

Image transform_affine(const Image& image, const std::array<double, 6>& coefficients) {
  check_image(image, "transform_affine");
  for (const double c : coefficients) check(std::isfinite(c), "transform_affine: coefficient ", c);
  if (coefficients[1] == 0 && coefficients[3] == 0) return scaled(image, coefficients);
  const double w = image.width, h = image.height;
  const bool fits = fits_fixed_point(coefficients, 0, 0) && fits_fixed_point(coefficients, w, h) &&
                    fits_fixed_point(coefficients, 0, h) && fits_fixed_point(coefficients, w, 0);
  return fits ? sheared_fixed(image, coefficients) : sheared_double(image, coefficients);
}

Image rotate(const Image& image, double degrees) {
  check_image(image, "rotate");
  check(std::isfinite(degrees), "rotate: the angle is ", degrees);
  double turn = std::fmod(degrees, 360.0);
  if (turn < 0) turn += 360.0;
  const bool square = image.height == image.width;
  if (turn == 0) return image;
  if (turn == 180) return apply_orientation(image, 3);
  if (turn == 90 && square) return apply_orientation(image, 8);
  if (turn == 270 && square) return apply_orientation(image, 6);
  const double angle = -(turn * (std::numbers::pi / 180));
  const double cosine = rounded_15(std::cos(angle)), sine = rounded_15(std::sin(angle));
  const double x = image.width / 2.0, y = image.height / 2.0;
  return transform_affine(image, {cosine, sine, cosine * -x + sine * -y + x,  //
                                  -sine, cosine, -sine * -x + cosine * -y + y});
}

}  // namespace tessera
