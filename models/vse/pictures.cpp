#include "models/vse/pictures.h"

#include <algorithm>

#include "tensor/error.h"

namespace tessera {

void centred_planes(const Image& image, int side, const PixelNorm& norm, std::span<float> out) {
  const auto area = static_cast<size_t>(side) * static_cast<size_t>(side);
  check(out.size() == 3 * area, "pictures: room for ", out.size(), " numbers, expected ", 3 * area);
  std::ranges::fill(out, 0.0f);
  const int height = std::min(side, image.height), width = std::min(side, image.width);
  const int from_y = (image.height - height) / 2, from_x = (image.width - width) / 2;
  const int to_y = (side - height) / 2, to_x = (side - width) / 2;
  for (int y = 0; y < height; ++y) {
    const uint8_t* pixel = image.row(from_y + y) + 3 * from_x;
    for (int x = 0; x < width; ++x, pixel += 3)
      for (size_t c = 0; c < 3; ++c)
        out[c * area + static_cast<size_t>(to_y + y) * side + static_cast<size_t>(to_x + x)] =
            (static_cast<float>(pixel[c]) / 255.0f - norm.mean[c]) / norm.std[c];
  }
}

}  // namespace tessera
