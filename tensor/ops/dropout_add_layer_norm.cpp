// Layer normalisation behind dropout and a residual sum (layer_norm.h).
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/dropout_kernels.h"
#include "tensor/ops/dropout_mask.h"
#include "tensor/ops/layer_norm.h"
#include "tensor/ops/layer_norm_rows.h"
#include "tensor/ops/matrix_operand.h"

namespace tessera::ops {
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
