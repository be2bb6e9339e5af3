#include "tensor/ops/avg_pool2d.h"

#include "tensor/activation.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/avg_pool2d_kernels.h"
#include "tensor/parallel.h"
#include "tensor/simd/reductions.h"

namespace tessera::ops {
namespace {

struct MeanSides {
  MeanSide rows, columns;

  int64_t input() const { return rows.input * columns.input; }
  int64_t output() const { return rows.output * columns.output; }
};

void check_pooled(const char* op, const Shape& x) {
  check(x.dim() == 4, op, ": x is ", x, ", expected [n, channels, height, width]");
}

MeanSides average_sides(const Shape& x, const Pool2dSettings& s) {
  check_pooled("avg_pool2d", x);
  check(s.dilation == Size2d(1), "avg_pool2d: dilation is ", s.dilation, ", expected 1 x 1");
  const Windows2d w = make_windows("avg_pool2d", {x[2], x[3]}, s.kernel, s.stride == Size2d(0) ? s.kernel : s.stride,
                                   s.padding, 1, s.ceil_mode);
  check(2 * s.padding.height <= s.kernel.height && 2 * s.padding.width <= s.kernel.width, "avg_pool2d: padding is ",
        s.padding, ", expected at most half of the kernel ", s.kernel);
  return {{x[2], w.output.height, s.kernel.height, w.stride.height, s.padding.height, s.count_padding},
          {x[3], w.output.width, s.kernel.width, w.stride.width, s.padding.width, s.count_padding}};
}

MeanSides adaptive_sides(const Shape& x, Size2d output) {
  check_pooled("adaptive_avg_pool2d", x);
  constexpr int64_t kMost = int64_t{1} << 31;
  check(output.least() >= 1 && output.height < kMost && output.width < kMost, "adaptive_avg_pool2d: output is ", output,
        ", expected at least 1 x 1");
  check(x[2] >= 1 && x[3] >= 1, "adaptive_avg_pool2d: x is ", x, ", expected planes with elements");
  return {{.input = x[2], .output = output.height}, {.input = x[3], .output = output.width}};
}

template <class T>
Arithmetic<T> sum_of_window(const T* x, const MeanSides& s, const MeanSide::Window& rows,
                            const MeanSide::Window& columns) {
  Arithmetic<T> sum = 0;
  for (int64_t y = rows.begin; y < rows.end; ++y)
    sum += simd::sums_over<Arithmetic<T>, 1>(
        columns.end - columns.begin, [row = x + y * s.columns.input + columns.begin](auto load, int64_t i, auto& sums) {
          sums[0] += load(row + i);
        })[0];
  return sum;
}

template <class T>
void mean_plane(const T* x, const MeanSides& s, T* y) {
  using A = Arithmetic<T>;
  for (int64_t i = 0; i < s.rows.output; ++i)
    for (int64_t j = 0; j < s.columns.output; ++j) {
      const MeanSide::Window rows = s.rows.window(i), columns = s.columns.window(j);
      *y++ = static_cast<T>(sum_of_window(x, s, rows, columns) / static_cast<A>(rows.divisor * columns.divisor));
    }
}

template <class T>
void mean_plane_backward(const T* dy, const MeanSides& s, T* dx) {
  using A = Arithmetic<T>;
  for (int64_t y = 0; y < s.rows.input; ++y) {
    const MeanSide::Holders rows = s.rows.holders(y);
    for (int64_t x = 0; x < s.columns.input; ++x) {
      const MeanSide::Holders columns = s.columns.holders(x);
      A sum = 0;
      for (int64_t i = rows.begin; i < rows.end; ++i)
        for (int64_t j = columns.begin; j < columns.end; ++j)
          sum += static_cast<A>(dy[i * s.columns.output + j]) /
                 static_cast<A>(s.rows.window(i).divisor * s.columns.window(j).divisor);
      *dx++ = static_cast<T>(sum);
    }
  }
}

Tensor pooled(const char* op, const Tensor& x_any, const MeanSides& s) {
  const Tensor x = x_any.contiguous();
  Tensor y = Tensor::empty({x.size(0), x.size(1), s.rows.output, s.columns.output}, x.dtype(), x.device());
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device(op, x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::mean_pool2d(x.device_data<T>(), s.rows, s.columns, y.mutable_device_data<T>(), x.size(0) * x.size(1));
      });
      return y;
    }
  dispatch_activation(op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = x.data<T>();
    T* out = y.mutable_data<T>();
    parallel_for(x.size(0) * x.size(1), grain_for(s.input() + 4 * s.output()), [=, &s](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) mean_plane(in + i * s.input(), s, out + i * s.output());
    });
  });
  return y;
}

Tensor pooled_backward(const char* op, const Tensor& dy_any, const Shape& shape, const MeanSides& s) {
  const Tensor dy = dy_any.contiguous();
  Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
  if constexpr (kHasCuda)
    if (dy.on_cuda()) {
      cuda::dispatch_device(op, dy.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::mean_pool2d_backward(dy.device_data<T>(), s.rows, s.columns, dx.mutable_device_data<T>(),
                                   shape[0] * shape[1]);
      });
      return dx;
    }
  dispatch_activation(op, dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = dy.data<T>();
    T* out = dx.mutable_data<T>();
    parallel_for(shape[0] * shape[1], grain_for(4 * (s.input() + s.output())), [=, &s](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) mean_plane_backward(in + i * s.output(), s, out + i * s.input());
    });
  });
  return dx;
}

Shape shape_of(const Tensor& x) { return x.defined() ? x.shape() : Shape{}; }

}  // namespace

Tensor avg_pool2d(const Tensor& x, const Pool2dSettings& settings) {
  return pooled("avg_pool2d", x, average_sides(shape_of(x), settings));
}

Tensor avg_pool2d_backward(const Tensor& dy, const Shape& x_shape, const Pool2dSettings& settings) {
  return pooled_backward("avg_pool2d", dy, x_shape, average_sides(x_shape, settings));
}

Tensor adaptive_avg_pool2d(const Tensor& x, Size2d output) {
  return pooled("adaptive_avg_pool2d", x, adaptive_sides(shape_of(x), output));
}

Tensor adaptive_avg_pool2d_backward(const Tensor& dy, const Shape& x_shape) {
  return pooled_backward("adaptive_avg_pool2d", dy, x_shape, adaptive_sides(x_shape, {dy.size(2), dy.size(3)}));
}

}  // namespace tessera::ops
