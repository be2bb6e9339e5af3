#include "models/regions/pictures.h"

#include <cmath>

namespace tessera {
namespace {

constexpr int64_t kMultiple = 32;  // the stride of the last stage

// Where an output pixel lies along one axis: between `low` and `high`, `part` of the way.
struct BetweenPixels {
  std::vector<int64_t> low, high;
  std::vector<double> part;

  BetweenPixels(int64_t from, int64_t to) {
    const double ratio = static_cast<double>(from) / static_cast<double>(to);
    for (int64_t i = 0; i < to; ++i) {
      const double at = std::max((static_cast<double>(i) + 0.5) * ratio - 0.5, 0.0);
      low.push_back(std::min(static_cast<int64_t>(at), from - 1));
      high.push_back(std::min(low.back() + 1, from - 1));
      part.push_back(at - static_cast<double>(low.back()));
    }
  }
};

Size2d resized_size(Size2d size, const RegionsConfig& config) {
  const auto height = static_cast<double>(size.height), width = static_cast<double>(size.width);
  const double scale = std::min(config.min_size / std::min(height, width), config.max_size / std::max(height, width));
  return {static_cast<int64_t>(std::floor(height * scale)), static_cast<int64_t>(std::floor(width * scale))};
}

// One picture into its place of the canvas, f64 [3, height, width].
void draw(const Tensor& picture, Size2d size, const RegionsConfig& config, double* canvas, Size2d of_canvas) {
  const int64_t height = picture.size(1), width = picture.size(2);
  const BetweenPixels y(height, size.height), x(width, size.width);
  const std::vector<double> values = picture.to(DType::f64).to_vector<double>();
  for (int64_t channel = 0; channel < 3; ++channel) {
    const auto c = static_cast<size_t>(channel);
    const double* plane = values.data() + channel * height * width;
    const auto at = [&](int64_t row, int64_t column) {
      return (plane[row * width + column] - config.mean[c]) / config.deviation[c];
    };
    for (int64_t i = 0; i < size.height; ++i)
      for (int64_t j = 0; j < size.width; ++j) {
        const auto a = static_cast<size_t>(i), b = static_cast<size_t>(j);
        const auto along = [&](int64_t row) {
          return (1 - x.part[b]) * at(row, x.low[b]) + x.part[b] * at(row, x.high[b]);
        };
        canvas[(channel * of_canvas.height + i) * of_canvas.width + j] =
            (1 - y.part[a]) * along(y.low[a]) + y.part[a] * along(y.high[a]);
      }
  }
}

}  // namespace

Tensor picture_pixels(const Image& image) {
  const int64_t pixels = int64_t{image.height} * image.width;
  Tensor out = Tensor::empty({3, image.height, image.width});
  float* to = out.mutable_data<float>();
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t k = 0; k < 3; ++k)
      to[k * pixels + i] = static_cast<float>(image.pixels[static_cast<size_t>(3 * i + k)]) / 255;
  return out;
}

PictureBatch picture_batch(const std::vector<Tensor>& pictures, const RegionsConfig& config, DType dtype) {
  check(!pictures.empty(), "regions: no pictures");
  PictureBatch out;
  Size2d canvas;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Tensor& picture = pictures[i];
    check(picture.defined() && picture.dim() == 3 && picture.size(0) == 3 && picture.numel() > 0 &&
              (picture.dtype() == DType::f32 || picture.dtype() == DType::f64),
          "regions: picture ", i, " is ", describe(picture), ", expected f32 or f64 [3, height, width]");
    out.originals.emplace_back(picture.size(1), picture.size(2));
    const Size2d size = resized_size(out.originals.back(), config);
    check(size.least() > 0, "regions: picture ", i, " of ", out.originals.back(), " has no pixels left at ", size);
    out.resized.push_back(size);
    canvas.height = std::max(canvas.height, (size.height + kMultiple - 1) / kMultiple * kMultiple);
    canvas.width = std::max(canvas.width, (size.width + kMultiple - 1) / kMultiple * kMultiple);
  }
  Tensor pixels = Tensor::zeros({static_cast<int64_t>(pictures.size()), 3, canvas.height, canvas.width}, DType::f64);
  double* at = pixels.mutable_data<double>();
  for (size_t i = 0; i < pictures.size(); ++i, at += 3 * canvas.area())
    draw(pictures[i], out.resized[i], config, at, canvas);
  out.pixels = pixels.to(dtype);
  return out;
}

Boxes rescaled(const Boxes& boxes, Size2d from, Size2d to) {
  const auto ratio = [](int64_t a, int64_t b) {
    return static_cast<double>(static_cast<float>(b) / static_cast<float>(a));
  };
  Boxes out(boxes.rows(), 4);
  for (int k = 0; k < 4 && boxes.rows() > 0; ++k)
    out.col(k) = boxes.col(k) * (k % 2 == 0 ? ratio(from.width, to.width) : ratio(from.height, to.height));
  return out;
}

}  // namespace tessera
