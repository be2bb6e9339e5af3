#include "tensor/ops/roi_align.h"

#include <algorithm>
#include <cmath>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/roi_align_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

constexpr const char* kAlignOp = "roi_align";

// The weights of `extent` cells for a bin that begins at `start`.
struct BinWeights {
  std::vector<double> weight;  // [extent], zero outside of [first, end)
  int64_t first = 0, end = 0;

  explicit BinWeights(int64_t extent) : weight(static_cast<size_t>(extent), 0.0) {}

  void find(double start, double length, int64_t points) {
    std::fill(weight.begin() + first, weight.begin() + end, 0.0);
    const auto extent = static_cast<int64_t>(weight.size());
    first = extent;
    end = 0;
    for (int64_t i = 0; i < points; ++i) {
      const double at = start + (static_cast<double>(i) + 0.5) * length / static_cast<double>(points);
      if (at < -1 || at > static_cast<double>(extent)) continue;
      const double held = std::clamp(at, 0.0, static_cast<double>(extent - 1));
      const int64_t low = static_cast<int64_t>(held), high = std::min(low + 1, extent - 1);
      const double part = held - static_cast<double>(low), share = 1 / static_cast<double>(points);
      weight[static_cast<size_t>(low)] += (1 - part) * share;
      weight[static_cast<size_t>(high)] += part * share;
      first = std::min(first, low);
      end = std::max(end, high + 1);
    }
    first = std::min(first, end);
  }
};

// axis: 0 for x, 1 for y.
RoiAxis axis_of(const RoiBoxes& boxes, size_t axis, int64_t extent, int64_t bins, const RoiAlignOptions& options,
                DType dtype) {
  std::vector<int64_t> first, begin{0};
  std::vector<double> weight;
  BinWeights bin(extent);
  const double offset = options.aligned ? 0.5 : 0;
  for (const std::array<double, 4>& box : boxes.boxes) {
    const double start = box[axis] * options.scale - offset, stop = box[axis + 2] * options.scale - offset;
    const double length = options.aligned ? stop - start : std::max(stop - start, 1.0);
    const double of_bin = length / static_cast<double>(bins);
    const int64_t points = options.sampling > 0 ? options.sampling : static_cast<int64_t>(std::ceil(of_bin));
    for (int64_t k = 0; k < bins; ++k) {
      bin.find(start + static_cast<double>(k) * of_bin, of_bin, points);
      first.push_back(bin.first);
      weight.insert(weight.end(), bin.weight.begin() + bin.first, bin.weight.begin() + bin.end);
      begin.push_back(static_cast<int64_t>(weight.size()));
    }
  }
  return {Tensor::from(first, {boxes.count(), bins}), Tensor::from(begin), Tensor::from(weight).to(dtype)};
}

const RoiAlignOptions& checked(const RoiAlignOptions& options) {
  check(options.height > 0 && options.width > 0, kAlignOp, ": the grid is ", options.height, " × ", options.width,
        ", expected at least 1 × 1");
  check(options.sampling >= 0, kAlignOp, ": sampling is ", options.sampling, ", expected at least 0");
  return options;
}

// The bins of one region along one axis.
template <class A>
struct Runs {
  const int64_t *first, *begin;
  const A* weight;
  int64_t low, high;  // the cells that any bin covers: [low, high)

  Runs(const RoiAxis& axis, int64_t roi)
      : first(axis.first.data<int64_t>() + roi * axis.bins()),
        begin(axis.begin.data<int64_t>() + roi * axis.bins()),
        weight(axis.weight.data<A>()),
        low(0),
        high(0) {
    for (int64_t k = 0; k < axis.bins(); ++k) {
      if (count(k) == 0) continue;
      low = high == 0 ? first[k] : std::min(low, first[k]);
      high = std::max(high, first[k] + count(k));
    }
  }
  int64_t count(int64_t bin) const { return begin[bin + 1] - begin[bin]; }
  const A* weights(int64_t bin) const { return weight + begin[bin]; }
};

// row += weight · cells, n of them.
template <class A, class T>
void add_scaled(A* __restrict row, const T* __restrict cells, A weight, int64_t n) {
  for (int64_t i = 0; i < n; ++i) row[i] += weight * static_cast<A>(cells[i]);
}

// The grid's tables on the GPU; they live as long as this does.
struct GridOnDevice {
  std::vector<Tensor> tables;
  cuda::RoiGrid grid;

  explicit GridOnDevice(const RoiAlignGrid& host) {
    for (const Tensor& table : {host.boxes.image, host.boxes.order, host.boxes.image_begins, host.y.first, host.y.begin,
                                host.x.first, host.x.begin, host.y.weight, host.x.weight})
      tables.push_back(cuda::on_device(table));
    const auto indices = [&](size_t i) { return tables[i].device_data<int64_t>(); };
    grid = {indices(0),
            indices(1),
            indices(2),
            {indices(3), indices(4), tables[7].device_data<float>(), host.y.bins()},
            {indices(5), indices(6), tables[8].device_data<float>(), host.x.bins()},
            host.boxes.count(),
            host.features[0],
            host.features[1],
            host.features[2],
            host.features[3]};
  }
};

}  // namespace

