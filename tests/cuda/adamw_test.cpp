#include "tensor/ops/adamw.h"

#include "tests/cuda/on_device.h"

namespace tessera::adamw_test {

using namespace tessera::test;

namespace {

constexpr int64_t kSize = 9001;
constexpr Device kGpu{Device::cuda, 0};

struct Arenas {
  Tensor values = random_normal({kSize}, 1, DType::f32), gradients = random_normal({kSize}, 2, DType::f32);
  Tensor exp_avg = random_normal({kSize}, 3, DType::f32), exp_avg_sq;

  Arenas() {
    std::vector<float> squares = random_normal({kSize}, 4, DType::f32).to_vector<float>();
    for (float& square : squares) square *= square;
    exp_avg_sq = Tensor::from(squares);
  }

  // values, exp_avg, exp_avg_sq after one update there.
  std::vector<Tensor> updated(Device device, std::span<const ops::AdamWSlice> slices,
                              const ops::AdamWStep& step) const {
    const auto copy = [&](const Tensor& x) { return device == Device{} ? x.clone() : x.to(device); };
    Tensor p = copy(values), m = copy(exp_avg), v = copy(exp_avg_sq);
    ops::adamw_(p, copy(gradients), m, v, slices, step);
    return {p.to(Device{}), m.to(Device{}), v.to(Device{})};
  }
};

}  // namespace

// One update is a dozen roundings of numbers of the values' size; what is in no slice stays.
TEST_CASE("cuda adamw equals the CPU's") {
  const std::vector<ops::AdamWSlice> slices{
      {0, 1, 0.01, 0.1}, {5, 5, 1, 1}, {7, 8100, 0.02, 0}, {8100, 8999, 0.03, 0.01}};
  const Arenas in;
  for (const ops::AdamWVariant variant : {ops::AdamWVariant::torch, ops::AdamWVariant::transformers})
    for (const int64_t number : {1, 1000}) {
      const ops::AdamWStep step{variant, 0.9, 0.98, 1e-8, number, 0.5};
      const std::vector<Tensor> got = in_three_orders([&] { return in.updated(kGpu, slices, step); });
      const std::vector<Tensor> expected = in.updated({}, slices, step);
      CHECK_CLOSE(got[0], expected[0], 1e-6);
      CHECK_CLOSE(got[1], expected[1], 3e-7);
      CHECK_CLOSE(got[2], expected[2], 3e-7);
      CHECK(same_bits(got[0].narrow(0, 1, 6), in.values.narrow(0, 1, 6)));
      CHECK(same_bits(in.updated(kGpu, {}, step)[0], in.values));
    }
}

TEST_CASE(
    "cuda adamw: the factor on the device multiplies the other; one that is not finite leaves everything as it was") {
  const std::vector<ops::AdamWSlice> slices{{0, kSize, 0.01, 0.1}};
  const Arenas in;
  ops::AdamWStep step{.number = 3, .gradient_scale = 0.5};
  step.device_scale = Tensor::from(std::vector<float>{0.25f}).to(kGpu);
  const std::vector<Tensor> got = in.updated(kGpu, slices, step);
  const std::vector<Tensor> expected = in.updated({}, slices, {.number = 3, .gradient_scale = 0.125});
  for (size_t i = 0; i < 3; ++i) CHECK_CLOSE(got[i], expected[i], 1e-6);
  for (const float bad : {NAN, INFINITY}) {
    step.device_scale = Tensor::from(std::vector<float>{bad}).to(kGpu);
    const std::vector<Tensor> kept = in.updated(kGpu, slices, step);
    CHECK(same_bits(kept[0], in.values));
    CHECK(same_bits(kept[1], in.exp_avg));
    CHECK(same_bits(kept[2], in.exp_avg_sq));
  }
}

}  // namespace tessera::adamw_test
