#include "tensor/gemm/packed/product.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/philox.h"
#include "tests/ops/reference.h"
#include "tests/tensor/gemm/packed/every_kernel.h"

namespace tessera::product_test {

namespace {

// A matrix in memory whose rows have gaps, in bf16 or f32, and its values as they count in a product.
struct Matrix {
  std::vector<float> f32;
  std::vector<bf16> half;
  std::vector<double> values;  // op(matrix), row-major
  ProductOperand operand;

  Matrix(int64_t rows, int64_t columns, DType dtype, bool transpose, int64_t gap, uint64_t seed) {
    const int64_t stored_rows = transpose ? columns : rows, stored_columns = transpose ? rows : columns;
    const int64_t ld = stored_columns + gap;
    Random random(seed);
    f32.resize(static_cast<size_t>(stored_rows * ld + 1), std::numeric_limits<float>::quiet_NaN());
    for (int64_t i = 0; i < stored_rows; ++i)
      for (int64_t j = 0; j < stored_columns; ++j)
        f32[static_cast<size_t>(i * ld + j)] = static_cast<float>(random.uniform(-1, 1));
    for (const float value : f32) half.emplace_back(value);
    values.resize(static_cast<size_t>(rows * columns));
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        values[static_cast<size_t>(i * columns + j)] =
            static_cast<double>(half[static_cast<size_t>(transpose ? j * ld + i : i * ld + j)]);
    const void* data = dtype == DType::f32 ? static_cast<const void*>(f32.data()) : half.data();
    operand = {.data = data, .dtype = dtype, .ld = ld, .transpose = transpose};
  }
};

struct Sizes {
  int64_t m, n, k;
};

// Checks C against f64, element by element, with the bound of product.h for |a|, |b| <= 1: (k + 3) u k, and for a bf16
// result a rounding of 2⁻⁹ ... the exact terms are used, not their bound.
void check_product(const Sizes& s, bool ta, bool tb, DType dtype, DType c_dtype, bool accumulate, int64_t gap) {
  CAPTURE(s.m);
  CAPTURE(s.n);
  CAPTURE(s.k);
  CAPTURE(ta);
  CAPTURE(tb);
  CAPTURE(accumulate);
  const Matrix a(s.m, s.k, dtype, ta, gap, 1), b(s.k, s.n, dtype, tb, gap, 2);
  const int64_t ldc = s.n + gap;
  // Without accumulation the old contents must not matter, not even NaN.
  std::vector<float> c(static_cast<size_t>(s.m * ldc + 1), std::numeric_limits<float>::quiet_NaN());
  for (int64_t i = 0; accumulate && i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) c[static_cast<size_t>(i * ldc + j)] = static_cast<float>((i + 2 * j) % 5);
  const std::vector<float> before = c;
  std::vector<bf16> c_half;
  for (const float value : c) c_half.emplace_back(value);
  multiply({.m = s.m,
            .n = s.n,
            .k = s.k,
            .left = a.operand,
            .right = b.operand,
            .c = c_dtype == DType::f32 ? static_cast<void*>(c.data()) : c_half.data(),
            .c_dtype = c_dtype,
            .ldc = ldc,
            .accumulate = accumulate});
  if (c_dtype == DType::bf16)
    for (size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(c_half[i]);

  const Tensor left = Tensor::from(a.values, {s.m, s.k}), right = Tensor::from(b.values, {s.k, s.n});
  const auto sums = reference::matmul(left, right).to_vector<double>();
  const auto magnitudes =
      reference::matmul(reference::magnitude(left), reference::magnitude(right)).to_vector<double>();
  int64_t wrong = 0, overwritten = 0;
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t j = 0; j < s.n; ++j) {
      double sum = sums[static_cast<size_t>(i * s.n + j)];
      const double magnitude = magnitudes[static_cast<size_t>(i * s.n + j)];
      const auto at = static_cast<size_t>(i * ldc + j);
      if (accumulate) sum += static_cast<double>(before[at]);
      double bound = static_cast<double>(s.k + 3) * 0x1p-24 * (magnitude + std::fabs(sum)) + 1e-37;
      if (c_dtype == DType::bf16) bound += 0x1p-8 * std::fabs(sum);
      wrong += !(std::fabs(static_cast<double>(c[at]) - sum) <= bound);
    }
    for (int64_t j = s.n; j < ldc; ++j) overwritten += !std::isnan(c[static_cast<size_t>(i * ldc + j)]);
  }
  CHECK(wrong == 0);
  CHECK(overwritten == 0);
}

const std::vector<Sizes> kSizes{{1, 1, 1},   {0, 4, 3},    {4, 0, 3},    {3, 4, 0},      {7, 5, 3},    {1, 33, 17},
                                {29, 1, 64}, {16, 48, 32}, {33, 97, 63}, {130, 209, 65}, {20, 18, 513}};

}  // namespace

