#include "tensor/ops/layer_norm.h"

#include "tensor/ops/elementwise.h"
#include "tests/ops/matrix_reference.h"
#include "tests/ops/reference.h"

namespace tessera::layer_norm_test {

using namespace tessera::test;

namespace {

const auto kLayerNorm = [](std::span<const Variable> in) { return layer_norm(in[0], in[1], in[2], 1e-5); };

}  // namespace

TEST_CASE("layer_norm equals its reference on odd sizes and strided inputs") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const Shape& shape : {Shape{7, 5}, Shape{1, 1}, Shape{3}, Shape{0, 4}, Shape{4, 0}, Shape{2, 3, 33},
                               Shape{5, 49}, Shape{50, 64}, Shape{3, 771}}) {
      CAPTURE(shape);
      const int64_t d = shape.back();
      const Tensor x = random_normal(shape, 1, dtype);
      const Tensor w = random_normal({d}, 2, dtype), b = random_normal({d}, 3, dtype);
      const Tensor expected = reference::layer_norm(x, w, b, 1e-6);
      // The statistics are sums of d terms; a normalised element inherits their relative errors, a few ε each.
      const double bound = dtype == DType::f32 ? 2e-6 : 4e-15;
      for (const Tensor& input : {x, strided(x), with_gaps(x)})
        CHECK(relative_difference(ops::layer_norm(input, strided(w), strided(b), 1e-6).y, expected) <= bound);
    }
}

TEST_CASE("layer_norm: rows far from zero keep their variance") {
  // One-pass statistics, E x² - (E x)², would lose all digits of f32 here.
  std::vector<float> values;
  for (int i = 0; i < 64; ++i) values.push_back(4096.0f + (i % 2 ? 1.0f : -1.0f));
  const Tensor y = ops::layer_norm(Tensor::from(values, {1, 64}), Tensor::full({64}, 1), Tensor::zeros({64}), 0).y;
  for (size_t i = 0; i < 64; ++i) CHECK(values_of(y)[i] == doctest::Approx(i % 2 ? 1 : -1));
}

// The mean of such a row, rounded to f32, is off by up to 3e-8, which is 3e-5 of the deviation: in y, and in dw, which
// sums it up, hundreds of times the rounding of the numbers themselves.
TEST_CASE("layer_norm: narrow rows far from zero are normalised as exactly as others") {
  std::vector<float> values;
  for (int64_t i = 0; i < 37; ++i) values.push_back(0.5f + 1e-3f * static_cast<float>(Random(7, i).normal()));
  const Tensor x = Tensor::from(values, {1, 37}), dy = random_normal({1, 37}, 2, DType::f32);
  const Tensor one = Tensor::full({37}, 1), zero = Tensor::zeros({37});
  const Tensor dw = Tensor::empty({37}), db = Tensor::empty({37});
  const ops::LayerNorm result = ops::layer_norm(x, one, zero, 1e-12);
  ops::layer_norm_backward(dy, x, one, result.mean, result.rstd, {dw, db});
  const Tensor expected = reference::layer_norm(x, one, zero, 1e-12);
  const Tensor expected_dw = ops::mul(dy.to(DType::f64), expected).view({37});
  CHECK(relative_difference(result.y, expected) <= 5e-7);
  CHECK(relative_difference(dw, expected_dw) <= 5e-7);
}

