#include "tensor/ops/conv2d/conv2d.h"

#include "tensor/ops/conv2d/conv2d_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::conv2d_test {

using namespace tessera::test;

namespace {

struct ConvolutionCase {
  Shape x, weight;
  Conv2dSettings settings;
};

ops::Conv2dSizes sizes_of(const ConvolutionCase& c) {
  return {c.x[0], c.x[1], c.weight[0], c.settings.groups,
          ops::make_windows("conv2d", {c.x[2], c.x[3]}, {c.weight[2], c.weight[3]}, c.settings.stride,
                            c.settings.padding, c.settings.dilation)};
}

}  // namespace

// Sums of up to 63 terms (y), 36 (dx) and 140 (dw) in f32, one after another or in 32 lanes: a few ε of the largest.
TEST_CASE("cuda conv2d and its gradients equal the CPU's in f64") {
  for (const ConvolutionCase& c : std::vector<ConvolutionCase>{
           {{2, 3, 7, 5}, {4, 3, 3, 3}, {}},
           {{1, 7, 9, 11}, {3, 7, 3, 3}, {.stride = {2, 1}, .padding = {1, 3}, .dilation = {3, 2}}},
           {{2, 6, 5, 7}, {9, 2, 2, 3}, {.stride = 2, .padding = 1, .groups = 3}},
           {{2, 1, 1, 1}, {1, 1, 1, 1}, {}},
           {{0, 2, 4, 4}, {3, 2, 3, 3}, {}},
           {{2, 2, 4, 4}, {0, 2, 3, 3}, {}},
           {{1, 0, 4, 4}, {3, 0, 3, 3}, {}}}) {
    CAPTURE(c.x);
    const ops::Conv2dSizes s = sizes_of(c);
    const Shape out{s.images, s.out, s.windows.output.height, s.windows.output.width};
    const Tensor x = random_normal(c.x, 1, DType::f32), w = random_normal(c.weight, 2, DType::f32);
    const Tensor b = random_normal({s.out}, 3, DType::f32), dy = random_normal(out, 4, DType::f32);
    const Tensor before = random_normal(c.weight, 5, DType::f32);
    const auto from = on_device<float>(x, "x"), weight = on_device<float>(w, "weight");
    const auto bias = on_device<float>(b, "bias"), gradient = on_device<float>(dy, "dy");
    const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
      DeviceArray<float> y(dy.numel(), "y"), dx(x.numel(), "dx"), db(s.out, "db");
      auto dw = on_device<float>(before, "dw");
      cuda::plain_conv2d_forward(s, from.data(), weight.data(), bias.data(), y.data());
      cuda::plain_conv2d_data_backward(s, gradient.data(), weight.data(), dx.data());
      cuda::plain_conv2d_weight_backward(s, gradient.data(), from.data(), dw.data(), true);
      cuda::channel_sums(gradient.data(), db.data(), false, s.images, s.out, s.pixels());
      return {from_device(y, out), from_device(dx, c.x), from_device(dw, c.weight), from_device(db, {s.out})};
    });
    Tensor dw = wide(before).clone(), db = Tensor::empty({s.out}, DType::f64);
    ops::conv2d_weight_gradient_(dw, wide(dy), wide(x), c.settings, true);
    ops::channel_sums_(db, wide(dy), false);
    CHECK_CLOSE(got[0], ops::conv2d(wide(x), wide(w), wide(b), c.settings), 1e-6);
    CHECK_CLOSE(got[1], ops::conv2d_data_gradient(wide(dy), wide(w), c.x, c.settings), 1e-6);
    CHECK_CLOSE(got[2], dw, 2e-6);
    CHECK_CLOSE(got[3], db, 1e-6);
  }
}

TEST_CASE("cuda conv2d adds a bias to each channel, and sums channels of bf16") {
  const Tensor y = random_normal({2, 3, 5, 7}, 1, DType::f32), b = random_normal({3}, 2, DType::f32);
  auto there = on_device<float>(y, "y");
  const auto bias = on_device<float>(b, "bias");
  cuda::add_channel_bias(there.data(), bias.data(), 2, 3, 35);
  const std::vector<float> got = there.to_host(), before = y.to_vector<float>(), offset = b.to_vector<float>();
  for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == before[i] + offset[i / 35 % 3]);
  const Tensor rounded = y.to(DType::bf16);
  const auto of_bf16 = on_device<bf16>(rounded, "y");
  DeviceArray<float> sums(3, "sums");
  cuda::channel_sums(of_bf16.data(), sums.data(), false, 2, 3, 35);
  Tensor expected = Tensor::empty({3}, DType::f64);
  ops::channel_sums_(expected, wide(rounded), false);
  CHECK_CLOSE(from_device(sums, {3}), expected, 1e-7);
}

}  // namespace tessera::conv2d_test
