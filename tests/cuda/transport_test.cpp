// cosine_cost and transport_distance.
#include "tensor/ops/cosine_cost.h"
#include "tensor/ops/cosine_cost_kernels.h"
#include "tensor/ops/ragged.h"
#include "tensor/ops/transport_distance.h"
#include "tensor/ops/transport_distance_kernels.h"
#include "tests/cuda/on_device.h"
#include "tests/ops/marks.h"
#include "tests/ops/reference.h"

namespace tessera::transport_test {

using namespace tessera::test;

namespace {

constexpr double kEps = 1e-5;
const std::vector<int64_t> kRows{9, 1, 0, 40, 3}, kColumns{35, 2, 4, 1, 0};

struct Marks {
  DeviceArray<int64_t> rows, columns, offsets;

  Marks()
      : rows(marks(kRows).to_vector<int64_t>(), "cu_x"),
        columns(marks(kColumns).to_vector<int64_t>(), "cu_y"),
        offsets(ops::matrix_offsets(rows.to_host(), columns.to_host()), "offsets") {}
  cuda::RaggedPairs pairs() const {
    return {rows.data(), columns.data(), offsets.data(), static_cast<int64_t>(kRows.size()), 40, 35};
  }
  int64_t cells() const { return offsets.to_host().back(); }
};

// Σ |dcost| over the rows and over the columns of the matrices.
struct Sizes {
  std::vector<double> rows, columns;

  Sizes(const Tensor& dcost, const std::vector<int64_t>& offsets) {
    const auto append = [](std::vector<double>& to, const Tensor& sums) {
      const std::vector<double> values = sums.to_vector<double>();
      to.insert(to.end(), values.begin(), values.end());
    };
    for (size_t s = 0; s < kRows.size(); ++s) {
      const Tensor cells = dcost.narrow(0, offsets[s], kRows[s] * kColumns[s]).view({kRows[s], kColumns[s]});
      append(rows, reference::sum(reference::magnitude(cells), 1));
      append(columns, reference::sum(reference::magnitude(cells), 0));
    }
  }
};

// The largest error of a row over its scale and size, the most that its elements can be.
double largest_row_error(const Tensor& got, const Tensor& expected, const Tensor& scale,
                         const std::vector<double>& size) {
  const std::vector<double> g = values_of(got), e = values_of(expected), r = values_of(scale);
  const size_t width = g.size() / size.size();
  double most = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    if (g[i] == e[i]) continue;
    const double error = std::abs(g[i] - e[i]) / (r[i / width] * size[i / width]);
    most = error <= most ? most : std::isnan(error) ? INFINITY : error;
  }
  return most;
}

}  // namespace

// Costs are f64 until they are stored, and so are the scales: a rounding of f32 each. Gradients are sums of up to 40
// terms in f32, less their part along x, which may be nearly all of them (all, at width 1).
TEST_CASE("cuda cosine_cost and its gradients equal the CPU's in f64") {
  const Marks on_gpu;
  const int64_t m = total(kRows), n = total(kColumns), cells = on_gpu.cells();
  for (const int64_t width : {1, 33, 300}) {
    CAPTURE(width);
    Tensor x = random_normal({m, width}, 1, DType::f32);
    const Tensor y = random_normal({n, width}, 2, DType::f32), dcost = random_normal({cells}, 3, DType::f32);
    x.narrow(0, 2, 1).fill_(0);  // norms that eps replaces
    x.narrow(0, 20, 1).fill_(1e-7);
    const auto xs = on_device<float>(x, "x"), ys = on_device<float>(y, "y");
    const auto gradient = on_device<float>(dcost, "dcost");
    const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
      DeviceArray<float> x_scale(m, "x_scale"), y_scale(n, "y_scale"), cost(cells, "cost");
      DeviceArray<float> dx(m * width, "dx"), dy(n * width, "dy");
      DeviceArray<double> workspace(m + n, "workspace");
      cuda::cosine_cost(xs.data(), ys.data(), on_gpu.pairs(), m, n, width, kEps, x_scale.data(), y_scale.data(),
                        cost.data(), workspace.data());
      cuda::cosine_cost_backward(gradient.data(), xs.data(), ys.data(), x_scale.data(), y_scale.data(), on_gpu.pairs(),
                                 width, kEps, dx.data(), dy.data());
      return {from_device(cost, {cells}), from_device(x_scale, {m}), from_device(y_scale, {n}),
              from_device(dx, {m, width}), from_device(dy, {n, width})};
    });
    const Tensor cu_x = marks(kRows), cu_y = marks(kColumns);
    const ops::CosineCostResult cpu = ops::cosine_cost(wide(x), wide(y), cu_x, cu_y, kEps);
    const auto gradients = ops::cosine_cost_backward(wide(dcost), wide(x), wide(y), cpu, cu_x, cu_y, kEps);
    CHECK_CLOSE(got[0], cpu.cost, 7e-8);
    CHECK_CLOSE(got[1], cpu.x_scale, 7e-8);
    CHECK_CLOSE(got[2], cpu.y_scale, 7e-8);
    const Sizes sizes(dcost, on_gpu.offsets.to_host());
    CHECK(largest_row_error(got[3], gradients.dx, cpu.x_scale, sizes.rows) <= 1e-6);
    CHECK(largest_row_error(got[4], gradients.dy, cpu.y_scale, sizes.columns) <= 1e-6);
  }
}

// f64 differs from the CPU by the order of its sums, f32 by its rounding.
TEST_CASE("cuda transport_distance equals the CPU's in f32 and f64, and so does its gradient") {
  const Marks on_gpu;
  const int64_t cells = on_gpu.cells();
  const auto samples = static_cast<int64_t>(kRows.size());
  const Tensor cu_x = marks(kRows), cu_y = marks(kColumns);
  const auto check_as = [&](auto tag, double bound) {
    using T = decltype(tag);
    constexpr DType dtype = dtype_of<T>::value;
    const Tensor cost = random_normal({cells}, 1, dtype), plan = random_normal({cells}, 2, dtype);
    const Tensor ddistance = random_normal({samples}, 3, dtype);
    const auto c = on_device<T>(cost, "cost"), t = on_device<T>(plan, "plan"), d = on_device<T>(ddistance, "ddistance");
    const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
      DeviceArray<T> distance(samples, "distance"), dcost(cells, "dcost");
      cuda::transport_distance(c.data(), t.data(), on_gpu.offsets.data(), distance.data(), samples);
      cuda::transport_distance_backward(d.data(), t.data(), on_gpu.offsets.data(), dcost.data(), samples, 9 * 35);
      return {from_device(distance, {samples}), from_device(dcost, {cells})};
    });
    CHECK_CLOSE(got[0], ops::transport_distance(wide(cost), wide(plan), cu_x, cu_y), bound);
    CHECK(same_bits(got[1], ops::transport_distance_backward(ddistance, plan, cu_x, cu_y)));
  };
  check_as(float{}, 7e-8);
  check_as(double{}, 1e-14);
}

}  // namespace tessera::transport_test
