#include "tensor/ops/matmul.h"

#include <tuple>

#include "tensor/ops/elementwise.h"
#include "tests/cuda/on_device.h"

using namespace tessera;
using namespace tessera::test;

// Sums of k products of size 1, in f32: each addition rounds by half an ulp of a partial sum that is at most a few √k.
TEST_CASE("cuda matmul equals the CPU's in f64, whichever way its operands lie") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [m, n, k] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
             {1, 1, 1}, {0, 3, 2}, {3, 2, 0}, {66, 65, 33}, {5, 130, 17}})
      for (const bool transposed : {false, true}) {
        CAPTURE(m);
        CAPTURE(transposed);
        const Tensor a = random_values<T>({m, k}, 1), b = random_values<T>({k, n}, 2);
        const Tensor bias = random_normal({n}, 3, DType::f32), before = random_values<T>({m, n}, 4);
        const auto left = on_device<T>(transposed ? a.transpose(0, 1) : a, "a");
        const auto right = on_device<T>(transposed ? b.transpose(0, 1) : b, "b");
        const auto offset = on_device<float>(bias, "bias");
        using View = cuda::MatrixView<T>;
        const View as = transposed ? View{left.data(), 1, m} : View{left.data(), k, 1};
        const View bs = transposed ? View{right.data(), 1, k} : View{right.data(), n, 1};
        const std::vector<Tensor> got = in_three_orders([&, m = m, n = n, k = k]() -> std::vector<Tensor> {
          DeviceArray<float> plain(m * n, "plain");
          auto added = on_device<T>(before, "added");
          cuda::matmul<T, float>(as, bs, nullptr, plain.data(), m, n, k, false);
          cuda::matmul<T, T>(as, bs, offset.data(), added.data(), m, n, k, true);
          return {from_device(plain, {m, n}), from_device(added, {m, n})};
        });
        const Tensor product = ops::matmul(wide(a), wide(b));
        CHECK_CLOSE(got[0], product, 1e-6);
        CHECK_CLOSE(got[1], ops::add(ops::add(product, wide(bias)), wide(before)), 1e-6);
      }
  });
}
