// What a training step leaves on a GPU, and the host reads only now and then: sums of its figures over steps, and the
// factor by which the gradient is clipped. So that no step waits for the device, the decision that the CPU takes before
// an update (is everything finite?) is taken there, too:
//
//   factor = min(1, max_norm / (norm + 1e-6)), or 1 for max_norm 0 (nn/gradient_clipping.h);
//   NaN from the first step on whose loss or gradient norm is not finite, and AdamW updates nothing then.
//
// The parameters stay as they were before that step, and `read` tells which it was.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::ops {

class StepFigures {
 public:
  static constexpr int kMostFigures = 16;

  // On a GPU; on the CPU nothing has to be put off.
  explicit StepFigures(Device device);

  // figure += value, an f32 tensor of one element.
  void add(int figure, const Tensor& value);
  // figure += the number of positions where a [n] and b [n], i64, agree.
  void add_matches(int figure, const Tensor& a, const Tensor& b);

  // Ends step `number` (from 1), whose loss has been summed up in figure `loss` since the last end; adds the norm of
  // `gradients` (f32, flat) to figure `norm`. Returns the factor, f32 [1], for ops::AdamWStep.
  Tensor finish_step(int64_t number, int loss, int norm, const Tensor& gradients, double max_norm);

  struct Read {
    std::vector<double> sums;  // [kMostFigures] over the steps since the last read
    int64_t failed_step = 0;   // 0: none
    double failed_loss = 0, failed_norm = 0;
  };
  // Waits for the device, and starts the sums anew.
  Read read();

 private:
  Tensor state_;   // f64: the figures, then what tensor/ops/step_figures.cu names
  Tensor factor_;  // f32 [1]
};

}  // namespace tessera::ops
