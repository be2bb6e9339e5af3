#include "tensor/ops/conv2d/conv2d.h"

#include "tensor/ops/conv2d/conv2d_cpu.h"
#include "tensor/ops/elementwise.h"
#include "tests/ops/matrix_reference.h"
#include "tests/ops/window_reference.h"

namespace tessera::conv2d_test {

using namespace tessera::test;

namespace {

struct Case {
  Shape x;
  int64_t out;
  Size2d kernel;
  Conv2dSettings settings;
  bool bias;
};

// Each with something of its own: all sides different; more pixels than a band, more rows of columns than a step; one
// of everything; groups; depthwise with one and several outputs; nothing.
const std::vector<Case> kCases{
    {{2, 3, 7, 5}, 4, {3, 3}, {}, true},
    {{1, 2, 9, 11}, 5, {2, 4}, {.stride = {2, 1}, .padding = {1, 3}, .dilation = {3, 2}}, true},
    {{2, 5, 6, 7}, 3, 1, {}, false},
    {{1, 20, 23, 31}, 9, {3, 3}, {.padding = 1}, true},
    {{3, 4, 9, 8}, 7, {3, 3}, {.stride = 2, .padding = 1}, false},
    {{2, 4, 7, 7}, 3, 1, {.stride = 2}, true},
    {{1, 3, 17, 15}, 4, 7, {.stride = 2, .padding = 3}, false},
    {{1, 1, 1, 1}, 1, 1, {}, true},
    {{1, 1, 5, 4}, 6, 3, {.padding = 2}, true},
    {{2, 6, 5, 6}, 4, 3, {.padding = 1, .groups = 2}, true},
    {{1, 6, 8, 5}, 15, {1, 2}, {.stride = {1, 2}, .groups = 3}, false},
    {{2, 5, 6, 7}, 5, 3, {.stride = 2, .padding = 1, .groups = 5}, true},
    {{1, 3, 40, 33}, 6, {3, 5}, {.padding = {1, 2}, .dilation = {1, 2}, .groups = 3}, true},
    {{2, 3, 4, 4}, 2, 3, {.stride = 5, .padding = 4}, true},  // windows that see nothing but padding
    // Pixels enough for dx as a convolution of dy.
    {{2, 4, 39, 61}, 6, {3, 2}, {.padding = {1, 0}, .dilation = {2, 1}, .groups = 2}, true},
    {{1, 3, 65, 64}, 5, 1, {}, false},
    {{0, 3, 4, 4}, 2, 3, {}, true},
    {{2, 3, 4, 4}, 0, 3, {}, true},
    {{2, 0, 4, 4}, 3, 3, {}, true},
};

struct Results {
  Tensor y, dx, dw, db;
};

// dw and db are added to ones.
Results run(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& dy, const Conv2dSettings& settings) {
  Results r{ops::conv2d(x, w, b, settings), ops::conv2d_data_gradient(dy, w, x.shape(), settings),
            Tensor::full(w.shape(), 1, w.dtype()), Tensor::full({w.size(0)}, 1, w.dtype())};
  ops::conv2d_weight_gradient_(r.dw, dy, x, settings, true);
  ops::channel_sums_(r.db, dy, true);
  return r;
}

struct Inputs {
  Tensor x, w, b, dy;
};
Inputs inputs_of(const Case& c, DType dtype) {
  const DType parameters = dtype == DType::f64 ? DType::f64 : DType::f32;
  Inputs in{random_normal(c.x, 1, DType::f32).to(dtype),
            random_normal({c.out, c.x[1] / c.settings.groups, c.kernel.height, c.kernel.width}, 2, parameters),
            c.bias ? random_normal({c.out}, 3, parameters) : Tensor{},
            {}};
  in.dy = random_normal(conv2d_shape(in.x, in.w, c.settings), 4, DType::f32).to(dtype);
  return in;
}

}  // namespace

// Sums of at most depth (y), out · kernel (dx) or images · pixels (dw, db) terms; the error of a sum of k terms of one
// size grows as ε √k, and is measured against the largest element, itself some √k terms: a few ε. bf16: y and dx are
// rounded once, 2^-8 of an element.
TEST_CASE("conv2d and its gradients equal the formula, strided inputs too") {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16})
    for (const Case& c : kCases) {
      CAPTURE(dtype);
      CAPTURE(c.x);
      CAPTURE(c.out);
      const Inputs in = inputs_of(c, dtype);
      const Conv2dReference expected = reference_conv2d(in.x, in.w, in.b, in.dy, c.settings);
      const double sums = dtype == DType::f64 ? 2e-15 : 2e-6, rounded = dtype == DType::bf16 ? 0x1p-8 + sums : sums;
      for (const bool views : {false, true}) {
        const Results got = views ? run(strided(in.x), strided(in.w), in.b, strided(in.dy), c.settings)
                                  : run(in.x, in.w, in.b, in.dy, c.settings);
        CHECK(got.y.dtype() == dtype);
        CHECK(got.dx.dtype() == dtype);
        CHECK(relative_difference(got.y, expected.y) <= rounded);
        CHECK(relative_difference(got.dx, expected.dx) <= rounded);
        // One more: a sum near 0 keeps the rounding of the 1 that was there.
        const auto less_one = [](const Tensor& t) {
          std::vector<double> v = values_of(t);
          for (double& value : v) value -= 1;
          return Tensor::from(v, t.shape());
        };
        CHECK(relative_difference(less_one(got.dw), expected.dw) <= (expected.dw.numel() > 1 ? 4 : 40) * sums);
        CHECK(relative_difference(less_one(got.db), expected.db) <= 40 * sums);
      }
    }
}

