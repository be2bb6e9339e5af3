// Convolution on the GPU, and the choice between cuDNN and these kernels: a thread for each output or each element of
// dx, a warp for each element of dw.
#include "tensor/cuda/warp.h"
#include "tensor/ops/conv2d/conv2d_kernels.h"

namespace tessera::cuda {
namespace {

using ops::Conv2dSizes;

constexpr int kConvThreads = 128, kConvWarps = kConvThreads / 32;

__global__ void __launch_bounds__(kConvThreads)
    conv2d_kernel(Conv2dSizes s, const float* x, const float* weight, const float* bias, float* y, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kConvThreads + threadIdx.x;
  if (i >= count) return;
  const ops::Windows2d& w = s.windows;
  const int64_t column = i % w.output.width, row = i / w.output.width % w.output.height;
  const int64_t o = i / s.pixels() % s.out, image = i / s.pixels() / s.out;
  const int64_t channels = s.group_channels(), plane = w.input.area();
  const float* own = weight + o * s.depth();
  const float* planes = x + (image * s.channels + o / s.group_out() * channels) * plane;
  float sum = 0;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
      const int64_t at = row * w.stride.height - w.padding.height + ky * w.dilation.height;
      if (at < 0 || at >= w.input.height) continue;
      for (int64_t kx = 0; kx < w.kernel.width; ++kx) {
        const int64_t place = column * w.stride.width - w.padding.width + kx * w.dilation.width;
        if (place < 0 || place >= w.input.width) continue;
        sum += own[(c * w.kernel.height + ky) * w.kernel.width + kx] * planes[c * plane + at * w.input.width + place];
      }
    }
  y[i] = bias != nullptr ? sum + bias[o] : sum;
}

// The window whose place k of the kernel lies at `at`; -1: none.
__device__ __forceinline__ int64_t window_at(int64_t at, int64_t k, int64_t stride, int64_t padding, int64_t dilation,
                                             int64_t output) {
  const int64_t start = at + padding - k * dilation;
  return start < 0 || start % stride != 0 || start / stride >= output ? -1 : start / stride;
}

__global__ void __launch_bounds__(kConvThreads)
    conv2d_data_kernel(Conv2dSizes s, const float* dy, const float* weight, float* dx, int64_t count) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kConvThreads + threadIdx.x;
  if (index >= count) return;
  const ops::Windows2d& w = s.windows;
  const int64_t x = index % w.input.width, y = index / w.input.width % w.input.height;
  const int64_t channel = index / w.input.area() % s.channels, image = index / w.input.area() / s.channels;
  const int64_t group = channel / s.group_channels(), c = channel % s.group_channels(), kernel = w.kernel.area();
  float sum = 0;
  for (int64_t o = group * s.group_out(); o < (group + 1) * s.group_out(); ++o) {
    const float* from = dy + (image * s.out + o) * s.pixels();
    const float* own = weight + o * s.depth() + c * kernel;
    for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
      const int64_t i = window_at(y, ky, w.stride.height, w.padding.height, w.dilation.height, w.output.height);
      if (i < 0) continue;
      for (int64_t kx = 0; kx < w.kernel.width; ++kx) {
        const int64_t j = window_at(x, kx, w.stride.width, w.padding.width, w.dilation.width, w.output.width);
        if (j >= 0) sum += own[ky * w.kernel.width + kx] * from[i * w.output.width + j];
      }
    }
  }
  dx[index] = sum;
}

// A warp for each element of dw, whose lanes have every 32nd pixel.
__global__ void __launch_bounds__(kConvThreads)
    conv2d_weight_kernel(Conv2dSizes s, const float* dy, const float* x, float* dw, bool accumulate, int64_t count) {
  const int64_t element = static_cast<int64_t>(blockIdx.x) * kConvWarps + warp_index();
  if (element >= count) return;
  const ops::Windows2d& w = s.windows;
  const int64_t kx = element % w.kernel.width, ky = element / w.kernel.width % w.kernel.height;
  const int64_t c = element / w.kernel.area() % s.group_channels(), o = element / s.depth();
  const int64_t channel = o / s.group_out() * s.group_channels() + c;
  float sum = 0;
  for (int64_t image = 0; image < s.images; ++image) {
    const float* from = dy + (image * s.out + o) * s.pixels();
    const float* plane = x + (image * s.channels + channel) * w.input.area();
    for (int64_t p = lane_index(); p < s.pixels(); p += 32) {
      const int64_t at = p / w.output.width * w.stride.height - w.padding.height + ky * w.dilation.height;
      const int64_t place = p % w.output.width * w.stride.width - w.padding.width + kx * w.dilation.width;
      if (at >= 0 && at < w.input.height && place >= 0 && place < w.input.width)
        sum += from[p] * plane[at * w.input.width + place];
    }
  }
  sum = warp_sum(sum);
  if (lane_index() == 0) dw[element] = accumulate ? dw[element] + sum : sum;
}

