#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/error.h"

namespace tessera {
namespace {

constexpr int kWeightBits = 22;
constexpr int kChannels = 3;
// A filter holds about four weights for each input position; this bounds its memory.
constexpr int kMaxResizeSide = 1 << 20;
// Bytes that one inner loop works on: four vectors of 16 sums in 32 bits.
constexpr int kBlock = 64;

double cubic_kernel(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// For each output position the first input position, how many follow, and their weights in units of 2^-22.
struct Filter {
  struct Window {
    int first;
    int count;
    size_t weights;  // index of the first one
  };
  std::vector<Window> windows;
  std::vector<int32_t> weights;
};

// The data library is compiled without fused multiply-add (data/meson.build), because the reference values are; a fused
// one can round a window's end to the other side.
Filter make_filter(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);
  const double support = 2 * stretch;
  const double inverse = 1.0 / stretch;

  Filter filter;
  filter.windows.reserve(static_cast<size_t>(out));
  std::vector<double> shares;
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int last = std::min(static_cast<int>(centre + support + 0.5), in);
    shares.clear();
    double sum = 0;
    for (int j = 0; j < last - first; ++j) {
      shares.push_back(cubic_kernel((j + first - centre + 0.5) * inverse));
      sum += shares.back();
    }
    filter.windows.push_back({first, last - first, filter.weights.size()});
    for (double share : shares) {
      const double weight = (sum != 0 ? share / sum : share) * (1 << kWeightBits);
      filter.weights.push_back(static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5));
    }
  }
  return filter;
}

// out[y] = clamp((1/2 + sum_j weights[j] in[j * stride + y]) in units of 2^-22) for y < length. `length` is a constant
// after inlining in the case that matters, so that the sums stay in registers.
inline void weighted_rows(const uint8_t* in, size_t stride, const int32_t* weights, int count, int length,
                          uint8_t* out) {
  int32_t sums[kBlock];
  for (int y = 0; y < length; ++y) sums[y] = 1 << (kWeightBits - 1);
  for (int j = 0; j < count; ++j) {
    const int32_t weight = weights[j];
    const uint8_t* row = in + static_cast<size_t>(j) * stride;
    for (int y = 0; y < length; ++y) sums[y] += weight * row[y];
  }
  for (int y = 0; y < length; ++y) out[y] = static_cast<uint8_t>(std::clamp(sums[y] >> kWeightBits, 0, 255));
}

// in [any, length], out [filter.windows.size(), length]: filters along the first dimension.
void filter_rows(const uint8_t* in, int length, const Filter& filter, uint8_t* out) {
  for (const Filter::Window& window : filter.windows) {
    const uint8_t* first = in + static_cast<size_t>(window.first) * length;
    const int32_t* weights = filter.weights.data() + window.weights;
    int y = 0;
    for (; y + kBlock <= length; y += kBlock) weighted_rows(first + y, length, weights, window.count, kBlock, out + y);
    if (y < length && length >= kBlock) {  // the last block overlaps the one before and repeats some of its results
      y = length - kBlock;
      weighted_rows(first + y, length, weights, window.count, kBlock, out + y);
    } else if (y < length) {
      weighted_rows(first, length, weights, window.count, length, out);
    }
    out += length;
  }
}

// Transposes 8 x 8 bytes: exchanges the off-diagonal quarters of every 2 x 2, 4 x 4 and 8 x 8 square. rows[i] holds row
// i, its first byte lowest.
void transpose_8x8(uint64_t (&rows)[8]) {
  constexpr uint64_t kLowHalves[3] = {0x00ff00ff00ff00ff, 0x0000ffff0000ffff, 0x00000000ffffffff};
  for (int level = 0; level < 3; ++level) {
    const int distance = 1 << level;
    const int shift = 8 << level;
    for (int i = 0; i < 8; ++i) {
      if (i & distance) continue;
      const uint64_t exchanged = ((rows[i] >> shift) ^ rows[i + distance]) & kLowHalves[level];
      rows[i + distance] ^= exchanged;
      rows[i] ^= exchanged << shift;
    }
  }
}

