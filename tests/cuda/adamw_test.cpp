#include "tensor/ops/adamw.h"

#include "tensor/ops/adamw_constants.h"
#include "tests/cuda/on_device.h"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr int64_t kSize = 9001;

struct Arenas {
  Tensor values = random_normal({kSize}, 1, DType::f32), gradients = random_normal({kSize}, 2, DType::f32);
  Tensor exp_avg = random_normal({kSize}, 3, DType::f32), exp_avg_sq;

  Arenas() {
    std::vector<float> squares = random_normal({kSize}, 4, DType::f32).to_vector<float>();
    for (float& square : squares) square *= square;
    exp_avg_sq = Tensor::from(squares);
  }
};

// values, exp_avg, exp_avg_sq, the bf16 copy.
std::vector<Tensor> on_gpu(const Arenas& in, std::span<const ops::AdamWSlice> slices, const ops::AdamWStep& step) {
  auto values = on_device<float>(in.values, "values"), exp_avg = on_device<float>(in.exp_avg, "exp_avg");
  auto exp_avg_sq = on_device<float>(in.exp_avg_sq, "exp_avg_sq");
  const auto gradients = on_device<float>(in.gradients, "gradients");
  auto copy = on_device<bf16>(Tensor::full({kSize}, 77, DType::bf16), "copy");
  std::vector<ops::AdamWConstants<float>> constants;
  for (const ops::AdamWSlice& slice : slices) constants.emplace_back(step, slice);
  const DeviceArray<ops::AdamWConstants<float>> on_device_constants(constants, "constants");
  const std::vector<cuda::AdamWPiece> pieces = cuda::adamw_pieces(slices);
  const DeviceArray<cuda::AdamWPiece> on_device_pieces(pieces, "pieces");
  cuda::adamw(values.data(), gradients.data(), exp_avg.data(), exp_avg_sq.data(), copy.data(), on_device_pieces.data(),
              on_device_pieces.size(), on_device_constants.data());
  return {from_device(values, {kSize}), from_device(exp_avg, {kSize}), from_device(exp_avg_sq, {kSize}),
          from_device(copy, {kSize})};
}

}  // namespace

// One update is a dozen roundings of numbers of the values' size; the copy is the new value, rounded, and what is in no
// slice stays.
TEST_CASE("cuda adamw equals the CPU's, and writes the bf16 copy") {
  const std::vector<ops::AdamWSlice> slices{
      {0, 1, 0.01, 0.1}, {5, 5, 1, 1}, {7, 8100, 0.02, 0}, {8100, 8999, 0.03, 0.01}};
  const Arenas in;
  for (const ops::AdamWVariant variant : {ops::AdamWVariant::torch, ops::AdamWVariant::transformers})
    for (const int64_t number : {1, 1000}) {
      const ops::AdamWStep step{variant, 0.9, 0.98, 1e-8, number, 0.5};
      const std::vector<Tensor> got = in_three_orders([&] { return on_gpu(in, slices, step); });
      Tensor values = in.values.clone(), exp_avg = in.exp_avg.clone(), exp_avg_sq = in.exp_avg_sq.clone();
      ops::adamw_(values, in.gradients, exp_avg, exp_avg_sq, slices, step);
      CHECK_CLOSE(got[0], values, 1e-6);
      CHECK_CLOSE(got[1], exp_avg, 3e-7);
      CHECK_CLOSE(got[2], exp_avg_sq, 3e-7);
      Tensor copy = Tensor::full({kSize}, 77, DType::bf16);
      for (const ops::AdamWSlice& slice : slices)
        copy.narrow(0, slice.begin, slice.end - slice.begin)
            .copy_(got[0].narrow(0, slice.begin, slice.end - slice.begin));
      CHECK(same_bits(got[3], copy));
      CHECK(same_bits(got[0].narrow(0, 1, 6), in.values.narrow(0, 1, 6)));
    }
  CHECK(cuda::adamw_pieces({}).empty());
}
