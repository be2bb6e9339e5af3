#include "tensor/ops/roi_boxes.h"

#include <cmath>

namespace tessera::ops {

RoiBoxes::RoiBoxes(const char* op, const Tensor& features, const Tensor& rois, double scale) {
  constexpr double kFarthest = 1e6;
  check(features.defined() && features.dim() == 4 && features.size(2) > 0 && features.size(3) > 0, op,
        ": features are ", describe(features), ", expected [images, channels, height, width]");
  check(rois.defined() && rois.dim() == 2 && rois.size(1) == 5 && !rois.on_cuda() &&
            (rois.dtype() == DType::f32 || rois.dtype() == DType::f64),
        op, ": rois are ", describe(rois), ", expected f32 or f64 [rois, 5] on the host");
  check(scale > 0, op, ": scale is ", scale, ", expected above 0");
  const int64_t images = features.size(0), count = rois.size(0);
  const std::vector<double> values = rois.to(DType::f64).to_vector<double>();
  std::vector<int64_t> of_roi, sorted, begins(static_cast<size_t>(images) + 1, 0);
  for (int64_t i = 0; i < count; ++i) {
    const double* row = values.data() + 5 * i;
    check(row[0] >= 0 && row[0] < static_cast<double>(images) && row[0] == std::floor(row[0]), op, ": roi ", i,
          " is of image ", row[0], ", expected 0 to ", images - 1);
    for (int k = 1; k < 5; ++k)
      check(std::abs(row[k] * scale) <= kFarthest, op, ": roi ", i, " has the coordinate ", row[k],
            ", expected at most ", kFarthest, " cells from 0");
    of_roi.push_back(static_cast<int64_t>(row[0]));
    ++begins[static_cast<size_t>(of_roi.back()) + 1];
    boxes.push_back({row[1], row[2], row[3], row[4]});
  }
  for (size_t n = 1; n < begins.size(); ++n) begins[n] += begins[n - 1];
  sorted.resize(of_roi.size());
  std::vector<int64_t> next(begins.begin(), begins.end() - 1);
  for (size_t i = 0; i < of_roi.size(); ++i)
    sorted[static_cast<size_t>(next[static_cast<size_t>(of_roi[i])]++)] = static_cast<int64_t>(i);
  image = Tensor::from(of_roi);
  order = Tensor::from(sorted);
  image_begins = Tensor::from(begins);
}

}  // namespace tessera::ops
