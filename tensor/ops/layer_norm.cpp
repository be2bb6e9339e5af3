#include "tensor/ops/layer_norm.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "tensor/cuda/dispatch.h"
#include "tensor/cuda/memory.h"
#include "tensor/ops/dropout_kernels.h"
#include "tensor/ops/dropout_mask.h"
#include "tensor/ops/layer_norm_kernels.h"
#include "tensor/ops/matrix_operand.h"
#include "tensor/ops/row_sums.h"
#include "tensor/simd/reductions.h"

namespace tessera::ops {
namespace {

void check_layer_norm(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check(x.defined() && weight.defined() && bias.defined(), op, ": x, weight or bias is undefined");
  check(x.dim() >= 1, op, ": x is ", describe(x), ", expected [..., channels]");
  const Shape expected{x.size(-1)};
  const DType dtype = arithmetic_dtype(x.dtype());
  check(weight.shape() == expected && weight.dtype() == dtype, op, ": weight is ", describe(weight), ", expected ",
        dtype, " ", expected);
  check(bias.shape() == expected && bias.dtype() == dtype, op, ": bias is ", describe(bias), ", expected ", dtype, " ",
        expected);
  check(eps >= 0, op, ": eps is ", eps, ", expected at least 0");
}

// y [d] from x [d], which may be the same memory. `mean` receives two numbers whose sum is the mean.
template <class X, class T>
void normalise_row(const X* x, const T* w, const T* b, X* y, int64_t d, T eps, T* mean, T& rstd) {
  const T count = static_cast<T>(d);
  const T m = simd::sums_over<T, 1>(d, [&](auto load, int64_t i, auto& sums) { sums[0] += load(x + i); })[0] / count;
  const auto [rest, squares] = simd::sums_over<T, 2>(d, [&](auto load, int64_t i, auto& sums) {
    const auto centred = load(x + i) - m;
    sums[0] += centred;
    sums[1] += centred * centred;
  });
  const T low = rest / count;
  const T variance = std::max(squares / count - low * low, T{0});
  const T r = T{1} / std::sqrt(variance + eps);
  simd::for_row<T>(
      d, [&](auto load, int64_t i) { simd::store(y + i, ((load(x + i) - m) - low) * r * load(w + i) + load(b + i)); });
  mean[0] = m;
  mean[1] = low;
  rstd = r;
}

// Adds dy x̂ and dy to the partial sums dw and db, and calls write(load, i, dx) with the gradient at each position.
template <class X, class T, class Write>
void normalise_row_backward(const X* dy, const X* x, const T* w, const T* mean, T rstd, int64_t d, T* dw, T* db,
                            Write&& write) {
  const T high = mean[0], low = mean[1];
  const auto [sum, projection] = simd::sums_over<T, 2>(d, [&](auto load, int64_t i, auto& sums) {
    const auto dy_i = load(dy + i);
    const auto normalised = ((load(x + i) - high) - low) * rstd;
    const auto g = dy_i * load(w + i);
    sums[0] += g;
    sums[1] += g * normalised;
    simd::store(dw + i, load(dw + i) + dy_i * normalised);
    simd::store(db + i, load(db + i) + dy_i);
  });
  const T mean_g = sum / static_cast<T>(d), mean_projection = projection / static_cast<T>(d);
  simd::for_row<T>(d, [&](auto load, int64_t i) {
    const auto normalised = ((load(x + i) - high) - low) * rstd;
    write(load, i, rstd * (load(dy + i) * load(w + i) - mean_g - normalised * mean_projection));
  });
}

// Calls f(W{}) with the type in which rows of d elements of T are computed: f64 for narrow rows of f32 (layer_norm.h).
constexpr int64_t kNarrowRow = 48;
template <class T, class F>
void dispatch_row(int64_t d, F&& f) {
  if constexpr (std::is_same_v<T, float>)
    if (d <= kNarrowRow) return f(double{});
  f(Arithmetic<T>{});
}

// normalise_row in type W.
template <class W, class X, class Y, class A>
void forward_row(const X* x, const A* w, const A* b, Y* y, int64_t d, double eps, A* mean, A& rstd) {
  if constexpr (std::is_same_v<W, A>) {
    normalise_row(x, w, b, y, d, static_cast<A>(eps), mean, rstd);
  } else {
    W row[kNarrowRow]{}, scale[kNarrowRow]{}, shift[kNarrowRow]{}, parts[2], deviation;
    convert_row(x, row, d);
    convert_row(w, scale, d);
    convert_row(b, shift, d);
    normalise_row(row, scale, shift, row, d, eps, parts, deviation);
    convert_row(row, y, d);
    mean[0] = static_cast<A>(parts[0]);
    mean[1] = static_cast<A>(parts[0] - static_cast<W>(mean[0]) + parts[1]);
    rstd = static_cast<A>(deviation);
  }
}

// normalise_row_backward in type W, which is that of the partial sums.
template <class W, class X, class A, class Write>
void backward_row(const X* dy, const X* x, const A* w, const A* mean, A rstd, int64_t d, W* dw, W* db, Write&& write) {
  if constexpr (std::is_same_v<W, A>) {
    normalise_row_backward(dy, x, w, mean, rstd, d, dw, db, write);
  } else {
    W gradient[kNarrowRow]{}, row[kNarrowRow]{}, scale[kNarrowRow]{}, dx[kNarrowRow]{};
    const W parts[2] = {static_cast<W>(mean[0]), static_cast<W>(mean[1])};
    convert_row(dy, gradient, d);
    convert_row(x, row, d);
    convert_row(w, scale, d);
    normalise_row_backward(gradient, row, scale, parts, static_cast<W>(rstd), d, dw, db,
                           [&](auto, int64_t i, const auto& value) { simd::store(dx + i, value); });
    for (int64_t i = 0; i < d; ++i) write(simd::LoadScalar{}, i, dx[i]);
  }
}

// Checks the places for the gradients and writes them from the partial sums [dw | db].
template <class A, class W>
void write_norm_gradients(const RowSums<W>& sums, const ParameterGradients& gradients, int64_t d) {
  if (gradients.dweight.defined()) {
    Tensor dw = gradients.dweight;
    sums.write(dw.mutable_data<A>(), 0, d, gradients.accumulate_weight);
  }
  if (gradients.dbias.defined()) {
    Tensor db = gradients.dbias;
    sums.write(db.mutable_data<A>(), d, d, gradients.accumulate_bias);
  }
}

cuda::ParameterTargets parameter_targets(const ParameterGradients& gradients) {
  Tensor dweight = gradients.dweight, dbias = gradients.dbias;
  return {cuda::mutable_data_or_null<float>(dweight), cuda::mutable_data_or_null<float>(dbias),
          gradients.accumulate_weight, gradients.accumulate_bias};
}

}  // namespace

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

// ---- behind dropout and a residual sum ----

namespace {

// out = (base or 0) + dropout(x), for a row of d elements of which the first is element `first` of the mask.
template <class T, bool kAdd>
void add_dropout_row(const T* base, const T* x, T* out, int64_t d, int64_t first, const DropoutMask& mask,
                     MaskRows& mask_rows) {
  using A = Arithmetic<T>;
  const A scale = static_cast<A>(mask.scale());
  const uint32_t last_dropped = mask.last_dropped();
  for (int64_t begin = 0; begin < d; begin += DropoutMask::kSegment) {
    const int64_t count = std::min(DropoutMask::kSegment, d - begin);
    const uint32_t* words = mask_rows.words(first + begin, count);
    for (int64_t i = 0; i < count; ++i) {
      const A scaled = A(x[begin + i]) * scale;
      const A kept = words[i] > last_dropped ? scaled : A{0};
      out[begin + i] = T(kAdd ? A(base[begin + i]) + kept : kept);
    }
  }
}

void clear(Tensor gradient) {
  if (gradient.defined()) cuda::clear(gradient.mutable_device_data<float>(), gradient.bytes());
}

// The backward on a GPU, into dx and d_residual, which are one tensor if nothing is dropped.
void dropout_add_backward_on_device(const Tensor& d_sum, const Tensor& d_normalised, const Tensor& sum,
                                    const Tensor& weight, const Tensor& mean, const Tensor& rstd, double p,
                                    const Ticket& ticket, const ParameterGradients& gradients, Tensor& dx,
                                    Tensor& d_residual) {
  const int64_t rows = row_count(sum), d = sum.size(-1);
  Tensor workspace = Tensor::empty({cuda::parameter_workspace(rows, d)}, DType::f32, sum.device());
  cuda::dispatch_device("dropout_add_layer_norm", sum.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (d_normalised.defined()) {
      cuda::dropout_add_layer_norm_backward(
          cuda::data_or_null<T>(d_sum), d_normalised.device_data<T>(), sum.device_data<T>(),
          weight.device_data<float>(), mean.device_data<float>(), rstd.device_data<float>(),
          dx.mutable_device_data<T>(), d_residual.mutable_device_data<T>(), parameter_targets(gradients),
          workspace.mutable_device_data<float>(), rows, d, p, ticket);
      return;
    }
    if (!gradients.accumulate_weight) clear(gradients.dweight);
    if (!gradients.accumulate_bias) clear(gradients.dbias);
    if (p > 0) cuda::dropout(d_sum.device_data<T>(), dx.mutable_device_data<T>(), sum.numel(), p, ticket);
  });
}

}  // namespace

