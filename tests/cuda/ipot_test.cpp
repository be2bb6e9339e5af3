#include "tensor/ops/ipot.h"

#include "tensor/cuda/deferred_errors.h"
#include "tensor/ops/ipot_kernels.h"
#include "tensor/ops/ragged.h"
#include "tests/cuda/on_device.h"
#include "tests/ops/marks.h"

namespace tessera::ipot_test {

using namespace tessera::test;

namespace {

struct Samples {
  std::vector<int64_t> rows, columns;
  Tensor cost, row_marginals, column_marginals;  // marginals may be undefined
};

Samples samples_of(double spread) {
  Samples in{{13, 1, 0, 7, 33}, {27, 5, 3, 1, 40}, {}, {}, {}};
  int64_t cells = 0;
  for (size_t s = 0; s < in.rows.size(); ++s) cells += in.rows[s] * in.columns[s];
  Random random(5);
  std::vector<float> costs;
  for (int64_t i = 0; i < cells; ++i) costs.push_back(static_cast<float>(spread * random.uniform()));
  in.cost = Tensor::from(costs);
  return in;
}

// For each sample numbers that sum to 1.
Tensor random_marginals(const std::vector<int64_t>& lengths, uint64_t seed) {
  Random random(seed);
  std::vector<float> marginals;
  for (const int64_t length : lengths) {
    std::vector<double> parts;
    double sum = 0;
    for (int64_t i = 0; i < length; ++i) sum += parts.emplace_back(random.uniform(0.1, 1));
    for (const double part : parts) marginals.push_back(static_cast<float>(part / sum));
  }
  return Tensor::from(marginals);
}

// The plan, and the costs of a sample that failed, [2], or none.
std::vector<Tensor> on_gpu(const Samples& in, double beta, int64_t iterations, bool in_shared) {
  const Tensor cu_rows = marks(in.rows), cu_columns = marks(in.columns);
  const auto rows = on_device<int64_t>(cu_rows, "cu_rows"), columns = on_device<int64_t>(cu_columns, "cu_columns");
  const DeviceArray<int64_t> offsets(
      ops::matrix_offsets(ops::check_marks("test", "rows", cu_rows), ops::check_marks("test", "columns", cu_columns)),
      "offsets");
  const auto cost = on_device<float>(in.cost, "cost");
  const bool uniform = !in.row_marginals.defined();
  const auto row_marginals = on_device<float>(uniform ? Tensor::empty({0}) : in.row_marginals, "row_marginals");
  const auto column_marginals =
      on_device<float>(uniform ? Tensor::empty({0}) : in.column_marginals, "column_marginals");
  const int64_t cells = in.cost.numel();
  DeviceArray<float> plan(std::vector<float>(static_cast<size_t>(cells), -1.0f), "plan"),
      workspace32(2 * cells, "workspace32");
  DeviceArray<double> workspace64(2 * cells, "workspace64");
  DeviceArray<cuda::ErrorWord> failed(std::vector<cuda::ErrorWord>{0}, "failed");
  const cuda::IpotSamples samples{cost.data(),
                                  uniform ? nullptr : row_marginals.data(),
                                  uniform ? nullptr : column_marginals.data(),
                                  rows.data(),
                                  columns.data(),
                                  offsets.data(),
                                  static_cast<int64_t>(in.rows.size()),
                                  33,
                                  40,
                                  33 * 40};
  CHECK(cuda::ipot_fits_shared_memory(samples));
  cuda::ipot(samples, plan.data(), beta, iterations, in_shared ? nullptr : workspace32.data(), workspace64.data(),
             failed.data());
  const cuda::ErrorWord word = failed.to_host()[0];
  const cuda::CostRange costs = cuda::ipot_failure(word);
  return {from_device(plan, {cells}),
          Tensor::from(word == 0 ? std::vector<float>{} : std::vector<float>{costs.least, costs.most})};
}

}  // namespace

// Relative errors of a few ulp enter at every iteration, and the iteration contracts: 1e-5 of the largest element is
// ample, and a hundredth of what one iteration more or less changes. Costs that span more than 40 beta go through f64.
TEST_CASE("cuda ipot equals the CPU's in f64") {
  for (const double spread : {1.0, 60.0})
    for (const bool uniform : {true, false})
      for (const bool in_shared : {true, false}) {
        CAPTURE(spread);
        Samples in = samples_of(spread);
        if (!uniform) {
          in.row_marginals = random_marginals(in.rows, 6);
          in.column_marginals = random_marginals(in.columns, 7);
        }
        for (const int64_t iterations : {1, 20}) {
          const std::vector<Tensor> got = in_three_orders([&] { return on_gpu(in, 0.5, iterations, in_shared); });
          const Tensor p = uniform ? Tensor{} : wide(in.row_marginals),
                       q = uniform ? Tensor{} : wide(in.column_marginals);
          const Tensor plan = ops::ipot(wide(in.cost), marks(in.rows), marks(in.columns), 0.5, iterations, p, q);
          CHECK_CLOSE(got[0], plan, 1e-5);
          CHECK(got[1].numel() == 0);
        }
      }
}

TEST_CASE("cuda ipot reports a beta that is too small") {
  for (const double shift : {0.0, -5000.0}) {  // costs of both signs
    Samples in = samples_of(2000);
    std::vector<float> costs = in.cost.to_vector<float>();
    for (float& cost : costs) cost += static_cast<float>(shift);
    in.cost = Tensor::from(costs);
    const std::vector<Tensor> got = in_three_orders([&] { return on_gpu(in, 0.5, 3, true); });
    float most = -INFINITY, least = 0;
    size_t first = 0;
    for (size_t s = 0; s < in.rows.size(); ++s) {
      const auto cells = static_cast<size_t>(in.rows[s] * in.columns[s]);
      const auto begin = costs.begin() + static_cast<ptrdiff_t>(first);
      first += cells;
      if (cells == 0) continue;
      const auto [low, high] = std::minmax_element(begin, begin + static_cast<ptrdiff_t>(cells));
      if (*high - *low > 325 && *high > most) {
        most = *high;
        least = *low;
      }
    }
    CHECK(got[1].to_vector<float>() == std::vector<float>{least, most});
  }
}

}  // namespace tessera::ipot_test