// in [rows, columns] with `in_stride` bytes from row to row; out[c * out_stride + r] = in[r * in_stride + c].
void transpose(const uint8_t* in, int rows, int columns, size_t in_stride, uint8_t* out, size_t out_stride) {
  for (int r = 0; r < rows; r += 8) {
    for (int c = 0; c < columns; c += 8) {
      const uint8_t* from = in + r * in_stride + c;
      uint8_t* to = out + c * out_stride + r;
      if (r + 8 <= rows && c + 8 <= columns) {
        uint64_t square[8];
        for (int i = 0; i < 8; ++i) std::memcpy(&square[i], from + i * in_stride, 8);
        transpose_8x8(square);
        for (int i = 0; i < 8; ++i) std::memcpy(to + i * out_stride, &square[i], 8);
      } else {
        for (int i = 0; i < std::min(8, rows - r); ++i)
          for (int j = 0; j < std::min(8, columns - c); ++j) to[j * out_stride + i] = from[i * in_stride + j];
      }
    }
  }
}

// Strips of up to 64 rows are transposed, so that the pixels of one column lie side by side ([width, 3, rows]: one row
// of filter_rows is a column's three channels) and the sums run over vectors here too, and are transposed back.
Image resize_width(const Image& image, int width) {
  const Filter filter = make_filter(image.width, width);
  Image result = make_image(image.height, width);
  const int in_bytes = image.width * kChannels;
  const int out_bytes = width * kChannels;
  const int strip = std::min(kBlock, image.height);
  std::vector<uint8_t> columns(static_cast<size_t>(in_bytes) * strip);
  std::vector<uint8_t> filtered(static_cast<size_t>(out_bytes) * strip);
  for (int y = 0; y < image.height; y += strip) {
    const int rows = std::min(strip, image.height - y);
    transpose(image.row(y), rows, in_bytes, in_bytes, columns.data(), strip);
    filter_rows(columns.data(), kChannels * strip, filter, filtered.data());
    transpose(filtered.data(), out_bytes, rows, strip, result.row(y), out_bytes);
  }
  return result;
}

Image resize_height(const Image& image, int height) {
  Image result = make_image(height, image.width);
  filter_rows(image.pixels.data(), image.width * kChannels, make_filter(image.height, height), result.pixels.data());
  return result;
}

// The order matters because the picture between the two passes is rounded to 8 bits. Pillow 13 takes the height first when
// that removes more than twice as many rows as the other pass removes columns, a rule inferred from its results for 3,000
// pairs of sizes, all of which follow it.
bool height_first(ImageSize from, ImageSize to) {
  return to.height < from.height && int64_t{from.height} - to.height > 2 * (int64_t{from.width} - to.width);
}

}  // namespace

ImageSize vilt_size(int height, int width, int shorter, int patch) {
  check(height > 0 && width > 0, "vilt_size: the picture is ", width, " x ", height, " pixels");
  check(patch > 0, "vilt_size: patch is ", patch, ", expected at least 1");
  check(shorter >= patch && shorter <= 1 << 16, "vilt_size: shorter side is ", shorter, ", expected ", patch,
        " (one patch) to 65536");
  const int longer = static_cast<int>(1333.0 / 800.0 * shorter);
  const double scale = static_cast<double>(shorter) / std::min(height, width);
  double new_height = height < width ? shorter : scale * height;
  double new_width = height < width ? scale * width : shorter;
  if (std::max(new_height, new_width) > longer) {
    const double shrink = longer / std::max(new_height, new_width);
    new_height *= shrink;
    new_width *= shrink;
  }
  const auto whole_patches = [patch](double side) { return std::max(static_cast<int>(side + 0.5) / patch, 1) * patch; };
  return {whole_patches(new_height), whole_patches(new_width)};
}

Image resize_bicubic(const Image& image, ImageSize size) {
  check_image(image, "resize_bicubic");
  check_image_size(size.height, size.width, "resize_bicubic");
  check(std::max(image.height, image.width) <= kMaxResizeSide, "resize_bicubic: the picture is ", image.width, " x ",
        image.height, " pixels, the limit of a side is ", kMaxResizeSide);
  // A side that keeps its length is copied by its filter unchanged, so that pass is left out.
  if (size == ImageSize{image.height, image.width}) return image;
  if (size.width == image.width) return resize_height(image, size.height);
  if (size.height == image.height) return resize_width(image, size.width);
  if (height_first({image.height, image.width}, size))
    return resize_width(resize_height(image, size.height), size.width);
  return resize_height(resize_width(image, size.width), size.height);
}

}  // namespace tessera
