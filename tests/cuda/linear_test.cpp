#include "tensor/ops/linear_kernels.h"

#include <tuple>

#include "tensor/ops/dropout.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/linear.h"
#include "tests/cuda/on_device.h"

namespace tessera::linear_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{0x123456789abcdef0u, 5, 7};
// One column, many ranges of rows (more than the 8 that are added side by side), packs and odd columns.
const std::vector<std::pair<int64_t, int64_t>> kSizes{{0, 3}, {3, 0}, {1, 1}, {150, 1}, {35, 24}, {17, 9}};

// Column sums of x [rows, columns] in f64.
Tensor sums_of(const Tensor& x) {
  Tensor sums = Tensor::zeros({x.size(1)}, DType::f64);
  ops::column_sums_(sums, x, false);
  return sums;
}

}  // namespace

// A sum of `rows` numbers of size 1: each addition rounds by half an ulp of a partial sum of a few √rows.
TEST_CASE("cuda column sums equal the CPU's in f64") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [rows, columns] : kSizes)
      for (const int64_t gap : {0, 1, 8}) {
        CAPTURE(rows);
        CAPTURE(columns);
        const int64_t ld = columns + gap;
        const Tensor x = random_values<T>({rows, ld}, 1), before = random_normal({columns}, 2, DType::f32);
        const auto from = on_device<T>(x, "x");
        const std::vector<Tensor> got = in_three_orders([&, rows = rows, columns = columns]() -> std::vector<Tensor> {
          DeviceArray<float> plain(columns, "plain"), workspace(cuda::column_workspace(rows, columns), "workspace");
          auto added = on_device<float>(before, "added");
          cuda::column_sums(from.data(), ld, plain.data(), false, workspace.data(), rows, columns);
          cuda::column_sums(from.data(), ld, added.data(), true, workspace.data(), rows, columns);
          return {from_device(plain, {columns}), from_device(added, {columns})};
        });
        const Tensor exact = sums_of(wide(x).narrow(1, 0, columns));
        CHECK_CLOSE(got[0], exact, 1e-6);
        CHECK_CLOSE(got[1], ops::add(exact, wide(before)), 1e-6);
      }
  });
}

// erfc and exp are good to a few ulp; near its zero at -0.75 the derivative's error counts against its largest value.
TEST_CASE("cuda gradient of gelu and dropout, what they were, and column sums equal the CPU's") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [rows, columns] : kSizes)
      for (const double p : {0.0, 0.3}) {
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(p);
        const Shape shape{rows, columns};
        const int64_t count = rows * columns;
        const Tensor a = ops::mul(random_values<T>(shape, 1), 3), dy = random_values<T>(shape, 2);
        const Tensor before = random_normal({columns}, 3, DType::f32);
        const auto at = on_device<T>(a, "a");
        const std::vector<Tensor> got = in_three_orders([&, rows = rows, columns = columns]() -> std::vector<Tensor> {
          auto gradient = on_device<T>(dy, "dy");
          auto sums = on_device<float>(before, "sums");
          DeviceArray<T> hidden(count, "hidden"), alone(count, "alone");
          DeviceArray<float> workspace(cuda::column_workspace(rows, columns), "workspace");
          cuda::activation_dropout_gradient<T>(Activation::gelu, gradient.data(), at.data(), alone.data(), nullptr,
                                               nullptr, false, nullptr, rows, columns, p, kTicket);
          cuda::activation_dropout_gradient(Activation::gelu, gradient.data(), at.data(), gradient.data(),
                                            hidden.data(), sums.data(), true, workspace.data(), rows, columns, p,
                                            kTicket);
          return {from_device(gradient, shape), from_device(hidden, shape), from_device(sums, {columns}),
                  from_device(alone, shape)};
        });
        const Tensor da = ops::gelu_backward(ops::dropout(wide(dy), p, kTicket), wide(a));
        CHECK_CLOSE(got[0], da, 1e-6);
        CHECK_CLOSE(got[1], ops::dropout(ops::gelu(wide(a)), p, kTicket), 3e-7);
        CHECK_CLOSE(got[2], ops::add(sums_of(da), wide(before)), 1e-6);
        CHECK(same_bits(got[3], got[0]));
      }
  });
}

TEST_CASE("cuda rounding to bf16 gives the CPU's bits") {
  for (const int64_t count : {0, 1, 300}) {
    const Tensor x = random_normal({count}, 1, DType::f32);
    const auto from = on_device<float>(x, "x");
    DeviceArray<bf16> y(count, "y");
    cuda::round_to_bf16(from.data(), y.data(), count);
    CHECK(same_bits(from_device(y, {count}), x.to(DType::bf16)));
  }
}

}  // namespace tessera::linear_test
