#include "tensor/ops/batch_norm.h"

#include <cmath>

#include "tensor/activation.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/batch_norm_kernels.h"
#include "tensor/ops/channels.h"
#include "tensor/ops/elementwise.h"

namespace tessera::ops {
namespace {

ChannelSizes checked_batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const ChannelSizes s = channel_sizes("batch_norm", x);
  check(weight.defined() && bias.defined(), "batch_norm: weight or bias is undefined");
  const DType dtype = arithmetic_dtype(x.dtype());
  const Shape expected{s.channels};
  check(weight.shape() == expected && weight.dtype() == dtype, "batch_norm: weight is ", describe(weight),
        ", expected ", dtype, " ", expected);
  check(bias.shape() == expected && bias.dtype() == dtype, "batch_norm: bias is ", describe(bias), ", expected ", dtype,
        " ", expected);
  check(eps >= 0, "batch_norm: eps is ", eps, ", expected at least 0");
  return s;
}

void check_statistics(const char* name, const Tensor& statistics, const Tensor& weight) {
  check(statistics.defined() && statistics.shape() == weight.shape() && statistics.dtype() == weight.dtype(),
        "batch_norm: ", name, " is ", statistics.defined() ? statistics.shape() : Shape{}, ", expected ",
        describe(weight));
}

cuda::BatchNormSizes device_sizes(const ChannelSizes& s, double eps) {
  return {s.images, s.channels, s.plane, static_cast<float>(eps)};
}

// x̂ of a channel: ((x - high) - low) rstd. The mean is two numbers where it is that of the elements themselves: rounded
// to one, it would shift all x̂ of the channel alike (layer_norm.h).
template <class A>
struct Normaliser {
  A high, low, rstd;
};

template <class A>
A reciprocal_deviation(double variance, double eps) {
  return static_cast<A>(1 / std::sqrt(variance + eps));
}

template <class X, class A>
void normalise_channel(const ChannelSizes& s, int64_t channel, const X* x, const Normaliser<A>& by, A weight, A bias,
                       X* y) {
  const A scale = by.rstd * weight;
  for (int64_t n = 0; n < s.images; ++n) {
    const int64_t first = (n * s.channels + channel) * s.plane;
    simd::for_row<A>(s.plane, [&](auto load, int64_t i) {
      simd::store(y + first + i, ((load(x + first + i) - by.high) - by.low) * scale + bias);
    });
  }
}

// The mean, and what its rounded value lacks; the biased variance.
template <class X, class A>
void channel_statistics(const ChannelSizes& s, int64_t channel, const X* x, double eps, A& mean, A& variance,
                        Normaliser<A>& normaliser) {
  const double count = static_cast<double>(std::max<int64_t>(s.count(), 1));
  const auto sum = sums_over_channel<X, 1>(s, channel, [x](auto load, int64_t i, auto& out) { out[0] += load(x + i); });
  const A high = static_cast<A>(sum[0] / count);
  const auto [rest, squares] = sums_over_channel<X, 2>(s, channel, [x, high](auto load, int64_t i, auto& out) {
    const auto centred = load(x + i) - high;
    out[0] += centred;
    out[1] += centred * centred;
  });
  const double low = rest / count, biased = std::max(squares / count - low * low, 0.0);
  mean = high;
  variance = static_cast<A>(biased);
  normaliser = {high, static_cast<A>(low), reciprocal_deviation<A>(biased, eps)};
}

// dx of a channel, overwritten, and its dw and db.
template <class X, class A>
void channel_backward(const ChannelSizes& s, int64_t channel, const X* dy, const X* x, A weight, A mean, A rstd,
                      bool of_batch, X* dx, double& dw, double& db) {
  const double count = static_cast<double>(std::max<int64_t>(s.count(), 1));
  const auto [sum, projection, rest] =
      sums_over_channel<X, 3>(s, channel, [dy, x, mean](auto load, int64_t i, auto& out) {
        const auto g = load(dy + i), centred = load(x + i) - mean;
        out[0] += g;
        out[1] += g * centred;
        out[2] += centred;
      });
  const double low = of_batch ? rest / count : 0;
  db = sum;
  dw = static_cast<double>(rstd) * (projection - low * sum);
  const A scale = rstd * weight, shift = static_cast<A>(of_batch ? sum / count : 0);
  const A slope = static_cast<A>(of_batch ? dw / count * static_cast<double>(rstd) : 0), rounding = static_cast<A>(low);
  for (int64_t n = 0; n < s.images; ++n) {
    const int64_t first = (n * s.channels + channel) * s.plane;
    simd::for_row<A>(s.plane, [&](auto load, int64_t i) {
      const auto centred = (load(x + first + i) - mean) - rounding;
      simd::store(dx + first + i, scale * ((load(dy + first + i) - shift) - centred * slope));
    });
  }
}

template <class A>
void write_gradient(Tensor gradient, int64_t channel, double value, bool accumulate) {
  if (!gradient.defined()) return;
  A& to = gradient.mutable_data<A>()[channel];
  to = static_cast<A>(accumulate ? static_cast<double>(to) + value : value);
}

}  // namespace

