#include "tensor/ops/softmax.h"

#include <algorithm>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/broadcast.h"
#include "tensor/ops/scratch.h"
#include "tensor/ops/softmax_kernels.h"
#include "tensor/simd/reductions.h"
#include "tensor/simd/vector_math.h"

namespace tessera::ops {
namespace {

// x, y [n]. May work in place.
template <class T>
void softmax_row(const T* x, T* y, int64_t n) {
  const T largest = simd::maximum<simd::kLongOrder>(x, n);
  for (int64_t i = 0; i < n; ++i) y[i] = vmath::exp(x[i] - largest);
  const T scale = T{1} / simd::sum<simd::kLongOrder>(y, n);
  for (int64_t i = 0; i < n; ++i) y[i] *= scale;
}
void softmax_row(const bf16* x, bf16* y, int64_t n) {
  float* row = Scratch::of_this_thread(Scratch::bytes_for<float>(n)).take<float>(n);
  convert_row(x, row, n);
  softmax_row(row, row, n);
  convert_row(row, y, n);
}

template <class T>
void masked_softmax_row(const T* x, const int64_t* mask, int64_t step, T* y, int64_t n) {
  const T excluded = static_cast<T>(-std::numeric_limits<Arithmetic<T>>::infinity());
  bool any = false;
  for (int64_t i = 0; i < n; ++i) {
    any |= mask[i * step] != 0;
    y[i] = mask[i * step] != 0 ? x[i] : excluded;
  }
  if (any)
    softmax_row(y, y, n);
  else
    std::fill(y, y + n, T{});
}

// dx = y (dy - Σ dy y), rows [n].
template <class T>
void softmax_backward_row(const T* dy, const T* y, T* dx, int64_t n) {
  const T inner = simd::dot<simd::kLongOrder>(dy, y, n);
  for (int64_t i = 0; i < n; ++i) dx[i] = y[i] * (dy[i] - inner);
}
void softmax_backward_row(const bf16* dy, const bf16* y, bf16* dx, int64_t n) {
  Scratch scratch = Scratch::of_this_thread(2 * Scratch::bytes_for<float>(n));
  float *d = scratch.take<float>(n), *p = scratch.take<float>(n);
  convert_row(dy, d, n);
  convert_row(y, p, n);
  softmax_backward_row(d, p, d, n);
  convert_row(d, dx, n);
}

// Where the mask of each row lies: dimensions of `shape` but the last, with the strides of the mask.
cuda::MaskLayout mask_layout(const Shape& shape, const Tensor& mask) {
  const Shape strides = mask.expand(shape).strides();
  cuda::MaskLayout layout;
  layout.dims = shape.dim() - 1;
  for (int d = 0; d < layout.dims; ++d) {
    layout.sizes[d] = shape[d];
    layout.strides[d] = strides[d];
  }
  layout.step = strides[layout.dims];
  return layout;
}

}  // namespace

Tensor softmax(const Tensor& x) {
  check(x.dim() >= 1, "softmax: shape is [], expected at least one dimension");
  const Tensor source = x.contiguous();
  Tensor out = Tensor::empty_like(x);
  if (x.numel() == 0) return out;
  const int64_t n = x.size(-1);
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device("softmax", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::softmax(source.device_data<T>(), out.mutable_device_data<T>(), x.numel() / n, n);
      });
      return out;
    }
  dispatch_activation("softmax", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = source.data<T>();
    T* to = out.mutable_data<T>();
    parallel_for(x.numel() / n, grain_for(n), [=](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) softmax_row(from + row * n, to + row * n, n);
    });
  });
  return out;
}

Tensor masked_softmax(const Tensor& x, const Tensor& mask) {
  check(x.dim() >= 1, "masked_softmax: shape is [], expected at least one dimension");
  check(mask.dtype() == DType::i64, "masked_softmax: mask has dtype ", mask.dtype(), ", expected i64");
  check(broadcast_shapes("masked_softmax", x.shape(), mask.shape()) == x.shape(), "masked_softmax: mask ", mask.shape(),
        " does not broadcast to ", x.shape());
  const Tensor source = x.contiguous();
  Tensor out = Tensor::empty_like(x);
  if (x.numel() == 0) return out;
  const int64_t n = x.size(-1);
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      const Tensor include = cuda::on_device(mask);
      const cuda::MaskLayout layout = mask_layout(x.shape(), include);
      cuda::dispatch_device("masked_softmax", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::masked_softmax(source.device_data<T>(), include.device_data<int64_t>(), layout,
                             out.mutable_device_data<T>(), x.numel() / n, n);
      });
      return out;
    }
  const BroadcastRows rows(x.shape(), source, mask, true);
  const int64_t* include = mask.data<int64_t>();
  dispatch_activation("masked_softmax", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = source.data<T>();
    T* to = out.mutable_data<T>();
    rows.for_each([&](int64_t y, int64_t ix, int64_t imask,
                      int64_t count) { masked_softmax_row(from + ix, include + imask, rows.step_b(), to + y, count); },
                  n);
  });
  return out;
}

Tensor softmax_backward(const Tensor& dy, const Tensor& y) {
  check(dy.shape() == y.shape() && dy.dtype() == y.dtype(), "softmax_backward: dy is ", describe(dy), ", expected ",
        describe(y));
  const Tensor gradient = dy.contiguous(), value = y.contiguous();
  Tensor out = Tensor::empty_like(y);
  if (y.numel() == 0) return out;
  const int64_t n = y.size(-1);
  if constexpr (kHasCuda)
    if (y.on_cuda()) {
      cuda::dispatch_device("softmax_backward", y.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::softmax_backward(gradient.device_data<T>(), value.device_data<T>(), out.mutable_device_data<T>(),
                               y.numel() / n, n);
      });
      return out;
    }
  dispatch_activation("softmax_backward", y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* d = gradient.data<T>();
    const T* p = value.data<T>();
    T* to = out.mutable_data<T>();
    parallel_for(y.numel() / n, grain_for(n), [=](int64_t begin, int64_t end) {
      for (int64_t at = begin * n; at < end * n; at += n) softmax_backward_row(d + at, p + at, to + at, n);
    });
  });
  return out;
}

}  // namespace tessera::ops
