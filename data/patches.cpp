#include "data/patches.h"

#include <cmath>

#include "tensor/error.h"

namespace tessera {

PatchExtractor::PatchExtractor(int patch, const PixelNorm& norm) : patch_(patch) {
  check(patch >= 1 && patch <= 4096, "patches: patch is ", patch, ", expected 1 to 4096");
  for (size_t c = 0; c < 3; ++c) {
    check(std::isfinite(norm.mean[c]), "patches: mean of channel ", c, " is ", norm.mean[c]);
    check(std::isfinite(norm.std[c]) && norm.std[c] > 0, "patches: std of channel ", c, " is ", norm.std[c],
          ", expected a positive number");
    for (size_t x = 0; x < 256; ++x) levels_[c][x] = (static_cast<float>(x) / 255.0f - norm.mean[c]) / norm.std[c];
  }
}

int PatchExtractor::count(const Image& image) const {
  check_image(image, "patches");
  check(image.height % patch_ == 0 && image.width % patch_ == 0, "patches: the picture is ", image.width, " x ",
        image.height, " pixels, expected sides that are multiples of the patch, ", patch_);
  return (image.height / patch_) * (image.width / patch_);
}

// out [3, patch, patch]
void PatchExtractor::copy_patch(const Image& image, int row, int column, float* out) const {
  const int area = patch_ * patch_;
  for (int y = 0; y < patch_; ++y, out += patch_) {
    const uint8_t* pixel = image.row(row * patch_ + y) + static_cast<size_t>(column) * patch_ * 3;
    for (int x = 0; x < patch_; ++x, pixel += 3)
      for (size_t c = 0; c < 3; ++c) out[c * area + x] = levels_[c][pixel[c]];
  }
}

void PatchExtractor::extract(const Image& image, std::span<float> out) const {
  const size_t values = static_cast<size_t>(count(image)) * values_per_patch();
  check(out.size() == values, "patches: room for ", out.size(), " values, expected ", values);
  float* next = out.data();
  for (int row = 0; row < image.height / patch_; ++row)
    for (int column = 0; column < image.width / patch_; ++column, next += values_per_patch())
      copy_patch(image, row, column, next);
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
