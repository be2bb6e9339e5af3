#include "tensor/ops/roi_align.h"

#include "tests/ops/matrix_reference.h"

namespace tessera::roi_align_test {

using namespace tessera::test;

namespace {

struct Map {
  int64_t images, channels, height, width;
  std::vector<double> values;

  double at(int64_t n, int64_t c, int64_t y, int64_t x) const {
    return values[static_cast<size_t>(((n * channels + c) * height + y) * width + x)];
  }
  // torchvision's interpolation, as it is written there.
  double between(int64_t n, int64_t c, double y, double x) const {
    if (y < -1 || y > static_cast<double>(height) || x < -1 || x > static_cast<double>(width)) return 0;
    y = std::max(y, 0.0);
    x = std::max(x, 0.0);
    auto y_low = static_cast<int64_t>(y), x_low = static_cast<int64_t>(x), y_high = y_low + 1, x_high = x_low + 1;
    if (y_low >= height - 1) y_high = y_low = height - 1, y = static_cast<double>(y_low);
    if (x_low >= width - 1) x_high = x_low = width - 1, x = static_cast<double>(x_low);
    const double ly = y - static_cast<double>(y_low), lx = x - static_cast<double>(x_low);
    return (1 - ly) * (1 - lx) * at(n, c, y_low, x_low) + (1 - ly) * lx * at(n, c, y_low, x_high) +
           ly * (1 - lx) * at(n, c, y_high, x_low) + ly * lx * at(n, c, y_high, x_high);
  }
};

// Point by point.
Tensor naive(const Tensor& features, const std::vector<double>& rois, const ops::RoiAlignOptions& o) {
  const Map map{features.size(0), features.size(1), features.size(2), features.size(3),
                features.to(DType::f64).to_vector<double>()};
  std::vector<double> out;
  for (size_t r = 0; r < rois.size(); r += 5)
    for (int64_t c = 0; c < map.channels; ++c) {
      const double offset = o.aligned ? 0.5 : 0, x1 = rois[r + 1] * o.scale - offset,
                   y1 = rois[r + 2] * o.scale - offset;
      double w = rois[r + 3] * o.scale - offset - x1, h = rois[r + 4] * o.scale - offset - y1;
      if (!o.aligned) w = std::max(w, 1.0), h = std::max(h, 1.0);
      const double bw = w / static_cast<double>(o.width), bh = h / static_cast<double>(o.height);
      const int64_t gx = o.sampling > 0 ? o.sampling : static_cast<int64_t>(std::ceil(bw));
      const int64_t gy = o.sampling > 0 ? o.sampling : static_cast<int64_t>(std::ceil(bh));
      for (int64_t p = 0; p < o.height; ++p)
        for (int64_t q = 0; q < o.width; ++q) {
          double sum = 0;
          for (int64_t i = 0; i < gy; ++i)
            for (int64_t j = 0; j < gx; ++j)
              sum += map.between(
                  static_cast<int64_t>(rois[r]), c,
                  y1 + static_cast<double>(p) * bh + (static_cast<double>(i) + 0.5) * bh / static_cast<double>(gy),
                  x1 + static_cast<double>(q) * bw + (static_cast<double>(j) + 0.5) * bw / static_cast<double>(gx));
          out.push_back(sum / static_cast<double>(std::max<int64_t>(gx * gy, 1)));
        }
    }
  return Tensor::from(out, {static_cast<int64_t>(rois.size() / 5), map.channels, o.height, o.width});
}

// Inside, of no size, across each border, beyond it, the whole, turned around, on whole cells.
const std::vector<double> kRois = {0, 1.3, 2.1, 9.7, 8.2, 1, 4, 4, 4,  4,  0, -5, -6, 3, 2, 1, 9, 7, 60, 50,
                                   0, 90,  90,  99,  99,  1, 0, 0, 20, 12, 0, 8,  8,  3, 2, 1, 2, 2, 6,  6};

Tensor rois_of(const std::vector<double>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size() / 5), 5});
}

std::vector<ops::RoiAlignOptions> settings() {
  std::vector<ops::RoiAlignOptions> all;
  for (const bool aligned : {false, true})
    for (const int64_t sampling : {0, 1, 3})
      for (const double scale : {1.0, 0.25})
        all.push_back({.height = 3, .width = 2, .scale = scale, .sampling = sampling, .aligned = aligned});
  return all;
}

}  // namespace

