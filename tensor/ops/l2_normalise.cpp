#include "tensor/ops/l2_normalise.h"

#include <algorithm>
#include <cmath>

#include "tensor/activation.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/l2_normalise_kernels.h"
#include "tensor/ops/matrix_operand.h"
#include "tensor/parallel.h"
#include "tensor/simd/reductions.h"

namespace tessera::ops {
namespace {

constexpr const char* kNormaliseOp = "l2_normalise";

// x, y [d].
template <class T, class A>
void unit_row(const T* x, T* y, int64_t d, A eps, A& norm) {
  norm = std::sqrt(
      simd::sums_over<A, 1>(d, [=](auto load, int64_t i, auto& sums) { sums[0] += load(x + i) * load(x + i); })[0]);
  const A divisor = std::max(norm, eps);
  simd::for_row<A>(d, [=](auto load, int64_t i) { simd::store(y + i, load(x + i) / divisor); });
}

template <class T, class A>
void unit_row_backward(const T* dy, const T* y, T* dx, int64_t d, A norm, A eps) {
  if (norm <= eps && eps > 0) {
    simd::for_row<A>(d, [=](auto load, int64_t i) { simd::store(dx + i, load(dy + i) / eps); });
    return;
  }
  const A along = simd::dot<simd::kRowOrder>(dy, y, d);
  simd::for_row<A>(d, [=](auto load, int64_t i) { simd::store(dx + i, (load(dy + i) - load(y + i) * along) / norm); });
}

}  // namespace

L2Normalise l2_normalise(const Tensor& x_any, double eps) {
  check(x_any.defined() && x_any.dim() >= 1, kNormaliseOp, ": x is ", describe(x_any), ", expected [..., channels]");
  check(eps >= 0, kNormaliseOp, ": eps is ", eps, ", expected at least 0");
  const Tensor x = x_any.contiguous();
  const int64_t rows = row_count(x), d = x.size(-1);
  L2Normalise result{Tensor::empty_like(x), Tensor::empty({rows}, arithmetic_dtype(x.dtype()), x.device())};
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device(kNormaliseOp, x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::l2_normalise(x.device_data<T>(), result.y.mutable_device_data<T>(),
                           result.norm.mutable_device_data<float>(), rows, d, static_cast<float>(eps));
      });
      return result;
    }
  dispatch_activation(kNormaliseOp, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = x.data<T>();
    T* to = result.y.mutable_data<T>();
    A* norm = result.norm.mutable_data<A>();
    parallel_for(rows, grain_for(d), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) unit_row(from + i * d, to + i * d, d, static_cast<A>(eps), norm[i]);
    });
  });
  return result;
}

Tensor l2_normalise_backward(const Tensor& dy_any, const L2Normalise& forward, double eps) {
  const Tensor dy = dy_any.contiguous();
  const int64_t rows = row_count(dy), d = dy.size(-1);
  Tensor gradient = Tensor::empty_like(dy);
  if constexpr (kHasCuda)
    if (dy.on_cuda()) {
      cuda::dispatch_device(kNormaliseOp, dy.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::l2_normalise_backward(dy.device_data<T>(), forward.y.device_data<T>(), forward.norm.device_data<float>(),
                                    gradient.mutable_device_data<T>(), rows, d, static_cast<float>(eps));
      });
      return gradient;
    }
  dispatch_activation(kNormaliseOp, dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T *g = dy.data<T>(), *y = forward.y.data<T>();
    const A* norm = forward.norm.data<A>();
    T* dx = gradient.mutable_data<T>();
    parallel_for(rows, grain_for(d), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        unit_row_backward(g + i * d, y + i * d, dx + i * d, d, norm[i], static_cast<A>(eps));
    });
  });
  return gradient;
}

}  // namespace tessera::ops
