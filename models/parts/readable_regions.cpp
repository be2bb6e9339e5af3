#include "models/parts/readable_regions.h"

#include "tensor/error.h"
#include "tensor/ops/all_finite.h"

namespace tessera {

ReadableRegions readable_regions(Regions regions, int64_t channels, int64_t classes, const std::string& name) {
  const auto check_rows = [&](const char* what, const Tensor& rows, int64_t size) {
    const Shape expected{regions.count(), size};
    check(rows.defined() && rows.shape() == expected, name, ": ", what, " of regions are ",
          rows.defined() ? text(rows.shape()) : "missing", ", expected ", expected);
    check(ops::all_finite(rows), name, ": ", what, " of regions are not finite");
  };
  check(regions.width > 0 && regions.height > 0, name, ": a picture of ", regions.width, " x ", regions.height,
        " pixels");
  if (regions.count() > 0) {
    check_rows("boxes", regions.boxes, 4);
    check_rows("features", regions.features, channels);
    check_rows("distributions", regions.distributions, classes);
    return {std::move(regions), false};
  }
  const auto width = static_cast<float>(regions.width), height = static_cast<float>(regions.height);
  regions.boxes = Tensor::from(std::vector<float>{0, 0, width, height}, {1, 4});
  regions.features = Tensor::zeros({1, channels});
  regions.distributions = Tensor::zeros({1, classes});
  regions.distributions.mutable_data<float>()[0] = 1;
  return {std::move(regions), true};
}

}  // namespace tessera
