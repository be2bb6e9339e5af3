#include "report/heat_map.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/error.h"

namespace tessera {
namespace {

double mix(double from, double to, double t) { return from + (to - from) * t; }

// Linear light to sRGB, rounded to a byte.
uint8_t encode_channel(double linear) {
  const double x = std::clamp(linear, 0.0, 1.0);
  const double encoded = x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055;
  return static_cast<uint8_t>(std::lround(255 * encoded));
}

// OKLab to sRGB with the published matrices.
Colour from_oklab(double lightness, double a, double b) {
  const auto cube = [](double x) { return x * x * x; };
  const double l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b);
  return {encode_channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
          encode_channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
          encode_channel(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

Colour blend(Colour below, Colour above, double opacity) {
  const auto channel = [&](uint8_t x, uint8_t y) { return static_cast<uint8_t>(std::lround(mix(x, y, opacity))); };
  return {channel(below.red, above.red), channel(below.green, above.green), channel(below.blue, above.blue)};
}

Colour grey(const uint8_t* rgb) {
  const double luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  const auto level = static_cast<uint8_t>(std::lround(luma));
  return {level, level, level};
}

void set(Image& image, int y, int x, Colour colour) {
  if (y < 0 || y >= image.height || x < 0 || x >= image.width) return;
  uint8_t* pixel = image.row(y) + 3 * x;
  pixel[0] = colour.red;
  pixel[1] = colour.green;
  pixel[2] = colour.blue;
}

Colour get(const Image& image, int y, int x) {
  const uint8_t* pixel = image.row(y) + 3 * x;
  return {pixel[0], pixel[1], pixel[2]};
}

void draw_grid(Image& image, int cell_height, int cell_width) {
  constexpr Colour kLine{255, 255, 255};
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      if ((y > 0 && y % cell_height == 0) || (x > 0 && x % cell_width == 0))
        set(image, y, x, blend(get(image, y, x), kLine, 0.3));
}

// A light line between two dark ones, so that it shows on any ground.
void draw_box(Image& image, const Box& box, int scale) {
  const auto pixel = [&](double x) { return static_cast<int>(std::lround(std::clamp(x, -1e6, 1e6) * scale)); };
  const int left = pixel(box[0]), top = pixel(box[1]), right = pixel(box[0] + box[2]), bottom = pixel(box[1] + box[3]);
  for (const auto& [inset, colour] :
       {std::pair{0, Colour{0, 0, 0}}, {2, Colour{0, 0, 0}}, {1, Colour{255, 255, 255}}}) {
    const int x0 = std::max(left + inset, 0), x1 = std::min(right - 1 - inset, image.width - 1);
    const int y0 = std::max(top + inset, 0), y1 = std::min(bottom - 1 - inset, image.height - 1);
    for (int x = x0; x <= x1; ++x) {
      set(image, top + inset, x, colour);
      set(image, bottom - 1 - inset, x, colour);
    }
    for (int y = y0; y <= y1; ++y) {
      set(image, y, left + inset, colour);
      set(image, y, right - 1 - inset, colour);
    }
  }
}

}  // namespace

Colour heat_colour(double level) {
  const double t = std::clamp(level, 0.0, 1.0);
  const double lightness = mix(0.22, 0.95, t);
  const double hue = mix(290, 465, t) * std::numbers::pi / 180;  // violet, red (360), orange, yellow (105)
  const double chroma = 0.09 + 0.11 * std::sin(std::numbers::pi * std::min(1.0, 0.15 + 0.8 * t));
  return from_oklab(lightness, chroma * std::cos(hue), chroma * std::sin(hue));
}

double heat_opacity(double level) { return mix(0.45, 0.9, std::clamp(level, 0.0, 1.0)); }

std::vector<double> heat_levels(std::span<const float> weights) {
  double total = 0;
  for (const float w : weights) total += std::max(0.0, static_cast<double>(w));
  std::vector<double> levels;
  for (const float w : weights) {
    const double ratio =
        total > 0 ? std::max(0.0, static_cast<double>(w)) * static_cast<double>(weights.size()) / total : 0;
    levels.push_back(std::min(1.0, std::log2(1 + ratio) / 4));
  }
  return levels;
}

Image overlay_heat_map(const Image& image, std::span<const float> weights, Grid grid, int scale,
                       const std::optional<Box>& box) {
  check_image(image, "heat map: picture");
  check(grid.rows > 0 && grid.columns > 0 && static_cast<int64_t>(weights.size()) == int64_t{grid.rows} * grid.columns,
        "heat map: ", weights.size(), " weights, expected ", grid.rows, " x ", grid.columns);
  check(image.height % grid.rows == 0 && image.width % grid.columns == 0, "heat map: a picture of ", image.height,
        " x ", image.width, " pixels cannot be cut into ", grid.rows, " x ", grid.columns, " patches");
  check(scale >= 1, "heat map: scale is ", scale, ", expected at least 1");
  check_image_size(int64_t{image.height} * scale, int64_t{image.width} * scale, "heat map");
  Image out = make_image(image.height * scale, image.width * scale);
  const std::vector<double> levels = heat_levels(weights);
  const int cell_height = out.height / grid.rows, cell_width = out.width / grid.columns;
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const double level = levels[static_cast<size_t>(y / cell_height * grid.columns + x / cell_width)];
      const Colour ground = grey(image.row(y / scale) + 3 * (x / scale));
      set(out, y, x, blend(ground, heat_colour(level), heat_opacity(level)));
    }
  }
  draw_grid(out, cell_height, cell_width);
  if (box) draw_box(out, *box, scale);
  return out;
}

}  // namespace tessera
