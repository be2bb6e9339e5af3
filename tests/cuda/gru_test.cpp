#include "tensor/ops/gru.h"

#include "tensor/ops/gru_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::gru_test {

using namespace tessera::test;

namespace {

double logistic_of(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

// Gates are at most 1, from exponentials good to a few ulp.
TEST_CASE("cuda gru cells equal their formulas, forward and backward") {
  for (const auto& [rows, h] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {3, 50}, {7, 129}})
    for (const int64_t carried : {int64_t{0}, rows / 2, int64_t{rows}}) {
      CAPTURE(rows);
      CAPTURE(h);
      CAPTURE(carried);
      const Shape narrow{rows, h}, wide_shape{rows, 3 * h};
      const Tensor g = random_values<float>(wide_shape, 1), a = random_values<float>(wide_shape, 2);
      const Tensor h0 = random_values<float>(narrow, 3), dy = random_values<float>(narrow, 4);
      const Tensor carry = random_values<float>(narrow, 5), product = random_values<float>({carried, h}, 6);
      const std::vector<Tensor> got = in_three_orders([&, rows = rows, h = h]() -> std::vector<Tensor> {
        auto gates = on_device<float>(g, "gates"), behind = on_device<float>(carry, "carry");
        const auto products = on_device<float>(a, "products"), before = on_device<float>(h0, "before");
        const auto d_after = on_device<float>(dy, "d_after"), more = on_device<float>(product, "product");
        DeviceArray<float> hidden(rows * h, "hidden"), after(rows * h, "after");
        DeviceArray<float> d_gates(3 * rows * h, "d_gates"), d_products(3 * rows * h, "d_products");
        cuda::gru_cell(gates.data(), products.data(), hidden.data(), before.data(), after.data(), rows, h);
        cuda::gru_cell_backward(d_after.data(), behind.data(), carried > 0 ? more.data() : nullptr, carried,
                                gates.data(), hidden.data(), before.data(), d_gates.data(), d_products.data(), rows, h);
        return {from_device(after, narrow), from_device(d_gates, wide_shape), from_device(d_products, wide_shape),
                from_device(behind, narrow)};
      });
      const std::vector<double> gv = values_of(g), av = values_of(a), hv = values_of(h0), dv = values_of(dy);
      const std::vector<double> cv = values_of(carry), pv = values_of(product);
      std::vector<double> after, d_gates(gv.size()), d_products(gv.size()), behind;
      for (size_t i = 0; i < hv.size(); ++i) {
        const size_t width = static_cast<size_t>(h), first = i / width * 3 * width + i % width;
        const double r = logistic_of(gv[first] + av[first]), z = logistic_of(gv[first + width] + av[first + width]);
        const double an = av[first + 2 * width], n = std::tanh(gv[first + 2 * width] + r * an);
        after.push_back((1 - z) * n + z * hv[i]);
        const double dh = dv[i] + cv[i] + (i < pv.size() ? pv[i] : 0), dn = dh * (1 - z) * (1 - n * n);
        d_gates[first] = d_products[first] = dn * an * r * (1 - r);
        d_gates[first + width] = d_products[first + width] = dh * (hv[i] - n) * z * (1 - z);
        d_gates[first + 2 * width] = dn;
        d_products[first + 2 * width] = dn * r;
        behind.push_back(dh * z);
      }
      CHECK_CLOSE(got[0], Tensor::from(after, narrow), 1e-6);
      CHECK_CLOSE(got[1], Tensor::from(d_gates, wide_shape), 2e-6);
      CHECK_CLOSE(got[2], Tensor::from(d_products, wide_shape), 2e-6);
      CHECK_CLOSE(got[3], Tensor::from(behind, narrow), 1e-6);
    }
}

}  // namespace tessera::gru_test