TEST_CASE("product: all transposes, odd sizes, gaps between rows, on every instruction set") {
  with_every_instruction_set([] {
    for (const Sizes& s : kSizes)
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          check_product(s, ta, tb, DType::bf16, DType::f32, false, 0);
          check_product(s, ta, tb, DType::bf16, DType::f32, true, 3);
          check_product(s, ta, tb, DType::f32, DType::bf16, false, 1);
        }
    check_product({19, 35, 70}, false, true, DType::bf16, DType::bf16, true, 0);
  });
}

TEST_CASE("product: the tile kernel on emulated tiles") {
  const int threads = thread_count();
  set_thread_count(1);
  with_emulated_tiles([] {
    for (const Sizes& s : kSizes)
      for (const bool ta : {false, true}) {
        check_product(s, ta, !ta, DType::bf16, DType::f32, ta, 2);
        check_product(s, ta, ta, DType::f32, DType::bf16, false, 0);
      }
  });
  set_thread_count(threads);
}

TEST_CASE("product: cut into several chunks, groups, and slabs of k") {
  with_every_instruction_set([] {
    check_product({700, 300, 37}, false, true, DType::bf16, DType::f32, false, 0);
    check_product({21, 1000, 150}, false, false, DType::bf16, DType::bf16, false, 0);
    check_product({40, 70, 2500}, true, false, DType::bf16, DType::f32, true, 0);
  });
}

TEST_CASE("product: the same bits on 1, 2 and 3 threads, and for a row alone") {
  const int before = thread_count();
  with_every_instruction_set([] {
    for (const Sizes& s : std::vector<Sizes>{{300, 192, 64}, {64, 200, 2100}, {30, 1500, 100}}) {
      const Matrix a(s.m, s.k, DType::bf16, false, 0, 3), b(s.k, s.n, DType::bf16, true, 0, 4);
      std::vector<float> first(static_cast<size_t>(s.m * s.n));
      Product p{.m = s.m, .n = s.n, .k = s.k, .left = a.operand, .right = b.operand, .c = first.data(), .ldc = s.n};
      set_thread_count(1);
      multiply(p);
      for (const int threads : {2, 3}) {
        set_thread_count(threads);
        std::vector<float> c(first.size());
        p.c = c.data();
        multiply(p);
        CHECK(c == first);
      }
      std::vector<float> row(static_cast<size_t>(s.n));
      p.m = 1;
      p.left.data = a.half.data() + (s.m - 1) * s.k;
      p.c = row.data();
      multiply(p);
      CHECK(std::equal(row.begin(), row.end(), first.end() - s.n));
    }
  });
  set_thread_count(before);
}

TEST_CASE("product: packed weights give the bits of weights in place") {
  with_every_instruction_set([] {
    const Matrix memory(50, 70, DType::f32, false, 0, 5);
    const Tensor w = Tensor::from(std::span(memory.f32).first(50 * 70), {50, 70});
    for (const bool transpose : {false, true})
      for (const PackedForm form : {PackedForm::bf16, PackedForm::split}) {
        PackedMatrix packed;
        packed.refresh(w, transpose, form);
        const Matrix x(33, packed.k(), DType::f32, false, 0, 6);
        std::vector<float> c(static_cast<size_t>(33 * packed.n())), d = c;
        Product p{.m = 33,
                  .n = packed.n(),
                  .k = packed.k(),
                  .left = x.operand,
                  .right = {.data = w.data<float>(), .dtype = DType::f32, .ld = 70, .transpose = transpose},
                  .form = form,
                  .c = c.data(),
                  .ldc = packed.n()};
        multiply(p);
        p.packed_right = &packed;
        p.c = d.data();
        multiply(p);
        CHECK(c == d);
      }
  });
}

