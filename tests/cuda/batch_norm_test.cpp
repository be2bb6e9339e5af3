#include "tensor/ops/batch_norm.h"

#include "tensor/ops/batch_norm_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::batch_norm_test {

using namespace tessera::test;

namespace {

constexpr double kEps = 1e-3;

}  // namespace

// Sums are in f64, so that what is left are the roundings of an element: a few ε. dx is a difference of terms of its
// own size. Channels of one element, of a block and one more, of none.
TEST_CASE("cuda batch_norm and its gradients equal the CPU's in f64") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : {Shape{3, 4, 5}, Shape{1, 2, 257}, Shape{7, 3, 1}, Shape{1, 2, 1}, Shape{0, 2, 3}}) {
      CAPTURE(shape);
      const int64_t channels = shape[1];
      const Tensor x = random_values<T>(shape, 1), dy = random_values<T>(shape, 2);
      const Tensor w = random_normal({channels}, 3, DType::f32), b = random_normal({channels}, 4, DType::f32);
      const Tensor m = random_normal({channels}, 5, DType::f32), v = Tensor::full({channels}, 0.7);
      const cuda::BatchNormSizes sizes{shape[0], channels, shape[2], float(kEps)};
      const auto from = on_device<T>(x, "x"), gradient = on_device<T>(dy, "dy");
      const auto weight = on_device<float>(w, "weight"), bias = on_device<float>(b, "bias");
      const auto mean_there = on_device<float>(m, "mean"), variance_there = on_device<float>(v, "variance");
      const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
        DeviceArray<T> y(x.numel(), "y"), dx(x.numel(), "dx"), y_given(x.numel(), "y"), dx_given(x.numel(), "dx");
        DeviceArray<float> mean(channels, "mean"), variance(channels, "variance"), db(channels, "db");
        auto dw = on_device<float>(b, "dw");
        cuda::batch_norm(from.data(), weight.data(), bias.data(), y.data(), mean.data(), variance.data(), sizes);
        cuda::batch_norm_backward(gradient.data(), from.data(), weight.data(), mean.data(), variance.data(), true,
                                  dx.data(), dw.data(), true, db.data(), false, sizes);
        cuda::batch_norm_given(from.data(), weight.data(), bias.data(), mean_there.data(), variance_there.data(),
                               y_given.data(), sizes);
        cuda::batch_norm_backward<T>(gradient.data(), from.data(), weight.data(), mean_there.data(),
                                     variance_there.data(), false, dx_given.data(), nullptr, false, nullptr, false,
                                     sizes);
        return {from_device(y, shape),       from_device(mean, {channels}), from_device(variance, {channels}),
                from_device(dx, shape),      from_device(dw, {channels}),   from_device(db, {channels}),
                from_device(y_given, shape), from_device(dx_given, shape)};
      });
      const ops::BatchNorm forward = ops::batch_norm(wide(x), wide(w), wide(b), kEps);
      const Tensor dw = wide(b).clone(), db = Tensor::empty_like(dw);
      const Tensor dx = ops::batch_norm_backward(wide(dy), wide(x), wide(w), forward.mean, forward.variance, kEps, true,
                                                 {dw, db, true, false});
      CHECK_CLOSE(got[0], forward.y, 2e-6);
      CHECK_CLOSE(got[1], forward.mean, 1e-6);
      CHECK_CLOSE(got[2], forward.variance, 1e-6);
      CHECK_CLOSE(got[3], dx, 4e-6);
      CHECK_CLOSE(got[4], dw, 4e-6);
      CHECK_CLOSE(got[5], db, 1e-6);
      CHECK_CLOSE(got[6], ops::batch_norm_given(wide(x), wide(w), wide(b), wide(m), wide(v), kEps), 2e-6);
      CHECK_CLOSE(got[7], ops::batch_norm_backward(wide(dy), wide(x), wide(w), wide(m), wide(v), kEps, false, {}),
                  2e-6);
    }
  });
}

}  // namespace tessera::batch_norm_test
