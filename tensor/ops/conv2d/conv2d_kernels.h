// The kernels of tensor/ops/conv2d/conv2d.h, f32: cuDNN (tensor/cuda/cudnn.cu), and behind the same calls kernels of
// our own, which the emulation runs, which the other is compared with, and which take what cuDNN is not there for or
// has no algorithm for.
#pragma once

#include <cstdint>

#include "tensor/ops/conv2d/conv2d_sizes.h"

namespace tessera::cuda {

// x [images, channels, input], weight [out, depth], y and dy [images, out, output]; row-major, f32. `accumulate`: added
// to what is there. The bits of a result depend on sizes and alignment, never on the order of threads.
void conv2d_forward(const ops::Conv2dSizes& sizes, const float* x, const float* weight, const float* bias, float* y);
void conv2d_data_backward(const ops::Conv2dSizes& sizes, const float* dy, const float* weight, float* dx);
void conv2d_weight_backward(const ops::Conv2dSizes& sizes, const float* dy, const float* x, float* dw, bool accumulate);

// The same by our own kernels.
void plain_conv2d_forward(const ops::Conv2dSizes& sizes, const float* x, const float* weight, const float* bias,
                          float* y);
void plain_conv2d_data_backward(const ops::Conv2dSizes& sizes, const float* dy, const float* weight, float* dx);
void plain_conv2d_weight_backward(const ops::Conv2dSizes& sizes, const float* dy, const float* x, float* dw,
                                  bool accumulate);

// One of the three products by cuDNN; false if it is not there (in emulation: never) or has no algorithm for such
// sizes. forward: input x, weight → output y. data: output dy, weight → input dx. filter: input x, output dy → weight
// dw. Neither is of size 0.
enum class ConvolutionPass : uint8_t { forward, data, filter };
struct Convolution {
  ConvolutionPass pass;
  ops::Conv2dSizes sizes;
  void *input, *weight, *output;  // what the pass makes is written
  bool accumulate = false;
};
bool library_convolution(const Convolution& convolution);

// y [images, channels, plane] += bias[channel].
void add_channel_bias(float* y, const float* bias, int64_t images, int64_t channels, int64_t plane);
// sums [channels] = or += Σ x [images, channels, plane], in f64. T is float or bf16.
template <class T>
void channel_sums(const T* x, float* sums, bool accumulate, int64_t images, int64_t channels, int64_t plane);

}  // namespace tessera::cuda