BatchNorm batch_norm(const Tensor& x_any, const Tensor& weight, const Tensor& bias, double eps) {
  const ChannelSizes s = checked_batch_norm(x_any, weight, bias, eps);
  const Tensor x = x_any.contiguous(), w = weight.contiguous(), b = bias.contiguous();
  BatchNorm result{Tensor::empty_like(x), Tensor::empty({s.channels}, w.dtype(), x.device()),
                   Tensor::empty({s.channels}, w.dtype(), x.device())};
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device("batch_norm", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::batch_norm(x.device_data<T>(), w.device_data<float>(), b.device_data<float>(),
                         result.y.mutable_device_data<T>(), result.mean.mutable_device_data<float>(),
                         result.variance.mutable_device_data<float>(), device_sizes(s, eps));
      });
      return result;
    }
  dispatch_activation("batch_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* in = x.data<T>();
    const A *scale = w.data<A>(), *shift = b.data<A>();
    T* y = result.y.mutable_data<T>();
    A *mean = result.mean.mutable_data<A>(), *variance = result.variance.mutable_data<A>();
    for_channels(s, [=, &s](int64_t c) {
      Normaliser<A> normaliser;
      channel_statistics(s, c, in, eps, mean[c], variance[c], normaliser);
      normalise_channel(s, c, in, normaliser, scale[c], shift[c], y);
    });
  });
  return result;
}

Tensor batch_norm_given(const Tensor& x_any, const Tensor& weight, const Tensor& bias, const Tensor& mean_any,
                        const Tensor& variance_any, double eps) {
  const ChannelSizes s = checked_batch_norm(x_any, weight, bias, eps);
  check_statistics("mean", mean_any, weight);
  check_statistics("variance", variance_any, weight);
  const Tensor x = x_any.contiguous(), w = weight.contiguous(), b = bias.contiguous();
  const Tensor mean = mean_any.contiguous(), variance = variance_any.contiguous();
  Tensor y = Tensor::empty_like(x);
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device("batch_norm", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::batch_norm_given(x.device_data<T>(), w.device_data<float>(), b.device_data<float>(),
                               mean.device_data<float>(), variance.device_data<float>(), y.mutable_device_data<T>(),
                               device_sizes(s, eps));
      });
      return y;
    }
  dispatch_activation("batch_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* in = x.data<T>();
    const A *scale = w.data<A>(), *shift = b.data<A>(), *means = mean.data<A>(), *variances = variance.data<A>();
    T* out = y.mutable_data<T>();
    for_channels(s, [=, &s](int64_t c) {
      const Normaliser<A> by{means[c], 0, reciprocal_deviation<A>(static_cast<double>(variances[c]), eps)};
      normalise_channel(s, c, in, by, scale[c], shift[c], out);
    });
  });
  return y;
}

Tensor batch_norm_backward(const Tensor& dy_any, const Tensor& x_any, const Tensor& weight, const Tensor& mean_any,
                           const Tensor& variance_any, double eps, bool of_batch, const ParameterGradients& gradients) {
  const ChannelSizes s = channel_sizes("batch_norm", x_any);
  const Tensor dy = dy_any.contiguous(), x = x_any.contiguous(), w = weight.contiguous();
  const Tensor mean = mean_any.contiguous(), variance = variance_any.contiguous();
  Tensor dx = Tensor::empty_like(x);
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      Tensor dweight = gradients.dweight, dbias = gradients.dbias;
      cuda::dispatch_device("batch_norm", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::batch_norm_backward(dy.device_data<T>(), x.device_data<T>(), w.device_data<float>(),
                                  mean.device_data<float>(), variance.device_data<float>(), of_batch,
                                  dx.mutable_device_data<T>(), cuda::mutable_data_or_null<float>(dweight),
                                  gradients.accumulate_weight, cuda::mutable_data_or_null<float>(dbias),
                                  gradients.accumulate_bias, device_sizes(s, eps));
      });
      return dx;
    }
  dispatch_activation("batch_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T *g = dy.data<T>(), *in = x.data<T>();
    const A *scale = w.data<A>(), *means = mean.data<A>(), *variances = variance.data<A>();
    T* out = dx.mutable_data<T>();
    for_channels(s, [=, &s, &gradients](int64_t c) {
      double dw = 0, db = 0;
      channel_backward(s, c, g, in, scale[c], means[c], reciprocal_deviation<A>(static_cast<double>(variances[c]), eps),
                       of_batch, out, dw, db);
      write_gradient<A>(gradients.dweight, c, dw, gradients.accumulate_weight);
      write_gradient<A>(gradients.dbias, c, db, gradients.accumulate_bias);
    });
  });
  return dx;
}

void update_running_statistics_(Tensor& mean, Tensor& variance, const BatchNorm& batch, double momentum) {
  check(momentum >= 0 && momentum <= 1, "batch_norm: momentum is ", momentum, ", expected 0 to 1");
  check_statistics("running mean", mean, batch.mean);
  check_statistics("running variance", variance, batch.variance);
  const double count = static_cast<double>(channel_sizes("batch_norm", batch.y).count());
  const double unbiased = count > 1 ? count / (count - 1) : 1;
  mean.copy_(add(mul(mean, 1 - momentum), mul(batch.mean, momentum)));
  variance.copy_(add(mul(variance, 1 - momentum), mul(batch.variance, momentum * unbiased)));
}

}  // namespace tessera::ops