DropoutAddLayerNorm dropout_add_layer_norm(const Tensor& x, const Tensor& residual, const Tensor& weight,
                                           const Tensor& bias, double eps, double p, const Ticket& ticket) {
  check_layer_norm("dropout_add_layer_norm", x, weight, bias, eps);
  check(residual.defined() && residual.shape() == x.shape() && residual.dtype() == x.dtype(),
        "dropout_add_layer_norm: residual is ", describe(residual), ", expected ", describe(x));
  const DropoutMask mask("dropout_add_layer_norm", p, ticket);
  const int64_t rows = row_count(x), d = x.size(-1);
  DropoutAddLayerNorm result{Tensor::empty_like(x), Tensor::empty_like(x),
                             Tensor::empty({rows, 2}, weight.dtype(), x.device()),
                             Tensor::empty({rows}, weight.dtype(), x.device())};
  const Tensor from = x.contiguous(), base = residual.contiguous(), w = weight.contiguous(), b = bias.contiguous();
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device("dropout_add_layer_norm", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::dropout_add_layer_norm(from.device_data<T>(), base.device_data<T>(), w.device_data<float>(),
                                     b.device_data<float>(), result.sum.mutable_device_data<T>(),
                                     result.normalised.mutable_device_data<T>(),
                                     result.mean.mutable_device_data<float>(), result.rstd.mutable_device_data<float>(),
                                     rows, d, static_cast<float>(eps), p, ticket);
      });
      return result;
    }
  dispatch_activation("dropout_add_layer_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T *in = from.data<T>(), *add = base.data<T>();
    const A *scale = w.data<A>(), *shift = b.data<A>();
    T *sum = result.sum.mutable_data<T>(), *y = result.normalised.mutable_data<T>();
    A *mean = result.mean.mutable_data<A>(), *rstd = result.rstd.mutable_data<A>();
    parallel_for(rows, chunk_rows(rows, d), [&](int64_t begin, int64_t end) {
      MaskRows mask_rows(mask);
      for (int64_t i = begin; i < end; ++i) {
        T* row = sum + i * d;
        if (mask.drops())
          add_dropout_row<T, true>(add + i * d, in + i * d, row, d, i * d, mask, mask_rows);
        else
          simd::for_row<A>(d, [a = add + i * d, b = in + i * d, row](auto load, int64_t j) {
            simd::store(row + j, load(a + j) + load(b + j));
          });
        dispatch_row<T>(d, [&](auto work) {
          using W = decltype(work);
          const auto normalise = [&](const auto* source) {
            forward_row<W>(source, scale, shift, y + i * d, d, eps, mean + 2 * i, rstd[i]);
          };
          if constexpr (std::is_same_v<W, A>) {
            normalise(row);
          } else {  // of the sum before it is rounded
            W unrounded[kNarrowRow]{};
            for (int64_t j = 0; j < d; ++j)
              unrounded[j] = mask.drops() ? W(row[j]) : W(add[i * d + j]) + W(in[i * d + j]);
            normalise(unrounded);
          }
        });
      }
    });
  });
  return result;
}

