#include "tensor/ops/softmax.h"

#include "tensor/ops/softmax_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::softmax_test {

using namespace tessera::test;

// Values at most 1, from exponentials good to a few ulp and their sum in 128 parts; gradients of size 1. The backward
// starts from the rounded y of the forward, and so does its reference.
TEST_CASE("cuda softmax and its gradient equal the CPU's in f64") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [rows, n] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {1, 1}, {3, 2}, {5, 127}, {2, 1003}}) {
      CAPTURE(rows);
      CAPTURE(n);
      const Shape shape{rows, n};
      const Tensor x = random_values<T>(shape, 1), dy = random_values<T>(shape, 2);
      const auto from = on_device<T>(x, "x"), gradient = on_device<T>(dy, "dy");
      const std::vector<Tensor> got = in_three_orders([&, rows = rows, n = n]() -> std::vector<Tensor> {
        DeviceArray<T> y(rows * n, "y"), dx(rows * n, "dx");
        cuda::softmax(from.data(), y.data(), rows, n);
        cuda::softmax_backward(gradient.data(), y.data(), dx.data(), rows, n);
        return {from_device(y, shape), from_device(dx, shape)};
      });
      CHECK_CLOSE(got[0], ops::softmax(wide(x)), 1e-6);
      CHECK_CLOSE(got[1], ops::softmax_backward(wide(dy), wide(got[0])), 1e-6);
    }
  });
}

// As of softmax. Masks of the whole, of a column of x (one number for each row), and broadcast over the rows; a row
// without anything left, and one with a single element.
TEST_CASE("cuda masked_softmax equals the CPU's in f64, its mask broadcast or not") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    const Shape shape{2, 3, 130};
    const Tensor x = random_values<T>(shape, 1);
    for (const Shape& of_mask : {Shape{2, 3, 130}, Shape{130}, Shape{3, 1}, Shape{2, 1, 130}}) {
      CAPTURE(of_mask.numel());
      Random random(2);
      Tensor mask = Tensor::empty(of_mask, DType::i64);
      int64_t* include = mask.mutable_data<int64_t>();
      for (int64_t i = 0; i < mask.numel(); ++i) include[i] = static_cast<int64_t>(random.below(2));
      if (of_mask == shape)
        for (int64_t i = 0; i < 260; ++i) include[i] = i == 131 ? 7 : 0;
      const Shape strides = mask.expand(shape).strides();
      const cuda::MaskLayout layout{2, {2, 3}, {strides[0], strides[1]}, strides[2]};
      const auto from = on_device<T>(x, "x");
      const auto mask_there = on_device<int64_t>(mask, "mask");
      const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
        DeviceArray<T> y(x.numel(), "y");
        cuda::masked_softmax(from.data(), mask_there.data(), layout, y.data(), 6, 130);
        return {from_device(y, shape)};
      });
      CHECK_CLOSE(got[0], ops::masked_softmax(wide(x), mask), 1e-6);
    }
  });
}

}  // namespace tessera::softmax_test
