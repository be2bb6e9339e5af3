// Convolution, pooling and batch normalisation straight from their formulas, in f64, one output at a time: readable
// twins of the fast kernels.
#pragma once

#include <cmath>
#include <vector>

#include "tensor/ops/window2d.h"
#include "tests/ops/matrix_reference.h"

namespace tessera::test {

// x [n, c, h, w] as numbers, zero outside of a plane.
struct Planes {
  Shape shape;
  std::vector<double> values;

  explicit Planes(const Tensor& x) : shape(x.shape()), values(values_of(x)) {}
  explicit Planes(const Shape& of) : shape(of), values(static_cast<size_t>(of.numel())) {}

  bool inside(int64_t y, int64_t x) const { return y >= 0 && x >= 0 && y < shape[2] && x < shape[3]; }
  double& at(int64_t n, int64_t c, int64_t y, int64_t x) {
    return values[static_cast<size_t>(((n * shape[1] + c) * shape[2] + y) * shape[3] + x)];
  }
  double at(int64_t n, int64_t c, int64_t y, int64_t x) const { return const_cast<Planes*>(this)->at(n, c, y, x); }
  double or_zero(int64_t n, int64_t c, int64_t y, int64_t x) const { return inside(y, x) ? at(n, c, y, x) : 0; }
  Tensor tensor() const { return Tensor::from(values, shape); }
};

// Calls f(n, c, i, j) for every place.
template <class F>
void for_places(const Shape& s, F f) {
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t c = 0; c < s[1]; ++c)
      for (int64_t i = 0; i < s[2]; ++i)
        for (int64_t j = 0; j < s[3]; ++j) f(n, c, i, j);
}

inline int64_t reference_window_count(int64_t input, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                                      bool ceil_mode) {
  int64_t count = 0;
  const int64_t reach = dilation * (kernel - 1) + 1;
  for (int64_t start = -padding; start + reach <= input + padding; start += stride) ++count;
  const int64_t next = count * stride - padding;  // in ceil mode one more, where it is not whole but begins inside
  if (ceil_mode && count > 0 && next - stride + reach < input + padding && next < input) ++count;
  return count;
}

inline Shape conv2d_shape(const Tensor& x, const Tensor& w, const Conv2dSettings& s) {
  return {x.size(0), w.size(0),
          reference_window_count(x.size(2), w.size(2), s.stride.height, s.padding.height, s.dilation.height, false),
          reference_window_count(x.size(3), w.size(3), s.stride.width, s.padding.width, s.dilation.width, false)};
}

// Every term of a convolution: f(y's place n, o, i, j; the input's channel and place; the weight's flat index).
template <class F>
void for_terms(const Shape& y, const Tensor& w, const Conv2dSettings& s, F f) {
  const int64_t in = w.size(1), out = w.size(0) / s.groups;
  for_places(y, [&](int64_t n, int64_t o, int64_t i, int64_t j) {
    for (int64_t c = 0; c < in; ++c)
      for (int64_t ky = 0; ky < w.size(2); ++ky)
        for (int64_t kx = 0; kx < w.size(3); ++kx)
          f(n, o, i, j, o / out * in + c, i * s.stride.height - s.padding.height + ky * s.dilation.height,
            j * s.stride.width - s.padding.width + kx * s.dilation.width,
            static_cast<size_t>(((o * in + c) * w.size(2) + ky) * w.size(3) + kx));
  });
}

struct Conv2dReference {
  Tensor y, dx, dw, db;
};
// bias may be undefined; the gradients are those of Σ dy · y.
inline Conv2dReference reference_conv2d(const Tensor& x_any, const Tensor& w_any, const Tensor& bias, const Tensor& dy,
                                        const Conv2dSettings& s) {
  const Planes x(x_any), g(dy);
  const std::vector<double> w = values_of(w_any), b = bias.defined() ? values_of(bias) : std::vector<double>{};
  Planes y(conv2d_shape(x_any, w_any, s)), dx(x.shape);
  std::vector<double> dw(w.size()), db(static_cast<size_t>(w_any.size(0)));
  for_places(y.shape, [&](int64_t n, int64_t o, int64_t i, int64_t j) {
    y.at(n, o, i, j) = b.empty() ? 0 : b[static_cast<size_t>(o)];
    db[static_cast<size_t>(o)] += g.at(n, o, i, j);
  });
  for_terms(y.shape, w_any, s,
            [&](int64_t n, int64_t o, int64_t i, int64_t j, int64_t c, int64_t row, int64_t column, size_t k) {
              y.at(n, o, i, j) += w[k] * x.or_zero(n, c, row, column);
              dw[k] += g.at(n, o, i, j) * x.or_zero(n, c, row, column);
              if (x.inside(row, column)) dx.at(n, c, row, column) += w[k] * g.at(n, o, i, j);
            });
  return {y.tensor(), dx.tensor(), Tensor::from(dw, w_any.shape()), Tensor::from(db)};
}

}  // namespace tessera::test
