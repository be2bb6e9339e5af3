#include "data/images/resize.h"

#include <algorithm>
#include <cstring>

#include "data/images/pixel_kernels.h"
#include "data/images/scratch_image.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// A filter holds about four weights for each input position; this bounds its memory.
constexpr int kMaxResizeSide = 1 << 20;
constexpr int kStrip = 64;  // rows

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

// in [any, length], out [filter.windows.size(), length]: filters along the first dimension.
void filter_rows(const uint8_t* in, int length, const Filter& filter, uint8_t* out, const PixelKernels& kernels) {
  kernels.filter_rows(in, length, length, filter.windows.data(), static_cast<int>(filter.windows.size()),
                      filter.weights.data(), out, length);
}

// Strips of up to 64 rows are transposed, so that the pixels of one column lie side by side ([width, 3, rows]: one row
// of filter_rows is a column's three channels) and the sums run over vectors here too, and are transposed back.
void filter_columns(const Image& image, const Filter& filter, Image& result, const PixelKernels& kernels) {
  const int in_bytes = image.width * kFilterChannels;
  const int out_bytes = result.width * kFilterChannels;
  const int strip = std::min(kStrip, image.height);
  std::vector<uint8_t> columns(static_cast<size_t>(in_bytes) * strip);
  std::vector<uint8_t> filtered(static_cast<size_t>(out_bytes) * strip);
  for (int y = 0; y < image.height; y += strip) {
    const int rows = std::min(strip, image.height - y);
    transpose(image.row(y), rows, in_bytes, in_bytes, columns.data(), strip);
    filter_rows(columns.data(), kFilterChannels * strip, filter, filtered.data(), kernels);
    transpose(filtered.data(), out_bytes, rows, strip, result.row(y), out_bytes);
  }
}

// The filter of a side and, for rows of pixels, its plan. Each thread keeps the last ones, unless they are large: the
// pictures of a data set often have one size.
struct SideFilter {
  int in = 0, out = 0;
  FilterKind kind = FilterKind::bicubic;
  Filter filter;
  ColumnPlan plan;
};

constexpr int kLargestKeptSide = 4096;

template <class Use>
void with_filter(SideFilter& kept, int in, int out, FilterKind kind, bool of_columns, const Use& use) {
  if (kept.in == in && kept.out == out && kept.kind == kind) return use(kept);
  SideFilter made{in, out, kind, make_filter(in, out, kind), {}};
  if (of_columns) made.plan = make_column_plan(made.filter, in);
  use(made);
  if (std::max(in, out) <= kLargestKeptSide) kept = std::move(made);
}

void resize_width(const Image& image, int width, FilterKind kind, Image& result, const PixelKernels& fastest) {
  static thread_local SideFilter kept;
  set_size(result, image.height, width);
  with_filter(kept, image.width, width, kind, true, [&](const SideFilter& side) {
    const PixelKernels& kernels = side.filter.in_digits ? fastest : portable_pixel_kernels();
    if (kernels.filter_columns && !side.plan.steps.empty())
      kernels.filter_columns(image.pixels.data(), image.height, image.width * kFilterChannels, side.plan.steps.data(),
                             side.plan.steps_per_block, result.pixels.data(), width * kFilterChannels);
    else
      filter_columns(image, side.filter, result, kernels);
  });
}

void resize_height(const Image& image, int height, FilterKind kind, Image& result, const PixelKernels& fastest) {
  static thread_local SideFilter kept;
  set_size(result, height, image.width);
  with_filter(kept, image.height, height, kind, false, [&](const SideFilter& side) {
    filter_rows(image.pixels.data(), image.width * kFilterChannels, side.filter, result.pixels.data(),
                side.filter.in_digits ? fastest : portable_pixel_kernels());
  });
}

// The order matters because the picture between the two passes is rounded to 8 bits. Pillow 13 takes the height first
// when that removes more than twice as many rows as the other pass removes columns, a rule inferred from its results
// for 3,000 pairs of sizes, all of which follow it.
bool height_first(ImageSize from, ImageSize to) {
  return to.height < from.height && int64_t{from.height} - to.height > 2 * (int64_t{from.width} - to.width);
}

void resize(const Image& image, ImageSize size, FilterKind kind, const char* name, Image& result,
            const PixelKernels& kernels) {
  check_image(image, name);
  check_image_size(size.height, size.width, name);
  check(std::max(image.height, image.width) <= kMaxResizeSide, name, ": the picture is ", image.width, " x ",
        image.height, " pixels, the limit of a side is ", kMaxResizeSide);
  check(&image != &result, name, ": the result cannot be the picture itself");
  // A side that keeps its length is copied by its filter unchanged, so that pass is left out.
  if (size == ImageSize{image.height, image.width}) {
    result = image;
  } else if (size.width == image.width) {
    resize_height(image, size.height, kind, result, kernels);
  } else if (size.height == image.height) {
    resize_width(image, size.width, kind, result, kernels);
  } else {
    ScratchImage between;
    if (height_first({image.height, image.width}, size)) {
      resize_height(image, size.height, kind, *between, kernels);
      resize_width(*between, size.width, kind, result, kernels);
    } else {
      resize_width(image, size.width, kind, *between, kernels);
      resize_height(*between, size.height, kind, result, kernels);
    }
  }
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

ImageSize shorter_side_size(int height, int width, int shorter) {
  check(height > 0 && width > 0, "shorter_side_size: the picture is ", width, " x ", height, " pixels");
  check(shorter >= 1 && shorter <= 1 << 16, "shorter_side_size: shorter side is ", shorter, ", expected 1 to 65536");
  const int64_t longer = int64_t{shorter} * std::max(height, width) / std::min(height, width);
  check(longer <= kMaxResizeSide, "shorter_side_size: the picture is ", width, " x ", height,
        " pixels, its longer side would become ", longer, ", the limit is ", kMaxResizeSide);
  const int side = static_cast<int>(longer);
  return height <= width ? ImageSize{shorter, side} : ImageSize{side, shorter};
}

void resize_bicubic(const Image& image, ImageSize size, Image& result, const PixelKernels& kernels) {
  resize(image, size, FilterKind::bicubic, "resize_bicubic", result, kernels);
}

void resize_bicubic(const Image& image, ImageSize size, Image& result) {
  resize_bicubic(image, size, result, pixel_kernels());
}

Image resize_bicubic(const Image& image, ImageSize size) {
  Image result;
  resize_bicubic(image, size, result);
  return result;
}

Image resize_by(FilterKind filter, const Image& image, ImageSize size) {
  Image result;
  resize(image, size, filter, "resize", result, pixel_kernels());
  return result;
}

Image resize_nearest(const Image& image, ImageSize size) {
  check_image(image, "resize_nearest");
  Image result = make_image(size.height, size.width);
  const auto sources = [](int in, int out) {
    const double step = static_cast<double>(in) / out;
    std::vector<int> places(static_cast<size_t>(out));
    double at = step * 0.5;
    for (int& place : places) {
      place = std::min(static_cast<int>(at), in - 1);
      at += step;
    }
    return places;
  };
  const std::vector<int> rows = sources(image.height, size.height), columns = sources(image.width, size.width);
  for (int y = 0; y < size.height; ++y) {
    const uint8_t* from = image.row(rows[static_cast<size_t>(y)]);
    uint8_t* to = result.row(y);
    for (const int column : columns) to = std::copy_n(from + size_t{3} * static_cast<size_t>(column), 3, to);
  }
  return result;
}

}  // namespace tessera
