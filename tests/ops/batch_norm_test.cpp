#include "tensor/ops/batch_norm.h"

#include "tests/ops/matrix_reference.h"

namespace tessera::batch_norm_test {

using namespace tessera::test;

namespace {

struct Reference {
  std::vector<double> y, dx, mean, variance, dw, db;
};

// Straight from the formulas, in f64; the statistics given, or the batch's where `given` is null. The gradient is that
// of Σ dy · y by the chain rule through mean and variance, term by term.
Reference reference_batch_norm(const Tensor& x_any, const Tensor& weight, const Tensor& bias, const Tensor& dy,
                               double eps, const Reference* given) {
  const std::vector<double> x = values_of(x_any), w = values_of(weight), b = values_of(bias), g = values_of(dy);
  const auto channels = static_cast<size_t>(x_any.size(1));
  const size_t plane = x.empty() ? 0 : x.size() / (channels * static_cast<size_t>(x_any.size(0)));
  Reference r{x,
              x,
              std::vector<double>(channels),
              std::vector<double>(channels),
              std::vector<double>(channels),
              std::vector<double>(channels)};
  for (size_t c = 0; c < channels; ++c) {
    std::vector<size_t> at;
    for (size_t i = 0; i < x.size(); ++i)
      if (i / plane % channels == c) at.push_back(i);
    const double count = static_cast<double>(std::max<size_t>(at.size(), 1));
    double mean = 0, variance = 0;
    for (const size_t i : at) mean += x[i] / count;
    for (const size_t i : at) variance += (x[i] - mean) * (x[i] - mean) / count;
    r.mean[c] = given ? given->mean[c] : mean;
    r.variance[c] = given ? given->variance[c] : variance;
    const double rstd = 1 / std::sqrt(r.variance[c] + eps);
    double d_mean = 0, d_variance = 0;
    for (const size_t i : at) {
      const double normalised = (x[i] - r.mean[c]) * rstd;
      r.y[i] = normalised * w[c] + b[c];
      r.dw[c] += g[i] * normalised;
      r.db[c] += g[i];
      d_mean -= g[i] * w[c] * rstd;
      d_variance -= g[i] * w[c] * (x[i] - r.mean[c]) * rstd * rstd * rstd / 2;
    }
    for (const size_t i : at) {
      r.dx[i] = g[i] * w[c] * rstd;
      if (!given) r.dx[i] += d_mean / count + d_variance * 2 * (x[i] - r.mean[c]) / count;
    }
  }
  return r;
}

double difference(const Tensor& got, const std::vector<double>& expected) {
  return relative_difference(got, Tensor::from(expected, got.shape()));
}

constexpr double kEps = 1e-5;

}  // namespace

TEST_CASE("batch_norm equals its formula, by its own statistics and by given ones, strided inputs too") {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16})
    for (const Shape& shape : {Shape{3, 4, 5, 6}, Shape{1, 3, 3, 2}, Shape{7, 5}, Shape{2, 1, 4099}, Shape{2, 3, 1, 1},
                               Shape{0, 3, 2, 2}, Shape{2, 0, 2, 2}, Shape{2, 3, 0, 4}}) {
      CAPTURE(dtype);
      CAPTURE(shape);
      const DType parameters = dtype == DType::f64 ? DType::f64 : DType::f32;
      const Tensor x = random_normal(shape, 1, DType::f32).to(dtype),
                   dy = random_normal(shape, 2, DType::f32).to(dtype);
      const Shape channels{shape[1]};
      const Tensor w = random_normal(channels, 3, parameters), b = random_normal(channels, 4, parameters);
      // A few ε of sums in runs; with two elements in a channel dx is a difference that vanishes but for eps: it is
      // compared with the terms it is made of.
      const double sums = dtype == DType::f64 ? 1e-14 : 4e-6, rounded = dtype == DType::bf16 ? 0x1p-8 + sums : sums;
      const Reference expected = reference_batch_norm(x, w, b, dy, kEps, nullptr);
      for (const bool views : {false, true}) {
        const Tensor in = views ? strided(x) : x, g = views ? strided(dy) : dy;
        const ops::BatchNorm got = ops::batch_norm(in, strided(w), b, kEps);
        const Tensor dw = Tensor::empty(channels, parameters), db = Tensor::empty(channels, parameters);
        const Tensor dx = ops::batch_norm_backward(g, in, w, got.mean, got.variance, kEps, true, {dw, db});
        CHECK(got.y.dtype() == dtype);
        CHECK(difference(got.y, expected.y) <= rounded);
        CHECK(difference(got.mean, expected.mean) <= sums);
        CHECK(difference(got.variance, expected.variance) <= sums);
        CHECK(difference(dw, expected.dw) <= 4 * sums);
        CHECK(difference(db, expected.db) <= sums);
        if (shape == Shape{2, 3, 1, 1})
          CHECK(largest_difference(dx, Tensor::from(expected.dx, shape)) <= 100 * rounded);
        else
          CHECK(difference(dx, expected.dx) <= 4 * rounded);
      }
      Reference given;
      for (int64_t c = 0; c < shape[1]; ++c)
        given.mean.push_back(0.5 * static_cast<double>(c)), given.variance.push_back(0.25 + static_cast<double>(c));
      const Tensor mean = Tensor::from(given.mean, channels).to(parameters);
      const Tensor variance = Tensor::from(given.variance, channels).to(parameters);
      const Reference frozen = reference_batch_norm(x, w, b, dy, kEps, &given);
      const Tensor dw = Tensor::full(channels, 1, parameters), db = Tensor::full(channels, 1, parameters);
      const Tensor y = ops::batch_norm_given(strided(x), w, b, strided(mean), variance, kEps);
      const Tensor dx = ops::batch_norm_backward(dy, x, w, mean, variance, kEps, false, {dw, db, true, true});
      CHECK(difference(y, frozen.y) <= rounded);
      CHECK(difference(dx, frozen.dx) <= rounded);
      std::vector<double> dw_plus_one = frozen.dw, db_plus_one = frozen.db;
      for (double& value : dw_plus_one) ++value;
      for (double& value : db_plus_one) ++value;
      CHECK(difference(dw, dw_plus_one) <= 40 * sums);
      CHECK(difference(db, db_plus_one) <= 40 * sums);
    }
}

