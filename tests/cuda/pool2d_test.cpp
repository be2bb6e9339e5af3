#include "tensor/ops/avg_pool2d.h"
#include "tensor/ops/avg_pool2d_kernels.h"
#include "tensor/ops/max_pool2d.h"
#include "tensor/ops/max_pool2d_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::pool2d_test {

using namespace tessera::test;

// Maxima are exact, ties and a NaN in them too; gradients are sums of at most four terms.
TEST_CASE("cuda max_pool2d and its gradient equal the CPU's") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const Pool2dSettings& s : {Pool2dSettings{.kernel = 3, .stride = 2, .padding = 1},
                                    Pool2dSettings{.kernel = {2, 3}, .stride = {3, 1}, .ceil_mode = true},
                                    Pool2dSettings{.kernel = 2, .stride = 2, .dilation = {2, 1}}}) {
      const Shape shape{2, 2, 7, 9};
      std::vector<float> values = random_normal(shape, 1, DType::f32).to_vector<float>();
      for (size_t i = 0; i < values.size(); i += 2) values[i] = std::round(values[i]);
      values[100] = NAN;
      const Tensor x = Tensor::from(values, shape).to(dtype_of<T>::value), y = ops::max_pool2d(x, s);
      const Tensor dy = random_values<T>(y.shape(), 2);
      const ops::Windows2d w = ops::make_windows("", {7, 9}, s.kernel, s.stride, s.padding, s.dilation, s.ceil_mode);
      const auto from = on_device<T>(x, "x"), gradient = on_device<T>(dy, "dy");
      const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
        DeviceArray<T> out(y.numel(), "y"), dx(x.numel(), "dx");
        cuda::max_pool2d(from.data(), w, out.data(), 4);
        cuda::max_pool2d_backward(gradient.data(), from.data(), w, dx.data(), 4);
        return {from_device(out, y.shape()), from_device(dx, shape)};
      });
      const std::vector<double> a = values_of(got[0]), e = values_of(y);
      for (size_t i = 0; i < a.size(); ++i) CHECK((a[i] == e[i] || (std::isnan(a[i]) && std::isnan(e[i]))));
      CHECK_CLOSE(got[1], ops::max_pool2d_backward(wide(dy), wide(x), s), 5e-7);
    }
  });
}

// Sums of one window's elements, or of the windows that hold one: a few ε.
TEST_CASE("cuda pooling by means and its gradient equal the CPU's in f64, planes larger than a warp too") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    const auto run = [](const Tensor& x, const ops::MeanSide& rows, const ops::MeanSide& columns, const Tensor& y,
                        auto backward) {
      const Tensor dy = random_values<T>(y.shape(), 2);
      const int64_t planes = x.size(0) * x.size(1);
      const auto from = on_device<T>(x, "x"), gradient = on_device<T>(dy, "dy");
      const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
        DeviceArray<T> out(y.numel(), "y"), dx(x.numel(), "dx");
        cuda::mean_pool2d(from.data(), rows, columns, out.data(), planes);
        cuda::mean_pool2d_backward(gradient.data(), rows, columns, dx.data(), planes);
        return {from_device(out, y.shape()), from_device(dx, x.shape())};
      });
      CHECK_CLOSE(got[0], y, 1e-6);
      CHECK_CLOSE(got[1], backward(wide(dy)), 1e-6);
    };
    const Tensor x = random_values<T>({2, 2, 9, 11}, 1);
    for (const bool count_padding : {false, true}) {
      const Pool2dSettings s{.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true, .count_padding = count_padding};
      const Tensor y = ops::avg_pool2d(wide(x), s);
      run(x, {9, y.size(2), 3, 2, 1, count_padding}, {11, y.size(3), 3, 2, 1, count_padding}, y,
          [&](const Tensor& dy) { return ops::avg_pool2d_backward(dy, x.shape(), s); });
    }
    for (const Size2d size : {Size2d(1), Size2d(4, 3), Size2d(10, 23)})
      run(x, {.input = 9, .output = size.height}, {.input = 11, .output = size.width},
          ops::adaptive_avg_pool2d(wide(x), size),
          [&](const Tensor& dy) { return ops::adaptive_avg_pool2d_backward(dy, x.shape()); });
  });
}

}  // namespace tessera::pool2d_test
