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
                               Shape{50, 64}, Shape{3, 771}}) {
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

// The mean of such a row, rounded to f32, is off by up to 3e-8, which is 3e-5 of the deviation: in y, and in dw, which sums
// it up, hundreds of times the rounding of the numbers themselves.
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

}  // namespace tessera::layer_norm_test
