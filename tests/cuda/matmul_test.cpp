// Products of matrices by tensor/gemm/gemm_kernels.h. With a GPU, cuBLASLt is what is tested, beside our own kernel.
#include "tensor/ops/matmul.h"

#include <tuple>

#include "tensor/gemm/gemm_kernels.h"
#include "tensor/gemm/precision.h"
#include "tensor/ops/elementwise.h"
#include "tests/cuda/on_device.h"

namespace tessera::matmul_test {

using namespace tessera::test;

namespace {

// Sums of k products of size 1, in f32: each addition rounds by half an ulp of a partial sum that is at most a few √k.
// Tensor cores add 16 at once, and may cut off instead of rounding.
constexpr double kArithmetic = 2e-6;

struct PrecisionGuard {
  MatmulPrecision before = matmul_precision();
  ~PrecisionGuard() { set_matmul_precision(before); }
};

// [batch, rows, columns] as it lies on the device, transposed or not.
template <class T>
struct Operand {
  Operand(const Tensor& x, bool transposed, const std::string& name)
      : array(on_device<T>(transposed ? x.transpose(1, 2) : x, name)),
        view{array.data(), transposed ? 1 : x.size(2), transposed ? x.size(1) : 1, x.size(1) * x.size(2)} {}

  DeviceArray<T> array;
  cuda::GemmOperand view;
};

struct Case {
  int64_t batch, m, n, k;
};
const std::vector<Case> kCases{{1, 1, 1, 1}, {1, 0, 3, 2}, {2, 3, 2, 0}, {0, 2, 2, 2}, {1, 66, 65, 33}, {3, 5, 70, 17}};

}  // namespace

TEST_CASE_TEMPLATE("cuda gemm equals the CPU's product in f64, whichever way its operands lie", Types,
                   std::pair<float, float>, std::pair<bf16, float>, std::pair<bf16, bf16>) {
  using T = typename Types::first_type;
  using C = typename Types::second_type;
  for (const auto& [batch, m, n, k] : kCases)
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true}) {
        CAPTURE(m);
        CAPTURE(transpose_a);
        CAPTURE(transpose_b);
        const Tensor a = random_values<T>({batch, m, k}, 1), b = random_values<T>({batch, k, n}, 2);
        const Tensor bias = random_values<C>({n}, 3), before = random_values<C>({batch, m, n}, 4);
        const Operand<T> left(a, transpose_a, "a"), right(b, transpose_b, "b");
        const auto offset = on_device<C>(bias, "bias");
        const cuda::Gemm product{.m = m,
                                 .n = n,
                                 .k = k,
                                 .dtype = dtype_of<T>::value,
                                 .a = left.view,
                                 .b = right.view,
                                 .c_dtype = dtype_of<C>::value,
                                 .batch_c = m * n,
                                 .batch = batch};
        const std::vector<Tensor> got = in_three_orders([&, m = m, n = n, batch = batch]() -> std::vector<Tensor> {
          DeviceArray<C> plain(batch * m * n, "plain"), again(batch * m * n, "again");
          auto added = on_device<C>(before, "added");
          cuda::Gemm to_plain = product, to_added = product, to_again = product;
          to_plain.c = plain.data();
          to_added.c = added.data();
          to_added.bias = offset.data();
          to_added.accumulate = true;
          to_again.c = again.data();
          to_again.bias = offset.data();
          cuda::gemm(to_plain);
          cuda::gemm(to_added);
          cuda::plain_gemm(to_again);
          const Shape shape{batch, m, n};
          return {from_device(plain, shape), from_device(added, shape), from_device(again, shape)};
        });
        const Tensor exact = ops::matmul(wide(a), wide(b)), with_bias = ops::add(exact, wide(bias));
        CHECK_CLOSE(got[0], exact, kArithmetic);
        CHECK_CLOSE(got[1], ops::add(with_bias, wide(before)), kArithmetic);
        CHECK_CLOSE(got[2], with_bias, kArithmetic);
      }
}

