#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/images/image_operations.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

std::array<Histogram, 3> histograms(const Image& image) {
  std::array<Histogram, 3> counts{};
  for (size_t i = 0; i < image.pixels.size(); i += 3)
    for (size_t c = 0; c < 3; ++c) ++counts[c][image.pixels[i + c]];
  return counts;
}

Image with_tables(Image image, const std::array<Table, 3>& tables) {
  for (size_t i = 0; i < image.pixels.size(); i += 3)
    for (size_t c = 0; c < 3; ++c) image.pixels[i + c] = tables[c][image.pixels[i + c]];
  return image;
}

Image with_table(Image image, const Table& table) {
  for (uint8_t& level : image.pixels) level = table[level];
  return image;
}

template <class F>
Table table_of(const F& f) {
  Table table;
  for (int level = 0; level < 256; ++level) table[static_cast<size_t>(level)] = static_cast<uint8_t>(f(level));
  return table;
}

Table identity() {
  return table_of([](int level) { return level; });
}

Table stretched(const Histogram& counts) {
  const auto occurs = [](int64_t count) { return count != 0; };
  const auto low = static_cast<int>(std::find_if(counts.begin(), counts.end(), occurs) - counts.begin());
  const auto high = 255 - static_cast<int>(std::find_if(counts.rbegin(), counts.rend(), occurs) - counts.rbegin());
  if (high <= low) return identity();
  const double scale = 255.0 / (high - low);
  const double offset = -low * scale;
  return table_of([&](int level) { return std::clamp(static_cast<int>(level * scale + offset), 0, 255); });
}

Table equalized(const Histogram& counts) {
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const int64_t top = *std::find_if(counts.rbegin(), counts.rend(), [](int64_t count) { return count != 0; });
  // One level only makes total - top 0, too.
  const int64_t step = (total - top) / 255;
  if (step == 0) return identity();
  int64_t below = step / 2;
  return table_of([&](int level) {
    const int64_t value = below / step;
    below += counts[static_cast<size_t>(level)];
    return std::min<int64_t>(value, 255);
  });
}

// ITU-R 601-2 luma with 16 fraction bits.
int grey_level(const uint8_t* pixel) { return (pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16; }

float blend_factor(double factor) {
  const auto alpha = static_cast<float>(factor);
  check(std::isfinite(alpha), "blend: the factor is ", factor);
  return alpha;
}

// degenerate + alpha (level - degenerate)
uint8_t blended(int degenerate, int level, float alpha) {
  const float value = static_cast<float>(degenerate) + alpha * static_cast<float>(level - degenerate);
  return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f));
}

// With one degenerate level for all bytes, a byte's result depends on its level alone.
Image blended_with(int degenerate, Image image, double factor) {
  const float alpha = blend_factor(factor);
  return with_table(std::move(image), table_of([&](int level) { return blended(degenerate, level, alpha); }));
}

Image smooth(const Image& image) {
  Image out = image;
  const size_t stride = static_cast<size_t>(image.width) * 3;
  for (int y = 1; y + 1 < image.height; ++y) {
    const uint8_t* middle = image.row(y);
    const uint8_t *above = middle - stride, *below = middle + stride;
    uint8_t* to = out.row(y);
    for (size_t i = 3; i + 3 < stride; ++i) {
      const int sum = above[i - 3] + above[i] + above[i + 3] + middle[i - 3] + 5 * middle[i] + middle[i + 3] +
                      below[i - 3] + below[i] + below[i + 3];
      // sum / 13 to the nearest integer; 13 is odd, so there are no ties, and Pillow's float cannot round elsewhere.
      to[i] = static_cast<uint8_t>((2 * sum + 13) / 26);
    }
  }
  return out;
}

}  // namespace

Image auto_contrast(Image image) {
  const auto counts = histograms(image);
  return with_tables(std::move(image), {stretched(counts[0]), stretched(counts[1]), stretched(counts[2])});
}

Image equalize(Image image) {
  const auto counts = histograms(image);
  return with_tables(std::move(image), {equalized(counts[0]), equalized(counts[1]), equalized(counts[2])});
}

Image posterize(Image image, int bits) {
  check(bits >= 1 && bits <= 8, "posterize: ", bits, " bits, expected 1 to 8");
  const int mask = ~((1 << (8 - bits)) - 1);
  return with_table(std::move(image), table_of([&](int level) { return level & mask; }));
}

Image solarize(Image image, double threshold) {
  return with_table(std::move(image), table_of([&](int level) { return level < threshold ? level : 255 - level; }));
}

Image solarize_add(Image image, double addition) {
  return with_table(std::move(image), table_of([&](int level) {
                      const int shifted = static_cast<int>(std::clamp(level + addition, 0.0, 255.0));
                      return shifted < 128 ? shifted : 255 - shifted;
                    }));
}

Image adjust_colour(Image image, double factor) {
  const float alpha = blend_factor(factor);
  uint8_t* pixel = image.pixels.data();
  for (const uint8_t* end = pixel + image.pixels.size(); pixel != end; pixel += 3) {
    const int grey = grey_level(pixel);
    for (int c = 0; c < 3; ++c) pixel[c] = blended(grey, pixel[c], alpha);
  }
  return image;
}

Image adjust_contrast(Image image, double factor) {
  int64_t sum = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 3) sum += grey_level(image.pixels.data() + i);
  const double mean = static_cast<double>(sum) / static_cast<double>(image.pixels.size() / 3);
  return blended_with(static_cast<int>(mean + 0.5), std::move(image), factor);
}

Image adjust_brightness(Image image, double factor) { return blended_with(0, std::move(image), factor); }

Image adjust_sharpness(Image image, double factor) {
  const float alpha = blend_factor(factor);
  const Image smoothed = smooth(image);
  const uint8_t* from = smoothed.pixels.data();
  uint8_t* to = image.pixels.data();
  const size_t count = image.pixels.size();
  for (size_t i = 0; i < count; ++i) to[i] = blended(from[i], to[i], alpha);
  return image;
}

}  // namespace tessera