// Weights are found in f64, each from a few operations; a bin is a mean of some points.
TEST_CASE("roi_align equals the definition, point by point: regions of all kinds, strided features, one cell") {
  for (const Shape& shape : {Shape{2, 3, 7, 11}, Shape{2, 1, 1, 1}, Shape{2, 2, 1, 9}})
    for (const ops::RoiAlignOptions& options : settings())
      for (const DType dtype : {DType::f64, DType::f32}) {
        CAPTURE(shape);
        CAPTURE(options.aligned);
        CAPTURE(options.sampling);
        const Tensor features = random_normal(shape, 1, dtype), expected = naive(features, kRois, options);
        for (const Tensor& from : {features, strided(features)})
          CHECK(largest_difference(roi_align(Variable(from), rois_of(kRois), options).value(), expected) <=
                (dtype == DType::f32 ? 1e-6 : 1e-13));
      }
}

// The op is linear: its gradient is its transpose, <y, A x> = <Aᵀ y, x>, to rounding.
TEST_CASE("roi_align: the gradient is the transpose, regions add up, and no region has none") {
  for (const ops::RoiAlignOptions& options : settings()) {
    const Variable x(random_normal({2, 3, 7, 11}, 1), true);
    const Variable y = roi_align(x, rois_of(kRois), options);
    const Tensor cotangent = random_normal(y.shape(), 2);
    y.backward(cotangent);
    const double left = sum(Variable(cotangent) * y).value().item();
    const double right = sum(Variable(x.grad()) * x).value().item();
    CHECK(left == doctest::Approx(right).epsilon(1e-12));
  }
  check_gradients(
      "roi_align",
      [](std::span<const Variable> in) { return roi_align(in[0], rois_of(kRois), {.height = 2, .width = 2}); },
      {random_normal({2, 1, 4, 5}, 3)});
  const Variable x(random_normal({2, 2, 3, 3}, 1), true);
  const Variable y = roi_align(x, rois_of({}), {.height = 2, .width = 2});
  CHECK(y.shape() == Shape{0, 2, 2, 2});
  y.backward(Tensor::zeros({0, 2, 2, 2}, DType::f64));
  CHECK(x.grad().to_vector<double>() == std::vector<double>(36, 0.0));
}

TEST_CASE("roi_align: constant features stay constant inside; the same bits on any number of threads") {
  const Variable ones(Tensor::full({1, 1, 8, 8}, 1, DType::f64));
  for (const double value :
       roi_align(ones, rois_of({0, 1, 1, 6.3, 7}), {.height = 3, .width = 4}).value().to_vector<double>())
    CHECK(value == doctest::Approx(1).epsilon(1e-14));
  CHECK(same_on_any_number_of_threads([] {
    const Variable x(random_normal({2, 40, 13, 17}, 1, DType::f32), true);
    const Variable y = roi_align(x, rois_of(kRois), {.height = 7, .width = 7});
    y.backward(random_normal(y.shape(), 2, DType::f32));
    return std::vector{y.value(), x.grad()};
  }));
}

TEST_CASE("roi_align: what bad input gets") {
  const Variable x(Tensor::zeros({2, 1, 4, 4}));
  CHECK_THROWS_WITH(roi_align(Variable(Tensor::zeros({4, 4})), rois_of(kRois), {}),
                    "roi_align: features are f32 [4, 4], expected [images, channels, height, width]");
  CHECK_THROWS_WITH(roi_align(x, Tensor::zeros({3, 4}), {}),
                    "roi_align: rois are f32 [3, 4], expected f32 or f64 [rois, 5] on the host");
  CHECK_THROWS_WITH(roi_align(x, rois_of({2, 0, 0, 1, 1}), {}), "roi_align: roi 0 is of image 2, expected 0 to 1");
  CHECK_THROWS_WITH(roi_align(x, rois_of({0.5, 0, 0, 1, 1}), {}), "roi_align: roi 0 is of image 0.5, expected 0 to 1");
  CHECK_THROWS_WITH(roi_align(x, rois_of({0, 0, NAN, 1, 1}), {}),
                    "roi_align: roi 0 has the coordinate nan, expected at most 1e+06 cells from 0");
  CHECK_THROWS_WITH(roi_align(x, rois_of({0, 0, 0, 1e9, 1}), {}),
                    "roi_align: roi 0 has the coordinate 1e+09, expected at most 1e+06 cells from 0");
  CHECK_THROWS_WITH(roi_align(x, rois_of(kRois), {.height = 0}),
                    "roi_align: the grid is 0 × 1, expected at least 1 × 1");
  CHECK_THROWS_WITH(roi_align(x, rois_of(kRois), {.scale = 0}), "roi_align: scale is 0, expected above 0");
  CHECK_THROWS_WITH(roi_align(x, rois_of(kRois), {.sampling = -1}), "roi_align: sampling is -1, expected at least 0");
}

}  // namespace tessera::roi_align_test
