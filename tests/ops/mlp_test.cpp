#include "tensor/ops/mlp.h"

#include "tensor/ops/linear.h"
#include "tests/ops/matrix_reference.h"

namespace tessera::mlp_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{5, 7, 9};

std::vector<Tensor> inputs_of(int64_t rows, int64_t in, int64_t hidden, int64_t out, DType dtype = DType::f64) {
  return {random_normal({rows, in}, 1, dtype), random_normal({hidden, in}, 2, dtype), random_normal({hidden}, 3, dtype),
          random_normal({out, hidden}, 4, dtype), random_normal({out}, 5, dtype)};
}

// The specification: the plain ops one after another.
Variable composed(std::span<const Variable> in, double p) {
  return linear(dropout(linear_gelu(in[0], in[1], in[2]), p, kTicket), in[3], in[4]);
}
Variable fused(std::span<const Variable> in, double p) { return mlp(in[0], in[1], in[2], in[3], in[4], p, kTicket); }

std::vector<Variable> leaves_of(const std::vector<Tensor>& inputs) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.emplace_back(input, true);
  return leaves;
}

}  // namespace

TEST_CASE("mlp equals its composition: values bit for bit, gradients to rounding") {
  // One row, one column, none; hidden layers longer than a segment of the mask and than a tile of the product.
  const std::vector<std::array<int64_t, 4>> sizes = {{7, 5, 9, 3},     {1, 1, 1, 1},      {0, 4, 6, 3},
                                                     {3, 0, 4, 2},     {3, 4, 6, 0},      {65, 33, 17, 9},
                                                     {5, 3, 1300, 11}, {300, 40, 160, 40}};
  for (const DType dtype : {DType::f32, DType::f64})
    for (const double p : {0.0, 0.3})
      for (const auto& [rows, in, hidden, out] : sizes) {
        CAPTURE(rows);
        CAPTURE(hidden);
        CAPTURE(p);
        const std::vector<Tensor> inputs = inputs_of(rows, in, hidden, out, dtype);
        const std::vector<Variable> a = leaves_of(inputs), b = leaves_of(inputs);
        const Variable got = fused(a, p), expected = composed(b, p);
        CHECK(same_bits(got.value(), expected.value()));
        const Tensor cotangent = random_normal({rows, out}, 6, dtype);
        got.backward(cotangent);
        expected.backward(cotangent);
        // The sums of db₁ are added in another order: some hundred terms.
        const double bound = dtype == DType::f32 ? 1e-5 : 1e-13;
        for (size_t i = 0; i < a.size(); ++i) {
          CAPTURE(i);
          CHECK(relative_difference(a[i].grad(), b[i].grad()) <= bound);
        }
      }
}

TEST_CASE("mlp with QuickGELU and with ReLU equals its composition") {
  for (const Activation activation : {Activation::quick_gelu, Activation::relu})
    for (const DType dtype : {DType::f32, DType::f64})
      for (const double p : {0.0, 0.3}) {
        CAPTURE(p);
        const std::vector<Tensor> inputs = inputs_of(65, 33, 1040, 9, dtype);
        const std::vector<Variable> a = leaves_of(inputs), b = leaves_of(inputs);
        const Variable before = linear(b[0], b[1], b[2]);
        const Variable hidden = activation == Activation::relu ? relu(before) : quick_gelu(before);
        const Variable expected = linear(dropout(hidden, p, kTicket), b[3], b[4]);
        const Variable got = mlp(a[0], a[1], a[2], a[3], a[4], p, kTicket, activation);
        // Each exponential is good to a few ulp, fused with its neighbours or not; sums have a thousand terms.
        const double bound = dtype == DType::f32 ? 1e-5 : 1e-13;
        CHECK(relative_difference(got.value(), expected.value()) <= bound);
        const Tensor cotangent = random_normal({65, 9}, 6, dtype);
        got.backward(cotangent);
        expected.backward(cotangent);
        for (size_t i = 0; i < a.size(); ++i) {
          CAPTURE(i);
          CHECK(relative_difference(a[i].grad(), b[i].grad()) <= bound);
        }
      }
}