// Half a unit of a result's last place; in f32 arithmetic it would be several, of several times larger numbers.
TEST_CASE("layer_norm: narrow rows of f32 are those of f64, rounded once") {
  const auto rounded_once = [](const Tensor& got, const Tensor& expected) {
    const std::vector<double> a = values_of(got), b = values_of(expected);
    bool ok = a.size() == b.size();
    for (size_t i = 0; ok && i < a.size(); ++i) ok = std::fabs(a[i] - b[i]) <= 0.51 * 1.2e-7 * std::fabs(b[i]) + 1e-14;
    return ok;
  };
  const auto wide = [](const Tensor& x) { return x.to(DType::f64); };
  for (const int64_t d : {1, 5, 16, 37, 48}) {
    CAPTURE(d);
    const Tensor x = random_normal({70, d}, 1, DType::f32), residual = random_normal({70, d}, 2, DType::f32);
    const Tensor dy = random_normal({70, d}, 3, DType::f32), w = random_normal({d}, 4, DType::f32);
    const Tensor b = random_normal({d}, 5, DType::f32), dw = Tensor::empty({d}), db = Tensor::full({d}, 7);
    const ops::LayerNorm got = ops::layer_norm(x, w, b, 1e-5), exact = ops::layer_norm(wide(x), wide(w), wide(b), 1e-5);
    CHECK(rounded_once(got.y, exact.y));
    CHECK(rounded_once(got.rstd, exact.rstd));
    const Tensor dx = ops::layer_norm_backward(dy, x, w, got.mean, got.rstd, {dw, db, false, true});
    const Tensor dw64 = Tensor::empty({d}, DType::f64), db64 = Tensor::full({d}, 7, DType::f64);
    const Tensor dx64 =
        ops::layer_norm_backward(wide(dy), wide(x), wide(w), wide(got.mean), wide(got.rstd), {dw64, db64, false, true});
    CHECK(rounded_once(dx, dx64));
    CHECK(rounded_once(dw, dw64));
    CHECK(rounded_once(db, db64));
    // A row does not depend on how many there are.
    CHECK(same_bits(ops::layer_norm(x.narrow(0, 3, 1), w, b, 1e-5).y, got.y.narrow(0, 3, 1)));
    // Of a sum with a residual, before that sum is rounded.
    const ops::DropoutAddLayerNorm sum = ops::dropout_add_layer_norm(x, residual, w, b, 1e-5, 0, {});
    CHECK(rounded_once(sum.normalised, ops::layer_norm(ops::add(wide(x), wide(residual)), wide(w), wide(b), 1e-5).y));
    CHECK(rounded_once(sum.sum, ops::add(wide(x), wide(residual))));
  }
}

TEST_CASE("layer_norm: gradients") {
  // Rows of one element are constants: their gradient is 0, and a planted factor cannot show.
  for (const Shape& shape : {Shape{7, 5}, Shape{1, 2}, Shape{2, 3, 4}, Shape{2, 37}})
    check_gradients("layer_norm", kLayerNorm,
                    {random_normal(shape, 1), random_normal({shape.back()}, 2), random_normal({shape.back()}, 3)});
}

TEST_CASE("layer_norm: a gradient without the projection onto x̂ is caught") {
  const auto planted = [](std::span<const Variable> in) {
    const ops::LayerNorm result = ops::layer_norm(in[0].value(), in[1].value(), in[2].value(), 1e-5);
    return record("planted", result.y, {in[0]},
                  [w = in[1].value(), rstd = result.rstd](const Tensor& dy, GradSlots) -> Grads {
                    const size_t d = static_cast<size_t>(w.numel());
                    std::vector<double> g = dy.to_vector<double>();
                    const std::vector<double> scale = w.to_vector<double>(), r = rstd.to_vector<double>();
                    for (size_t row = 0; row < r.size(); ++row) {
                      double mean = 0;
                      for (size_t j = 0; j < d; ++j) mean += g[row * d + j] * scale[j] / static_cast<double>(d);
                      for (size_t j = 0; j < d; ++j) g[row * d + j] = r[row] * (g[row * d + j] * scale[j] - mean);
                    }
                    return {Tensor::from(g, dy.shape())};
                  });
  };
  CHECK_FALSE(gradcheck_one(planted, {random_normal({3, 8}, 1), random_normal({8}, 2), random_normal({8}, 3)}).ok);
}

TEST_CASE("layer_norm: parameter gradients of many rows, also added to what is there") {
  const Tensor x = random_normal({1003, 24}, 1), dy = random_normal({1003, 24}, 2);
  Variable w(random_normal({24}, 3), true), b(random_normal({24}, 4), true);
  w.set_grad_storage(Tensor::full({24}, 1e9, DType::f64));
  b.set_grad_storage(Tensor::full({24}, 1e9, DType::f64));
  for (int times = 1; times <= 2; ++times) {
    layer_norm(Variable(x), w, b, 1e-5).backward(dy);
    const std::vector<double> normalised =
        values_of(reference::layer_norm(x, Tensor::full({24}, 1, DType::f64), Tensor::zeros({24}, DType::f64), 1e-5));
    std::vector<double> dw(24, 0), db(24, 0);
    const std::vector<double> g = values_of(dy);
    for (size_t i = 0; i < g.size(); ++i) dw[i % 24] += times * g[i] * normalised[i], db[i % 24] += times * g[i];
    CHECK(relative_difference(w.grad(), Tensor::from(dw, {24})) <= 1e-13);
    CHECK(relative_difference(b.grad(), Tensor::from(db, {24})) <= 1e-13);
  }
}