TEST_CASE("product: the epilogue sees every element once, finished, and what it leaves is stored") {
  for (const Sizes& s : std::vector<Sizes>{{200, 400, 64}, {40, 900, 1500}, {5, 3, 2}, {6, 5, 0}}) {
    const Matrix a(s.m, s.k, DType::bf16, false, 0, 7), b(s.k, s.n, DType::bf16, false, 0, 8);
    std::vector<float> plain(static_cast<size_t>(s.m * s.n), 2.0f), c = plain, seen(plain.size(), 0.0f);
    Product p{.m = s.m,
              .n = s.n,
              .k = s.k,
              .left = a.operand,
              .right = b.operand,
              .c = plain.data(),
              .ldc = s.n,
              .accumulate = true};
    multiply(p);
    p.c = c.data();
    multiply(p, [&](const ProductTile& tile) {
      for (int64_t i = tile.row_begin; i < tile.row_end; ++i)
        for (int64_t j = tile.column_begin; j < tile.column_end; ++j) {
          float& value = tile.values[(i - tile.row_begin) * tile.ld + (j - tile.column_begin)];
          seen[static_cast<size_t>(i * s.n + j)] += value;
          value *= 2;
        }
    });
    CHECK(seen == plain);
    for (float& value : plain) value *= 2;
    CHECK(c == plain);
    // Without C, the epilogue is all that happens.
    p.c = nullptr;
    p.accumulate = false;
    std::atomic<int64_t> elements = 0;
    multiply(p, [&](const ProductTile& t) { elements += (t.row_end - t.row_begin) * (t.column_end - t.column_begin); });
    CHECK(elements == s.m * s.n);
  }
}

TEST_CASE("product: batched items equal single products") {
  for (const auto& [count, size] : std::vector<std::array<int64_t, 2>>{{0, 3}, {1, 40}, {3, 50}, {11, 17}, {40, 1}}) {
    const int64_t area = size * size;
    const Matrix a(std::max<int64_t>(1, count) * size, size, DType::bf16, false, 0, 9),
        b(size, size, DType::bf16, true, 0, 10);
    std::vector<float> together(static_cast<size_t>(count * area)), alone(together);
    std::vector<int64_t> offset_a, offset_b(static_cast<size_t>(count), 0);
    for (int64_t i = 0; i < count; ++i) offset_a.push_back((count - 1 - i) * area);
    Product p{
        .m = size, .n = size, .k = size, .left = a.operand, .right = b.operand, .c = together.data(), .ldc = size};
    multiply_batched(p, count, offset_a.data(), offset_b.data());
    for (int64_t i = 0; i < count; ++i) {
      Product one = p;
      one.left.data = a.half.data() + offset_a[static_cast<size_t>(i)];
      one.c = alone.data() + i * area;
      multiply(one);
    }
    CHECK(together == alone);
  }
}

TEST_CASE("product: what is not finite stays so") {
  with_every_instruction_set([] {
    for (const float special : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
      for (const PackedForm form : {PackedForm::bf16, PackedForm::split}) {
        std::vector<float> a(40, 0.5f), b(40, 0.5f), c(1);
        a[33] = special;
        multiply({.m = 1,
                  .n = 1,
                  .k = 40,
                  .left = {.data = a.data(), .dtype = DType::f32, .ld = 40},
                  .right = {.data = b.data(), .dtype = DType::f32, .ld = 1},
                  .form = form,
                  .c = c.data(),
                  .ldc = 1});
        CHECK_FALSE(std::isfinite(c[0]));
      }
  });
}

TEST_CASE("product: errors") {
  std::vector<float> memory(64);
  const ProductOperand f32{.data = memory.data(), .dtype = DType::f32, .ld = 4};
  ProductOperand f64 = f32, half = f32;
  f64.dtype = DType::f64;
  half.dtype = DType::bf16;
  Product p{.m = 4, .n = 4, .k = 4, .left = f32, .right = f32, .c = memory.data(), .ldc = 4};
  const auto check_throws = [](const Product& bad, const char* message) {
    CHECK_THROWS_WITH_AS(multiply(bad), message, Error);
  };
  Product bad = p;
  bad.m = -1;
  check_throws(bad, "multiply: negative size in m -1, n 4, k 4");
  bad = p;
  bad.left = f64;
  check_throws(bad, "multiply: left operand is f64, expected bf16 or f32");
  bad = p;
  bad.form = PackedForm::split;
  bad.right = half;
  check_throws(bad, "multiply: right operand is bf16, expected f32 to be split");
  bad = p;
  bad.c_dtype = DType::f64;
  check_throws(bad, "multiply: C is f64, expected f32 or bf16");
  PackedMatrix packed;
  bad = p;
  bad.packed_right = &packed;
  check_throws(bad, "multiply: packed operand is [0, 0], expected [4, 4]");
  packed.refresh(Tensor::zeros({4, 4}), false);
  bad.form = PackedForm::split;
  check_throws(bad, "multiply: packed operand is not split, the product is ");
  CHECK_THROWS_WITH_AS(multiply_batched(p, -1, nullptr, nullptr), "multiply_batched: count is -1", Error);
}

}  // namespace tessera::product_test
