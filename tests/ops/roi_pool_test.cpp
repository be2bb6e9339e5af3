#include "tensor/ops/roi_pool.h"

#include "tests/ops/matrix_reference.h"

namespace tessera::roi_pool_test {

using namespace tessera::test;

namespace {

// By the definition, with the cell that each bin's value came from.
struct Naive {
  std::vector<double> values;
  std::vector<int64_t> cells;
};
Naive naive(const Tensor& features, const std::vector<double>& rois, const ops::RoiPoolOptions& o) {
  const int64_t channels = features.size(1), height = features.size(2), width = features.size(3);
  const std::vector<double> map = features.to(DType::f64).to_vector<double>();
  Naive out;
  for (size_t r = 0; r < rois.size(); r += 5)
    for (int64_t c = 0; c < channels; ++c) {
      const auto corner = [&](size_t k) { return static_cast<int64_t>(std::round(rois[r + k] * o.scale)); };
      const int64_t x1 = corner(1), y1 = corner(2);
      const double w = static_cast<double>(std::max<int64_t>(corner(3) - x1 + 1, 1)) / static_cast<double>(o.width);
      const double h = static_cast<double>(std::max<int64_t>(corner(4) - y1 + 1, 1)) / static_cast<double>(o.height);
      for (int64_t p = 0; p < o.height; ++p)
        for (int64_t q = 0; q < o.width; ++q) {
          const auto line_end = y1 + static_cast<int64_t>(std::ceil(static_cast<double>(p + 1) * h));
          const auto column_end = x1 + static_cast<int64_t>(std::ceil(static_cast<double>(q + 1) * w));
          double most = 0;
          int64_t cell = -1;
          for (int64_t y = y1 + static_cast<int64_t>(std::floor(static_cast<double>(p) * h)); y < line_end; ++y)
            for (int64_t x = x1 + static_cast<int64_t>(std::floor(static_cast<double>(q) * w)); x < column_end; ++x) {
              if (y < 0 || y >= height || x < 0 || x >= width) continue;
              const int64_t plane = static_cast<int64_t>(rois[r]) * channels + c;
              const double value = map[static_cast<size_t>((plane * height + y) * width + x)];
              if (cell < 0 || value > most) most = value, cell = y * width + x;
            }
          out.values.push_back(most);
          out.cells.push_back(cell);
        }
    }
  return out;
}

const std::vector<double> kRois = {0, 1.3, 2.1, 9.7, 8.2, 1, 4, 4, 4,  4,  0, -5, -6, 3, 2, 1, 9, 7, 60, 50,
                                   0, 90,  90,  99,  99,  1, 0, 0, 20, 12, 0, 8,  8,  3, 2, 1, 2, 2, 6,  6};

Tensor rois_of(const std::vector<double>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size() / 5), 5});
}

// Few values, so that many are equal.
Tensor with_ties(const Shape& shape, DType dtype) {
  std::vector<double> values = random_normal(shape, 1).to_vector<double>();
  for (double& value : values) value = std::round(value);
  return Tensor::from(values, shape).to(dtype);
}

}  // namespace

TEST_CASE("roi_pool equals the definition, with the first of equal cells: regions of all kinds, strided features") {
  for (const Shape& shape : {Shape{2, 3, 7, 11}, Shape{2, 1, 1, 1}})
    for (const ops::RoiPoolOptions& options :
         {ops::RoiPoolOptions{3, 2, 1.0}, ops::RoiPoolOptions{1, 1, 0.5}, ops::RoiPoolOptions{5, 4, 0.25}})
      for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
        CAPTURE(shape);
        const Tensor features = with_ties(shape, dtype);
        const Naive expected = naive(features, kRois, options);
        for (const Tensor& from : {features, strided(features)}) {
          const ops::RoiPool got = ops::roi_pool(from, rois_of(kRois), options);
          CHECK(values_of(got.y) == expected.values);
          CHECK(got.largest.to_vector<int64_t>() == expected.cells);
        }
      }
}

TEST_CASE("roi_pool: gradients, bins that share a cell, and no regions") {
  check_gradients(
      "roi_pool",
      [](std::span<const Variable> in) { return roi_pool(in[0], rois_of(kRois), {.height = 2, .width = 3}); },
      {random_normal({2, 1, 4, 5}, 3)});
  // One cell for all four bins, of two regions.
  const Variable x(Tensor::full({1, 1, 1, 1}, 3), true);
  const Variable y = roi_pool(x, rois_of({0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), {.height = 2, .width = 2});
  y.backward(Tensor::full({2, 1, 2, 2}, 1));
  CHECK(x.grad().item() == 8);
  const Variable none = roi_pool(x, rois_of({}), {});
  CHECK(none.shape() == Shape{0, 1, 1, 1});
}

TEST_CASE("roi_pool: the same bits on any number of threads, and what bad input gets") {
  CHECK(same_on_any_number_of_threads([] {
    const Variable x(random_normal({2, 40, 13, 17}, 1, DType::f32), true);
    const Variable y = roi_pool(x, rois_of(kRois), {.height = 7, .width = 7});
    y.backward(random_normal(y.shape(), 2, DType::f32));
    return std::vector{y.value(), x.grad()};
  }));
  const Variable x(Tensor::zeros({1, 1, 4, 4}));
  CHECK_THROWS_WITH(roi_pool(x, rois_of({1, 0, 0, 1, 1}), {}), "roi_pool: roi 0 is of image 1, expected 0 to 0");
  CHECK_THROWS_WITH(roi_pool(x, rois_of({}), {.width = 0}), "roi_pool: the grid is 1 × 0, expected at least 1 × 1");
}

}  // namespace tessera::roi_pool_test
