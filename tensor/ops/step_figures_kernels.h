// The kernels of tensor/ops/step_figures.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// The state, f64: figures, and behind them the figures' place for the loss before this step, and the first step that
// failed with its loss and norm.
inline constexpr int kStepFigures = 16;
enum StepField : int { kLossBefore = kStepFigures, kFailedStep, kFailedLoss, kFailedNorm, kStepFields };

void add_figure(double* state, int figure, const float* value);
void add_matches(double* state, int figure, const int64_t* a, const int64_t* b, int64_t count);
// norm_squared and factor are single numbers.
void finish_step(double* state, int64_t number, int loss, int norm, const double* norm_squared, double max_norm,
                 float* factor);

}  // namespace tessera::cuda
