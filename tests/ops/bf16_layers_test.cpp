// Linear layers and layer normalisation on bf16 activations with f32 parameters, against the same ops in f64 on the
// same values (weights of products rounded to bf16, as the products take them), each element within a bound made of its
// roundings:
//
//   u = 2^-8, the rounding of a value to bf16 (8 bits), relative; each stored result errs by u of itself
//   sums in f32 of n terms: (n + 3) 2^-24 Σ |a| |b|, here at most kSum Σ |a| |b| with 330 terms
#include "tensor/gemm/packed/weight_copies.h"
#include "tensor/ops/layer_norm.h"
#include "tensor/ops/linear.h"
#include "tensor/ops/mlp.h"
#include "tests/ops/matrix_reference.h"
#include "tests/ops/reference.h"

namespace tessera::bf16_layers_test {

using namespace tessera::test;

namespace {

constexpr double kUnit = 0x1p-8, kSum = 2e-5;
const Ticket kTicket{5, 7, 9};

Variable wide(const Tensor& x) { return Variable(x.to(DType::f64)); }
Tensor bf16_normal(const Shape& shape, uint64_t seed) { return random_normal(shape, seed, DType::f32).to(DType::bf16); }
Variable magnitude(const Variable& x) { return Variable(reference::magnitude(x.value())); }
Variable transposed(const Variable& x) { return contiguous(transpose(x, 0, 1)); }

// |got - expected| <= bound, element by element.
void check_within(const Tensor& got, const Variable& expected, const Variable& bound) {
  REQUIRE(got.shape() == expected.shape());
  const std::vector<double> g = values_of(got), e = values_of(expected.value()), b = values_of(bound.value());
  double worst = 0;
  for (size_t i = 0; i < g.size(); ++i)
    worst = std::max(worst, std::isfinite(g[i]) ? std::fabs(g[i] - e[i]) / (b[i] + 1e-30) : INFINITY);
  CHECK(worst <= 1);
}
// A stored result whose terms' magnitudes sum to `terms`.
Variable stored(const Variable& expected, const Variable& terms) {
  return magnitude(expected) * (kUnit * 1.01) + terms * kSum;
}

struct Sizes {
  int64_t rows, in, hidden, out;
};
const std::vector<Sizes> kSizes = {{7, 5, 9, 3}, {1, 1, 1, 1}, {0, 4, 6, 3}, {65, 33, 47, 17}, {130, 64, 330, 48}};

}  // namespace

TEST_CASE("linear on bf16: value and gradients") {
  for (const auto& [rows, in, hidden, out] : kSizes) {
    CAPTURE(rows);
    CAPTURE(in);
    const Tensor x = bf16_normal({rows, in}, 1), dy = bf16_normal({rows, out}, 3);
    const Tensor w = random_normal({out, in}, 2, DType::f32), b = random_normal({out}, 4, DType::f32);
    const Variable weight = wide(w.to(DType::bf16)), input = wide(x), gradient = wide(dy);
    const Variable terms = linear(magnitude(input), magnitude(weight), magnitude(wide(b)));
    for (const Tensor& given : {x, with_gaps(x), strided(x)})
      check_within(ops::linear(given, w, b), linear(input, weight, wide(b)),
                   stored(linear(input, weight, wide(b)), terms));
    CHECK(same_bits(ops::linear(x, by_columns(w), b), ops::linear(x, w, b)));
    const Variable dx = matmul(gradient, weight);
    check_within(ops::linear_data_gradient(dy, w), dx, stored(dx, matmul(magnitude(gradient), magnitude(weight))));
    // Gradients of parameters are f32: nothing is rounded to bf16.
    Tensor dw = Tensor::full({out, in}, 1), db = Tensor::full({out}, 1);
    ops::linear_weight_gradient_(dw, dy, x, true);
    ops::column_sums_(db, dy, true);
    const Variable dw_terms = matmul(transposed(magnitude(gradient)), magnitude(input)) + 1.0;
    check_within(dw, matmul(transposed(gradient), input) + 1.0, dw_terms * kSum);
    check_within(db, sum(gradient, 0) + 1.0, (sum(magnitude(gradient), 0) + 1.0) * kSum);
  }
}

TEST_CASE("mlp on bf16: value and gradients") {
  for (const auto& [rows, in, hidden, out] : kSizes)
    for (const double p : {0.0, 0.25}) {
      CAPTURE(rows);
      CAPTURE(p);
      const Tensor x = bf16_normal({rows, in}, 1), dy = bf16_normal({rows, out}, 6);
      std::vector<Tensor> parameters;
      for (const Shape& shape : {Shape{hidden, in}, Shape{hidden}, Shape{out, hidden}, Shape{out}})
        parameters.push_back(random_normal(shape, 2 + parameters.size(), DType::f32));
      const Variable w1 = wide(parameters[0].to(DType::bf16)), w2 = wide(parameters[2].to(DType::bf16));
      std::vector<Variable> leaves{Variable(x, true)};
      for (const Tensor& parameter : parameters) leaves.emplace_back(parameter, true);
      const Variable y = mlp(leaves[0], leaves[1], leaves[2], leaves[3], leaves[4], p, kTicket);
      y.backward(dy);
      for (size_t i = 0; i < leaves.size(); ++i) CHECK(leaves[i].grad().dtype() == (i == 0 ? DType::bf16 : DType::f32));

      // a errs by e = u |a| + sums, and |gelu'| <= 1.13, |gelu''| <= 0.8. So h = m gelu(a) errs by 1.13 e m and its own
      // rounding, da = dh m gelu'(a) by 0.8 e |dh| m, the sums of dh and its own rounding.
      const Variable a = linear(wide(x), w1, wide(parameters[1]));
      const Variable e = stored(a, linear(magnitude(wide(x)), magnitude(w1), magnitude(wide(parameters[1]))));
      const Variable mask = dropout(Variable(Tensor::full({rows, hidden}, 1, DType::f64)), p, kTicket);
      const Variable h = gelu(a) * mask, h_error = e * mask * 1.13 + magnitude(h) * (1.01 * kUnit);
      const Variable expected = linear(h, w2, wide(parameters[3]));
      const Variable y_terms = linear(magnitude(h), magnitude(w2), magnitude(wide(parameters[3])));
      check_within(y.value(), expected, matmul(h_error, transposed(magnitude(w2))) + stored(expected, y_terms) * 1.01);

      const Variable dh = matmul(wide(dy), w2);
      Variable at(a.value(), true);
      gelu(at).backward(Tensor::full({rows, hidden}, 1, DType::f64));
      const Variable da = dh * mask * Variable(at.grad());
      const Variable da_error = e * magnitude(dh) * mask * 0.8 + magnitude(da) * (1.01 * kUnit) +
                                matmul(magnitude(wide(dy)), magnitude(w2)) * mask * (1.13 * kSum);
      const Variable dx = matmul(da, w1);
      check_within(leaves[0].grad(), dx,
                   matmul(da_error, magnitude(w1)) + stored(dx, matmul(magnitude(da), magnitude(w1))) * 1.01);
      const auto weight_gradient = [&](const Tensor& got, const Variable& left, const Variable& right,
                                       const Variable& error) {
        check_within(got, matmul(transposed(left), right),
                     error + matmul(transposed(magnitude(left)), magnitude(right)) * kSum);
      };
      weight_gradient(leaves[1].grad(), da, wide(x), matmul(transposed(da_error), magnitude(wide(x))));
      weight_gradient(leaves[3].grad(), wide(dy), h, matmul(transposed(magnitude(wide(dy))), h_error));
      check_within(leaves[2].grad(), sum(da, 0), sum(da_error, 0) + sum(magnitude(da), 0) * kSum);
      check_within(leaves[4].grad(), sum(wide(dy), 0), sum(magnitude(wide(dy)), 0) * kSum);
    }
}

TEST_CASE("linear_gelu on bf16: y is GELU of the rounded value before it, and the gradient belongs to that") {
  const Tensor x = bf16_normal({37, 21}, 1);
  const Tensor w = random_normal({19, 21}, 2, DType::f32), b = random_normal({19}, 3, DType::f32);
  const ops::LinearGelu result = ops::linear_gelu(x, w, b);
  CHECK(same_bits(result.before, ops::linear(x, w, b)));
  check_within(result.y, gelu(wide(result.before)), magnitude(gelu(wide(result.before))) * (1.01 * kUnit) + 1e-6);
  const Tensor dy = bf16_normal({37, 19}, 4);
  Tensor db = Tensor::zeros({19});
  const Tensor da = ops::gelu_gradient(dy, result.before, db, false);
  Variable at(result.before.to(DType::f64), true);
  gelu(at).backward(dy.to(DType::f64));
  check_within(da, Variable(at.grad()), magnitude(Variable(at.grad())) * (1.01 * kUnit) + 1e-6);
  check_within(db, sum(Variable(at.grad()), 0), Variable(Tensor::full({19}, 37 * 1e-6, DType::f64)));
}

// f32 statistics of at most 330 terms, and x̂ of order one: 1e-5 covers them.
TEST_CASE("layer_norm and dropout_add_layer_norm on bf16: value, gradients, f32 statistics") {
  for (const Shape& shape : {Shape{7, 9}, Shape{1, 4}, Shape{0, 4}, Shape{40, 64}, Shape{3, 330}})
    for (const double p : {0.0, 0.3}) {
      CAPTURE(shape);
      CAPTURE(p);
      const int64_t d = shape[1];
      const Tensor x = bf16_normal(shape, 1), residual = bf16_normal(shape, 2);
      const Tensor w = random_normal({d}, 3, DType::f32), b = random_normal({d}, 4, DType::f32);
      const Tensor d_sum = bf16_normal(shape, 5), d_normalised = bf16_normal(shape, 6);
      std::vector<Variable> in = {Variable(x, true), Variable(residual, true), Variable(w, true), Variable(b, true)};
      const AddLayerNorm got = dropout_add_layer_norm(in[0], in[1], in[2], in[3], 1e-5, p, kTicket);
      const Variable exact = wide(residual) + dropout(wide(x), p, kTicket);
      check_within(got.sum.value(), exact, magnitude(exact) * (1.01 * kUnit) + 1e-6);
      // Everything else belongs to the sum as it was rounded.
      Variable sum(got.sum.value().to(DType::f64), true), weight(w.to(DType::f64), true), bias(b.to(DType::f64), true);
      const Variable y = layer_norm(sum, weight, bias, 1e-5);
      check_within(got.normalised.value(), y, magnitude(y) * (1.01 * kUnit) + 3e-5);
      const std::vector<Variable> outputs{got.sum, got.normalised};
      backward(outputs, std::vector<Tensor>{d_sum, d_normalised});
      y.backward(d_normalised.to(DType::f64));
      const Variable total = wide(d_sum) + Variable(sum.grad());
      // dx of LayerNorm grows with rstd, which a row of four may make large.
      const Variable slack = magnitude(Variable(sum.grad())) * 1e-4 + 1e-4;
      check_within(in[1].grad(), total, magnitude(total) * (1.01 * kUnit) + slack);
      const Variable dx = dropout(total, p, kTicket);
      check_within(in[0].grad(), dx, magnitude(dx) * (2.02 * kUnit) + slack * 2.0);
      CHECK(in[2].grad().dtype() == DType::f32);
      const double rows = static_cast<double>(shape[0]);
      check_within(in[2].grad(), Variable(weight.grad()), magnitude(Variable(weight.grad())) * 1e-5 + rows * 1e-4);
      check_within(in[3].grad(), Variable(bias.grad()), magnitude(Variable(bias.grad())) * 1e-5 + rows * 1e-5);
      const ops::LayerNorm alone = ops::layer_norm(got.sum.value(), w, b, 1e-5);
      CHECK(same_bits(alone.y, got.normalised.value()));
      CHECK(alone.rstd.dtype() == DType::f32);
    }
}

TEST_CASE("packed copies of a weight: packed once for each version, gone with the weight") {
  Tensor w = random_normal({40, 24}, 1, DType::f32);
  CHECK(existing_copies(w) == nullptr);
  const auto first = packed_weight(w, true), again = packed_weight(w, true);
  CHECK(first == again);
  CHECK(first->version() == w.version());
  const Tensor x = bf16_normal({5, 24}, 2), before = ops::linear(x, w, {});
  w.fill_(0);
  CHECK(first->version() != w.version());
  CHECK(largest_difference(ops::linear(x, w, {}), Tensor::zeros({5, 40}, DType::bf16)) == 0);
  CHECK(first->version() == w.version());  // the same copy, packed anew
  CHECK(largest_difference(before, Tensor::zeros({5, 40}, DType::bf16)) > 0);
  CHECK(existing_copies(w.as_root()) == nullptr);
  CHECK_THROWS_WITH_AS(packed_weight({}, true), "packed_weight: weight is undefined", Error);
}

}  // namespace tessera::bf16_layers_test