// What large convolutions in f32 run: small ones are formed in f64. Sums in f32 as above.
TEST_CASE("conv2d: the kernels in f32 equal the formula at any size") {
  for (const Case& c : kCases) {
    CAPTURE(c.x);
    CAPTURE(c.out);
    const Inputs in = inputs_of(c, DType::f32);
    const Conv2dReference expected = reference_conv2d(in.x, in.w, in.b, in.dy, c.settings);
    const Conv2dSettings& set = c.settings;
    const ops::Conv2dSizes s{c.x[0], c.x[1], c.out, set.groups,
                             ops::make_windows("", {c.x[2], c.x[3]}, c.kernel, set.stride, set.padding, set.dilation)};
    Tensor y = Tensor::full(in.dy.shape(), NAN), dx = Tensor::full(c.x, NAN), dw = Tensor::full(in.w.shape(), NAN);
    ops::conv2d_forward(s, in.x.data<float>(), in.w.data<float>(), c.bias ? in.b.data<float>() : nullptr,
                        y.mutable_data<float>());
    ops::conv2d_data_backward(s, in.dy.data<float>(), in.w.data<float>(), dx.mutable_data<float>());
    ops::conv2d_weight_backward(s, in.dy.data<float>(), in.x.data<float>(), dw.mutable_data<float>(), false);
    CHECK(relative_difference(y, expected.y) <= 2e-6);
    CHECK(relative_difference(dx, expected.dx) <= 2e-6);
    CHECK(relative_difference(dw, expected.dw) <= 8e-6);
    const Tensor before = dw.clone();
    ops::conv2d_weight_backward(s, in.dy.data<float>(), in.x.data<float>(), dw.mutable_data<float>(), true);
    CHECK(relative_difference(dw, ops::mul(before, 2)) <= 1e-6);
  }
}

TEST_CASE("conv2d: a weight gradient is written over what is there, unless it is to be added") {
  const Inputs in = inputs_of(kCases[0], DType::f64);
  Tensor dw = Tensor::full(in.w.shape(), NAN, DType::f64), db = Tensor::full({4}, NAN, DType::f64);
  ops::conv2d_weight_gradient_(dw, in.dy, in.x, {}, false);
  ops::channel_sums_(db, in.dy, false);
  const Conv2dReference expected = reference_conv2d(in.x, in.w, in.b, in.dy, {});
  CHECK(relative_difference(dw, expected.dw) <= 1e-14);
  CHECK(relative_difference(db, expected.db) <= 1e-14);
}

// The errors of sums of 4,000 terms in f32 would be some ten times those of one rounding.
TEST_CASE("conv2d: a small convolution in f32 is formed in f64 and rounded once") {
  const Tensor x = random_normal({1, 444, 3, 3}, 1, DType::f32), w = random_normal({7, 444, 3, 3}, 2, DType::f32);
  const Tensor exact = ops::conv2d(x.to(DType::f64), w.to(DType::f64), {}, {.padding = 1});
  CHECK(same_bits(ops::conv2d(x, w, {}, {.padding = 1}), exact.to(DType::f32)));
}

