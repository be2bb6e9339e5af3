#include "tensor/ops/max_pool2d.h"

#include <algorithm>
#include <limits>

#include "tensor/activation.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/max_pool2d_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

Windows2d max_pool_windows(const Tensor& x, const Pool2dSettings& s) {
  check(x.defined() && x.dim() == 4, "max_pool2d: x is ", x.defined() ? x.shape() : Shape{},
        ", expected [n, channels, height, width]");
  const Windows2d w = make_windows("max_pool2d", {x.size(2), x.size(3)}, s.kernel,
                                   s.stride == Size2d(0) ? s.kernel : s.stride, s.padding, s.dilation, s.ceil_mode);
  check(2 * s.padding.height <= s.dilation.height * (s.kernel.height - 1) + 1 &&
            2 * s.padding.width <= s.dilation.width * (s.kernel.width - 1) + 1,
        "max_pool2d: padding is ", s.padding, ", expected at most half of a window of ", s.kernel, ", dilation ",
        s.dilation);
  return w;
}

// The places of a window along one side that lie in the plane: [begin, end) of the kernel; `first`: the plane's row or
// column at place 0.
struct InsidePlaces {
  int64_t first, begin, end;

  InsidePlaces(int64_t window, int64_t stride, int64_t padding, int64_t dilation, int64_t kernel, int64_t size)
      : first(window * stride - padding),
        begin(first < 0 ? (-first + dilation - 1) / dilation : 0),
        end(std::min(kernel, (size - first + dilation - 1) / dilation)) {}
};

// True if `value` comes before `most` as the largest.
template <class A>
bool is_larger(A value, A most) {
  return value > most || value != value;
}

// to [width] = the largest of each column of a plane over the rows that one row of windows sees.
template <class T, class A = Arithmetic<T>>
void largest_of_rows(const T* plane, const Windows2d& w, const InsidePlaces& rows, A* __restrict to) {
  const int64_t width = w.input.width;
  std::fill_n(to, width, -std::numeric_limits<A>::infinity());
  for (int64_t ky = rows.begin; ky < rows.end; ++ky) {
    const T* __restrict row = plane + (rows.first + ky * w.dilation.height) * width;
    for (int64_t x = 0; x < width; ++x) {
      const A value = static_cast<A>(row[x]);
      to[x] = is_larger(value, to[x]) ? value : to[x];
    }
  }
}

// Calls body(i, j, rows, columns) for every window of a plane.
InsidePlaces window_rows(const Windows2d& w, int64_t i) {
  return {i, w.stride.height, w.padding.height, w.dilation.height, w.kernel.height, w.input.height};
}
InsidePlaces window_columns(const Windows2d& w, int64_t j) {
  return {j, w.stride.width, w.padding.width, w.dilation.width, w.kernel.width, w.input.width};
}

template <class T>
void max_pool_plane(const T* x, const Windows2d& w, T* y) {
  using A = Arithmetic<T>;
  std::vector<A> row(static_cast<size_t>(w.input.width));
  for (int64_t i = 0; i < w.output.height; ++i) {
    largest_of_rows(x, w, window_rows(w, i), row.data());
    for (int64_t j = 0; j < w.output.width; ++j) {
      const InsidePlaces columns = window_columns(w, j);
      A most = -std::numeric_limits<A>::infinity();
      for (int64_t kx = columns.begin; kx < columns.end; ++kx) {
        const A value = row[static_cast<size_t>(columns.first + kx * w.dilation.width)];
        if (is_larger(value, most)) most = value;
      }
      *y++ = static_cast<T>(most);
    }
  }
}

// Where in the plane the largest element of a window lies.
template <class T>
int64_t place_of_largest(const T* x, const Windows2d& w, const InsidePlaces& rows, const InsidePlaces& columns) {
  using A = Arithmetic<T>;
  int64_t place = -1;
  A most = 0;
  for (int64_t ky = rows.begin; ky < rows.end; ++ky)
    for (int64_t kx = columns.begin; kx < columns.end; ++kx) {
      const int64_t at = (rows.first + ky * w.dilation.height) * w.input.width + columns.first + kx * w.dilation.width;
      const A value = static_cast<A>(x[at]);
      if (place >= 0 && (most != most || !is_larger(value, most))) continue;
      place = at;
      most = value;
    }
  return place;
}

template <class T>
void max_pool_plane_backward(const T* dy, const T* x, const Windows2d& w, Arithmetic<T>* sums) {
  using A = Arithmetic<T>;
  std::fill_n(sums, w.input.area(), A{0});
  for (int64_t i = 0; i < w.output.height; ++i)
    for (int64_t j = 0; j < w.output.width; ++j)
      sums[place_of_largest(x, w, window_rows(w, i), window_columns(w, j))] += static_cast<A>(*dy++);
}

}  // namespace

Tensor max_pool2d(const Tensor& x_any, const Pool2dSettings& settings) {
  const Windows2d w = max_pool_windows(x_any, settings);
  const Tensor x = x_any.contiguous();
  Tensor y = Tensor::empty({x.size(0), x.size(1), w.output.height, w.output.width}, x.dtype(), x.device());
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device("max_pool2d", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::max_pool2d(x.device_data<T>(), w, y.mutable_device_data<T>(), x.size(0) * x.size(1));
      });
      return y;
    }
  dispatch_activation("max_pool2d", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = x.data<T>();
    T* out = y.mutable_data<T>();
    parallel_for(x.size(0) * x.size(1), grain_for(w.input.area() * w.kernel.height),
                 [=, &w](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i)
                     max_pool_plane(in + i * w.input.area(), w, out + i * w.output.area());
                 });
  });
  return y;
}

Tensor max_pool2d_backward(const Tensor& dy_any, const Tensor& x_any, const Pool2dSettings& settings) {
  const Windows2d w = max_pool_windows(x_any, settings);
  const Tensor x = x_any.contiguous(), dy = dy_any.contiguous();
  Tensor dx = Tensor::empty_like(x);
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device("max_pool2d", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::max_pool2d_backward(dy.device_data<T>(), x.device_data<T>(), w, dx.mutable_device_data<T>(),
                                  x.size(0) * x.size(1));
      });
      return dx;
    }
  dispatch_activation("max_pool2d", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T *in = x.data<T>(), *g = dy.data<T>();
    T* out = dx.mutable_data<T>();
    parallel_for(x.size(0) * x.size(1), grain_for(w.input.area() * 4), [=, &w](int64_t begin, int64_t end) {
      std::vector<A> sums(std::is_same_v<T, A> ? 0 : static_cast<size_t>(w.input.area()));
      for (int64_t i = begin; i < end; ++i) {
        T* to = out + i * w.input.area();
        if constexpr (std::is_same_v<T, A>) {
          max_pool_plane_backward(g + i * w.output.area(), in + i * w.input.area(), w, to);
        } else {
          max_pool_plane_backward(g + i * w.output.area(), in + i * w.input.area(), w, sums.data());
          convert_row(sums.data(), to, w.input.area());
        }
      }
    });
  });
  return dx;
}

}  // namespace tessera::ops
