// Sums, means, maxima and concatenation of tensors on a GPU against the CPU's.
#include "tensor/ops/reduce.h"

#include "tensor/ops/accumulate.h"
#include "tensor/ops/all_finite.h"
#include "tensor/ops/concatenate.h"
#include "tests/cuda/on_device.h"

namespace tessera::reduce_test {

using namespace tessera::test;

namespace {

constexpr Device kGpu{Device::cuda, 0};

template <class F>
void for_each_type(F f) {
  f(float{});
  f(bf16{});
  f(double{});
}

// Runs of 1024 and columns of 256 rows are chunks: sizes around and beyond one, and beyond one of chunks of columns.
const Shape kShapes[] = {{1},    {3},       {1000},     {1025},       {4, 5},    {3, 0, 2},
                         {0, 3}, {7, 1, 9}, {5, 67, 3}, {2, 3, 4, 5}, {257, 33}, {3, 2050}};

// What the largest sum of n values of |x| <= 5 may be off: on its way an element passes through at most 100 additions
// (a lane's 32, and per pass 5 in the warp or 8 in the block), each of which rounds by 2^-24 of a sum of size √n.
double sum_bound(int64_t n, DType dtype) {
  return 100 * (dtype == DType::f64 ? 0x1p-53 : 0x1p-24) * (1 + std::sqrt(static_cast<double>(n)));
}

void check_sum(const Tensor& got, const Tensor& expected, int64_t n) {
  REQUIRE(got.shape() == expected.shape());
  const std::vector<double> g = values_of(got), e = values_of(expected);
  const double rounding = got.dtype() == DType::bf16 ? 0x1p-8 : 0;
  for (size_t i = 0; i < g.size(); ++i)
    CHECK(std::abs(g[i] - e[i]) <= sum_bound(n, got.dtype()) + rounding * std::abs(e[i]));
}

}  // namespace

TEST_CASE("cuda sums and means over each dimension and over all equal the CPU's in f64") {
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : kShapes) {
      CAPTURE(shape);
      const Tensor x = random_values<T>(shape, 1), there = x.to(kGpu);
      for (int d = 0; d < shape.dim(); ++d) {
        const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
          std::vector<Tensor> results{ops::sum(there, d).to(Device{})};
          if (shape[d] > 0) results.push_back(ops::mean(with_gaps(there), d, true).to(Device{}));
          return results;
        });
        check_sum(got[0], ops::sum(wide(x), d), shape[d]);
        if (shape[d] > 0) check_sum(got[1], ops::mean(wide(x), d, true), 1);
      }
      check_sum(ops::sum(there).to(Device{}), ops::sum(wide(x)), x.numel());
      if (x.numel() > 0) check_sum(ops::mean(there).to(Device{}), ops::mean(wide(x)), 1);
    }
  });
}

// 2^20 + 3 ones: three passes, every element counted once, and the exact sum in f32 in any order.
TEST_CASE("cuda sums of many elements go in passes and leave none out") {
  const int64_t n = (int64_t{1} << 20) + 3;
  CHECK(ops::sum(Tensor::full({n}, 1, DType::f32, kGpu)).item() == static_cast<double>(n));
  const int64_t rows = 256 * 256 + 5;
  CHECK(ops::sum(Tensor::full({rows, 2}, 1, DType::f32, kGpu), 0).to_vector<float>() ==
        std::vector<float>(2, static_cast<float>(rows)));
}

TEST_CASE("cuda sums to the shape that was broadcast") {
  const std::pair<Shape, Shape> kPairs[] = {{{3, 5}, {5}},   {{3, 5}, {3, 1}},    {{2, 3, 4, 5}, {3, 1, 5}},
                                            {{2, 3, 4}, {}}, {{4, 1, 3}, {1, 3}}, {{3, 5}, {3, 5}},
                                            {{0, 4}, {4}}};
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const auto& [from, to] : kPairs) {
      CAPTURE(from);
      CAPTURE(to);
      const Tensor x = random_values<T>(from, 3);
      const Tensor got = ops::sum_to(x.to(kGpu), to);
      CHECK(got.on_cuda());
      check_sum(got.to(Device{}), ops::sum_to(wide(x), to), x.numel());
    }
  });
}