TEST_CASE("conv2d: a NaN outside of a window, or beside a band, does not spread") {
  // 17 pixels make a vector and one more; the last lane's neighbours in memory are another image's NaN.
  Tensor x = random_normal({2, 3, 1, 17}, 1, DType::f32);
  std::fill_n(x.mutable_data<float>() + 51, 51, NAN);
  const Tensor y = ops::conv2d(x, random_normal({4, 3, 1, 3}, 2, DType::f32), {}, {.padding = {0, 1}});
  const std::vector<double> values = values_of(y);
  for (size_t i = 0; i < 68; ++i) CHECK(std::isfinite(values[i]));
  CHECK(std::isnan(values[68]));
}

TEST_CASE("conv2d: the same bits on any number of threads") {
  for (const Conv2dSettings& settings :
       {Conv2dSettings{.padding = 1}, Conv2dSettings{.stride = 2, .groups = 4}, Conv2dSettings{.groups = 32}}) {
    const Tensor x = random_normal({3, 32, 37, 41}, 1, DType::f32);
    const Tensor w = random_normal({64, 32 / settings.groups, 3, 3}, 2, DType::f32);
    const Tensor b = random_normal({64}, 3, DType::f32);
    const Tensor dy = random_normal(conv2d_shape(x, w, settings), 4, DType::f32);
    CHECK(same_on_any_number_of_threads([&] {
      const Results r = run(x, w, b, dy, settings);
      return std::vector{r.y, r.dx, r.dw, r.db};
    }));
  }
}

TEST_CASE("conv2d: what bad input gets") {
  const Tensor x = Tensor::zeros({2, 4, 5, 6}), w = Tensor::zeros({3, 4, 3, 3}), b = Tensor::zeros({4});
  const auto throws = [](const Tensor& of_x, const Tensor& of_w, const Tensor& of_b, const Conv2dSettings& settings,
                         const char* message) {
    CHECK_THROWS_WITH_AS(ops::conv2d(of_x, of_w, of_b, settings), message, Error);
  };
  throws({}, w, {}, {}, "conv2d: x or weight is undefined");
  throws(Tensor::zeros({4, 5, 6}), w, {}, {}, "conv2d: x is f32 [4, 5, 6], expected [n, channels, height, width]");
  throws(x, Tensor::zeros({3, 2, 3, 3}), {}, {},
         "conv2d: weight is f32 [3, 2, 3, 3], expected f32 [out, 4 / 1, height, width] for x f32 [2, 4, 5, 6]");
  throws(x, w.to(DType::f64), {}, {},
         "conv2d: weight is f64 [3, 4, 3, 3], expected f32 [out, 4 / 1, height, width] for x f32 [2, 4, 5, 6]");
  throws(x, w, b, {}, "conv2d: bias is f32 [4], expected f32 [3]");
  throws(x, Tensor::zeros({3, 2, 3, 3}), {}, {.groups = 2},
         "conv2d: weight is f32 [3, 2, 3, 3], expected a multiple of 2 groups of output channels");
  throws(x, w, {}, {.groups = 0},
         "conv2d: weight is f32 [3, 4, 3, 3], expected f32 [out, 4 / 0, height, width] for x f32 [2, 4, 5, 6]");
  throws(x, w, {}, {.stride = {1, 0}}, "conv2d: stride is 1 x 0, expected at least 1 x 1");
  throws(x, w, {}, {.padding = {0, -1}}, "conv2d: padding is 0 x -1, expected at least 0 x 0");
  throws(x, w, {}, {.dilation = {3, 1}},
         "conv2d: no window of 3 x 3, dilation 3 x 1, fits into 5 x 6 with padding 0 x 0");
  throws(x, Tensor::zeros({3, 4, 0, 3}), {}, {}, "conv2d: kernel is 0 x 3, expected at least 1 x 1");
  CHECK_THROWS_WITH_AS(ops::conv2d_data_gradient(x, w, x.shape(), {}),
                       "conv2d: dy is f32 [2, 4, 5, 6], expected [2, 3, 3, 4]", Error);
}

}  // namespace tessera::conv2d_test
