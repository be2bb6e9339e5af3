#include "tensor/ops/avg_pool2d.h"
#include "tensor/ops/max_pool2d.h"
#include "tests/ops/matrix_reference.h"
#include "tests/ops/window_reference.h"

namespace tessera::pool2d_test {

using namespace tessera::test;

namespace {

struct Case {
  Shape x;
  Pool2dSettings settings;
};

// ResNet's, CLIP's (kernel = stride), both roundings of the size, sides that differ, one of everything, no images.
const std::vector<Case> kCases{
    {{2, 3, 9, 10}, {.kernel = 3, .stride = 2, .padding = 1}},
    {{2, 2, 7, 5}, {.kernel = 2}},
    {{1, 2, 8, 6}, {.kernel = 3, .stride = 2, .ceil_mode = true}},
    {{1, 2, 8, 6}, {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true}},
    {{1, 2, 8, 7}, {.kernel = 2, .stride = 3, .padding = 1, .ceil_mode = true}},  // the last would begin outside
    {{1, 3, 11, 37}, {.kernel = {2, 5}, .stride = {3, 2}, .padding = {1, 2}}},
    {{2, 1, 6, 40}, {.kernel = {1, 4}, .stride = {1, 3}, .padding = {0, 1}, .ceil_mode = true, .count_padding = false}},
    {{2, 2, 7, 8}, {.kernel = 3, .stride = 2, .padding = 1, .count_padding = false}},
    {{1, 1, 1, 1}, {.kernel = 1}},
    {{0, 2, 4, 4}, {.kernel = 2}},
    {{2, 0, 4, 4}, {.kernel = 2}},
};

Size2d stride_of(const Pool2dSettings& s) { return s.stride == Size2d(0) ? s.kernel : s.stride; }

Shape pooled_shape(const Shape& x, const Pool2dSettings& s) {
  const Size2d stride = stride_of(s);
  return {
      x[0], x[1],
      reference_window_count(x[2], s.kernel.height, stride.height, s.padding.height, s.dilation.height, s.ceil_mode),
      reference_window_count(x[3], s.kernel.width, stride.width, s.padding.width, s.dilation.width, s.ceil_mode)};
}

struct Reference {
  Tensor y, dx;
};

Reference reference_max(const Tensor& x_any, const Tensor& dy, const Pool2dSettings& s) {
  const Planes x(x_any), g(dy);
  Planes y(dy.shape()), dx(x.shape);
  const Size2d stride = stride_of(s);
  for_places(y.shape, [&](int64_t n, int64_t c, int64_t i, int64_t j) {
    double most = -INFINITY;
    int64_t row = -1, column = -1;
    for (int64_t ky = 0; ky < s.kernel.height; ++ky)
      for (int64_t kx = 0; kx < s.kernel.width; ++kx) {
        const int64_t r = i * stride.height - s.padding.height + ky * s.dilation.height;
        const int64_t q = j * stride.width - s.padding.width + kx * s.dilation.width;
        if (!x.inside(r, q)) continue;
        const double value = x.at(n, c, r, q);
        const bool better = std::isnan(value) ? !std::isnan(most) : value > most;
        if (row < 0 || better) most = value, row = r, column = q;
      }
    y.at(n, c, i, j) = most;
    dx.at(n, c, row, column) += g.at(n, c, i, j);
  });
  return {y.tensor(), dx.tensor()};
}

// [begin, end) of each output of a side and its divisor, from the definitions.
struct Window {
  int64_t begin, end;
  double divisor;
};
Window average_window(int64_t i, int64_t n, int64_t kernel, int64_t stride, int64_t padding, bool count_padding) {
  Window w{n, 0, 0};
  for (int64_t at = i * stride - padding; at < i * stride - padding + kernel && at < n + padding; ++at) {
    const bool inside = at >= 0 && at < n;
    if (inside) w.begin = std::min(w.begin, at), w.end = at + 1;
    if (inside || count_padding) ++w.divisor;
  }
  return w;
}
Window adaptive_window(int64_t i, int64_t n, int64_t m) {
  const double step = static_cast<double>(n) / static_cast<double>(m);
  const auto begin = static_cast<int64_t>(std::floor(static_cast<double>(i) * step + 1e-9));
  const auto end = static_cast<int64_t>(std::ceil(static_cast<double>(i + 1) * step - 1e-9));
  return {begin, end, static_cast<double>(end - begin)};
}

template <class Rows, class Columns>
Reference reference_mean(const Tensor& x_any, const Tensor& dy, Rows rows_of, Columns columns_of) {
  const Planes x(x_any), g(dy);
  Planes y(dy.shape()), dx(x.shape);
  for_places(y.shape, [&](int64_t n, int64_t c, int64_t i, int64_t j) {
    const Window rows = rows_of(i), columns = columns_of(j);
    for (int64_t r = rows.begin; r < rows.end; ++r)
      for (int64_t q = columns.begin; q < columns.end; ++q) {
        y.at(n, c, i, j) += x.at(n, c, r, q) / (rows.divisor * columns.divisor);
        dx.at(n, c, r, q) += g.at(n, c, i, j) / (rows.divisor * columns.divisor);
      }
  });
  return {y.tensor(), dx.tensor()};
}

// Sums of one window's elements or of the windows that hold one: a few roundings. bf16: one more, of 2^-8.
double bound_for(DType dtype) { return dtype == DType::f64 ? 2e-15 : dtype == DType::f32 ? 1e-6 : 0x1p-8 + 1e-6; }

constexpr DType kDTypes[] = {DType::f32, DType::f64, DType::bf16};

Tensor rounded_normal(const Shape& shape, uint64_t seed, DType dtype) {
  return random_normal(shape, seed, DType::f32).to(dtype);
}

}  // namespace

TEST_CASE("max_pool2d and its gradient equal the definition; values are exact") {
  for (const DType dtype : kDTypes)
    for (const Case& c : kCases)
      for (const Size2d dilation : {Size2d(1), Size2d(2, 1)}) {
        Pool2dSettings settings = c.settings;
        settings.dilation = dilation;
        if (pooled_shape(c.x, settings)[2] == 0) continue;
        CAPTURE(dtype);
        CAPTURE(c.x);
        const Tensor x = rounded_normal(c.x, 1, dtype), dy = rounded_normal(pooled_shape(c.x, settings), 2, dtype);
        const Reference expected = reference_max(x, dy, settings);
        for (const Tensor& view : {x, strided(x)}) {
          CHECK(relative_difference(ops::max_pool2d(view, settings), expected.y) == 0);
          CHECK(relative_difference(ops::max_pool2d_backward(strided(dy), view, settings), expected.dx) <=
                bound_for(dtype));
        }
      }
}

TEST_CASE("max_pool2d: ties go to the first in row order, a NaN wins, -∞ is a value like others") {
  Tensor x = Tensor::zeros({1, 1, 6, 7}), inf = Tensor::full({1, 1, 4, 4}, -INFINITY);
  float* values = x.mutable_data<float>();
  for (int i = 0; i < 42; ++i) values[i] = static_cast<float>(i % 3 - 1);
  values[16] = NAN;
  const Pool2dSettings settings{.kernel = 3, .stride = 2, .padding = 1};
  const Tensor dy = random_normal({1, 1, 3, 4}, 1, DType::f32);
  const Reference expected = reference_max(x, dy, settings);
  CHECK(largest_difference(ops::max_pool2d(x, settings), expected.y) == 0);
  CHECK(largest_difference(ops::max_pool2d_backward(dy, x, settings), expected.dx) <= 1e-6);
  const Tensor two = random_normal({1, 1, 2, 2}, 1, DType::f32);
  const Reference lowest = reference_max(inf, two, settings);
  CHECK(largest_difference(ops::max_pool2d(inf, settings), lowest.y) == 0);
  CHECK(largest_difference(ops::max_pool2d_backward(two, inf, settings), lowest.dx) <= 1e-6);
}

TEST_CASE("avg_pool2d and its gradient equal the definition") {
  for (const DType dtype : kDTypes)
    for (const Case& c : kCases) {
      CAPTURE(dtype);
      CAPTURE(c.x);
      const Pool2dSettings& s = c.settings;
      const Size2d stride = stride_of(s);
      const Tensor x = rounded_normal(c.x, 1, dtype), dy = rounded_normal(pooled_shape(c.x, s), 2, dtype);
      const Reference expected = reference_mean(
          x, dy,
          [&](int64_t i) {
            return average_window(i, c.x[2], s.kernel.height, stride.height, s.padding.height, s.count_padding);
          },
          [&](int64_t j) {
            return average_window(j, c.x[3], s.kernel.width, stride.width, s.padding.width, s.count_padding);
          });
      for (const Tensor& view : {x, strided(x)})
        CHECK(relative_difference(ops::avg_pool2d(view, s), expected.y) <= bound_for(dtype));
      CHECK(relative_difference(ops::avg_pool2d_backward(strided(dy), c.x, s), expected.dx) <= bound_for(dtype));
    }
}

TEST_CASE("adaptive_avg_pool2d and its gradient equal the definition, to fewer and to more") {
  for (const DType dtype : kDTypes)
    for (const auto& [shape, output] : std::vector<std::pair<Shape, Size2d>>{{{2, 3, 7, 5}, 1},
                                                                             {{2, 3, 7, 5}, {3, 2}},
                                                                             {{1, 2, 3, 4}, {5, 7}},
                                                                             {{1, 1, 1, 1}, 3},
                                                                             {{0, 2, 3, 3}, 2},
                                                                             {{1, 2, 13, 50}, {7, 11}}}) {
      CAPTURE(dtype);
      CAPTURE(shape);
      const Tensor x = rounded_normal(shape, 1, dtype);
      const Tensor dy = rounded_normal({shape[0], shape[1], output.height, output.width}, 2, dtype);
      const Reference expected = reference_mean(
          x, dy, [&, n = shape[2], m = output.height](int64_t i) { return adaptive_window(i, n, m); },
          [&, n = shape[3], m = output.width](int64_t j) { return adaptive_window(j, n, m); });
      for (const Tensor& view : {x, strided(x)})
        CHECK(relative_difference(ops::adaptive_avg_pool2d(view, output), expected.y) <= bound_for(dtype));
      CHECK(relative_difference(ops::adaptive_avg_pool2d_backward(strided(dy), shape), expected.dx) <=
            bound_for(dtype));
    }
}

TEST_CASE("pooling: the same bits on any number of threads") {
  const Tensor x = random_normal({3, 17, 31, 29}, 1, DType::f32), dy = random_normal({3, 17, 16, 15}, 2, DType::f32);
  const Pool2dSettings s{.kernel = 3, .stride = 2, .padding = 1};
  CHECK(same_on_any_number_of_threads([&] {
    return std::vector{ops::max_pool2d(x, s),          ops::max_pool2d_backward(dy, x, s),
                       ops::avg_pool2d(x, s),          ops::avg_pool2d_backward(dy, x.shape(), s),
                       ops::adaptive_avg_pool2d(x, 5), ops::adaptive_avg_pool2d_backward(dy, x.shape())};
  }));
}

TEST_CASE("pooling: what bad input gets") {
  const Tensor x = Tensor::zeros({1, 2, 4, 5});
  CHECK_THROWS_WITH_AS(ops::max_pool2d(Tensor::zeros({4, 5}), {.kernel = 2}),
                       "max_pool2d: x is [4, 5], expected [n, channels, height, width]", Error);
  CHECK_THROWS_WITH_AS(ops::avg_pool2d({}, {.kernel = 2}), "avg_pool2d: x is [], expected [n, channels, height, width]",
                       Error);
  CHECK_THROWS_WITH_AS(ops::max_pool2d(x, {.kernel = 2, .padding = 2}),
                       "max_pool2d: padding is 2 x 2, expected at most half of a window of 2 x 2, dilation 1 x 1",
                       Error);
  CHECK_THROWS_WITH_AS(ops::avg_pool2d(x, {.kernel = 2, .padding = {0, 2}}),
                       "avg_pool2d: padding is 0 x 2, expected at most half of the kernel 2 x 2", Error);
  CHECK_THROWS_WITH_AS(ops::avg_pool2d(x, {.kernel = 2, .dilation = 2}),
                       "avg_pool2d: dilation is 2 x 2, expected 1 x 1", Error);
  CHECK_THROWS_WITH_AS(ops::max_pool2d(x, {.kernel = {5, 1}}),
                       "max_pool2d: no window of 5 x 1, dilation 1 x 1, fits into 4 x 5 with padding 0 x 0", Error);
  CHECK_THROWS_WITH_AS(ops::adaptive_avg_pool2d(x, {0, 1}),
                       "adaptive_avg_pool2d: output is 0 x 1, expected at least 1 x 1", Error);
  CHECK_THROWS_WITH_AS(ops::adaptive_avg_pool2d(Tensor::zeros({1, 1, 0, 3}), 1),
                       "adaptive_avg_pool2d: x is [1, 1, 0, 3], expected planes with elements", Error);
  CHECK_THROWS_WITH_AS(ops::max_pool2d(Tensor::zeros({1, 2, 4, 5}, DType::i64), {.kernel = 2}),
                       "max_pool2d: dtype is i64, expected f32, f64 or bf16", Error);
}

}  // namespace tessera::pool2d_test
