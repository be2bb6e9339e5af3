#include "tensor/ops/step_figures.h"

#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/global_norm_kernels.h"
#include "tensor/ops/step_figures_kernels.h"

namespace tessera::ops {

static_assert(StepFigures::kMostFigures == cuda::kStepFigures);

StepFigures::StepFigures(Device device) {
  check(device.kind == Device::cuda, "step figures: device is ", device, ", expected a GPU");
  state_ = Tensor::zeros({cuda::kStepFields}, DType::f64, device);
  factor_ = Tensor::zeros({1}, DType::f32, device);
}

void StepFigures::add(int figure, const Tensor& value) {
  check(value.numel() == 1, "step figures: value is ", describe(value), ", expected one element");
  if constexpr (kHasCuda) cuda::add_figure(state_.mutable_device_data<double>(), figure, value.device_data<float>());
}

void StepFigures::add_matches(int figure, const Tensor& a, const Tensor& b) {
  check(a.numel() == b.numel(), "step figures: ", describe(a), " is compared with ", describe(b));
  if constexpr (kHasCuda)
    cuda::add_matches(state_.mutable_device_data<double>(), figure, cuda::on_device(a).device_data<int64_t>(),
                      cuda::on_device(b).device_data<int64_t>(), a.numel());
}

Tensor StepFigures::finish_step(int64_t number, int loss, int norm, const Tensor& gradients, double max_norm) {
  if constexpr (kHasCuda) {
    const Device device = state_.device();
    Tensor squared = Tensor::empty({1}, DType::f64, device);
    Tensor workspace = Tensor::empty({cuda::sum_workspace(gradients.numel())}, DType::f64, device);
    cuda::global_norm_squared(gradients.device_data<float>(), gradients.numel(), squared.mutable_device_data<double>(),
                              workspace.mutable_device_data<double>());
    cuda::finish_step(state_.mutable_device_data<double>(), number, loss, norm, squared.device_data<double>(), max_norm,
                      factor_.mutable_device_data<float>());
  }
  return factor_;
}

StepFigures::Read StepFigures::read() {
  const std::vector<double> state = state_.to_vector<double>();
  Read out;
  out.sums.assign(state.begin(), state.begin() + kMostFigures);
  out.failed_step = static_cast<int64_t>(state[cuda::kFailedStep]);
  out.failed_loss = state[cuda::kFailedLoss];
  out.failed_norm = state[cuda::kFailedNorm];
  state_ = Tensor::zeros({cuda::kStepFields}, DType::f64, state_.device());
  return out;
}

}  // namespace tessera::ops
