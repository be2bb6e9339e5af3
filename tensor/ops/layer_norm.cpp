#include "tensor/ops/layer_norm.h"

#include "tensor/cuda/dispatch.h"
#include "tensor/ops/layer_norm_rows.h"
#include "tensor/ops/matrix_operand.h"

namespace tessera::ops {

LayerNorm layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check_layer_norm("layer_norm", x, weight, bias, eps);
  const int64_t rows = row_count(x), d = x.size(-1);
  LayerNorm result{Tensor::empty_like(x), Tensor::empty({rows, 2}, weight.dtype(), x.device()),
                   Tensor::empty({rows}, weight.dtype(), x.device())};
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      const Tensor in = x.contiguous(), w = weight.contiguous(), b = bias.contiguous();
      cuda::dispatch_device("layer_norm", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::layer_norm(in.device_data<T>(), w.device_data<float>(), b.device_data<float>(),
                         result.y.mutable_device_data<T>(), result.mean.mutable_device_data<float>(),
                         result.rstd.mutable_device_data<float>(), rows, d, static_cast<float>(eps));
      });
      return result;
    }
  const MatrixOperand from = rows_operand(x);
  const Tensor w = weight.contiguous(), b = bias.contiguous();
  dispatch_activation("layer_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* in = from.tensor.data<T>();
    const A *scale = w.data<A>(), *shift = b.data<A>();
    T* y = result.y.mutable_data<T>();
    A *mean = result.mean.mutable_data<A>(), *rstd = result.rstd.mutable_data<A>();
    dispatch_row<T>(d, [=, &from](auto work) {
      using W = decltype(work);
      parallel_for(rows, chunk_rows(rows, d), [=, &from](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          forward_row<W>(in + i * from.ld, scale, shift, y + i * d, d, eps, mean + 2 * i, rstd[i]);
      });
    });
  });
  return result;
}

Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                           const Tensor& rstd, const ParameterGradients& gradients) {
  const int64_t rows = row_count(x), d = x.size(-1);
  Tensor dx = Tensor::empty_like(x);
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      const Tensor g = dy.contiguous(), in = x.contiguous(), w = weight.contiguous();
      Tensor workspace = Tensor::empty({cuda::parameter_workspace(rows, d)}, DType::f32, x.device());
      cuda::dispatch_device("layer_norm", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::layer_norm_backward(g.device_data<T>(), in.device_data<T>(), w.device_data<float>(),
                                  mean.device_data<float>(), rstd.device_data<float>(), dx.mutable_device_data<T>(),
                                  parameter_targets(gradients), workspace.mutable_device_data<float>(), rows, d);
      });
      return dx;
    }
  const MatrixOperand from = rows_operand(x);
  const Tensor dy_rows = dy.contiguous(), w = weight.contiguous();
  dispatch_activation("layer_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T *g = dy_rows.data<T>(), *in = from.tensor.data<T>();
    const A *scale = w.data<A>(), *means = mean.data<A>(), *rstds = rstd.data<A>();
    T* out = dx.mutable_data<T>();
    dispatch_row<T>(d, [&](auto work) {
      using W = decltype(work);
      RowSums<W> sums(rows, d, 2 * d);
      sums.run([&](int64_t begin, int64_t end, W* partial) {
        for (int64_t i = begin; i < end; ++i)
          backward_row(g + i * d, in + i * from.ld, scale, means + 2 * i, rstds[i], d, partial, partial + d,
                       [to = out + i * d](auto, int64_t j, const auto& value) { simd::store(to + j, value); });
      });
      write_norm_gradients<A>(sums, gradients, d);
    });
  });
  return dx;
}

}  // namespace tessera::ops
