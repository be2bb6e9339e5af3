// Elementwise ops on tensors on a GPU, of any strides, against the CPU's.
#include "tensor/ops/elementwise.h"

#include <limits>

#include "tensor/ops/accumulate.h"
#include "tests/cuda/on_device.h"

namespace tessera::elementwise_strided_test {

using namespace tessera::test;

namespace {

constexpr Device kGpu{Device::cuda, 0};
using UnaryOp = Tensor (*)(const Tensor&);
using BinaryOp = Tensor (*)(const Tensor&, const Tensor&);

template <class F>
void for_each_type(F f) {
  f(float{});
  f(bf16{});
  f(double{});
}

// The largest error of an element over `ulps` units in the last place of the arithmetic (and the rounding of bf16, half
// of 2^-8, which is made twice as large by no more than that error).
double error_in(double ulps, const Tensor& got, const Tensor& expected) {
  REQUIRE(got.shape() == expected.shape());
  const std::vector<double> g = values_of(got), e = values_of(expected);
  const double unit = got.dtype() == DType::f64 ? 0x1p-52 : 0x1p-23;
  double most = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    if (g[i] == e[i]) continue;
    const double allowed = (ulps * unit + (got.dtype() == DType::bf16 ? 0x1p-8 : 0)) * std::abs(e[i]) + 1e-37;
    const double error = std::abs(g[i] - e[i]) / allowed;
    most = error <= most ? most : std::isnan(error) ? INFINITY : error;
  }
  return most;
}

// The same elements in other places: with gaps, or column by column.
std::vector<Tensor> laid_out(const Tensor& x) {
  std::vector<Tensor> all{x};
  if (x.dim() > 0) all.push_back(with_gaps(x));
  if (x.dim() > 1) all.push_back(by_columns(x));
  return all;
}

const Shape kShapes[] = {{}, {0, 3}, {1}, {7}, {3, 5}, {5, 16}, {2, 3, 8}};

}  // namespace

// CUDA's functions are good to 2 ulp; sigmoid adds to that of the exponential, halved, two roundings. GELU counts
// against |x|: Φ is good to a few ulp, but its argument x / √2 is rounded.
TEST_CASE("cuda functions of one tensor equal the CPU's in f64") {
  const std::pair<UnaryOp, const char*> kOps[] = {{ops::exp, "exp"},   {ops::log, "log"},
                                                  {ops::tanh, "tanh"}, {ops::sigmoid, "sigmoid"},
                                                  {ops::gelu, "gelu"}, {ops::quick_gelu, "quick_gelu"}};
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const auto& [op, name] : kOps)
      for (const Shape& shape : kShapes) {
        CAPTURE(name);
        CAPTURE(shape);
        Tensor x = ops::mul(random_values<T>(shape, 1), 3);
        if (op == static_cast<UnaryOp>(ops::log)) x = ops::square(x);
        const std::vector<Tensor> got = in_three_orders([&, op = op]() -> std::vector<Tensor> {
          std::vector<Tensor> results;
          for (const Tensor& there : laid_out(x.to(kGpu))) results.push_back(op(there).to(Device{}));
          return results;
        });
        for (const Tensor& y : got) {
          CHECK(y.dtype() == x.dtype());
          if (op == static_cast<UnaryOp>(ops::gelu))
            CHECK_CLOSE(y, op(wide(x)), sizeof(T) == 8 ? 1e-15 : 3e-7);
          else
            CHECK(error_in(4, y, op(wide(x))) <= 1);
        }
      }
  });
}

TEST_CASE("cuda functions whose result is rounded once give the CPU's bits") {
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : kShapes) {
      CAPTURE(shape);
      const Tensor x = random_values<T>(shape, 1), positive = ops::square(x);
      for (size_t layout = 0; layout < laid_out(x).size(); ++layout) {
        const Tensor there = laid_out(x.to(kGpu))[layout], root_of = laid_out(positive.to(kGpu))[layout];
        CHECK(same_bits(ops::add(there, 0.1).to(Device{}), ops::add(x, 0.1)));
        CHECK(same_bits(ops::mul(there, -1.7).to(Device{}), ops::mul(x, -1.7)));
        CHECK(same_bits(ops::square(there).to(Device{}), positive));
        CHECK(same_bits(ops::relu(there).to(Device{}), ops::relu(x)));
        CHECK(same_bits(ops::sqrt(root_of).to(Device{}), ops::sqrt(positive)));
      }
    }
  });
}

