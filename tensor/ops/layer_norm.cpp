#include "tensor/ops/layer_norm.h"

#include "tensor/ops/layer_norm_rows.h"

namespace tessera::ops {

LayerNorm layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check_layer_norm("layer_norm", x, weight, bias, eps);
  const int64_t rows = row_count(x), d = x.size(-1);
  LayerNorm result{Tensor::empty(x.shape(), x.dtype()), Tensor::empty({rows, 2}, weight.dtype()),
                   Tensor::empty({rows}, weight.dtype())};
  const MatrixOperand from = rows_operand(x);
  const Tensor w = weight.contiguous(), b = bias.contiguous();
  dispatch_activation("layer_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* in = from.tensor.data<T>();
    const A *scale = w.data<A>(), *shift = b.data<A>();
    T* y = result.y.mutable_data<T>();
    A *mean = result.mean.mutable_data<A>(), *rstd = result.rstd.mutable_data<A>();
    parallel_for(rows, chunk_rows(rows, d), [=, &from](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        normalise_row(in + i * from.ld, scale, shift, y + i * d, d, static_cast<A>(eps), mean + 2 * i, rstd[i]);
    });
  });
  return result;
}

Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                           const Tensor& rstd, const ParameterGradients& gradients) {
  const int64_t rows = row_count(x), d = x.size(-1);
  Tensor dx = Tensor::empty(x.shape(), x.dtype());
  const MatrixOperand from = rows_operand(x);
  const Tensor dy_rows = dy.contiguous(), w = weight.contiguous();
  dispatch_activation("layer_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T *g = dy_rows.data<T>(), *in = from.tensor.data<T>();
    const A *scale = w.data<A>(), *means = mean.data<A>(), *rstds = rstd.data<A>();
    T* out = dx.mutable_data<T>();
    RowSums<A> sums(rows, d, 2 * d);
    sums.run([&](int64_t begin, int64_t end, A* partial) {
      for (int64_t i = begin; i < end; ++i)
        normalise_row_backward(g + i * d, in + i * from.ld, scale, means + 2 * i, rstds[i], d, partial, partial + d,
                               [to = out + i * d](auto, int64_t j, const auto& value) { store(to + j, value); });
    });
    write_norm_gradients(sums, gradients, d);
  });
  return dx;
}

}  // namespace tessera::ops