__global__ void __launch_bounds__(kConvThreads)
    channel_bias_kernel(float* y, const float* bias, int64_t channels, int64_t plane, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kConvThreads + threadIdx.x;
  if (i < count) y[i] += bias[i / plane % channels];
}

struct ChannelSumShared {
  BlockReduction<double, kConvWarps> total;
};

// A block for each channel.
template <class T>
__global__ void __launch_bounds__(kConvThreads)
    channel_sums_kernel(const T* x, float* sums, bool accumulate, int64_t images, int64_t channels, int64_t plane) {
  const int64_t channel = blockIdx.x;
  double sum = 0;
  for (int64_t i = threadIdx.x; i < images * plane; i += kConvThreads)
    sum += static_cast<double>(simt::to_float(x[(i / plane * channels + channel) * plane + i % plane]));
  sum = simt::block_shared<ChannelSumShared>().total.sum(sum);
  if (threadIdx.x == 0) sums[channel] = static_cast<float>(accumulate ? static_cast<double>(sums[channel]) + sum : sum);
}

}  // namespace

void plain_conv2d_forward(const Conv2dSizes& s, const float* x, const float* weight, const float* bias, float* y) {
  const int64_t count = s.images * s.out * s.pixels();
  simt::launch<conv2d_kernel>(blocks_for(count, kConvThreads), kConvThreads, 0, s, x, weight, bias, y, count);
}

void plain_conv2d_data_backward(const Conv2dSizes& s, const float* dy, const float* weight, float* dx) {
  const int64_t count = s.images * s.channels * s.windows.input.area();
  simt::launch<conv2d_data_kernel>(blocks_for(count, kConvThreads), kConvThreads, 0, s, dy, weight, dx, count);
}

void plain_conv2d_weight_backward(const Conv2dSizes& s, const float* dy, const float* x, float* dw, bool accumulate) {
  const int64_t count = s.out * s.depth();
  simt::launch<conv2d_weight_kernel>(blocks_for(count, kConvWarps), kConvThreads, 0, s, dy, x, dw, accumulate, count);
}

void add_channel_bias(float* y, const float* bias, int64_t images, int64_t channels, int64_t plane) {
  const int64_t count = images * channels * plane;
  simt::launch<channel_bias_kernel>(blocks_for(count, kConvThreads), kConvThreads, 0, y, bias, channels, plane, count);
}

template <class T>
void channel_sums(const T* x, float* sums, bool accumulate, int64_t images, int64_t channels, int64_t plane) {
  simt::launch<channel_sums_kernel<T>>(static_cast<unsigned>(channels), kConvThreads, 0, x, sums, accumulate, images,
                                       channels, plane);
}
template void channel_sums(const float*, float*, bool, int64_t, int64_t, int64_t);
template void channel_sums(const bf16*, float*, bool, int64_t, int64_t, int64_t);

namespace {

bool has_terms(const Conv2dSizes& s) { return s.images > 0 && s.out > 0 && s.depth() > 0; }

}  // namespace

void conv2d_forward(const Conv2dSizes& s, const float* x, const float* weight, const float* bias, float* y) {
  if (!has_terms(s) ||
      !library_convolution({ConvolutionPass::forward, s, const_cast<float*>(x), const_cast<float*>(weight), y, false}))
    return plain_conv2d_forward(s, x, weight, bias, y);
  if (bias != nullptr) add_channel_bias(y, bias, s.images, s.out, s.pixels());
}

void conv2d_data_backward(const Conv2dSizes& s, const float* dy, const float* weight, float* dx) {
  if (!has_terms(s) ||
      !library_convolution({ConvolutionPass::data, s, dx, const_cast<float*>(weight), const_cast<float*>(dy), false}))
    plain_conv2d_data_backward(s, dy, weight, dx);
}

void conv2d_weight_backward(const Conv2dSizes& s, const float* dy, const float* x, float* dw, bool accumulate) {
  if (!has_terms(s) ||
      !library_convolution({ConvolutionPass::filter, s, const_cast<float*>(x), dw, const_cast<float*>(dy), accumulate}))
    plain_conv2d_weight_backward(s, dy, x, dw, accumulate);
}

}  // namespace tessera::cuda
