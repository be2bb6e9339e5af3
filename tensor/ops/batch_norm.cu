// ops::batch_norm on the GPU: a block for each channel, which passes over its elements two or three times. Sums are in
// f64; the mean is kept in two parts, as on the CPU.
#include "tensor/cuda/warp.h"
#include "tensor/dtype.h"
#include "tensor/ops/batch_norm_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kBatchNormWarps = 8, kBatchNormThreads = kBatchNormWarps * 32;

struct BatchNormShared {
  BlockReduction<double, kBatchNormWarps> total;
};

// Calls body(i) for this thread's elements of the block's channel; i counts from the tensor's first.
template <class Body>
__device__ __forceinline__ void for_channel(const BatchNormSizes& s, Body body) {
  const int64_t channel = blockIdx.x, count = s.images * s.plane;
  for (int64_t i = threadIdx.x; i < count; i += kBatchNormThreads)
    body((i / s.plane * s.channels + channel) * s.plane + i % s.plane);
}

__device__ __forceinline__ double block_total(double value) {
  return simt::block_shared<BatchNormShared>().total.sum(value);
}

__device__ __forceinline__ double elements_of_channel(const BatchNormSizes& s) {
  const int64_t count = s.images * s.plane;
  return static_cast<double>(count > 0 ? count : 1);
}

template <class T>
__device__ __forceinline__ void normalise_elements(const T* x, T* y, float high, float low, float scale, float shift,
                                                   const BatchNormSizes& s) {
  for_channel(s, [=](int64_t i) { y[i] = simt::from_float<T>(((simt::to_float(x[i]) - high) - low) * scale + shift); });
}

template <class T>
__global__ void __launch_bounds__(kBatchNormThreads)
    batch_norm_kernel(const T* x, const float* weight, const float* bias, T* y, float* mean, float* variance,
                      BatchNormSizes s) {
  const double count = elements_of_channel(s);
  double sum = 0, rest = 0, squares = 0;
  for_channel(s, [&](int64_t i) { sum += static_cast<double>(simt::to_float(x[i])); });
  const float high = static_cast<float>(block_total(sum) / count);
  for_channel(s, [&](int64_t i) {
    const double centred = static_cast<double>(simt::to_float(x[i]) - high);
    rest += centred;
    squares += centred * centred;
  });
  const double low = block_total(rest) / count;
  const double difference = block_total(squares) / count - low * low, biased = difference > 0 ? difference : 0;
  const int64_t c = blockIdx.x;
  if (threadIdx.x == 0) {
    mean[c] = high;
    variance[c] = static_cast<float>(biased);
  }
  const float rstd = static_cast<float>(1 / sqrt(biased + static_cast<double>(s.eps)));
  normalise_elements(x, y, high, static_cast<float>(low), rstd * weight[c], bias[c], s);
}

template <class T>
__global__ void __launch_bounds__(kBatchNormThreads)
    batch_norm_given_kernel(const T* x, const float* weight, const float* bias, const float* mean,
                            const float* variance, T* y, BatchNormSizes s) {
  const int64_t c = blockIdx.x;
  normalise_elements(x, y, mean[c], 0, weight[c] / sqrtf(variance[c] + s.eps), bias[c], s);
}

struct BatchNormTargets {
  float *dweight, *dbias;
  bool accumulate_weight, accumulate_bias;
};

template <class T>
__global__ void __launch_bounds__(kBatchNormThreads)
    batch_norm_backward_kernel(const T* dy, const T* x, const float* weight, const float* mean, const float* variance,
                               bool of_batch, T* dx, BatchNormTargets targets, BatchNormSizes s) {
  const int64_t c = blockIdx.x;
  const double count = elements_of_channel(s);
  const float high = mean[c], rstd = 1 / sqrtf(variance[c] + s.eps);
  double sum = 0, projection = 0, rest = 0;
  for_channel(s, [&](int64_t i) {
    const double g = static_cast<double>(simt::to_float(dy[i]));
    const double centred = static_cast<double>(simt::to_float(x[i]) - high);
    sum += g;
    projection += g * centred;
    rest += centred;
  });
  const double db = block_total(sum), all = block_total(projection), low = of_batch ? block_total(rest) / count : 0;
  const double dw = static_cast<double>(rstd) * (all - low * db);
  if (threadIdx.x == 0 && targets.dweight != nullptr)
    targets.dweight[c] =
        static_cast<float>(targets.accumulate_weight ? static_cast<double>(targets.dweight[c]) + dw : dw);
  if (threadIdx.x == 0 && targets.dbias != nullptr)
    targets.dbias[c] = static_cast<float>(targets.accumulate_bias ? static_cast<double>(targets.dbias[c]) + db : db);
  const float scale = rstd * weight[c], shift = static_cast<float>(of_batch ? db / count : 0);
  const float slope = static_cast<float>(of_batch ? dw / count * static_cast<double>(rstd) : 0);
  const float rounding = static_cast<float>(low);
  for_channel(s, [=](int64_t i) {
    const float centred = (simt::to_float(x[i]) - high) - rounding;
    dx[i] = simt::from_float<T>(scale * ((simt::to_float(dy[i]) - shift) - centred * slope));
  });
}

}  // namespace

template <class T>
void batch_norm(const T* x, const float* weight, const float* bias, T* y, float* mean, float* variance,
                const BatchNormSizes& sizes) {
  simt::launch<batch_norm_kernel<T>>(static_cast<unsigned>(sizes.channels), kBatchNormThreads, 0, x, weight, bias, y,
                                     mean, variance, sizes);
}

template <class T>
void batch_norm_given(const T* x, const float* weight, const float* bias, const float* mean, const float* variance,
                      T* y, const BatchNormSizes& sizes) {
  simt::launch<batch_norm_given_kernel<T>>(static_cast<unsigned>(sizes.channels), kBatchNormThreads, 0, x, weight, bias,
                                           mean, variance, y, sizes);
}

template <class T>
void batch_norm_backward(const T* dy, const T* x, const float* weight, const float* mean, const float* variance,
                         bool of_batch, T* dx, float* dweight, bool accumulate_weight, float* dbias,
                         bool accumulate_bias, const BatchNormSizes& sizes) {
  simt::launch<batch_norm_backward_kernel<T>>(
      static_cast<unsigned>(sizes.channels), kBatchNormThreads, 0, dy, x, weight, mean, variance, of_batch, dx,
      BatchNormTargets{dweight, dbias, accumulate_weight, accumulate_bias}, sizes);
}

template void batch_norm(const float*, const float*, const float*, float*, float*, float*, const BatchNormSizes&);
template void batch_norm(const bf16*, const float*, const float*, bf16*, float*, float*, const BatchNormSizes&);
template void batch_norm_given(const float*, const float*, const float*, const float*, const float*, float*,
                               const BatchNormSizes&);
template void batch_norm_given(const bf16*, const float*, const float*, const float*, const float*, bf16*,
                               const BatchNormSizes&);
template void batch_norm_backward(const float*, const float*, const float*, const float*, const float*, bool, float*,
                                  float*, bool, float*, bool, const BatchNormSizes&);
template void batch_norm_backward(const bf16*, const bf16*, const float*, const float*, const float*, bool, bf16*,
                                  float*, bool, float*, bool, const BatchNormSizes&);

}  // namespace tessera::cuda
