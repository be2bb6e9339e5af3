#include "tensor/gemm/gemm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tensor/gemm/plan.h"
#include "tensor/parallel.h"
#include "tensor/philox.h"
#include "tests/ops/reference.h"

namespace tessera::gemm_test {

namespace {

template <class T>
std::vector<T> noise(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<T> values(static_cast<size_t>(count));
  for (T& v : values) v = static_cast<T>(random.uniform(-1, 1));
  return values;
}

// One product with its operands in memory, in which rows have gaps of `gap` elements.
template <class T>
struct Problem {
  Gemm<T> g;
  std::vector<T> a, b, c;

  Problem(int64_t m, int64_t n, int64_t k, bool ta, bool tb, T alpha, T beta, int64_t gap = 0) {
    g = {.m = m, .n = n, .k = k, .transpose_a = ta, .transpose_b = tb, .alpha = alpha, .beta = beta};
    g.lda = std::max<int64_t>(1, (ta ? m : k) + gap);
    g.ldb = std::max<int64_t>(1, (tb ? k : n) + gap);
    g.ldc = std::max<int64_t>(1, n + gap);
    a = noise<T>((ta ? k : m) * g.lda, 1);
    b = noise<T>((tb ? n : k) * g.ldb, 2);
    c = noise<T>(m * g.ldc, 3);
    // With beta = 0 the old contents must not matter, not even NaN.
    if (beta == T{0}) std::fill(c.begin(), c.end(), std::numeric_limits<T>::quiet_NaN());
    point();
  }
  void point() { g.a = a.data(), g.b = b.data(), g.c = c.data(); }

  // op(A) op(B) in f64, row-major.
  std::vector<double> product() const {
    const auto operand = [](const std::vector<T>& values, int64_t rows, int64_t columns, int64_t ld, bool transpose) {
      const Tensor stored = Tensor::from(values, {transpose ? columns : rows, ld});
      const Tensor without_gaps = stored.narrow(1, 0, transpose ? rows : columns);
      return transpose ? without_gaps.transpose(0, 1) : without_gaps;
    };
    return reference::matmul(operand(a, g.m, g.k, g.lda, g.transpose_a), operand(b, g.k, g.n, g.ldb, g.transpose_b))
        .template to_vector<double>();
  }

  // The largest error of `result` over the bound k ε (Σ|a b| <= k): 1 if just allowed.
  double error_fraction(const std::vector<T>& result) const {
    const double bound = 2 * static_cast<double>(g.k + 2) * std::numeric_limits<T>::epsilon();
    const std::vector<double> sums = product();
    double worst = 0;
    for (int64_t i = 0; i < g.m; ++i)
      for (int64_t j = 0; j < g.n; ++j) {
        const double sum = sums[static_cast<size_t>(i * g.n + j)];
        const auto at = static_cast<size_t>(i * g.ldc + j);
        const double old = g.beta == T{0} ? 0 : static_cast<double>(c[at]) * static_cast<double>(g.beta);
        const double error = std::fabs(static_cast<double>(result[at]) - (g.alpha * sum + old));
        worst = error / bound <= worst ? worst : std::isnan(error) ? INFINITY : error / bound;
      }
    return worst;
  }
};

template <class T>
void check_product(int64_t m, int64_t n, int64_t k, bool ta, bool tb, T alpha, T beta, int64_t gap) {
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(ta);
  CAPTURE(tb);
  CAPTURE(beta);
  const Problem<T> problem(m, n, k, ta, tb, alpha, beta, gap);
  Problem<T> run = problem;
  run.point();
  gemm(run.g);
  CHECK(problem.error_fraction(run.c) <= 1);
  // Nothing is written between the rows.
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = n; j < run.g.ldc; ++j) {
      const auto at = static_cast<size_t>(i * run.g.ldc + j);
      CHECK(std::memcmp(&run.c[at], &problem.c[at], sizeof(T)) == 0);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("gemm: all transposes, odd sizes, gaps between rows", T, float, double) {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{
               {1, 1, 1}, {7, 5, 3}, {1, 33, 17}, {29, 1, 64}, {0, 4, 3}, {4, 0, 3}, {3, 4, 0}, {65, 67, 63}}) {
        check_product<T>(m, n, k, ta, tb, T(1), T(0), 0);
        check_product<T>(m, n, k, ta, tb, T(-0.5), T(1), 2);
        check_product<T>(m, n, k, ta, tb, T(2), T(0.25), 1);
      }
}

// Above what is multiplied in f64.
TEST_CASE("gemm: the BLAS's f32 products, all transposes, odd sizes, gaps between rows") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const int64_t gap : {int64_t{0}, int64_t{3}}) {
        check_product<float>(131, 67, 123, ta, tb, 0.5f, 0.0f, gap);
        check_product<float>(1049, 33, 35, ta, tb, 1.0f, 1.0f, gap);
      }
}

TEST_CASE("gemm: a small f32 product is the f64 product, rounded once") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      Problem<float> run(17, 19, 333, ta, tb, 0.75f, -0.5f, 2);
      const std::vector<float> before = run.c;
      const std::vector<double> sums = run.product();
      gemm(run.g);
      for (int64_t i = 0; i < run.g.m; ++i)
        for (int64_t j = 0; j < run.g.n; ++j) {
          const auto at = static_cast<size_t>(i * run.g.ldc + j);
          const double exact =
              0.75 * sums[static_cast<size_t>(i * run.g.n + j)] - 0.5 * static_cast<double>(before[at]);
          // Half a unit of the result's last place; sums of f32 terms miss this by a factor of ten.
          CHECK(std::fabs(static_cast<double>(run.c[at]) - exact) <= 0.51 * 1.2e-7 * std::fabs(exact) + 1e-14);
        }
    }
}

