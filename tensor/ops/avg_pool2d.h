// Means over windows. Output i of a side of n elements is the mean of elements [begin, end) of that side:
//
//   average, kernel k, stride s, padding p:  begin = i s - p, end = min(begin + k, n + p), both cut to the plane
//   adaptive, m outputs:                     begin = ⌊i n / m⌋, end = ⌈(i + 1) n / m⌉
//
//   y[n, c, i, j] = Σ x[n, c, rows of i, columns of j] / (divisor of i · divisor of j)
//   dx[n, c, y, x] = Σ dy[n, c, i, j] / (divisor of i · divisor of j) over the windows that hold (y, x)
//
// A divisor is end - begin; of the average before it is cut to the plane where `count_padding` says so: padding counts,
// but not what a last window of ceil_mode has beyond it.
//
// x [n, channels, height, width], y [n, channels, output height, output width]. f32, f64, and bf16 with f32 sums,
// rounded once. Padding is at most half the kernel. Errors name the shapes.
#pragma once

#include "tensor/ops/window2d.h"
#include "tensor/tensor.h"

namespace tessera::ops {

// One side of a pooling by means.
struct MeanSide {
  int64_t input = 0, output = 0;
  int64_t kernel = 0, stride = 0, padding = 0;  // kernel 0: adaptive
  bool count_padding = false;

  struct Window {
    int64_t begin, end, divisor;
  };
  constexpr Window window(int64_t i) const {
    if (kernel == 0) {
      const int64_t begin = i * input / output, end = ((i + 1) * input + output - 1) / output;
      return {begin, end, end - begin};
    }
    const int64_t from = i * stride - padding, to = from + kernel < input + padding ? from + kernel : input + padding;
    const int64_t begin = from > 0 ? from : 0, end = to < input ? to : input;
    return {begin, end, count_padding ? to - from : end - begin};
  }
  // The windows that hold element y: [begin, end).
  struct Holders {
    int64_t begin, end;
  };
  constexpr Holders holders(int64_t y) const {
    if (kernel == 0) return {y * output / input, ((y + 1) * output + input - 1) / input};
    const int64_t last = (y + padding) / stride + 1, before = y + padding - kernel;  // begins behind `before`
    return {before < 0 ? 0 : before / stride + 1, last < output ? last : output};
  }
};

Tensor avg_pool2d(const Tensor& x, const Pool2dSettings& settings);
Tensor avg_pool2d_backward(const Tensor& dy, const Shape& x_shape, const Pool2dSettings& settings);

// `output`: at least 1 x 1; more than the input's size repeats elements.
Tensor adaptive_avg_pool2d(const Tensor& x, Size2d output);
Tensor adaptive_avg_pool2d_backward(const Tensor& dy, const Shape& x_shape);

}  // namespace tessera::ops