TEST_CASE("cuda functions at infinity, far out and at NaN") {
  const Tensor x = Tensor::from(std::vector<float>{-INFINITY, INFINITY, -1000, 1000, 0, -0.0f, 1e-40f}).to(kGpu);
  const auto values = [&](UnaryOp op, const Tensor& at) { return op(at).to_vector<float>(); };
  CHECK(values(ops::gelu, x) == std::vector<float>{0, INFINITY, 0, 1000, 0, 0, 0.5e-40f});
  CHECK(values(ops::sigmoid, x) == std::vector<float>{0, 1, 0, 1, 0.5f, 0.5f, 0.5f});
  CHECK(values(ops::tanh, x) == std::vector<float>{-1, 1, -1, 1, 0, 0, 1e-40f});
  CHECK(values(ops::relu, x) == std::vector<float>{0, INFINITY, 0, 1000, 0, 0, 1e-40f});
  const Tensor ones = Tensor::full({7}, 1, DType::f32, kGpu);
  CHECK(ops::gelu_backward(ones, x).to_vector<float>() == std::vector<float>{0, 1, 0, 1, 0.5f, 0.5f, 0.5f});
  CHECK(values(ops::exp, x)[0] == 0);
  CHECK(values(ops::exp, x)[1] == INFINITY);
  const Tensor nan = Tensor::full({1}, NAN, DType::f32, kGpu);
  for (const UnaryOp op : {UnaryOp{ops::exp}, UnaryOp{ops::gelu}, UnaryOp{ops::relu}, UnaryOp{ops::sigmoid}})
    CHECK(std::isnan(op(nan).item()));
  CHECK(ops::log(Tensor::zeros({1}, DType::f32, kGpu)).item() == -INFINITY);
}

TEST_CASE("cuda ops of two tensors broadcast as the CPU's do, and give its bits where the result is rounded once") {
  const std::pair<BinaryOp, const char*> kOps[] = {{ops::add, "add"},
                                                   {ops::sub, "sub"},
                                                   {ops::mul, "mul"},
                                                   {ops::div, "div"},
                                                   {ops::negated_product, "negated_product"},
                                                   {ops::sqrt_backward, "sqrt_backward"},
                                                   {ops::square_backward, "square_backward"},
                                                   {ops::relu_backward, "relu_backward"}};
  const std::pair<Shape, Shape> kPairs[] = {
      {{}, {}},           {{0, 5}, {5}}, {{7}, {1}},       {{3, 5}, {5}},      {{3, 5}, {3, 1}},
      {{3, 1}, {1, 5}},   {{4, 8}, {8}}, {{4, 8}, {4, 1}}, {{5, 16}, {5, 16}}, {{2, 3, 4, 8}, {3, 1, 8}},
      {{2, 1, 3}, {4, 1}}};
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const auto& [op, name] : kOps)
      for (const auto& [left, right] : kPairs) {
        CAPTURE(name);
        CAPTURE(left);
        CAPTURE(right);
        const Tensor a = random_values<T>(left, 1), b = random_values<T>(right, 2);
        const Tensor expected = op(a, b), turned = op(b, a);
        const std::vector<Tensor> got = in_three_orders([&, op = op]() -> std::vector<Tensor> {
          return {op(a.to(kGpu), b.to(kGpu)).to(Device{}), op(b.to(kGpu), a.to(kGpu)).to(Device{})};
        });
        CHECK(same_bits(got[0], expected));
        CHECK(same_bits(got[1], turned));
        for (const Tensor& u : laid_out(a.to(kGpu)))
          for (const Tensor& v : laid_out(b.to(kGpu))) CHECK(same_bits(op(u, v).to(Device{}), expected));
      }
  });
}

// Of size dy times a derivative of at most 1.13; cancellation in 1 - y² and in GELU's derivative is of rounded terms of
// size 1.
TEST_CASE("cuda gradients of tanh, sigmoid and GELU equal the CPU's in f64") {
  const std::pair<BinaryOp, const char*> kOps[] = {{ops::tanh_backward, "tanh"},
                                                   {ops::sigmoid_backward, "sigmoid"},
                                                   {ops::gelu_backward, "gelu"},
                                                   {ops::quick_gelu_backward, "quick_gelu"}};
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const auto& [op, name] : kOps)
      for (const Shape& shape : kShapes) {
        CAPTURE(name);
        CAPTURE(shape);
        const Tensor dy = random_values<T>(shape, 1), y = ops::mul(random_values<T>(shape, 2), 0.9);
        for (const Tensor& d : laid_out(dy.to(kGpu)))
          CHECK_CLOSE(op(d, y.to(kGpu)).to(Device{}), op(wide(dy), wide(y)), sizeof(T) == 8 ? 1e-15 : 5e-7);
      }
  });
}

TEST_CASE("cuda gradients are added up in place, also from a tensor with gaps") {
  for_each_type([&](auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : kShapes) {
      const Tensor total = random_values<T>(shape, 1), more = random_values<T>(shape, 2);
      for (const Tensor& source : laid_out(more.to(kGpu))) {
        Tensor there = total.to(kGpu), host = total.clone();
        ops::accumulate_(there, source);
        ops::accumulate_(host, more);
        CHECK(same_bits(there.to(Device{}), host));
      }
    }
  });
}

TEST_CASE("tensors on two devices do not mix, and integers are refused by name") {
  const Tensor host = Tensor::zeros({2}), there = host.to(kGpu);
  CHECK_THROWS_WITH_AS(ops::add(host, there), "add: one tensor is on cpu, the other on cuda:0", Error);
  CHECK_THROWS_WITH_AS(ops::exp(there.to(DType::i64)), "exp: dtype is i64, expected f32, f64 or bf16", Error);
}

}  // namespace tessera::elementwise_strided_test