TEST_CASE("cuda maxima, their places and their gradients are the CPU's") {
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : kShapes) {
      CAPTURE(shape);
      Tensor x = random_values<T>(shape, 1);
      // Few values, so that many are equal: the first counts.
      const Tensor repeated = x.to(DType::i64).to(x.dtype());
      for (const Tensor& values : {x, repeated})
        for (int d = 0; d < shape.dim(); ++d) {
          if (shape[d] == 0) continue;
          const ops::Maximum expected = ops::max(values, d);
          const Tensor there = with_gaps(values.to(kGpu));
          const Tensor dy = random_values<T>(expected.value.shape(), 2);
          const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
            const ops::Maximum maximum = ops::max(there, d);
            return {maximum.value.to(Device{}), maximum.index.to(Device{}),
                    ops::max_backward(dy.to(kGpu), maximum.index, shape, d).to(Device{})};
          });
          CHECK(same_bits(got[0], expected.value));
          CHECK(same_bits(got[1], expected.index));
          CHECK(same_bits(got[2], ops::max_backward(dy, expected.index, shape, d)));
        }
      if (x.numel() > 0) CHECK(ops::argmax(repeated.to(kGpu)).item<int64_t>() == ops::argmax(repeated).item<int64_t>());
    }
  });
}

TEST_CASE("cuda maxima: the first NaN is larger than everything, and minus infinity can be the largest") {
  for (const int64_t first : {0, 40, 1023, 1024, 3000}) {
    CAPTURE(first);
    Tensor x = random_normal({3100}, 5, DType::f32);
    x.narrow(0, first, 1).fill_(NAN);
    x.narrow(0, 3050, 1).fill_(NAN);
    const Tensor there = x.to(kGpu);
    CHECK(ops::argmax(there).item<int64_t>() == first);
    CHECK(std::isnan(ops::max(there).item()));
    // In columns: every second element of rows of two.
    const Tensor columns = ops::argmax(there.view({1550, 2}), 0);
    CHECK(columns.to_vector<int64_t>()[static_cast<size_t>(first % 2)] == first / 2);
  }
  CHECK(ops::argmax(Tensor::full({50}, -INFINITY, DType::f32, kGpu)).item<int64_t>() == 0);
}

TEST_CASE("cuda concatenation lays parts one after another, along any dimension") {
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    const Tensor parts[] = {random_values<T>({2, 3, 4}, 1), random_values<T>({2, 0, 4}, 2),
                            random_values<T>({2, 5, 4}, 3)};
    const Tensor there[] = {parts[0].to(kGpu), parts[1].to(kGpu), with_gaps(parts[2].to(kGpu))};
    const Tensor joined = ops::concatenate(there, 1);
    CHECK(joined.on_cuda());
    CHECK(same_bits(joined.to(Device{}), ops::concatenate(parts, 1)));
  });
  const Tensor mixed[] = {Tensor::zeros({2}), Tensor::zeros({2}, DType::f32, kGpu)};
  CHECK_THROWS_AS(ops::concatenate(mixed, 0), Error);
}

TEST_CASE("cuda finds a value that is not finite wherever it is") {
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const int64_t n : {1, 31, 1000}) {
      const Tensor x = random_values<T>({n}, 1);
      CHECK(ops::all_finite(x.to(kGpu)));
      for (const int64_t at : {int64_t{0}, n / 2, n - 1})
        for (const double bad :
             {static_cast<double>(NAN), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)}) {
          Tensor there = x.to(kGpu);
          there.narrow(0, at, 1).fill_(bad);
          CHECK_FALSE(ops::all_finite(there));
        }
    }
  });
  // More elements than one launch has threads: each looks at several.
  Tensor many = Tensor::zeros({1024 * 256 + 7}, DType::f32, kGpu);
  CHECK(ops::all_finite(many));
  many.narrow(0, many.numel() - 1, 1).fill_(NAN);
  CHECK_FALSE(ops::all_finite(many));
  CHECK(ops::all_finite(Tensor::full({3}, 3e38, DType::f32, kGpu)));
  CHECK(ops::all_finite(Tensor::zeros({0}, DType::f32, kGpu)));
  CHECK(ops::all_finite(Tensor::zeros({2}, DType::i64, kGpu)));
}

}  // namespace tessera::reduce_test