DropoutAddGradients dropout_add_layer_norm_backward(const Tensor& d_sum, const Tensor& d_normalised, const Tensor& sum,
                                                    const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                                                    double p, const Ticket& ticket,
                                                    const ParameterGradients& gradients) {
  const DropoutMask mask("dropout_add_layer_norm", p, ticket);
  check(d_sum.defined() || d_normalised.defined(), "dropout_add_layer_norm: no gradient arrived");
  const int64_t rows = row_count(sum), d = sum.size(-1);
  const Tensor direct = d_sum.defined() ? d_sum.contiguous() : d_sum;
  const Tensor through = d_normalised.defined() ? d_normalised.contiguous() : d_normalised;
  const Tensor w = weight.contiguous();
  Tensor total = through.defined() ? Tensor::empty_like(sum) : direct;
  Tensor dx = mask.drops() ? Tensor::empty_like(sum) : total;
  if constexpr (kHasCuda)
    if (sum.on_cuda()) {
      dropout_add_backward_on_device(direct, through, sum, w, mean, rstd, p, ticket, gradients, dx, total);
      return {dx, total};
    }
  dispatch_activation("dropout_add_layer_norm", sum.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* s = sum.data<T>();
    const A *scale = w.data<A>(), *means = mean.data<A>(), *rstds = rstd.data<A>();
    const T* add = direct.defined() ? direct.data<T>() : nullptr;
    const T* dy = through.defined() ? through.data<T>() : nullptr;
    T* out = dy ? total.mutable_data<T>() : nullptr;
    T* dropped = mask.drops() ? dx.mutable_data<T>() : nullptr;
    dispatch_row<T>(d, [&](auto work) {
      using W = decltype(work);
      RowSums<W> sums(rows, d, 2 * d);
      sums.run([&](int64_t begin, int64_t end, W* partial) {
        MaskRows mask_rows(mask);
        for (int64_t i = begin; i < end; ++i) {
          const int64_t at = i * d;
          const auto backward = [&](auto&& write) {
            backward_row(dy + at, s + at, scale, means + 2 * i, rstds[i], d, partial, partial + d, write);
          };
          if (dy && add)
            backward([to = out + at, from = add + at](auto load, int64_t j, const auto& value) {
              simd::store(to + j, load(from + j) + value);
            });
          else if (dy)
            backward([&](auto, int64_t j, const auto& value) { simd::store(out + at + j, value); });
          if (dropped) add_dropout_row<T, false>(nullptr, (dy ? out : add) + at, dropped + at, d, at, mask, mask_rows);
        }
      });
      write_norm_gradients<A>(sums, gradients, d);
    });
  });
  return {dx, total};
}

}  // namespace tessera::ops