TEST_CASE("cuda gemm reads any strides, repeats a matrix in a batch and leaves the gaps of C alone") {
  const int64_t batch = 2, m = 5, n = 6, k = 7;
  const Tensor a = random_values<float>({m, 2 * k}, 1), b = random_values<float>({batch, k, n}, 2);
  const auto left = on_device<float>(a, "a"), right = on_device<float>(b, "b");
  const int64_t ldc = n + 3, size = m * ldc;
  const Tensor before = random_values<float>({batch, m, ldc}, 3);
  const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
    auto c = on_device<float>(before, "c");
    // Every other column of a, once for all items.
    cuda::gemm({.m = m,
                .n = n,
                .k = k,
                .a = {left.data(), 2 * k, 2, 0},
                .b = {right.data(), n, 1, k * n},
                .c = c.data(),
                .ldc = ldc,
                .batch_c = size,
                .batch = batch});
    return {from_device(c, {batch, m, ldc})};
  });
  const Tensor even = wide(a).view({m, k, 2}).select(2, 0).contiguous();
  CHECK_CLOSE(got[0].narrow(2, 0, n).contiguous(), ops::matmul(even, wide(b)), kArithmetic);
  CHECK(same_bits(got[0].narrow(2, n, 3).contiguous(), before.narrow(2, n, 3).contiguous()));
}

TEST_CASE("cuda gemm in precision high forms h·h + h·l + l·h of split operands") {
  const PrecisionGuard guard;
  set_matmul_precision(MatmulPrecision::high);
  const auto split = [](const Tensor& x) {
    const Tensor high = x.to(DType::bf16).to(DType::f32);
    return std::pair{wide(high), wide(ops::sub(x, high).to(DType::bf16))};
  };
  for (const auto& [batch, m, n, k] : kCases)
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true}) {
        CAPTURE(m);
        CAPTURE(transpose_a);
        CAPTURE(transpose_b);
        const Tensor a = random_values<float>({batch, m, k}, 1), b = random_values<float>({batch, k, n}, 2);
        const Tensor before = random_values<float>({batch, m, n}, 4);
        const Operand<float> left(a, transpose_a, "a"), right(b, transpose_b, "b");
        const std::vector<Tensor> got =
            in_three_orders([&, m = m, n = n, k = k, batch = batch]() -> std::vector<Tensor> {
              auto c = on_device<float>(before, "c");
              cuda::gemm({.m = m,
                          .n = n,
                          .k = k,
                          .a = left.view,
                          .b = right.view,
                          .c = c.data(),
                          .batch_c = m * n,
                          .accumulate = true,
                          .batch = batch});
              return {from_device(c, {batch, m, n})};
            });
        const auto [ah, al] = split(a);
        const auto [bh, bl] = split(b);
        const Tensor parts = ops::add(ops::add(ops::matmul(ah, bh), ops::matmul(ah, bl)), ops::matmul(al, bh));
        CHECK_CLOSE(got[0], ops::add(parts, wide(before)), kArithmetic);
      }
}

// Beyond TF32's 11 bits lie less than 2^-10 of each operand: an element errs by less than 2^-9 Σ |a| |b|, which here is
// below twice the largest element.
TEST_CASE("cuda gemm in precision tf32 is within what TF32 leaves out") {
  const PrecisionGuard guard;
  set_matmul_precision(MatmulPrecision::tf32);
  const int64_t m = 33, n = 40, k = 64;
  const Tensor a = random_values<float>({1, m, k}, 1), b = random_values<float>({1, k, n}, 2);
  const Operand<float> left(a, false, "a"), right(b, true, "b");
  DeviceArray<float> c(m * n, "c");
  cuda::gemm({.m = m, .n = n, .k = k, .a = left.view, .b = right.view, .c = c.data()});
  CHECK_CLOSE(from_device(c, {1, m, n}), ops::matmul(wide(a), wide(b)), 0x1p-8);
}

TEST_CASE("cuda gemm refuses sizes and types by name") {
  CHECK_THROWS_WITH_AS(cuda::gemm({.m = -1, .n = 2, .k = 3}),
                       "cuda: product of 1 x [-1, 3] and [3, 2], expected no negative sizes", Error);
  CHECK_THROWS_WITH_AS(cuda::gemm({.m = 1, .n = 2, .k = 3, .dtype = DType::f64}),
                       "cuda: product of f64 operands into f32, expected f32 into f32 or bf16 into f32 or bf16", Error);
}

}  // namespace tessera::matmul_test
