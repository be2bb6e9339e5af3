#include "tensor/ops/adamw.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/gradcheck.h"
#include "tensor/parallel.h"

namespace tessera::adamw_test {

using ops::AdamWSlice;
using ops::AdamWStep;
using ops::AdamWVariant;

namespace {

// One element through `gradients`, statement by statement as the two sources have it.
struct Naive {
  double p = 0, m = 0, v = 0;

  void step(double g, const AdamWStep& s, double lr, double decay) {
    const auto t = static_cast<double>(s.number);
    g *= s.gradient_scale;
    if (s.variant == AdamWVariant::torch) p -= lr * decay * p;
    m = m * s.beta1 + (1 - s.beta1) * g;
    v = v * s.beta2 + (1 - s.beta2) * g * g;
    const double correction1 = 1 - std::pow(s.beta1, t), correction2 = 1 - std::pow(s.beta2, t);
    if (s.variant == AdamWVariant::torch) {
      p -= lr / correction1 * m / (std::sqrt(v) / std::sqrt(correction2) + s.eps);
    } else {
      p -= lr * std::sqrt(correction2) / correction1 * m / (std::sqrt(v) + s.eps);
      p -= lr * decay * p;
    }
  }
};

struct Arena {
  Tensor p, m, v;
  explicit Arena(const Tensor& start) : p(start.clone()), m(Tensor::zeros_like(start)), v(Tensor::zeros_like(start)) {}
};

const std::vector<AdamWSlice> kSlices{{0, 7, 0.1, 0}, {7, 20000, 0.01, 0.3}, {20010, 40000, 0.02, 0.1}};

Arena run(AdamWVariant variant, DType dtype, const std::vector<AdamWSlice>& slices, int steps) {
  Arena arena(random_normal({40001}, 1, dtype));
  for (int t = 1; t <= steps; ++t) {
    Tensor g = random_normal({40001}, 10 + static_cast<uint64_t>(t), dtype);
    if (t % 2 == 0) g = Tensor::zeros_like(g);
    ops::adamw_(arena.p, g, arena.m, arena.v, slices, {variant, 0.8, 0.95, 1e-3, t, 0.5});
  }
  return arena;
}

}  // namespace

TEST_CASE("adamw: against a naive loop, both variants") {
  constexpr int kSteps = 5;
  std::vector<std::vector<double>> gradients(1);
  for (uint64_t t = 1; t <= kSteps; ++t) gradients.push_back(random_normal({40001}, 10 + t).to_vector<double>());
  for (const AdamWVariant variant : {AdamWVariant::torch, AdamWVariant::transformers}) {
    const Arena wide = run(variant, DType::f64, kSlices, kSteps), narrow = run(variant, DType::f32, kSlices, kSteps);
    const auto start = random_normal({40001}, 1).to_vector<double>();
    const auto p = wide.p.to_vector<double>(), m = wide.m.to_vector<double>(), v = wide.v.to_vector<double>();
    const auto single = narrow.p.to_vector<float>();
    double worst = 0, worst_single = 0;
    for (size_t i = 0; i < start.size(); ++i) {
      const auto slice = std::find_if(kSlices.begin(), kSlices.end(), [i](const AdamWSlice& s) {
        return static_cast<size_t>(s.begin) <= i && i < static_cast<size_t>(s.end);
      });
      if (slice == kSlices.end()) {
        REQUIRE((p[i] == start[i] && m[i] == 0 && v[i] == 0));  // in no slice: left alone
        continue;
      }
      Naive naive{start[i]};
      for (int t = 1; t <= kSteps; ++t) {
        const double g = t % 2 == 0 ? 0 : gradients[static_cast<size_t>(t)][i];
        naive.step(g, {variant, 0.8, 0.95, 1e-3, t, 0.5}, slice->learning_rate, slice->weight_decay);
      }
      worst = std::max({worst, std::abs(p[i] - naive.p), std::abs(m[i] - naive.m), std::abs(v[i] - naive.v)});
      worst_single = std::max(worst_single, std::abs(single[i] - naive.p));
    }
    CHECK(worst < 1e-14);        // values of order one, some tens of roundings of 1e-16
    CHECK(worst_single < 4e-6);  // the same with 6e-8, on values up to 5
  }
}

TEST_CASE("adamw: neither slices nor threads change a bit") {
  const std::vector<AdamWSlice> one{{0, 40001, 0.01, 0.3}};
  std::vector<AdamWSlice> many;
  for (int64_t begin = 0; begin < 40001; begin += 997)
    many.push_back({begin, std::min<int64_t>(begin + 997, 40001), 0.01, 0.3});
  for (const AdamWVariant variant : {AdamWVariant::torch, AdamWVariant::transformers}) {
    const auto first = run(variant, DType::f32, one, 3).p.to_vector<float>();
    CHECK(run(variant, DType::f32, many, 3).p.to_vector<float>() == first);
    const int threads = thread_count();
    set_thread_count(threads == 1 ? 2 : 1);
    CHECK(run(variant, DType::f32, one, 3).p.to_vector<float>() == first);
    set_thread_count(threads);
  }
}

TEST_CASE("adamw: rate 0 moves the moments, not the parameters; a scale equals scaled gradients") {
  Arena a(random_normal({50}, 2)), b(random_normal({50}, 2));
  const auto start = a.p.to_vector<double>();
  const Tensor g = random_normal({50}, 3);
  const std::vector<AdamWSlice> frozen{{0, 50, 0, 0.1}}, moving{{0, 50, 0.1, 0.1}};
  ops::adamw_(a.p, g, a.m, a.v, frozen, {});
  CHECK(a.p.to_vector<double>() == start);
  CHECK(a.m.to_vector<double>()[3] == doctest::Approx(0.1 * g.to_vector<double>()[3]).epsilon(1e-14));
  Arena c(random_normal({50}, 2));
  Tensor quarter = g.clone();
  for (int64_t i = 0; i < 50; ++i) quarter.mutable_data<double>()[i] /= 4;
  AdamWStep scaled;
  scaled.gradient_scale = 0.25;
  ops::adamw_(b.p, g, b.m, b.v, moving, scaled);
  ops::adamw_(c.p, quarter, c.m, c.v, moving, {});
  CHECK(b.p.to_vector<double>() == c.p.to_vector<double>());
}

TEST_CASE("adamw: bad input") {
  Tensor p = Tensor::zeros({8}), m = Tensor::zeros({8}), v = Tensor::zeros({8}), other = Tensor::zeros({7});
  const std::vector<AdamWSlice> good{{0, 8, 0.1, 0}}, outside{{4, 9, 0.1, 0}}, overlapping{{0, 4, 1, 0}, {3, 5, 1, 0}};
  CHECK_THROWS_WITH(ops::adamw_(p, other, m, v, good, {}), "adamw: got f32 [7], expected contiguous f32 [8]");
  CHECK_THROWS_WITH(ops::adamw_(p, p, m, v, outside, {}), "adamw: slice [4, 9) overlaps another or lies outside [8]");
  CHECK_THROWS_WITH(ops::adamw_(p, p, m, v, overlapping, {}),
                    "adamw: slice [3, 5) overlaps another or lies outside [8]");
  AdamWStep zero;
  zero.number = 0;
  CHECK_THROWS_WITH(ops::adamw_(p, p, m, v, good, zero), "adamw: update number is 0, expected at least 1");
}

}  // namespace tessera::adamw_test
