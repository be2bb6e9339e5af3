#include "tensor/ops/dropout_add_layer_norm.h"

#include "tests/ops/matrix_reference.h"

namespace tessera::dropout_add_layer_norm_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{5, 7, 9};

std::vector<Tensor> inputs_of(const Shape& shape, DType dtype = DType::f64) {
  return {random_normal(shape, 1, dtype), random_normal(shape, 2, dtype), random_normal({shape.back()}, 3, dtype),
          random_normal({shape.back()}, 4, dtype)};
}

// The specification: the plain ops one after another.
AddLayerNorm composed(std::span<const Variable> in, double p) {
  const Variable sum = in[1] + dropout(in[0], p, kTicket);
  return {sum, layer_norm(sum, in[2], in[3], 1e-5)};
}
AddLayerNorm fused(std::span<const Variable> in, double p) {
  return dropout_add_layer_norm(in[0], in[1], in[2], in[3], 1e-5, p, kTicket);
}

std::vector<Variable> leaves_of(const std::vector<Tensor>& inputs) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.emplace_back(input, true);
  return leaves;
}

}  // namespace

TEST_CASE("dropout_add_layer_norm equals its composition, values and gradients") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const double p : {0.0, 0.3})
      for (const Shape& shape : {Shape{7, 9}, Shape{11}, Shape{0, 4}, Shape{2, 3, 33}, Shape{40, 64}, Shape{3, 1300}})
        for (const int which : {1, 2, 3}) {  // gradients arrive at the sum, at the normalised output, at both
          CAPTURE(shape);
          CAPTURE(p);
          CAPTURE(which);
          const std::vector<Tensor> inputs = inputs_of(shape, dtype);
          const std::vector<Variable> a = leaves_of(inputs), b = leaves_of(inputs);
          const AddLayerNorm got = fused(a, p), expected = composed(b, p);
          // Both do the same arithmetic; a fused multiply-add more or less is a rounding.
          const double bound = dtype == DType::f32 ? 4e-6 : 1e-14;
          CHECK(relative_difference(got.sum.value(), expected.sum.value()) <= bound);
          CHECK(relative_difference(got.normalised.value(), expected.normalised.value()) <= bound);
          std::vector<Variable> outputs, expected_outputs;
          std::vector<Tensor> cotangents;
          if (which & 1) outputs.push_back(got.sum), expected_outputs.push_back(expected.sum);
          if (which & 2) outputs.push_back(got.normalised), expected_outputs.push_back(expected.normalised);
          for (size_t i = 0; i < outputs.size(); ++i) cotangents.push_back(random_normal(shape, 10 + i, dtype));
          backward(outputs, cotangents);
          backward(expected_outputs, cotangents);
          for (size_t i = 0; i < 4; ++i) {
            CAPTURE(i);
            if (b[i].grad().defined())
              CHECK(relative_difference(a[i].grad(), b[i].grad()) <= bound);
            else if (a[i].grad().defined())
              CHECK(relative_difference(a[i].grad(), Tensor::zeros_like(a[i].grad())) == 0);
          }
        }
}

TEST_CASE("dropout_add_layer_norm: gradients") {
  for (const double p : {0.0, 0.4}) {
    check_gradients("normalised", [p](auto in) { return fused(in, p).normalised; }, inputs_of({5, 6}));
    check_gradients("both", [p](auto in) {
      const AddLayerNorm result = fused(in, p);
      return result.normalised * result.sum;
    }, inputs_of({3, 7}));
  }
}

TEST_CASE("dropout_add_layer_norm: a gradient that forgets the path around the normalisation is caught") {
  const auto planted = [](std::span<const Variable> in) {
    const ops::DropoutAddLayerNorm result = ops::dropout_add_layer_norm(
        in[0].value(), in[1].value(), in[2].value(), in[3].value(), 1e-5, 0.4, kTicket);
    return record_many("planted", {result.sum, result.normalised}, {in[0]},
                       [result, w = in[2].value()](std::span<const Tensor> dys, GradSlots) -> Grads {
                         return {ops::dropout_add_layer_norm_backward({}, dys[1], result.sum, w, result.mean,
                                                                      result.rstd, 0.4, kTicket, {}).dx};
                       });
  };
  CHECK_FALSE(gradcheck(planted, inputs_of({3, 4})).ok);
}

TEST_CASE("dropout_add_layer_norm: strided inputs give the same bits") {
  const std::vector<Tensor> in = inputs_of({7, 5}, DType::f32);
  const auto run = [](const Tensor& x, const Tensor& residual, const Tensor& w, const Tensor& b) {
    return ops::dropout_add_layer_norm(x, residual, w, b, 1e-5, 0.2, kTicket);
  };
  const auto plain = run(in[0], in[1], in[2], in[3]);
  const auto views = run(strided(in[0]), with_gaps(in[1]), strided(in[2]), strided(in[3]));
  CHECK(same_bits(plain.sum, views.sum));
  CHECK(same_bits(plain.normalised, views.normalised));
}

TEST_CASE("dropout_add_layer_norm: the same bits on any number of threads") {
  const std::vector<Tensor> in = inputs_of({1003, 48}, DType::f32);
  const Tensor d_sum = random_normal({1003, 48}, 5, DType::f32);
  const Tensor d_normalised = random_normal({1003, 48}, 6, DType::f32);
  CHECK(same_on_any_number_of_threads([&] {
    const auto out = ops::dropout_add_layer_norm(in[0], in[1], in[2], in[3], 1e-5, 0.1, kTicket);
    const Tensor dw = Tensor::empty({48}), db = Tensor::empty({48});
    const auto grads = ops::dropout_add_layer_norm_backward(d_sum, d_normalised, out.sum, in[2], out.mean, out.rstd,
                                                            0.1, kTicket, {dw, db});
    return std::vector{out.sum, out.normalised, grads.dx, grads.d_residual, dw, db};
  }));
}

TEST_CASE("dropout_add_layer_norm: what bad input gets") {
  const Tensor x = Tensor::zeros({2, 3}), three = Tensor::zeros({3});
  const auto run = [&](const Tensor& residual, const Tensor& w, double p) {
    return ops::dropout_add_layer_norm(x, residual, w, three, 0, p, kTicket);
  };
  CHECK_THROWS_WITH_AS(run(three, three, 0), "dropout_add_layer_norm: residual is f32 [3], expected f32 [2, 3]", Error);
  CHECK_THROWS_WITH_AS(run(x, Tensor::zeros({2}), 0), "dropout_add_layer_norm: weight is f32 [2], expected f32 [3]",
                       Error);
  CHECK_THROWS_WITH_AS(run(x, three, 1.5), "dropout_add_layer_norm: p is 1.5, expected 0 <= p < 1", Error);
}

}  // namespace tessera::dropout_add_layer_norm_test
