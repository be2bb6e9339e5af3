#include "tensor/ops/roi_pool.h"

#include <algorithm>
#include <cmath>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/roi_pool_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

constexpr const char* kPoolOp = "roi_pool";

// i64 [rois, bins, 2]: the cells [begin, end) of each bin along an axis (0 for x, 1 for y).
Tensor bin_cells(const RoiBoxes& boxes, size_t axis, int64_t extent, int64_t bins, double scale) {
  std::vector<int64_t> cells;
  for (const std::array<double, 4>& box : boxes.boxes) {
    const auto start = static_cast<int64_t>(std::round(box[axis] * scale));
    const auto stop = static_cast<int64_t>(std::round(box[axis + 2] * scale));
    const double length = static_cast<double>(std::max<int64_t>(stop - start + 1, 1)) / static_cast<double>(bins);
    for (int64_t k = 0; k < bins; ++k) {
      const auto begin = static_cast<int64_t>(std::floor(static_cast<double>(k) * length));
      const auto end = static_cast<int64_t>(std::ceil(static_cast<double>(k + 1) * length));
      cells.push_back(std::clamp<int64_t>(start + begin, 0, extent));
      cells.push_back(std::clamp<int64_t>(start + end, 0, extent));
    }
  }
  return Tensor::from(cells, {boxes.count(), bins, 2});
}

}  // namespace

RoiPool roi_pool(const Tensor& features_any, const Tensor& rois, const RoiPoolOptions& options) {
  check(options.height > 0 && options.width > 0, kPoolOp, ": the grid is ", options.height, " × ", options.width,
        ", expected at least 1 × 1");
  RoiPool result{{}, {}, RoiBoxes(kPoolOp, features_any, rois, options.scale)};
  const Tensor features = features_any.contiguous();
  const int64_t channels = features.size(1), height = features.size(2), width = features.size(3);
  const int64_t count = result.boxes.count(), bins_y = options.height, bins_x = options.width;
  const Shape shape{count, channels, bins_y, bins_x};
  result.y = Tensor::empty(shape, features.dtype(), features.device());
  result.largest = Tensor::empty(shape, DType::i64, features.device());
  const Tensor cells_y = bin_cells(result.boxes, 1, height, bins_y, options.scale);
  const Tensor cells_x = bin_cells(result.boxes, 0, width, bins_x, options.scale);
  if constexpr (kHasCuda)
    if (features.on_cuda()) {
      const Tensor image = cuda::on_device(result.boxes.image), y = cuda::on_device(cells_y),
                   x = cuda::on_device(cells_x);
      cuda::dispatch_device(kPoolOp, features.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::roi_pool(features.device_data<T>(), image.device_data<int64_t>(), y.device_data<int64_t>(),
                       x.device_data<int64_t>(), {count, channels, height, width, bins_y, bins_x},
                       result.y.mutable_device_data<T>(), result.largest.mutable_device_data<int64_t>());
      });
      return result;
    }
  const int64_t *image = result.boxes.image.data<int64_t>(), *y = cells_y.data<int64_t>(), *x = cells_x.data<int64_t>();
  int64_t* largest = result.largest.mutable_data<int64_t>();
  dispatch_activation(kPoolOp, features.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = features.data<T>();
    T* to = result.y.mutable_data<T>();
    const int64_t bins = bins_y * bins_x;
    parallel_for(count * channels, grain_for(4 * bins), [=](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t roi = item / channels;
        const T* plane = from + (image[roi] * channels + item % channels) * height * width;
        for (int64_t bin = 0; bin < bins; ++bin) {
          const int64_t* lines = y + (roi * bins_y + bin / bins_x) * 2;
          const int64_t* columns = x + (roi * bins_x + bin % bins_x) * 2;
          int64_t best = -1;
          for (int64_t line = lines[0]; line < lines[1]; ++line)
            for (int64_t column = columns[0]; column < columns[1]; ++column) {
              const int64_t cell = line * width + column;
              if (best < 0 || static_cast<A>(plane[cell]) > static_cast<A>(plane[best])) best = cell;
            }
          to[item * bins + bin] = best < 0 ? T{} : plane[best];
          largest[item * bins + bin] = best;
        }
      }
    });
  });
  return result;
}

Tensor roi_pool_backward(const Tensor& dy_any, const RoiPool& forward, const Shape& features) {
  const Tensor dy = dy_any.contiguous();
  const int64_t channels = features[1], cells = features[2] * features[3], bins = dy.size(2) * dy.size(3);
  Tensor gradient = Tensor::empty(features, dy.dtype(), dy.device());
  if constexpr (kHasCuda)
    if (dy.on_cuda()) {
      const Tensor order = cuda::on_device(forward.boxes.order), begins = cuda::on_device(forward.boxes.image_begins);
      cuda::dispatch_device(kPoolOp, dy.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::roi_pool_backward(dy.device_data<T>(), forward.largest.device_data<int64_t>(),
                                order.device_data<int64_t>(), begins.device_data<int64_t>(), features[0], channels,
                                cells, bins, gradient.mutable_device_data<T>());
      });
      return gradient;
    }
  const int64_t *order = forward.boxes.order.data<int64_t>(), *begins = forward.boxes.image_begins.data<int64_t>();
  const int64_t* largest = forward.largest.data<int64_t>();
  dispatch_activation(kPoolOp, dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = dy.data<T>();
    T* to = gradient.mutable_data<T>();
    parallel_for(features[0] * channels, 1, [=](int64_t begin, int64_t end) {
      std::vector<A> plane(static_cast<size_t>(cells));
      for (int64_t item = begin; item < end; ++item) {
        std::fill(plane.begin(), plane.end(), A{0});
        const int64_t image = item / channels;
        for (int64_t i = begins[image]; i < begins[image + 1]; ++i) {
          const int64_t first = (order[i] * channels + item % channels) * bins;
          for (int64_t bin = first; bin < first + bins; ++bin)
            if (largest[bin] >= 0) plane[static_cast<size_t>(largest[bin])] += static_cast<A>(from[bin]);
        }
        convert_row(plane.data(), to + item * cells, cells);
      }
    });
  });
  return gradient;
}

}  // namespace tessera::ops