TEST_CASE("layer_norm: the same bits on any number of threads") {
  const Tensor x = random_normal({1003, 48}, 1, DType::f32), dy = random_normal({1003, 48}, 2, DType::f32);
  const Tensor w = random_normal({48}, 3, DType::f32), b = random_normal({48}, 4, DType::f32);
  CHECK(same_on_any_number_of_threads([&] {
    const ops::LayerNorm result = ops::layer_norm(x, w, b, 1e-6);
    const Tensor dw = Tensor::empty({48}), db = Tensor::empty({48});
    const Tensor dx = ops::layer_norm_backward(dy, x, w, result.mean, result.rstd, {dw, db});
    return std::vector{result.y, result.mean, result.rstd, dx, dw, db};
  }));
}

TEST_CASE("layer_norm: what bad input gets") {
  const Tensor x = Tensor::zeros({2, 3}), three = Tensor::zeros({3}), four = Tensor::zeros({4});
  CHECK_THROWS_WITH_AS(ops::layer_norm(x, four, three, 0), "layer_norm: weight is f32 [4], expected f32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::layer_norm(x, three, four, 0), "layer_norm: bias is f32 [4], expected f32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::layer_norm(x, three.to(DType::f64), three, 0),
                       "layer_norm: weight is f64 [3], expected f32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::layer_norm(x, three, {}, 0), "layer_norm: x, weight or bias is undefined", Error);
  CHECK_THROWS_WITH_AS(ops::layer_norm(Tensor::scalar(1), three, three, 0),
                       "layer_norm: x is f32 [], expected [..., channels]", Error);
  CHECK_THROWS_WITH_AS(ops::layer_norm(x, three, three, -1), "layer_norm: eps is -1, expected at least 0", Error);
}

// ---- dropout_add_layer_norm ----

namespace {

const Ticket kTicket{5, 7, 9};

std::vector<Tensor> fused_inputs(const Shape& shape, DType dtype = DType::f64) {
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
          const std::vector<Tensor> inputs = fused_inputs(shape, dtype);
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
    check_gradients(
        "normalised", [p](auto in) { return fused(in, p).normalised; }, fused_inputs({5, 6}));
    check_gradients(
        "both",
        [p](auto in) {
          const AddLayerNorm result = fused(in, p);
          return result.normalised * result.sum;
        },
        fused_inputs({3, 7}));
  }
}

TEST_CASE("dropout_add_layer_norm: a gradient that forgets the path around the normalisation is caught") {
  const auto planted = [](std::span<const Variable> in) {
    const ops::DropoutAddLayerNorm result =
        ops::dropout_add_layer_norm(in[0].value(), in[1].value(), in[2].value(), in[3].value(), 1e-5, 0.4, kTicket);
    return record_many("planted", {result.sum, result.normalised}, {in[0]},
                       [result, w = in[2].value()](std::span<const Tensor> dys, GradSlots) -> Grads {
                         return {ops::dropout_add_layer_norm_backward({}, dys[1], result.sum, w, result.mean,
                                                                      result.rstd, 0.4, kTicket, {})
                                     .dx};
                       });
  };
  CHECK_FALSE(gradcheck(planted, fused_inputs({3, 4})).ok);
}

TEST_CASE("dropout_add_layer_norm: strided inputs give the same bits") {
  const std::vector<Tensor> in = fused_inputs({7, 5}, DType::f32);
  const auto run = [](const Tensor& x, const Tensor& residual, const Tensor& w, const Tensor& b) {
    return ops::dropout_add_layer_norm(x, residual, w, b, 1e-5, 0.2, kTicket);
  };
  const auto plain = run(in[0], in[1], in[2], in[3]);
  const auto views = run(strided(in[0]), with_gaps(in[1]), strided(in[2]), strided(in[3]));
  CHECK(same_bits(plain.sum, views.sum));
  CHECK(same_bits(plain.normalised, views.normalised));
}

TEST_CASE("dropout_add_layer_norm: the same bits on any number of threads") {
  const std::vector<Tensor> in = fused_inputs({1003, 48}, DType::f32);
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

}  // namespace tessera::layer_norm_test
