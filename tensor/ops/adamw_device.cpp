#include "tensor/ops/adamw_device.h"

#include <algorithm>
#include <vector>

#include "tensor/cuda/bf16_copies.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/adamw_constants.h"
#include "tensor/ops/adamw_kernels.h"

namespace tessera::cuda {
namespace {

// Elements of an arena that are updated alike.
struct Range {
  int64_t begin, end;
  bf16* copy;  // of `begin`; may be null
  int32_t slice;

  bool operator==(const Range&) const = default;
};

// The arena cut into pieces for blocks, on the device. It hangs on the arena's root, and is cut anew when the ranges
// have changed: tens of thousands of pieces of a large model are uploaded once, not in every step.
struct Plan {
  std::vector<Range> ranges;
  Tensor pieces;  // u8
  int64_t count = 0;
};

template <class T>
Tensor uploaded(const std::vector<T>& values, Device device) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  return Tensor::from(std::span(bytes, values.size() * sizeof(T)),
                      Shape{static_cast<int64_t>(values.size() * sizeof(T))})
      .to(device);
}

std::vector<AdamWPiece> cut(const std::vector<Range>& ranges) {
  constexpr int64_t kLength = 4096;
  std::vector<AdamWPiece> pieces;
  for (const Range& range : ranges)
    for (int64_t begin = range.begin; begin < range.end; begin += kLength)
      pieces.push_back({begin, range.copy ? range.copy + (begin - range.begin) : nullptr,
                        static_cast<int32_t>(std::min(kLength, range.end - begin)), range.slice});
  return pieces;
}

// copies: bf16, as long as the arena; may be undefined.
std::vector<Range> ranges_of(std::span<const ops::AdamWSlice> slices, Tensor& copies) {
  bf16* const copy = mutable_data_or_null<bf16>(copies);
  std::vector<Range> ranges;
  for (size_t s = 0; s < slices.size(); ++s)
    if (slices[s].begin < slices[s].end)
      ranges.push_back(
          {slices[s].begin, slices[s].end, copy ? copy + slices[s].begin : nullptr, static_cast<int32_t>(s)});
  return ranges;
}

const Plan& plan_for(const Tensor& values, std::vector<Range> ranges) {
  Root& root = *values.root();
  const std::lock_guard lock(root.mutex);
  auto plan = std::static_pointer_cast<Plan>(root.on_device);
  if (!plan) root.on_device = plan = std::make_shared<Plan>();
  if (plan->ranges != ranges || !plan->pieces.defined()) {
    const std::vector<AdamWPiece> pieces = cut(ranges);
    *plan = {std::move(ranges), uploaded(pieces, values.device()), static_cast<int64_t>(pieces.size())};
  }
  return *plan;
}

}  // namespace

void adamw_(Tensor& values, const Tensor& gradients, Tensor& exp_avg, Tensor& exp_avg_sq,
            std::span<const ops::AdamWSlice> slices, const ops::AdamWStep& step, std::span<Tensor> parameters) {
  check(values.dtype() == DType::f32, "adamw: values are ", describe(values), ", expected f32 on a GPU");
  std::vector<ops::AdamWConstants<float>> constants;
  for (const ops::AdamWSlice& slice : slices) constants.emplace_back(step, slice);
  Tensor copies = bf16_arena_in_use(values, parameters);
  const Plan& plan = plan_for(values, ranges_of(slices, copies));
  if (plan.count > 0) {
    const Tensor on_device = uploaded(constants, values.device());
    adamw(values.mutable_device_data<float>(), gradients.device_data<float>(), exp_avg.mutable_device_data<float>(),
          exp_avg_sq.mutable_device_data<float>(),
          reinterpret_cast<const AdamWPiece*>(plan.pieces.device_data<uint8_t>()), plan.count,
          reinterpret_cast<const ops::AdamWConstants<float>*>(on_device.device_data<uint8_t>()),
          data_or_null<float>(step.device_scale));
  }
  for (Tensor& parameter : parameters) parameter.bump_version();
  if (copies.defined()) mark_bf16_copies(parameters);
}

}  // namespace tessera::cuda