// The mean of such a channel, rounded to f32, is off by up to 3e-8, which is 3e-5 of the deviation.
TEST_CASE("batch_norm: narrow channels far from zero are normalised as exactly as others") {
  std::vector<float> values;
  for (int64_t i = 0; i < 74; ++i) values.push_back(0.5f + 1e-3f * static_cast<float>(Random(7, i).normal()));
  const Tensor x = Tensor::from(values, {2, 1, 37}), dy = random_normal({2, 1, 37}, 2, DType::f32);
  const Tensor one = Tensor::full({1}, 1), zero = Tensor::zeros({1}), dw = Tensor::empty({1}), db = Tensor::empty({1});
  const ops::BatchNorm got = ops::batch_norm(x, one, zero, 1e-12);
  const Tensor dx = ops::batch_norm_backward(dy, x, one, got.mean, got.variance, 1e-12, true, {dw, db});
  const Reference expected = reference_batch_norm(x, one, zero, dy, 1e-12, nullptr);
  CHECK(difference(got.y, expected.y) <= 5e-7);
  CHECK(difference(dw, expected.dw) <= 2e-6);
  CHECK(difference(dx, expected.dx) <= 1e-6);
}

TEST_CASE("batch_norm: running statistics move by the momentum, the variance by its unbiased estimate") {
  Tensor mean = Tensor::from(std::vector<double>{1, 2}), variance = Tensor::from(std::vector<double>{3, 4});
  const Tensor x = Tensor::from(std::vector<double>{1, 3, 10, 10, 5, 7, 10, 14}, {2, 2, 2});
  const Tensor one = Tensor::full({2}, 1, DType::f64);
  ops::update_running_statistics_(mean, variance, ops::batch_norm(x, one, one, 0), 0.25);
  CHECK(mean.to_vector<double>()[0] == doctest::Approx(0.75 * 1 + 0.25 * 4));
  CHECK(mean.to_vector<double>()[1] == doctest::Approx(0.75 * 2 + 0.25 * 11));
  CHECK(variance.to_vector<double>()[0] == doctest::Approx(0.75 * 3 + 0.25 * 20 / 3));
  CHECK(variance.to_vector<double>()[1] == doctest::Approx(0.75 * 4 + 0.25 * 12 / 3));
}

TEST_CASE("batch_norm: the same bits on any number of threads") {
  const Tensor x = random_normal({3, 48, 31, 17}, 1, DType::f32), dy = random_normal({3, 48, 31, 17}, 2, DType::f32);
  const Tensor w = random_normal({48}, 3, DType::f32), b = random_normal({48}, 4, DType::f32);
  CHECK(same_on_any_number_of_threads([&] {
    const ops::BatchNorm r = ops::batch_norm(x, w, b, kEps);
    const Tensor dw = Tensor::empty({48}), db = Tensor::empty({48});
    const Tensor dx = ops::batch_norm_backward(dy, x, w, r.mean, r.variance, kEps, true, {dw, db});
    return std::vector{r.y, r.mean, r.variance, dx, dw, db, ops::batch_norm_given(x, w, b, r.mean, r.variance, kEps)};
  }));
}

TEST_CASE("batch_norm: what bad input gets") {
  const Tensor x = Tensor::zeros({2, 3, 4}), three = Tensor::zeros({3}), four = Tensor::zeros({4});
  CHECK_THROWS_WITH_AS(ops::batch_norm(x, four, three, 0), "batch_norm: weight is f32 [4], expected f32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::batch_norm(x, three, four, 0), "batch_norm: bias is f32 [4], expected f32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::batch_norm(x, three, {}, 0), "batch_norm: weight or bias is undefined", Error);
  CHECK_THROWS_WITH_AS(ops::batch_norm(three, three, three, 0), "batch_norm: x is [3], expected [n, channels, ...]",
                       Error);
  CHECK_THROWS_WITH_AS(ops::batch_norm(x, three, three, -1), "batch_norm: eps is -1, expected at least 0", Error);
  CHECK_THROWS_WITH_AS(ops::batch_norm_given(x, three, three, four, three, 0),
                       "batch_norm: mean is [4], expected f32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::batch_norm_given(x, three, three, three, {}, 0),
                       "batch_norm: variance is [], expected f32 [3]", Error);
  Tensor mean = three.clone(), variance = three.clone();
  const ops::BatchNorm batch = ops::batch_norm(x, three, three, 1);
  CHECK_THROWS_WITH_AS(ops::update_running_statistics_(mean, variance, batch, 1.5),
                       "batch_norm: momentum is 1.5, expected 0 to 1", Error);
}

}  // namespace tessera::batch_norm_test
