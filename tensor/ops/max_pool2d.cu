// ops::max_pool2d on the GPU: a thread for each output, and backward one for each element of x, which looks into each
// window that it lies in whether it is the largest there: so nothing is added by several threads.
#include "tensor/cuda/warp.h"
#include "tensor/dtype.h"
#include "tensor/ops/max_pool2d_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kMaxPoolThreads = 128;

// The place in the plane of the largest element of window (i, j), the first of equal ones, a NaN being the largest.
template <class T>
__device__ int64_t largest_in_window(const T* plane, const ops::Windows2d& w, int64_t i, int64_t j) {
  int64_t found = -1;
  float most = 0;
  for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
    const int64_t row = i * w.stride.height - w.padding.height + ky * w.dilation.height;
    if (row < 0 || row >= w.input.height) continue;
    for (int64_t kx = 0; kx < w.kernel.width; ++kx) {
      const int64_t column = j * w.stride.width - w.padding.width + kx * w.dilation.width;
      if (column < 0 || column >= w.input.width) continue;
      const float value = simt::to_float(plane[row * w.input.width + column]);
      if (found >= 0 && (most != most || !(value > most || value != value))) continue;
      found = row * w.input.width + column;
      most = value;
    }
  }
  return found;
}

template <class T>
__global__ void __launch_bounds__(kMaxPoolThreads)
    max_pool2d_kernel(const T* x, ops::Windows2d w, T* y, int64_t count) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kMaxPoolThreads + threadIdx.x;
  if (index >= count) return;
  const T* plane = x + index / w.output.area() * w.input.area();
  const int64_t i = index / w.output.width % w.output.height, j = index % w.output.width;
  y[index] = plane[largest_in_window(plane, w, i, j)];
}

template <class T>
__global__ void __launch_bounds__(kMaxPoolThreads)
    max_pool2d_backward_kernel(const T* dy, const T* x, ops::Windows2d w, T* dx, int64_t count) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kMaxPoolThreads + threadIdx.x;
  if (index >= count) return;
  const int64_t plane = index / w.input.area(), place = index % w.input.area();
  const int64_t row = place / w.input.width, column = place % w.input.width;
  const T* own = x + plane * w.input.area();
  float sum = 0;
  for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
    const int64_t down = row + w.padding.height - ky * w.dilation.height, i = down / w.stride.height;
    if (down < 0 || down % w.stride.height != 0 || i >= w.output.height) continue;
    for (int64_t kx = 0; kx < w.kernel.width; ++kx) {
      const int64_t right = column + w.padding.width - kx * w.dilation.width, j = right / w.stride.width;
      if (right < 0 || right % w.stride.width != 0 || j >= w.output.width) continue;
      if (largest_in_window(own, w, i, j) == place)
        sum += simt::to_float(dy[plane * w.output.area() + i * w.output.width + j]);
    }
  }
  dx[index] = simt::from_float<T>(sum);
}

}  // namespace

template <class T>
void max_pool2d(const T* x, const ops::Windows2d& windows, T* y, int64_t planes) {
  const int64_t count = planes * windows.output.area();
  simt::launch<max_pool2d_kernel<T>>(blocks_for(count, kMaxPoolThreads), kMaxPoolThreads, 0, x, windows, y, count);
}

template <class T>
void max_pool2d_backward(const T* dy, const T* x, const ops::Windows2d& windows, T* dx, int64_t planes) {
  const int64_t count = planes * windows.input.area();
  simt::launch<max_pool2d_backward_kernel<T>>(blocks_for(count, kMaxPoolThreads), kMaxPoolThreads, 0, dy, x, windows,
                                              dx, count);
}

template void max_pool2d(const float*, const ops::Windows2d&, float*, int64_t);
template void max_pool2d(const bf16*, const ops::Windows2d&, bf16*, int64_t);
template void max_pool2d_backward(const float*, const float*, const ops::Windows2d&, float*, int64_t);
template void max_pool2d_backward(const bf16*, const bf16*, const ops::Windows2d&, bf16*, int64_t);

}  // namespace tessera::cuda