TEST_CASE("mlp: gradients, and gradients added to those that are there") {
  for (const double p : {0.0, 0.4})
    check_gradients(
        "mlp", [p](auto in) { return fused(in, p); }, inputs_of(4, 5, 7, 3));
  const std::vector<Variable> once = leaves_of(inputs_of(6, 5, 7, 3)), twice = leaves_of(inputs_of(6, 5, 7, 3));
  const Tensor cotangent = random_normal({6, 3}, 6, DType::f64);
  fused(once, 0.2).backward(cotangent);
  fused(twice, 0.2).backward(cotangent);
  fused(twice, 0.2).backward(cotangent);
  for (size_t i = 0; i < once.size(); ++i)
    CHECK(relative_difference(twice[i].grad(), (Variable(once[i].grad()) * 2.0).value()) <= 1e-14);
}

TEST_CASE("mlp keeps the values before GELU and nothing else of the hidden layer; without recording not even those") {
  const auto in = inputs_of(6, 5, 7, 3, DType::f32);
  const ops::LinearParameters first{in[1], in[2]}, second{in[3], in[4]};
  const ops::Mlp kept = ops::mlp(in[0], first, second, 0.2, kTicket);
  const ops::Mlp without = ops::mlp(in[0], first, second, 0.2, kTicket, false);
  CHECK(same_bits(kept.before, ops::linear(in[0], in[1], in[2])));
  CHECK_FALSE(without.before.defined());
  CHECK(same_bits(kept.y, without.y));
}

TEST_CASE("mlp: the same bits on any number of threads") {
  for (const DType dtype : {DType::f32, DType::bf16})
    CHECK(same_on_any_number_of_threads([dtype] {
      const std::vector<Tensor> inputs = inputs_of(700, 48, 192, 48, DType::f32);
      const std::vector<Variable> in = leaves_of(inputs);
      const Variable x(in[0].value().to(dtype), true);
      const Variable y = mlp(x, in[1], in[2], in[3], in[4], 0.1, kTicket);
      y.backward(random_normal({700, 48}, 6, DType::f32).to(dtype));
      return std::vector{y.value(), x.grad(), in[1].grad(), in[2].grad(), in[3].grad(), in[4].grad()};
    }));
}

TEST_CASE("mlp: what bad input gets") {
  const Tensor x = Tensor::zeros({4, 3}), w1 = Tensor::zeros({5, 3}), w2 = Tensor::zeros({3, 5});
  CHECK_THROWS_WITH_AS(ops::mlp(x, {Tensor::zeros({5, 4}), {}}, {w2, {}}, 0, kTicket),
                       "mlp: weight is f32 [5, 4], expected f32 [out, 3] for x f32 [4, 3]", Error);
  CHECK_THROWS_WITH_AS(ops::mlp(x, {w1, {}}, {Tensor::zeros({3, 4}), {}}, 0, kTicket),
                       "mlp: weight is f32 [3, 4], expected f32 [out, 5] for x f32 [4, 5]", Error);
  CHECK_THROWS_WITH_AS(ops::mlp(x, {w1, {}}, {w2, Tensor::zeros({4})}, 0, kTicket),
                       "mlp: bias is f32 [4], expected f32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::mlp(x, {w1, {}}, {w2, {}}, 1, kTicket), "mlp: p is 1, expected 0 <= p < 1", Error);
  CHECK_THROWS_WITH_AS(ops::mlp(x.to(DType::bf16), {w1.to(DType::bf16), {}}, {w2, {}}, 0, kTicket),
                       "mlp: weight is bf16 [5, 3], expected f32 [out, 3] for x bf16 [4, 3]", Error);
}

}  // namespace tessera::mlp_test
