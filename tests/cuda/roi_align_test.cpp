#include "tensor/ops/roi_align.h"

#include "tensor/ops/roi_align_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::roi_align_test {

using namespace tessera::test;

namespace {

// A grid's tables as arrays, which are checked.
struct Tables {
  DeviceArray<int64_t> image, order, image_begins, y_first, y_begin, x_first, x_begin;
  DeviceArray<float> y_weight, x_weight;
  cuda::RoiGrid grid;

  explicit Tables(const ops::RoiAlignGrid& host)
      : image(on_device<int64_t>(host.boxes.image, "image")),
        order(on_device<int64_t>(host.boxes.order, "order")),
        image_begins(on_device<int64_t>(host.boxes.image_begins, "image_begins")),
        y_first(on_device<int64_t>(host.y.first, "y_first")),
        y_begin(on_device<int64_t>(host.y.begin, "y_begin")),
        x_first(on_device<int64_t>(host.x.first, "x_first")),
        x_begin(on_device<int64_t>(host.x.begin, "x_begin")),
        y_weight(on_device<float>(host.y.weight, "y_weight")),
        x_weight(on_device<float>(host.x.weight, "x_weight")),
        grid{image.data(),
             order.data(),
             image_begins.data(),
             {y_first.data(), y_begin.data(), y_weight.data(), host.y.bins()},
             {x_first.data(), x_begin.data(), x_weight.data(), host.x.bins()},
             host.boxes.count(),
             host.features[0],
             host.features[1],
             host.features[2],
             host.features[3]} {}
};

}  // namespace

// A bin is a mean of features; a gradient the sum over the bins of some regions. Weights are rounded to f32.
TEST_CASE("cuda roi_align and its gradient equal the CPU's in f64") {
  const Tensor rois = Tensor::from(
      std::vector<double>{0, 1.3, 2.1, 9.7, 8.2, 1, 4, 4, 4, 4, 0, -5, -6, 3, 2, 1, 9, 7, 60, 50, 0, 90, 90, 99, 99},
      {5, 5});
  for_float_and_bf16([&](auto tag) {
    using T = decltype(tag);
    for (const bool aligned : {false, true}) {
      const ops::RoiAlignOptions options{.height = 3, .width = 2, .scale = 0.5, .sampling = 0, .aligned = aligned};
      const Shape shape{2, 3, 7, 9}, of_out{5, 3, 3, 2};
      const Tensor x = random_values<T>(shape, 1), dy = random_values<T>(of_out, 2);
      const ops::RoiAlignGrid grid(x, rois, options), exact(wide(x), rois, options);
      const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
        const Tables tables(grid);
        const auto features = on_device<T>(x, "features"), dout = on_device<T>(dy, "dout");
        DeviceArray<T> out(dy.numel(), "out"), gradient(x.numel(), "gradient");
        cuda::roi_align(features.data(), tables.grid, out.data());
        cuda::roi_align_backward(dout.data(), tables.grid, gradient.data());
        return {from_device(out, of_out), from_device(gradient, shape)};
      });
      CHECK_CLOSE(got[0], ops::roi_align(wide(x), exact), 1e-6);
      CHECK_CLOSE(got[1], ops::roi_align_backward(wide(dy), exact), 1e-6);
    }
  });
}

}  // namespace tessera::roi_align_test
