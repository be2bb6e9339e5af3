// ops::roi_align on the GPU: a thread for each bin; in backward one for each cell of the features, which collects from
// all regions of its image in their order.
#include "tensor/cuda/warp.h"
#include "tensor/ops/roi_align_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kRoiThreads = 128;

// The run of a bin, and the weight of a cell in it, 0 outside.
struct Run {
  int64_t first, count;
  const float* weight;

  __device__ Run(const RoiRuns& axis, int64_t roi, int64_t bin) {
    const int64_t at = roi * axis.bins + bin;
    first = axis.first[at];
    count = axis.begin[at + 1] - axis.begin[at];
    weight = axis.weight + axis.begin[at];
  }
  __device__ float at(int64_t cell) const {
    return cell >= first && cell < first + count ? weight[cell - first] : 0.0f;
  }
};

template <class T>
__global__ void __launch_bounds__(kRoiThreads)
    roi_align_kernel(const T* features, RoiGrid grid, T* out, int64_t count) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kRoiThreads + threadIdx.x;
  if (at >= count) return;
  const int64_t q = at % grid.x.bins, p = at / grid.x.bins % grid.y.bins, plane = at / (grid.x.bins * grid.y.bins);
  const int64_t channel = plane % grid.channels, roi = plane / grid.channels;
  const Run y(grid.y, roi, p), x(grid.x, roi, q);
  const T* cells =
      features + ((grid.image[roi] * grid.channels + channel) * grid.height + y.first) * grid.width + x.first;
  float sum = 0;
  for (int64_t j = 0; j < y.count; ++j) {
    float row = 0;
    for (int64_t i = 0; i < x.count; ++i) row += x.weight[i] * simt::to_float(cells[j * grid.width + i]);
    sum += y.weight[j] * row;
  }
  out[at] = simt::from_float<T>(sum);
}

template <class T>
__global__ void __launch_bounds__(kRoiThreads)
    roi_align_backward_kernel(const T* dout, RoiGrid grid, T* gradient, int64_t count) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kRoiThreads + threadIdx.x;
  if (at >= count) return;
  const int64_t column = at % grid.width, line = at / grid.width % grid.height;
  const int64_t plane = at / (grid.width * grid.height), channel = plane % grid.channels, image = plane / grid.channels;
  float sum = 0;
  for (int64_t i = grid.image_begins[image]; i < grid.image_begins[image + 1]; ++i) {
    const int64_t roi = grid.order[i];
    const T* d = dout + (roi * grid.channels + channel) * grid.y.bins * grid.x.bins;
    for (int64_t p = 0; p < grid.y.bins; ++p) {
      const float of_line = Run(grid.y, roi, p).at(line);
      if (of_line == 0) continue;
      float row = 0;
      for (int64_t q = 0; q < grid.x.bins; ++q) {
        const float of_column = Run(grid.x, roi, q).at(column);
        if (of_column != 0) row += of_column * simt::to_float(d[p * grid.x.bins + q]);
      }
      sum += of_line * row;
    }
  }
  gradient[at] = simt::from_float<T>(sum);
}

}  // namespace

template <class T>
void roi_align(const T* features, const RoiGrid& grid, T* out) {
  const int64_t count = grid.rois * grid.channels * grid.y.bins * grid.x.bins;
  simt::launch<roi_align_kernel<T>>(blocks_for(count, kRoiThreads), kRoiThreads, 0, features, grid, out, count);
}

template <class T>
void roi_align_backward(const T* dout, const RoiGrid& grid, T* gradient) {
  const int64_t count = grid.images * grid.channels * grid.height * grid.width;
  simt::launch<roi_align_backward_kernel<T>>(blocks_for(count, kRoiThreads), kRoiThreads, 0, dout, grid, gradient,
                                             count);
}

template void roi_align(const float*, const RoiGrid&, float*);
template void roi_align(const bf16*, const RoiGrid&, bf16*);
template void roi_align_backward(const float*, const RoiGrid&, float*);
template void roi_align_backward(const bf16*, const RoiGrid&, bf16*);

}  // namespace tessera::cuda
