#include "tensor/ops/l2_normalise.h"

#include "tensor/ops/l2_normalise_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::l2_normalise_test {

using namespace tessera::test;

// Elements of y are at most 1, with the error of a sum in 32 lanes; gradients are of the size of dy / |x|. The backward
// starts from the rounded y and norm of the forward, and so does its reference.
TEST_CASE("cuda l2_normalise and its gradient equal the CPU's in f64") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [rows, d] : std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {1, 1}, {3, 2}, {5, 127}, {6, 264}})
      for (const float eps : {0.0f, 1e-12f, 3.0f}) {
        CAPTURE(rows);
        CAPTURE(d);
        const Shape shape{rows, d};
        const Tensor x = random_values<T>(shape, 1), dy = random_values<T>(shape, 2);
        const auto from = on_device<T>(x, "x"), gradient = on_device<T>(dy, "dy");
        const std::vector<Tensor> got = in_three_orders([&, rows = rows, d = d]() -> std::vector<Tensor> {
          DeviceArray<T> y(rows * d, "y"), dx(rows * d, "dx");
          DeviceArray<float> norm(rows, "norm");
          cuda::l2_normalise(from.data(), y.data(), norm.data(), rows, d, eps);
          cuda::l2_normalise_backward(gradient.data(), y.data(), norm.data(), dx.data(), rows, d, eps);
          return {from_device(y, shape), from_device(dx, shape), from_device(norm, {rows})};
        });
        const ops::L2Normalise cpu = ops::l2_normalise(wide(x), static_cast<double>(eps));
        CHECK_CLOSE(got[0], cpu.y, 1e-6);
        CHECK_CLOSE(got[2], cpu.norm, 1e-6);
        CHECK_CLOSE(got[1], ops::l2_normalise_backward(wide(dy), {wide(got[0]), wide(got[2])}, eps), 2e-6);
      }
  });
}

}  // namespace tessera::l2_normalise_test
