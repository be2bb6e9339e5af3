#include "data/images/patches.h"

#include <cmath>
#include <cstring>

#include "tensor/error.h"

namespace tessera {

namespace {

// Whether inner loops give the bits of the table for every level of every channel.
bool agrees(const PixelKernels& kernels, const PixelLevels& levels) {
  constexpr int kSide = 16;
  std::array<uint8_t, 3 * kSide * kSide> pixels;
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i / 3);
  float values[3][kSide * kSide];
  kernels.normalise(pixels.data(), 3 * kSide, kSide, levels, values[0]);
  return std::memcmp(values, levels.levels, sizeof values) == 0;
}

}  // namespace

PatchExtractor::PatchExtractor(int patch, const PixelNorm& norm) : patch_(patch) {
  check(patch >= 1 && patch <= 4096, "patches: patch is ", patch, ", expected 1 to 4096");
  for (size_t c = 0; c < 3; ++c) {
    check(std::isfinite(norm.mean[c]), "patches: mean of channel ", c, " is ", norm.mean[c]);
    check(std::isfinite(norm.std[c]) && norm.std[c] > 0, "patches: std of channel ", c, " is ", norm.std[c],
          ", expected a positive number");
    levels_.mean[c] = norm.mean[c];
    levels_.std[c] = norm.std[c];
    for (size_t x = 0; x < 256; ++x)
      levels_.levels[c][x] = (static_cast<float>(x) / 255.0f - norm.mean[c]) / norm.std[c];
  }
  const PixelKernels& fastest = pixel_kernels();
  normalise_ = (agrees(fastest, levels_) ? fastest : portable_pixel_kernels()).normalise;
}

int PatchExtractor::count(const Image& image) const {
  check_image(image, "patches");
  check(image.height % patch_ == 0 && image.width % patch_ == 0, "patches: the picture is ", image.width, " x ",
        image.height, " pixels, expected sides that are multiples of the patch, ", patch_);
  return (image.height / patch_) * (image.width / patch_);
}

// out [3, patch, patch]
void PatchExtractor::copy_patch(const Image& image, int row, int column, float* out) const {
  normalise_(image.row(row * patch_) + static_cast<size_t>(column) * patch_ * 3, int64_t{image.width} * 3, patch_,
             levels_, out);
}

void PatchExtractor::extract(const Image& image, std::span<float> out) const {
  const size_t values = static_cast<size_t>(count(image)) * values_per_patch();
  check(out.size() == values, "patches: room for ", out.size(), " values, expected ", values);
  float* next = out.data();
  for (int row = 0; row < image.height / patch_; ++row)
    for (int column = 0; column < image.width / patch_; ++column, next += values_per_patch())
      copy_patch(image, row, column, next);
}

void PatchExtractor::extract_levels(const Image& image, std::span<uint8_t> out) const {
  const size_t values = static_cast<size_t>(count(image)) * values_per_patch();
  check(out.size() == values, "patches: room for ", out.size(), " values, expected ", values);
  uint8_t* next = out.data();
  const int area = patch_ * patch_;
  for (int row = 0; row < image.height / patch_; ++row)
    for (int column = 0; column < image.width / patch_; ++column, next += values_per_patch())
      for (int y = 0; y < patch_; ++y) {
        const uint8_t* pixels = image.row(row * patch_ + y) + static_cast<size_t>(column) * patch_ * 3;
        uint8_t* to = next + y * patch_;
        for (int x = 0; x < patch_; ++x)
          for (int c = 0; c < 3; ++c) to[c * area + x] = pixels[3 * x + c];
      }
}

std::vector<float> PatchExtractor::extract(const Image& image) const {
  std::vector<float> out(static_cast<size_t>(count(image)) * values_per_patch());
  extract(image, out);
  return out;
}

void PatchExtractor::extract(const Image& image, std::span<const int64_t> indices, std::span<float> out) const {
  const int patches = count(image);
  const size_t values = indices.size() * values_per_patch();
  check(out.size() == values, "patches: room for ", out.size(), " values, expected ", values);
  const int columns = image.width / patch_;
  float* next = out.data();
  for (int64_t index : indices) {
    check(index >= 0 && index < patches, "patches: patch number ", index, " of a picture with ", patches);
    copy_patch(image, static_cast<int>(index) / columns, static_cast<int>(index) % columns, next);
    next += values_per_patch();
  }
}

}  // namespace tessera
