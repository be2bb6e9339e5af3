#include "tensor/ops/conv2d/conv2d.h"

#include "tensor/activation.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/channels.h"
#include "tensor/ops/conv2d/conv2d_cpu.h"
#include "tensor/ops/conv2d/conv2d_kernels.h"

namespace tessera::ops {
namespace {

Conv2dSizes checked_sizes(const Tensor& weight, const Shape& x, const Conv2dSettings& settings) {
  const int64_t channels = x[1], groups = settings.groups;
  check(groups >= 1 && channels % groups == 0, "conv2d: ", groups, " groups of ", channels,
        " channels, expected a divisor");
  check(weight.size(0) % groups == 0, "conv2d: weight is ", describe(weight), ", expected a multiple of ", groups,
        " groups of output channels");
  return {x[0], channels, weight.size(0), groups,
          make_windows("conv2d", {x[2], x[3]}, {weight.size(2), weight.size(3)}, settings.stride, settings.padding,
                       settings.dilation)};
}

Conv2dSizes checked_sizes(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dSettings& settings) {
  check(x.defined() && weight.defined(), "conv2d: x or weight is undefined");
  check(x.dim() == 4, "conv2d: x is ", describe(x), ", expected [n, channels, height, width]");
  const DType dtype = arithmetic_dtype(x.dtype());
  check(weight.dim() == 4 && weight.dtype() == dtype && settings.groups >= 1 &&
            weight.size(1) * settings.groups == x.size(1),
        "conv2d: weight is ", describe(weight), ", expected ", dtype, " [out, ", x.size(1), " / ", settings.groups,
        ", height, width] for x ", describe(x));
  check(!bias.defined() || (bias.shape() == Shape{weight.size(0)} && bias.dtype() == dtype), "conv2d: bias is ",
        describe(bias), ", expected ", dtype, " [", weight.size(0), "]");
  return checked_sizes(weight, x.shape(), settings);
}

Shape output_shape(const Conv2dSizes& s) { return {s.images, s.out, s.windows.output.height, s.windows.output.width}; }

void check_cotangent(const Tensor& dy, const Conv2dSizes& s) {
  check(dy.shape() == output_shape(s), "conv2d: dy is ", describe(dy), ", expected ", output_shape(s));
}

// The type to compute in on the CPU. As small products are (tensor/gemm/exact_sums.h), small convolutions in f32 are
// formed in f64 and rounded once: they are over in no time whatever is done.
DType working_dtype(const Conv2dSizes& s, const Tensor& x) {
  const DType dtype = arithmetic_dtype(x.dtype());
  const double work = static_cast<double>(s.images * s.pixels()) * static_cast<double>(s.out * s.depth());
  return dtype == DType::f32 && !x.on_cuda() && work <= 1 << 20 ? DType::f64 : dtype;
}

}  // namespace

Tensor conv2d(const Tensor& x_any, const Tensor& weight, const Tensor& bias, const Conv2dSettings& settings) {
  const Conv2dSizes s = checked_sizes(x_any, weight, bias, settings);
  const DType dtype = working_dtype(s, x_any);
  const Tensor x = x_any.to(dtype).contiguous(), w = weight.to(dtype).contiguous();
  const Tensor b = bias.defined() ? bias.to(dtype).contiguous() : bias;
  Tensor y = Tensor::empty(output_shape(s), x.dtype(), x.device());
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::conv2d_forward(s, x.device_data<float>(), w.device_data<float>(), cuda::data_or_null<float>(b),
                           y.mutable_device_data<float>());
      return y.to(x_any.dtype());
    }
  dispatch_floating("conv2d", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    conv2d_forward(s, x.data<T>(), w.data<T>(), b.defined() ? b.data<T>() : nullptr, y.mutable_data<T>());
  });
  return y.to(x_any.dtype());
}

Tensor conv2d_data_gradient(const Tensor& dy_any, const Tensor& weight, const Shape& x_shape,
                            const Conv2dSettings& settings) {
  const Conv2dSizes s = checked_sizes(weight, x_shape, settings);
  check_cotangent(dy_any, s);
  const DType dtype = working_dtype(s, dy_any);
  const Tensor dy = dy_any.to(dtype).contiguous(), w = weight.to(dtype).contiguous();
  Tensor dx = Tensor::empty(x_shape, dy.dtype(), dy.device());
  if constexpr (kHasCuda)
    if (dy.on_cuda()) {
      cuda::conv2d_data_backward(s, dy.device_data<float>(), w.device_data<float>(), dx.mutable_device_data<float>());
      return dx.to(dy_any.dtype());
    }
  dispatch_floating("conv2d", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    conv2d_data_backward(s, dy.data<T>(), w.data<T>(), dx.mutable_data<T>());
  });
  return dx.to(dy_any.dtype());
}

void conv2d_weight_gradient_(Tensor& dw, const Tensor& dy_any, const Tensor& x_any, const Conv2dSettings& settings,
                             bool accumulate) {
  const Conv2dSizes s = checked_sizes(x_any, dw, {}, settings);
  check_cotangent(dy_any, s);
  check(dw.is_contiguous(), "conv2d: weight gradient is not contiguous");
  const DType dtype = working_dtype(s, dy_any);
  const Tensor dy = dy_any.to(dtype).contiguous(), x = x_any.to(dtype).contiguous();
  if constexpr (kHasCuda)
    if (dy.on_cuda())
      return cuda::conv2d_weight_backward(s, dy.device_data<float>(), x.device_data<float>(),
                                          dw.mutable_device_data<float>(), accumulate);
  Tensor sums = dtype == dw.dtype() ? dw : accumulate ? dw.to(dtype) : Tensor::empty(dw.shape(), dtype);
  dispatch_floating("conv2d", dtype, [&](auto tag) {
    using T = decltype(tag);
    conv2d_weight_backward(s, dy.data<T>(), x.data<T>(), sums.mutable_data<T>(), accumulate);
  });
  if (dtype != dw.dtype()) dw.copy_(sums.to(dw.dtype()));
}

void channel_sums_(Tensor& sums, const Tensor& x_any, bool accumulate) {
  const ChannelSizes s = channel_sizes("channel_sums", x_any);
  const DType dtype = arithmetic_dtype(x_any.dtype());
  check(sums.shape() == Shape{s.channels} && sums.dtype() == dtype && sums.is_contiguous(), "channel_sums: sums are ",
        describe(sums), ", expected contiguous ", dtype, " [", s.channels, "]");
  const Tensor x = x_any.contiguous();
  if constexpr (kHasCuda)
    if (x.on_cuda())
      return cuda::dispatch_device("channel_sums", x.dtype(), [&](auto tag) {
        cuda::channel_sums(x.device_data<decltype(tag)>(), sums.mutable_device_data<float>(), accumulate, s.images,
                           s.channels, s.plane);
      });
  dispatch_activation("channel_sums", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = x.data<T>();
    auto* to = sums.mutable_data<Arithmetic<T>>();
    for_channels(s, [&](int64_t channel) {
      const double sum =
          sums_over_channel<T, 1>(s, channel, [from](auto load, int64_t i, auto& out) { out[0] += load(from + i); })[0];
      to[channel] = static_cast<Arithmetic<T>>(accumulate ? static_cast<double>(to[channel]) + sum : sum);
    });
  });
}

}  // namespace tessera::ops
