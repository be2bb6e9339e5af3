#include "tensor/ops/roi_pool.h"

#include "tensor/ops/roi_pool_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::roi_pool_test {

using namespace tessera::test;

// Two images of two channels, 5 × 6 cells of few values; regions of one bin each, whose cells are given.
TEST_CASE("cuda roi_pool takes the first of the largest cells, and its gradient goes there") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    const Shape shape{2, 2, 5, 6}, of_out{3, 2, 1, 2};
    std::vector<double> values = values_of(random_values<float>(shape, 1));
    for (double& value : values) value = std::round(value);
    const Tensor x = Tensor::from(values, shape).to(dtype_of<T>::value), dy = random_values<T>(of_out, 2);
    // Lines of each region; columns of its two bins, which share one, or of which one is empty.
    const std::vector<int64_t> image{1, 0, 1}, y{0, 5, 2, 3, 1, 4}, x_cells{0, 4, 3, 6, 0, 6, 5, 5, 1, 3, 2, 5};
    const std::vector<int64_t> order{1, 0, 2}, begins{0, 1, 3};
    const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
      const auto features = on_device<T>(x, "features"), gradient_of_y = on_device<T>(dy, "dy");
      const DeviceArray<int64_t> of_roi(image, "image"), lines(y, "lines"), columns(x_cells, "columns");
      const DeviceArray<int64_t> sorted(order, "order"), marks(begins, "image_begins");
      DeviceArray<T> out(12, "out"), gradient(x.numel(), "gradient");
      DeviceArray<int64_t> largest(12, "largest");
      cuda::roi_pool(features.data(), of_roi.data(), lines.data(), columns.data(), {3, 2, 5, 6, 1, 2}, out.data(),
                     largest.data());
      cuda::roi_pool_backward(gradient_of_y.data(), largest.data(), sorted.data(), marks.data(), 2, 2, 30, 2,
                              gradient.data());
      return {from_device(out, of_out), from_device(largest, of_out), from_device(gradient, shape)};
    });
    std::vector<double> expected(values.size(), 0.0);
    const std::vector<double> out = values_of(got[0]), d = values_of(dy);
    const std::vector<int64_t> largest = got[1].to_vector<int64_t>();
    for (size_t bin = 0; bin < 12; ++bin) {
      const size_t roi = bin / 4, plane = static_cast<size_t>(image[roi]) * 2 + bin / 2 % 2, q = bin % 2;
      int64_t best = -1;
      for (int64_t line = y[2 * roi]; line < y[2 * roi + 1]; ++line)
        for (int64_t column = x_cells[4 * roi + 2 * q]; column < x_cells[4 * roi + 2 * q + 1]; ++column) {
          const auto cell = static_cast<size_t>(line * 6 + column);
          if (best < 0 || values[plane * 30 + cell] > values[plane * 30 + static_cast<size_t>(best)])
            best = static_cast<int64_t>(cell);
        }
      CHECK(largest[bin] == best);
      CHECK(out[bin] == (best < 0 ? 0 : values[plane * 30 + static_cast<size_t>(best)]));
      if (best >= 0) expected[plane * 30 + static_cast<size_t>(best)] += d[bin];
    }
    CHECK_CLOSE(got[2], Tensor::from(expected, shape), 1e-6);
  });
}

}  // namespace tessera::roi_pool_test
