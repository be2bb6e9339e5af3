// Precision `high`: f32 operands as two bf16 each.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/philox.h"
#include "tensor/products/precision.h"
#include "tensor/products/product.h"
#include "tests/tensor/products/every_kernel.h"

using namespace tessera;

namespace {

std::vector<float> normal_values(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

struct SplitError {
  double worst_fraction;     // of the bound in product.h
  double root_mean_square;   // of the error, over that of the result
};

SplitError split_error(int64_t m, int64_t n, int64_t k) {
  const std::vector<float> a = normal_values(m * k, 1), b = normal_values(n * k, 2);
  std::vector<float> c(static_cast<size_t>(m * n));
  multiply({.m = m, .n = n, .k = k, .left = {.data = a.data(), .dtype = DType::f32, .ld = k},
            .right = {.data = b.data(), .dtype = DType::f32, .ld = k, .transpose = true}, .form = PackedForm::split,
            .c = c.data(), .ldc = n});
  SplitError result{0, 0};
  double errors = 0, results = 0;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0, magnitude = 0;
      for (int64_t l = 0; l < k; ++l) {
        const double term = static_cast<double>(a[static_cast<size_t>(i * k + l)]) * static_cast<double>(b[static_cast<size_t>(j * k + l)]);
        sum += term;
        magnitude += std::fabs(term);
      }
      const double error = std::fabs(static_cast<double>(c[static_cast<size_t>(i * n + j)]) - sum);
      const double bound = (3 * 0x1p-16 * 1.01 + static_cast<double>(3 * k + 3) * 0x1p-24) * magnitude;
      result.worst_fraction = std::max(result.worst_fraction, error / bound);
      errors += error * error;
      results += sum * sum;
    }
  result.root_mean_square = std::sqrt(errors / results);
  return result;
}

void check_split() {
  for (const int64_t k : {1, 32, 501, 1300}) {
    const SplitError error = split_error(35, 67, k);
    CAPTURE(k);
    CAPTURE(error.root_mean_square);
    CHECK(error.worst_fraction <= 1);
    // Expected 4.2e-6, plus sqrt(3 k) roundings of 3e-8 at worst; bf16 alone gives 2.3e-3. Below 1e-6 something else than
    // the split would have been measured.
    CHECK(error.root_mean_square <= 6e-6);
    CHECK(error.root_mean_square >= 1e-6);
  }
}

}  // namespace

TEST_CASE("split: within its bound, and about 4e-6 of a typical result, on every instruction set") {
  with_every_instruction_set(check_split);
}

TEST_CASE("split: on emulated tiles") {
  const int threads = thread_count();
  set_thread_count(1);
  with_emulated_tiles(check_split);
  set_thread_count(threads);
}

TEST_CASE("precision: high splits where tiles make it pay, or where an instruction set is forced") {
  const MatmulPrecision before = matmul_precision();
  set_matmul_precision(MatmulPrecision::highest);
  with_every_instruction_set([] { CHECK_FALSE(splits_f32_products()); });
  set_matmul_precision(MatmulPrecision::high);
  with_every_instruction_set([] { CHECK(splits_f32_products()); });
  if (!instruction_set_is_forced()) CHECK(splits_f32_products() == machine_has(InstructionSet::amx));
  set_matmul_precision(before);
}
