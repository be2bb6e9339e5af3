// ops::avg_pool2d and adaptive_avg_pool2d on the GPU: a warp for each output, whose lanes share its window, and
// backward a thread for each element of x, which adds up the windows that hold it.
#include "tensor/cuda/warp.h"
#include "tensor/dtype.h"
#include "tensor/ops/avg_pool2d_kernels.h"

namespace tessera::cuda {
namespace {

using ops::MeanSide;

constexpr int kMeanPoolThreads = 128, kMeanPoolWarps = kMeanPoolThreads / 32;

template <class T>
__global__ void __launch_bounds__(kMeanPoolThreads)
    mean_pool2d_kernel(const T* x, MeanSide rows, MeanSide columns, T* y, int64_t count) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kMeanPoolWarps + warp_index();
  if (index >= count) return;
  const T* plane = x + index / columns.output / rows.output * rows.input * columns.input;
  const MeanSide::Window down = rows.window(index / columns.output % rows.output);
  const MeanSide::Window right = columns.window(index % columns.output);
  const int64_t width = right.end - right.begin, area = (down.end - down.begin) * width;
  float sum = 0;
  for (int64_t i = lane_index(); i < area; i += 32)
    sum += simt::to_float(plane[(down.begin + i / width) * columns.input + right.begin + i % width]);
  sum = warp_sum(sum);
  if (lane_index() == 0) y[index] = simt::from_float<T>(sum / static_cast<float>(down.divisor * right.divisor));
}

template <class T>
__global__ void __launch_bounds__(kMeanPoolThreads)
    mean_pool2d_backward_kernel(const T* dy, MeanSide rows, MeanSide columns, T* dx, int64_t count) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kMeanPoolThreads + threadIdx.x;
  if (index >= count) return;
  const T* plane = dy + index / columns.input / rows.input * rows.output * columns.output;
  const MeanSide::Holders down = rows.holders(index / columns.input % rows.input);
  const MeanSide::Holders right = columns.holders(index % columns.input);
  float sum = 0;
  for (int64_t i = down.begin; i < down.end; ++i)
    for (int64_t j = right.begin; j < right.end; ++j)
      sum += simt::to_float(plane[i * columns.output + j]) /
             static_cast<float>(rows.window(i).divisor * columns.window(j).divisor);
  dx[index] = simt::from_float<T>(sum);
}

}  // namespace

template <class T>
void mean_pool2d(const T* x, const MeanSide& rows, const MeanSide& columns, T* y, int64_t planes) {
  const int64_t count = planes * rows.output * columns.output;
  simt::launch<mean_pool2d_kernel<T>>(blocks_for(count, kMeanPoolWarps), kMeanPoolThreads, 0, x, rows, columns, y,
                                      count);
}

template <class T>
void mean_pool2d_backward(const T* dy, const MeanSide& rows, const MeanSide& columns, T* dx, int64_t planes) {
  const int64_t count = planes * rows.input * columns.input;
  simt::launch<mean_pool2d_backward_kernel<T>>(blocks_for(count, kMeanPoolThreads), kMeanPoolThreads, 0, dy, rows,
                                               columns, dx, count);
}

template void mean_pool2d(const float*, const MeanSide&, const MeanSide&, float*, int64_t);
template void mean_pool2d(const bf16*, const MeanSide&, const MeanSide&, bf16*, int64_t);
template void mean_pool2d_backward(const float*, const MeanSide&, const MeanSide&, float*, int64_t);
template void mean_pool2d_backward(const bf16*, const MeanSide&, const MeanSide&, bf16*, int64_t);

}  // namespace tessera::cuda