TEST_CASE("gemm: products that are cut by rows, by columns and in depth") {
  const GemmPlan by_rows = plan_gemm(1021, 67, 63);
  CHECK(by_rows.rows < 1021);
  check_product<float>(1021, 67, 63, false, true, 1, 0, 0);
  const GemmPlan by_columns = plan_gemm(3, 1501, 701);
  CHECK(by_columns.columns < 1501);
  check_product<float>(3, 1501, 701, false, true, 1, 1, 1);
  const GemmPlan in_depth = plan_gemm(37, 29, 3001);
  CHECK(in_depth.depth < 3001);
  for (const float beta : {0.0f, 1.0f, 0.5f}) check_product<float>(37, 29, 3001, true, false, 0.5f, beta, 3);
  check_product<double>(37, 29, 3001, true, false, 1, 1, 0);
  // Narrow products, which on some machines go through the BLAS's kernels without packing, strip by strip.
  check_product<float>(600, 128, 64, false, true, 1, 0, 0);
  check_product<float>(2000, 128, 61, false, false, 0.5f, 0.5f, 1);
  for (const float beta : {0.0f, 1.0f, 0.5f}) check_product<float>(64, 67, 1501, true, false, 1, beta, 0);
}

TEST_CASE("gemm: the plan follows sizes alone and gives small products one piece") {
  const GemmPlan small = plan_gemm(32, 64, 64);
  CHECK((small.rows == 32 && small.columns == 64 && small.depth == 64));
  // At least eight pieces for the linear layers of the smallest model with a batch of 32.
  const GemmPlan layer = plan_gemm(1120, 256, 64);
  CHECK(((1120 + layer.rows - 1) / layer.rows) * ((256 + layer.columns - 1) / layer.columns) >= 8);
  const GemmPlan weight = plan_gemm(256, 64, 1120);
  CHECK((1120 + weight.depth - 1) / weight.depth >= 7);
}

TEST_CASE("gemm: the same bits on 1, 2 and 3 threads") {
  const int before = thread_count();
  for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{{1003, 192, 64}, {64, 192, 1003}, {30, 2000, 300}}) {
    std::vector<float> expected;
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      Problem<float> run(m, n, k, m == 64, false, 1, 1);
      gemm(run.g);
      if (threads == 1) expected = run.c;
      CHECK(std::memcmp(run.c.data(), expected.data(), expected.size() * sizeof(float)) == 0);
    }
  }
  set_thread_count(before);
}

TEST_CASE("gemm: the epilogue sees every element once, finished") {
  const std::vector<std::array<int64_t, 3>> sizes = {{900, 200, 64}, {40, 40, 4000}, {5, 3, 2}, {6, 5, 0}};
  for (const auto& [m, n, k] : sizes) {
    const Problem<double> problem(m, n, k, false, false, 1, 0);
    Problem<double> run = problem;
    run.point();
    gemm(run.g, [&](const GemmTile& tile) {
      for (int64_t i = tile.row_begin; i < tile.row_end; ++i)
        for (int64_t j = tile.column_begin; j < tile.column_end; ++j)
          run.c[static_cast<size_t>(i * run.g.ldc + j)] += 100;
    });
    for (double& value : run.c) value -= 100;
    // Subtracting 100 again rounds to 100 ε.
    CHECK(problem.error_fraction(run.c) <= 1 + 100);
    for (const double value : run.c) CHECK(std::fabs(value) < 90);
  }
}

TEST_CASE("gemm: batched items equal single products") {
  for (const auto& [count, size] : std::vector<std::array<int64_t, 2>>{{0, 3}, {1, 200}, {3, 200}, {11, 17}, {40, 1}}) {
    const int64_t area = size * size;
    const std::vector<float> a = noise<float>(std::max<int64_t>(1, count * area), 4), b = noise<float>(area, 5);
    std::vector<float> together(static_cast<size_t>(count * area)), alone(together);
    std::vector<int64_t> offset_a, offset_b(static_cast<size_t>(count), 0);
    for (int64_t i = 0; i < count; ++i) offset_a.push_back((count - 1 - i) * area);
    Gemm<float> g{.m = size,
                  .n = size,
                  .k = size,
                  .a = a.data(),
                  .lda = size,
                  .b = b.data(),
                  .ldb = size,
                  .c = together.data(),
                  .ldc = size};
    gemm_batched(g, count, offset_a.data(), offset_b.data());
    for (int64_t i = 0; i < count; ++i) {
      Gemm<float> one = g;
      one.a += offset_a[static_cast<size_t>(i)];
      one.c = alone.data() + i * area;
      gemm(one);
    }
    CHECK(together == alone);
  }
}

TEST_CASE("gemm: sizes beyond the BLAS's integers are refused") {
  Gemm<float> g{.m = int64_t{1} << 31, .n = 1, .k = 1, .lda = 1, .ldb = 1, .ldc = 1};
  CHECK_THROWS_WITH_AS(gemm(g), "gemm: size or leading dimension 2147483648 is beyond the BLAS's limit of 2147483647",
                       Error);
  g.m = -1;
  CHECK_THROWS_WITH_AS(gemm(g), "gemm: negative size in m -1, n 1, k 1", Error);
}

}  // namespace tessera::gemm_test
