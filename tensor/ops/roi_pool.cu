// ops::roi_pool on the GPU: a thread for each bin; in backward one for each cell of the features, since bins of one
// region may share their largest cell.
#include "tensor/cuda/warp.h"
#include "tensor/ops/roi_pool_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kPoolThreads = 128;

template <class T>
__global__ void __launch_bounds__(kPoolThreads)
    roi_pool_kernel(const T* features, const int64_t* image, const int64_t* cells_y, const int64_t* cells_x,
                    RoiPoolSizes s, T* y, int64_t* largest, int64_t count) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kPoolThreads + threadIdx.x;
  if (at >= count) return;
  const int64_t q = at % s.bins_x, p = at / s.bins_x % s.bins_y, plane = at / (s.bins_x * s.bins_y);
  const int64_t channel = plane % s.channels, roi = plane / s.channels;
  const int64_t *lines = cells_y + (roi * s.bins_y + p) * 2, *columns = cells_x + (roi * s.bins_x + q) * 2;
  const T* cells = features + (image[roi] * s.channels + channel) * s.height * s.width;
  int64_t best = -1;
  float most = 0;
  for (int64_t line = lines[0]; line < lines[1]; ++line)
    for (int64_t column = columns[0]; column < columns[1]; ++column) {
      const int64_t cell = line * s.width + column;
      const float value = simt::to_float(cells[cell]);
      if (best >= 0 && !(value > most)) continue;
      most = value;
      best = cell;
    }
  y[at] = simt::from_float<T>(most);
  largest[at] = best;
}

// Each thread looks through all bins of its image and channel in their order.
template <class T>
__global__ void __launch_bounds__(kPoolThreads)
    roi_pool_backward_kernel(const T* dy, const int64_t* largest, const int64_t* order, const int64_t* image_begins,
                             int64_t channels, int64_t cells, int64_t bins, T* gradient, int64_t count) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kPoolThreads + threadIdx.x;
  if (at >= count) return;
  const int64_t cell = at % cells, channel = at / cells % channels, image = at / (cells * channels);
  float sum = 0;
  for (int64_t i = image_begins[image]; i < image_begins[image + 1]; ++i) {
    const int64_t first = (order[i] * channels + channel) * bins;
    for (int64_t bin = first; bin < first + bins; ++bin)
      if (largest[bin] == cell) sum += simt::to_float(dy[bin]);
  }
  gradient[at] = simt::from_float<T>(sum);
}

}  // namespace

template <class T>
void roi_pool(const T* features, const int64_t* image, const int64_t* cells_y, const int64_t* cells_x,
              const RoiPoolSizes& sizes, T* y, int64_t* largest) {
  const int64_t count = sizes.rois * sizes.channels * sizes.bins_y * sizes.bins_x;
  simt::launch<roi_pool_kernel<T>>(blocks_for(count, kPoolThreads), kPoolThreads, 0, features, image, cells_y, cells_x,
                                   sizes, y, largest, count);
}

template <class T>
void roi_pool_backward(const T* dy, const int64_t* largest, const int64_t* order, const int64_t* image_begins,
                       int64_t images, int64_t channels, int64_t cells, int64_t bins, T* gradient) {
  const int64_t count = images * channels * cells;
  simt::launch<roi_pool_backward_kernel<T>>(blocks_for(count, kPoolThreads), kPoolThreads, 0, dy, largest, order,
                                            image_begins, channels, cells, bins, gradient, count);
}

template void roi_pool(const float*, const int64_t*, const int64_t*, const int64_t*, const RoiPoolSizes&, float*,
                       int64_t*);
template void roi_pool(const bf16*, const int64_t*, const int64_t*, const int64_t*, const RoiPoolSizes&, bf16*,
                       int64_t*);
template void roi_pool_backward(const float*, const int64_t*, const int64_t*, const int64_t*, int64_t, int64_t, int64_t,
                                int64_t, float*);
template void roi_pool_backward(const bf16*, const int64_t*, const int64_t*, const int64_t*, int64_t, int64_t, int64_t,
                                int64_t, bf16*);

}  // namespace tessera::cuda