RoiAlignGrid::RoiAlignGrid(const Tensor& map, const Tensor& rois, const RoiAlignOptions& options)
    : boxes(kAlignOp, map, rois, checked(options).scale),
      y(axis_of(boxes, 1, map.size(2), options.height, options, arithmetic_dtype(map.dtype()))),
      x(axis_of(boxes, 0, map.size(3), options.width, options, arithmetic_dtype(map.dtype()))),
      features(map.shape()) {}

Tensor roi_align(const Tensor& features_any, const RoiAlignGrid& grid) {
  const Tensor features = features_any.contiguous();
  const int64_t channels = grid.features[1], height = grid.features[2], width = grid.features[3];
  const int64_t bins_y = grid.y.bins(), bins_x = grid.x.bins(), rois = grid.boxes.count();
  Tensor result = Tensor::empty({rois, channels, bins_y, bins_x}, features.dtype(), features.device());
  if constexpr (kHasCuda)
    if (features.on_cuda()) {
      const GridOnDevice there(grid);
      cuda::dispatch_device(kAlignOp, features.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::roi_align(features.device_data<T>(), there.grid, result.mutable_device_data<T>());
      });
      return result;
    }
  const int64_t* image = grid.boxes.image.data<int64_t>();
  dispatch_activation(kAlignOp, features.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = features.data<T>();
    T* out = result.mutable_data<T>();
    parallel_for(rois * channels, grain_for(4 * bins_y * bins_x), [&](int64_t begin, int64_t end) {
      std::vector<A> row(static_cast<size_t>(width));
      for (int64_t item = begin; item < end; ++item) {
        const int64_t roi = item / channels;
        const T* plane = from + (image[roi] * channels + item % channels) * height * width;
        const Runs<A> y(grid.y, roi), x(grid.x, roi);
        for (int64_t p = 0; p < bins_y; ++p) {
          std::fill(row.begin() + x.low, row.begin() + x.high, A{0});
          for (int64_t k = 0; k < y.count(p); ++k)
            add_scaled(row.data() + x.low, plane + (y.first[p] + k) * width + x.low, y.weights(p)[k], x.high - x.low);
          for (int64_t q = 0; q < bins_x; ++q) {
            A sum = 0;
            for (int64_t k = 0; k < x.count(q); ++k) sum += x.weights(q)[k] * row[static_cast<size_t>(x.first[q] + k)];
            out[(item * bins_y + p) * bins_x + q] = static_cast<T>(sum);
          }
        }
      }
    });
  });
  return result;
}

Tensor roi_align_backward(const Tensor& dout_any, const RoiAlignGrid& grid) {
  const Tensor dout = dout_any.contiguous();
  const int64_t channels = grid.features[1], height = grid.features[2], width = grid.features[3];
  const int64_t bins_y = grid.y.bins(), bins_x = grid.x.bins();
  Tensor gradient = Tensor::empty(grid.features, dout.dtype(), dout.device());
  if constexpr (kHasCuda)
    if (dout.on_cuda()) {
      const GridOnDevice there(grid);
      cuda::dispatch_device(kAlignOp, dout.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::roi_align_backward(dout.device_data<T>(), there.grid, gradient.mutable_device_data<T>());
      });
      return gradient;
    }
  const int64_t *order = grid.boxes.order.data<int64_t>(), *begins = grid.boxes.image_begins.data<int64_t>();
  dispatch_activation(kAlignOp, dout.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = dout.data<T>();
    T* to = gradient.mutable_data<T>();
    parallel_for(grid.features[0] * channels, 1, [&](int64_t begin, int64_t end) {
      std::vector<A> plane(static_cast<size_t>(height * width)), row(static_cast<size_t>(width));
      for (int64_t item = begin; item < end; ++item) {
        const int64_t image = item / channels, channel = item % channels;
        std::fill(plane.begin(), plane.end(), A{0});
        for (int64_t i = begins[image]; i < begins[image + 1]; ++i) {
          const int64_t roi = order[i];
          const T* d = from + (roi * channels + channel) * bins_y * bins_x;
          const Runs<A> y(grid.y, roi), x(grid.x, roi);
          for (int64_t p = 0; p < bins_y; ++p) {
            std::fill(row.begin() + x.low, row.begin() + x.high, A{0});
            for (int64_t q = 0; q < bins_x; ++q)
              add_scaled(row.data() + x.first[q], x.weights(q), static_cast<A>(d[p * bins_x + q]), x.count(q));
            for (int64_t k = 0; k < y.count(p); ++k)
              add_scaled(plane.data() + (y.first[p] + k) * width + x.low, row.data() + x.low, y.weights(p)[k],
                         x.high - x.low);
          }
        }
        convert_row(plane.data(), to + item * height * width, height * width);
      }
    });
  });
  return gradient;
}

}  // namespace tessera::ops
