// Batch normalisation of each channel: in training by the batch's statistics, towards which the running ones move; else
// by the running ones.
#pragma once

#include "autograd/functions.h"
#include "nn/parameter.h"

namespace tessera {

struct BatchNorm2d {
  Variable weight, bias;               // [channels]
  Variable running_mean, running_var;  // [channels], buffers (nn/parameter.h); under torch's names
  double eps = 1e-5, momentum = 0.1;
  // Always the running statistics, which do not move: a layer that was trained elsewhere. Whether weight and bias are
  // trained is a matter of the optimiser's groups.
  bool frozen = false;

  BatchNorm2d() = default;
  explicit BatchNorm2d(int64_t channels)
      : weight(Tensor::full({channels}, 1), true),
        bias(zero_parameter({channels})),
        running_mean(buffer({channels}, 0)),
        running_var(buffer({channels}, 1)) {}

  // x [n, channels, ...] → the same shape. A block that runs twice (`checkpoint`) moves the running statistics twice.
  Variable operator()(const Variable& x, bool training) const {
    RunningStatistics running{running_mean.value(), running_var.value()};
    if (training && !frozen) return batch_norm(x, weight, bias, eps, &running, momentum);
    return batch_norm(x, weight, bias, running, eps);
  }

  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    visitor(join_name(prefix, "weight"), weight);
    visitor(join_name(prefix, "bias"), bias);
    visitor(join_name(prefix, "running_mean"), running_mean);
    visitor(join_name(prefix, "running_var"), running_var);
  }
};

}  // namespace tessera
